"""Compiled code is kept in a folder named by its source, and everything runs where none can be kept."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dse.private import make_private

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


def another_user(folder: Path) -> None:
    folder.mkdir()
    os.chown(folder, 12345, 12345)


def open_to_all(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


def open_to_a_group(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o770)


def link(folder: Path) -> None:
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder.symlink_to(elsewhere)


TAKEN_OVER = [
    pytest.param(another_user, marks=pytest.mark.skipif(os.getuid() != 0, reason="gives a folder to another user")),
    *(open_to_all, open_to_a_group, link),
]


@pytest.mark.parametrize("taken_over", TAKEN_OVER)
def test_a_folder_that_others_may_write_to_is_passed_over_and_a_private_one_made(
    tmp_path: Path, taken_over: Callable[[Path], None]
) -> None:
    """What lies in it would be run."""
    tmp_path.chmod(0o700)
    nowhere = tmp_path / "file"
    nowhere.write_text("no folder")
    named = tmp_path / f"pcm-dse-{os.getuid()}"
    taken_over(named)
    cached, folder, _ = shown(
        NUMBA_CACHE_DIR=None, XDG_CACHE_HOME=str(nowhere), HOME=str(nowhere), TMPDIR=str(tmp_path)
    )
    assert cached == "True"
    assert Path(folder).parent == tmp_path
    assert Path(folder).name.startswith(f"pcm-dse-{os.getuid()}-")
    assert not Path(folder).exists()  # it lasts as long as the process
    assert not list(named.iterdir())


@pytest.mark.parametrize("taken_over", TAKEN_OVER)
@pytest.mark.parametrize("below", [("pcm-dse",), ("pcm-dse", "inner")])
def test_what_others_may_write_to_is_not_private(
    tmp_path: Path, taken_over: Callable[[Path], None], below: tuple[str, ...]
) -> None:
    tmp_path.chmod(0o700)
    root = tmp_path / "pcm-dse"
    assert make_private(root / "a" / "b", root)
    assert stat.S_IMODE((root / "a" / "b").stat().st_mode) == 0o700
    shutil.rmtree(root)
    place = tmp_path.joinpath(*below)
    place.parent.mkdir(exist_ok=True, mode=0o700)
    taken_over(place)
    assert not make_private(root / "inner" / "b", root)


def test_a_folder_in_one_where_others_may_put_another_in_its_place_is_not_private(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    open_to_all(shared)
    assert not make_private(shared / "pcm-dse", shared / "pcm-dse")
    shared.chmod(0o1777)  # as of temporary files: nobody renames what is another's
    assert make_private(shared / "pcm-dse", shared / "pcm-dse")
