"""The notebooks of `search_spaces/` run from the first cell to the last, and show what they say they show."""

import ast
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from dse import plugins
from tests.studies import ROOT

NOTEBOOKS = sorted((ROOT / "search_spaces").glob("*.ipynb"))


def run(cells: list[str]) -> list[Any]:
    """Run cells in one namespace, as a notebook does, and return the value of the last expression of each."""
    names: dict[str, Any] = {"__name__": "__main__"}
    shown: list[Any] = []
    for cell in cells:
        tree = ast.parse(cell)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "cell", "exec"), names)
        shown.append(None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names))
    return shown


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_a_front(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    monkeypatch.setattr(sys, "path", list(sys.path))
    book = json.loads(path.read_text())
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    request.addfinalizer(lambda: plugins.unload("lab-net"))  # the notebook on networks loads it
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    shown = run(["".join(cell["source"]) for cell in code])
    fronts = [value for value in shown if type(value).__name__ == "Front"]
    assert fronts
    assert len(fronts[0]) > 0
    assert "<svg" in fronts[0].html()
    for cell, value in zip(code, shown, strict=True):
        # What is stored is what comes: the text of each value, pictures and addresses apart.
        stored = [o["data"] for o in cell["outputs"] if o["output_type"] == "execute_result"]
        assert bool(stored) == (value is not None)
        if stored and value is not None and hasattr(value, "_repr_html_"):
            assert "".join(stored[0]["text/plain"]) == repr(value)


def test_there_are_three_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["first_study", "own_cell", "own_network"]
