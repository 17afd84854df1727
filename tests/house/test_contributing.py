"""The examples of CONTRIBUTING.md: each variant is added as the page says, and a study runs with it."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from tests.studies import ROOT
from tests.waiting import HANGS_S

BLOCK = re.compile(r"^```(python|toml) (\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ADDED = re.compile(r"Import `(\w+)` in `([\w/]+)/__init__\.py` and add it to the\s+list `(\w+)`")
PAGE = (ROOT / "CONTRIBUTING.md").read_text()


class Example(NamedTuple):
    """A section that adds a variant.

    Attributes:
        files: text by path.
        study: the study file.
        added: module of a variant, its class, the package of its idea, the tuple there.
    """

    files: dict[str, str]
    study: str
    added: list[tuple[str, str, str, str]]


def example_of(section: str) -> Example:
    """Return the example of a section of the page."""
    blocks = {path: text for _, path, text in BLOCK.findall(section)}
    study, files = blocks["study"], {path: text for path, text in blocks.items() if path != "study"}
    added = [(module_of(name, files), name, idea.replace("/", "."), to) for name, idea, to in ADDED.findall(section)]
    return Example(files, study, added)


def module_of(name: str, files: dict[str, str]) -> str:
    """Return the module that has a class."""
    (path,) = (path for path, text in files.items() if f"\nclass {name}(" in text)
    return path.removesuffix(".py").replace("/", ".")


SECTIONS = {part.partition("\n")[0]: part for part in PAGE.split("\n### Add ")[1:]}
EXAMPLES = {title: example_of(part) for title, part in SECTIONS.items() if BLOCK.search(part)}


LEARNING = {"a cell": '"linear"', "an update rule": '"sign"'}
"""Examples whose networks learn well in the short time of their study, and what is in the designs with the variant."""


def run(example: Example, folder: Path, *arguments: str) -> str:
    """Return what a command prints in a process that has the variants of an example."""
    return output(example, folder, "-m", "tests.house.added", json.dumps(example.added), *arguments)


def output(example: Example, folder: Path, *arguments: str) -> str:
    """Return what Python prints in a folder with the files of an example."""
    for path, text in {**example.files, "study.toml": example.study}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    command = [sys.executable, *arguments]
    # Options of the run of tests around it are none of its own.
    env = {**{k: v for k, v in os.environ.items() if k != "PYTEST_ADDOPTS"}, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=HANGS_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("title", EXAMPLES)
def test_a_variant_is_added_as_the_page_says_and_a_study_runs_with_it(title: str, tmp_path: Path) -> None:
    example = EXAMPLES[title]
    assert example.added
    front = run(example, tmp_path, "run", "study.toml", "--executor", "local", "--out", "out", "--quiet")
    assert set(tomllib.loads(example.study)["objectives"]) <= set(front.split())
    rows = pl.concat(pl.read_parquet(path) for path in (tmp_path / "out" / "trials").glob("*.parquet"))
    assert rows["state"].unique().to_list() == ["complete"]
    if title in LEARNING:
        own = rows.filter(pl.col("design").str.contains(LEARNING[title]))
        assert own["validation_accuracy"].max() > 0.8  # ten classes


def test_an_added_sampler_keeps_the_contract_of_samplers(tmp_path: Path) -> None:
    run(EXAMPLES["a sampler"], tmp_path, "pytest", "tests/contract/test_mutation_contract.py")


def test_an_added_cell_decides_which_settings_there_are(tmp_path: Path) -> None:
    run(EXAMPLES["a cell"], tmp_path, "pytest", str(ROOT / "tests" / "house" / "with_linear_cell.py"))


def test_added_update_rules_have_the_settings_of_their_kind(tmp_path: Path) -> None:
    example = EXAMPLES["an update rule"]
    added = [*example.added, ("tests.contract.pulsed", "Pulsed", "dse.updates", "UPDATES")]
    run(example._replace(added=added), tmp_path, "pytest", str(ROOT / "tests" / "house" / "with_other_rules.py"))


def test_the_examples_are_there_and_are_formatted(tmp_path: Path) -> None:
    assert {"an image network", "a task", "a sampler", "a cell", "an update rule"} <= set(EXAMPLES)
    for example in EXAMPLES.values():
        for path, text in example.files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
    for command in (["check"], ["format", "--check"]):
        known = 'lint.isort.known-first-party = ["dse", "tests"]'
        settings = ["--config", str(ROOT / "pyproject.toml"), "--config", known]
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *settings, "."],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
