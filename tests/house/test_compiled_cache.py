"""Compiled code is kept in folders named by the source, wherever that lies; everything runs where none can be kept."""

import ast
import importlib.util
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.kernel import kept
from dse.private import make_private

SHOW = (
    "import dse.kernel.arithmetic as c; from dse.kernel.kept import root_of_all; print(root_of_all(), c.LARGEST_NORMAL)"
)


def shown(**env: str | None) -> list[str]:
    own = {**os.environ, **{name: value for name, value in env.items() if value is not None}}
    for name, value in env.items():
        if value is None:
            own.pop(name, None)
    answer = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True, env=own)
    return answer.stdout.split()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["NUMBA_CACHE_DIR", "XDG_CACHE_HOME"])
def test_a_named_cache_holds_folders_named_by_the_source(name: str, tmp_path: Path) -> None:
    folder, _ = shown(**{"NUMBA_CACHE_DIR": None, "XDG_CACHE_HOME": None, name: str(tmp_path)})
    assert Path(folder) == tmp_path / "pcm-dse"
    digest = kept.digest_of(Path(kept.__file__).with_name("arithmetic.py"))
    assert [path.name for path in Path(folder).iterdir()] == [f"arithmetic-{digest}"]


@pytest.mark.slow
def test_a_process_without_a_home_or_a_cache_to_write_to_uses_temporary_files(tmp_path: Path) -> None:
    nowhere = tmp_path / "file"
    nowhere.write_text("no folder")
    folder, _ = shown(NUMBA_CACHE_DIR=None, XDG_CACHE_HOME=str(nowhere), HOME=str(nowhere), TMPDIR=str(tmp_path))
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


@pytest.mark.one_in(4)
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
    folder, _ = shown(NUMBA_CACHE_DIR=None, XDG_CACHE_HOME=str(nowhere), HOME=str(nowhere), TMPDIR=str(tmp_path))
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


LOOP = """
from dse.kernel.arithmetic import compiled

@compiled
def weighed(x):
    total = 0.0
    for j in range(x.size):
        total += {factor} * x[j]
    return total
"""


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A compiled function out of a file in a folder of its own; its code is kept for this test alone."""
    tmp_path.chmod(0o700)
    monkeypatch.setattr(kept, "root_of_all", lambda: tmp_path / "kept")

    def load(folder: str, factor: float = 2.0) -> Any:
        file = tmp_path / folder / "loops.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(LOOP.format(factor=factor))
        for cached in (kept.folder_of, kept._text):
            cached.cache_clear()
        # Python judges by time and size whether bytecode is that of a source, and this one changes within a second.
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        found = importlib.util.spec_from_file_location("loops", file)
        module = importlib.util.module_from_spec(found)
        # numba looks modules up by their names.
        monkeypatch.setitem(sys.modules, "loops", module)
        found.loader.exec_module(module)
        return module.weighed

    yield load
    kept.folder_of.cache_clear()


def compilations(function: Any) -> int:
    return sum(function.stats.cache_misses.values())


def test_a_copy_of_the_source_elsewhere_finds_what_was_compiled(loop: Callable[..., Any]) -> None:
    x = np.arange(4.0)
    for folder, count in (("one", 1), ("another", 0)):
        function = loop(folder)
        assert function(x) == 12.0
        assert compilations(function) == count


def test_another_source_is_compiled_anew(loop: Callable[..., Any]) -> None:
    x = np.arange(4.0)
    assert [loop("one", factor)(x) for factor in (2.0, 3.0, 2.0)] == [12.0, 18.0, 12.0]


def test_each_kind_of_argument_has_code_of_its_own(loop: Callable[..., Any], tmp_path: Path) -> None:
    kinds = (np.float32, np.float64, np.int64)
    assert [loop("one")(np.arange(4, dtype=kind)) for kind in kinds] == [12.0] * 3
    again = loop("one")
    assert [again(np.arange(4, dtype=kind)) for kind in kinds] == [12.0] * 3
    assert compilations(again) == 0
    assert len(list(tmp_path.glob("kept/loops-*/weighed-*.code"))) == 3


@pytest.mark.parametrize("damage", [lambda kept: b"", lambda kept: kept[:-1], lambda kept: kept[:-1] + b"?"])
def test_damaged_code_is_compiled_anew_and_replaced(
    loop: Callable[..., Any], tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    x = np.arange(4.0)
    assert loop("one")(x) == 12.0
    (path,) = tmp_path.glob("kept/loops-*/weighed-*.code")
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    for count in (1, 0):
        function = loop("one")
        assert function(x) == 12.0
        assert compilations(function) == count


def test_a_folder_of_code_that_others_may_write_to_is_not_used(loop: Callable[..., Any], tmp_path: Path) -> None:
    """What lies in it would be run."""
    x = np.arange(4.0)
    assert loop("one")(x) == 12.0
    (folder,) = tmp_path.glob("kept/loops-*")
    folder.chmod(0o777)
    assert loop("one").stats.cache_path is None
    assert loop("one")(x) == 12.0


KERNELS = sorted(Path(kept.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("file", KERNELS, ids=lambda path: path.stem)
def test_what_a_kernel_takes_from_others_is_part_of_its_name(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing from elsewhere: what is compiled holds the values of constants."""
    taken = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
    modules = {node.module for node in taken if node.module.split(".")[0] == "dse"}
    assert modules <= {f"dse.kernel.{path.stem}" for path in KERNELS} | {"dse.private"}
    others = {Path(kept.__file__).with_name(f"{name.split('.')[-1]}.py") for name in modules - {"dse.private"}}
    assert others <= set(kept.sources_of(file))
    before, text = kept.digest_of(file), kept._text
    for changed in others:
        monkeypatch.setattr(kept, "_text", lambda path, changed=changed: text(path) + "#" * (path == changed))
        assert kept.digest_of(file) != before
