"""What a process does for its own start."""

import os
import subprocess
import sys

import pytest

from dse.startup import give_memory_back

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


HELD = """
import sys
from dse.startup import give_memory_back

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20

kept = [bytes([n % 256]) * 100_000 for n in range(1_000)]  # too small for pages of their own
end = kept[-1]  # it holds the end of the heap
full = resident()
del kept
held = resident()
give_memory_back()
print(full - held, full - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_free_memory_goes_back_to_the_system():
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    before, after = map(float, done.stdout.split())
    assert after > 80
    assert before < after


def test_a_c_library_that_cannot_give_memory_back_is_left_alone(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert not give_memory_back()


ACTOR = """
import sys
import dse
import dse.search.ray_pool
print(sorted({"polars", "torch", "optuna", "scipy", "sklearn"} & set(sys.modules)))
"""


@pytest.mark.slow
def test_what_an_actor_loads_before_it_simulates_has_no_library_of_tables_or_searches():
    done = subprocess.run([sys.executable, "-c", ACTOR], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
