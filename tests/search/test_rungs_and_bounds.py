"""Rungs beside a constraint on a price: what is asked of such results, and what may change in them."""

import json
import shutil

import pytest

import dse
from dse.errors import QueryError
from dse.results.store import read_table
from dse.search.executor import LocalExecutor
from dse.search.explain import explain
from dse.search.runs import resume, start
from dse.search.study import parse_study

TEXT = """
name = "bounds"
objectives = ["validation_accuracy", "worst_writes"]
[workload]
dataset = "digits"
images = 60
[design]
network.hidden = [8]
training.epochs = 3
[space]
"accumulator.bits" = [2, 4, 8, "float"]
"accumulator.epsilon" = { low = 0.5, high = 4.0, log = true }
"network.width" = { low = 0.25, high = 1.0, step = 0.25 }
[[first]]
"network.width" = 0.5
"accumulator.bits" = 8
[constraints]
area_m2 = "<= AREA"
validation_accuracy = ">= 0.25"
[search]
sampler = "model"
startup = 5
lookahead = 3
rungs = [1]
[budget]
epochs = EPOCHS
seeds = 2
seeds_for = "front"
"""


def study_of(folder, area="1.15e-7", epochs=20):
    return parse_study(TEXT.replace("AREA", area).replace("EPOCHS", str(epochs)), folder)


@pytest.fixture(scope="module")
def bounded(tmp_path_factory):
    """The results of the study, where a bound on the area leaves out some designs before they are simulated."""
    folder = tmp_path_factory.mktemp("bounds")
    start(study_of(folder), folder / "r", LocalExecutor)
    return folder / "r"


def rows_of(folder):
    return read_table(folder, paused=True).sort_by([("trial", "ascending")]).to_pylist()


@pytest.mark.slow
def test_every_design_is_explained_the_first_as_what_the_study_file_names(bounded):
    rows = rows_of(bounded)
    said = {trial: "\n".join(explain(bounded, trial).lines) for trial in {row["trial"] for row in rows}}
    assert "the study file names it" in said[0]
    assert "at the start" in said[1]
    ended = {row["trial"] for row in rows if row["state"] == "complete"}
    for trial in ended:
        assert "front" in said[trial]
    low = [trial for trial in ended if "it misses validation_accuracy >= 0.25" in said[trial]]
    means = {trial: [row["validation_accuracy"] for row in rows if row["trial"] == trial and row["state"] == "complete"]
             for trial in ended}  # fmt: skip
    assert low == [trial for trial in ended if sum(means[trial]) / len(means[trial]) < 0.25]


@pytest.mark.slow
def test_a_design_that_waits_is_told_of_as_one(bounded):
    rows = rows_of(bounded)
    waiting = {row["trial"] for row in rows} - {row["trial"] for row in rows if row["state"] == "complete"}
    results = dse.open(bounded)
    with pytest.raises(QueryError, match=f"trial {min(waiting)} waits after 1 epoch and has no end yet"):
        results.show(min(waiting))
    assert " designs, objectives" in repr(results)


@pytest.mark.slow
def test_a_bound_on_what_is_known_may_be_loosened_while_epochs_are_the_budget(bounded, tmp_path):
    folder = shutil.copytree(bounded, tmp_path / "r")
    before = rows_of(folder)
    resume(folder, LocalExecutor, wanted=study_of(tmp_path, area="1e-6", epochs=30))
    after = rows_of(folder)
    designs = {row["trial"]: json.loads(row["parameters"]) for row in after}
    assert all(designs[row["trial"]] == json.loads(row["parameters"]) for row in before)
    assert len(after) > len(before)
