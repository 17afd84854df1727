"""Designs that differ in their epochs alone: the shorter training is the beginning of the longer one."""

import json

import pytest

from dse.results.schema import RESULT_COLUMNS
from dse.results.store import read_table
from dse.search.executor import LocalExecutor
from dse.search.runs import resume, start
from dse.search.study import parse_study
from tests.search.scrambled import Scrambled

TEXT = """
name = "epochs"
objectives = ["validation_accuracy", "energy_per_sample_j"]
[workload]
dataset = "digits"
images = 60
[design]
network.hidden = [4]
[space]
"training.epochs" = { low = 1, high = 4 }
"accumulator.bits" = [2, 8]
[search]
sampler = "random"
seed = 5
[budget]
trials = 14
seeds = 2
"""
ELSEWHERE = ("trial", "step", "same_as", "study_key", "parameters")
"""What may differ between a row and that of the design alone."""


class Counts(LocalExecutor):
    """Simulates in this process and remembers what."""

    def __init__(self):
        super().__init__()
        self.jobs = []

    def submit(self, job):
        self.jobs.append(job)
        super().submit(job)


def whole(folder):
    return read_table(folder, paused=True).select(RESULT_COLUMNS)


@pytest.mark.slow
def test_shorter_trainings_are_taken_from_longer_ones_and_are_what_they_would_be(tmp_path):
    executor = Counts()
    start(parse_study(TEXT, tmp_path), tmp_path / "r", lambda: executor)
    rows = read_table(tmp_path / "r").to_pylist()
    assert len(rows) == 28
    assert len(executor.jobs) < len({(row["design_key"], row["seed"]) for row in rows})
    alone = {}
    for row in rows:
        longer = next((r for r in rows if r["trial"] == row["same_as"] and r["seed"] == row["seed"]), None)
        if longer is None or longer["design_key"] == row["design_key"]:
            continue
        assert longer["epochs"] > row["epochs"]
        assert longer["trial"] < row["trial"]
        alone[row["design_key"], row["seed"]] = row
    assert len(alone) >= 2
    for (key, seed), row in alone.items():
        epochs, bits = (json.loads(row["parameters"])[path] for path in ("training.epochs", "accumulator.bits"))
        text = TEXT.replace("{ low = 1, high = 4 }", f"[{epochs}]").replace("[2, 8]", f"[{bits}]")
        folder = tmp_path / f"{key}-{seed}"
        start(parse_study(text.replace("trials = 14", "trials = 1"), tmp_path), folder, LocalExecutor)
        simulated = next(r for r in read_table(folder).to_pylist() if r["seed"] == seed)
        for name in RESULT_COLUMNS:
            if name not in ELSEWHERE:
                assert simulated[name] == row[name], name


@pytest.mark.slow
@pytest.mark.parametrize("slots", [1, 5])
def test_order_of_completion_does_not_change_the_table(slots, tmp_path):
    start(parse_study(TEXT, tmp_path), tmp_path / "straight", LocalExecutor)
    with pytest.raises(KeyboardInterrupt):
        start(parse_study(TEXT, tmp_path), tmp_path / "r", lambda: Scrambled(slots, seed=1, stop_after=5))
    resume(tmp_path / "r", lambda: Scrambled(slots, seed=2))
    assert whole(tmp_path / "r").equals(whole(tmp_path / "straight"))
