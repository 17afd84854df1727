"""How the command ends where it is interrupted, or cannot say what is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dse.__main__ import main
from dse.errors import SettingError
from dse.search.study import read_study


class _Interrupting:
    """Is interrupted where the command line is imported."""

    def find_spec(self, name: str, *_rest: object) -> None:
        if name == "dse.cli.main":
            raise KeyboardInterrupt


def test_an_interruption_while_the_command_is_imported_is_a_word_and_a_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "dse.cli.main", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Interrupting(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.one_in(4)
@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("words", [["chekc"], ["check", "no study file"]])
def test_a_mistake_of_the_user_keeps_its_status_where_no_message_can_be_written(
    words: list[str], buffered: bool
) -> None:
    others = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    own = others if buffered else {**others, "PYTHONUNBUFFERED": "1"}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-m", "dse.cli.main", *words], stderr=full, env=own, check=False)
    assert done.returncode == 2


def test_a_table_that_cannot_be_written_is_told() -> None:
    own = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "dse", "settings", "refresh"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=own, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot read or write: No space left on device")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["quickstart", "elsewhere/quickstart.toml"])
def test_a_study_file_that_comes_with_the_package_is_told_with_its_place(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"No such file or directory\. The package has one of that name: ") as raised:
        read_study(tmp_path / name)
    found = Path(str(raised.value).rpartition(": ")[2])
    assert read_study(found).spec.name == "quickstart"


def test_a_study_file_that_is_nowhere_is_told_without_another(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"No such file or directory$"):
        read_study(tmp_path / "nonsense.toml")
