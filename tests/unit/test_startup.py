"""What a process does for its own start."""

import os
import subprocess
import sys

import pytest

BEGUN = """
import os, sys
from dse.startup import hold_standard_streams
hold_standard_streams()
own = open(sys.argv[1], "w")
for stream in (sys.stdout, sys.stderr):
    print("to nobody", file=stream, flush=True)
os.write(2, b"from a library")
assert sys.stdin.read() == ""
assert own.fileno() > 2
own.write("kept")
"""


@pytest.mark.parametrize("closed", [[2], [0, 1, 2], [1]])
def test_a_closed_standard_stream_leaves_its_number_to_no_file(closed, tmp_path):
    def close() -> None:
        for number in closed:
            os.close(number)

    done = subprocess.run(
        [sys.executable, "-c", BEGUN, str(tmp_path / "file")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=close,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "file").read_text() == "kept"
