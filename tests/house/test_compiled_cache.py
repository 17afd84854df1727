"""Compiled code is kept in a folder named by its source, and everything runs where none can be kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SHOW = (
    "import dse.kernel.arithmetic as c; from numba import config; print(c.CACHED, config.CACHE_DIR, c.LARGEST_NORMAL)"
)


def shown(**env: str | None) -> list[str]:
    own = {**os.environ, **{name: value for name, value in env.items() if value is not None}}
    for name, value in env.items():
        if value is None:
            own.pop(name, None)
    answer = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True, env=own)
    return answer.stdout.split()


@pytest.mark.parametrize("name", ["NUMBA_CACHE_DIR", "XDG_CACHE_HOME"])
def test_a_named_cache_holds_a_folder_named_by_the_source(name: str, tmp_path: Path) -> None:
    cached, folder, _ = shown(**{"NUMBA_CACHE_DIR": None, "XDG_CACHE_HOME": None, name: str(tmp_path)})
    assert cached == "True"
    assert Path(folder).parent == tmp_path / "pcm-dse"
    assert Path(folder).name.startswith("kernels-")


def test_a_process_without_a_home_or_a_cache_to_write_to_uses_temporary_files(tmp_path: Path) -> None:
    nowhere = tmp_path / "file"
    nowhere.write_text("no folder")
    cached, folder, _ = shown(
        NUMBA_CACHE_DIR=None, XDG_CACHE_HOME=str(nowhere), HOME=str(nowhere), TMPDIR=str(tmp_path)
    )
    assert cached == "True"
    assert Path(folder).is_relative_to(tmp_path / f"pcm-dse-{os.getuid()}")
