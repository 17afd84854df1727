"""What the pages show works: every fenced block of bash, python and toml runs, unless its info string says no-test.

RESULTS and OTHER are the results of small studies. A page shares one Python process, as a reader's notebook would.
"""

import re
import shlex
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dse.pricing.card import read_cost_card
from dse.search.study import parse_study
from tests.choices import OWN
from tests.conftest import Said
from tests.forked import finished
from tests.studies import ROOT

BLOCK = re.compile(r"^```(bash|python|toml)\b([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = ("README.md", "search_spaces/README.md", "dse/analysis/README.md", "device_library/README.md",
         "pipelines/README.md", "pipelines/cluster/README.md")  # fmt: skip


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str, text: str) -> list[Block]:
    """Return the blocks of a page that are to run."""
    found = BLOCK.finditer(text)
    return [Block(page, text.count("\n", 0, m.start()) + 1, m[1], m[3]) for m in found if "no-test" not in m[2].split()]


BLOCKS = [block for page in PAGES for block in blocks_of(page, (ROOT / page).read_text())]


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, replicated: Path, undisturbed: Path) -> Path:
    """A folder with the results of two studies in it."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(replicated, folder / "RESULTS")
    shutil.copytree(undisturbed, folder / "OTHER")
    return folder


@pytest.fixture(scope="module")
def worked() -> set[str]:
    """Commands that worked already: several pages show the same."""
    return set()


@pytest.mark.slow
@pytest.mark.parametrize("block", of("bash"), ids=str)
@pytest.mark.usefixtures("few_forests")
def test_the_commands_of_a_page_work(
    block: Block, reader: Path, worked: set[str], ask: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(reader)
    for line in filter(None, block.text.splitlines()):
        words = shlex.split(line, comments=True)
        assert words[0] == "dse", f"{block}: {line} is no command of dse; mark the block as no-test"
        command, out = (words[1:-2], words[-1]) if ">" in words else (words[1:], None)
        if shlex.join(words) in worked:
            continue
        done = ask(*command)
        assert done.returncode == 0, f"{block}: {line}\n{done.stderr}"
        if out is not None:
            Path(out).write_text(done.stdout)
        worked.add(shlex.join(words))


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted({block.page for block in of("python")}))
def test_the_python_of_a_page_runs(page: str, reader: Path, tmp_path: Path) -> None:
    code = "\n".join(block.text for block in of("python") if block.page == page)
    done = finished("-c", code, place=tmp_path, cwd=reader)
    assert done.returncode == 0, f"{page}\n{done.stderr}"


@pytest.mark.parametrize("block", of("toml"), ids=str)
def test_the_toml_of_a_page_is_accepted(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = tomllib.loads(block.text)
    shutil.copytree(OWN, tmp_path, dirs_exist_ok=True)  # files that studies name
    monkeypatch.chdir(tmp_path)
    if (file := tables.get("workload", {}).get("file")) and not (tmp_path / file).exists():
        _make(file, block)
    if "title" in tables:
        (tmp_path / "card.toml").write_text(block.text)
        assert read_cost_card("card.toml", tmp_path).name == "card"
    else:
        text = block.text if "budget" in tables else completed(block.text, tables)
        assert parse_study(text, tmp_path).spec.name


def _make(file: str, block: Block) -> None:
    """Make a file of data in this folder, by the Python of the page above its study, up to where it is written."""
    above = [own for own in of("python") if own.page == block.page and own.line < block.line]
    last = max(n for n, own in enumerate(above) if file in own.text)
    first = max(n for n, own in enumerate(above[: last + 1]) if "default_rng" in own.text)
    exec("\n".join(own.text for own in above[first : last + 1]), {})  # the text of a page of ours


def completed(text: str, tables: dict[str, Any]) -> str:
    """Return a fragment of a study file with what it lacks before and after it."""
    before = {"name": 'name = "fragment"\n', "objectives": 'objectives = ["validation_accuracy"]\n'}
    after = {"space": '[space]\n"training.learning_rate" = [0.5, 1.0]\n', "budget": "[budget]\ntrials = 2\n"}
    first, last = ("".join(part for key, part in parts.items() if key not in tables) for parts in (before, after))
    return f"{first}{text}\n{last}"


def test_blocks_are_found_with_their_lines_and_without_those_that_must_not_run() -> None:
    text = "a\n```bash\ndse a\n```\n```bash no-test\nrm b\n```\n```\nplain\n```\n```python\nc\n```\n"
    assert blocks_of("p", text) == [Block("p", 2, "bash", "dse a\n"), Block("p", 11, "python", "c\n")]


def test_there_are_blocks_of_each_kind() -> None:
    assert {block.language for block in BLOCKS} == {"bash", "python", "toml"}
    assert {"README.md", "search_spaces/README.md"} <= {block.page for block in BLOCKS}
