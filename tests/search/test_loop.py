"""A study is a function of its file: order of completion, actors, kills and resumes do not change the table."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dse.designs.outcome import Failure
from dse.errors import ResultsError
from dse.results.rows import result_fields
from dse.results.schema import RESULT_COLUMNS
from dse.results.store import Store, create, read_about, read_table
from dse.search import loop
from dse.search.executor import LocalExecutor
from dse.search.runs import open_study, resume, start
from dse.search.samplers import optuna_proposer
from dse.search.study import parse_study
from tests.results.rows import describe
from tests.search.free import free, study_text
from tests.search.scrambled import Scrambled


def results(folder):
    return read_table(folder).select(RESULT_COLUMNS)


@pytest.fixture
def study(small_study):
    return parse_study(small_study.read_text(), small_study.parent)


@pytest.mark.slow
@pytest.mark.parametrize("slots", [2, 5])
def test_order_of_completion_does_not_change_the_table(slots, study, undisturbed, tmp_path):
    executor = Scrambled(slots, seed=slots)
    start(study, tmp_path / "r", lambda: executor)
    assert executor.most == slots  # the control flies beside the four that the lookahead allows
    assert results(tmp_path / "r").equals(results(undisturbed))


@pytest.mark.slow
def test_interrupted_and_resumed_again_and_again_gives_the_same_table(study, undisturbed, tmp_path):
    folder = tmp_path / "r"
    with pytest.raises(KeyboardInterrupt):
        start(study, folder, lambda: Scrambled(3, seed=0, stop_after=2))
    for seed in range(1, 4):
        before = read_table(folder)
        with pytest.raises(KeyboardInterrupt):
            resume(folder, lambda seed=seed: Scrambled(3, seed=seed, stop_after=3))
        assert read_table(folder).num_rows > before.num_rows
    resume(folder, LocalExecutor)
    assert results(folder).equals(results(undisturbed))


@pytest.mark.slow
def test_a_resumed_study_simulates_no_finished_trial_again(undisturbed):
    class Refuses(LocalExecutor):
        def submit(self, job):
            raise AssertionError(f"trial {job.trial} was simulated again")

    resume(undisturbed, Refuses)


@pytest.mark.slow
def test_the_trials_in_flight_never_exceed_the_lookahead(study, tmp_path):
    executor = Scrambled(50, seed=9)
    start(study, tmp_path / "r", lambda: executor)
    # The control and the quasi-random start see no results and need not wait for any.
    assert executor.most <= max(study.spec.search.lookahead, study.spec.search.startup) + len(study.controls)


def test_blind_proposals_keep_all_slots_busy_whatever_the_lookahead(tmp_path):
    executor = Scrambled(8, seed=2, simulate=free)
    text = study_text(30, sampler="random", lookahead=1)
    start(parse_study(text, tmp_path), tmp_path / "r", lambda: executor)
    assert executor.most == 8


def test_a_proposal_sees_exactly_the_results_that_the_lookahead_allows(study, tmp_path, monkeypatch):
    seen = []

    class Watched(optuna_proposer.OptunaProposer):
        told = 0

        def ask(self):
            seen.append(self.told)
            return super().ask()

        def tell(self, number, values, violations=()):
            assert number == self.told
            self.told += 1
            super().tell(number, values, violations)

    monkeypatch.setattr(optuna_proposer, "OptunaProposer", Watched)
    start(study, tmp_path / "r", lambda: Scrambled(4, seed=1))
    search = study.spec.search
    # The quasi-random start sees nothing; what has finished by then is told when the first model proposes.
    expected = [0 if n < search.startup else n - search.lookahead + 1 for n in range(study.spec.budget.trials)]
    assert seen == expected


DISCRETE = """
name = "discrete"
objectives = ["accuracy", "worst_writes"]
[workload]
validation = 0.0
[design]
network.hidden = [4]
training.epochs = 1
training.batch_size = 100
[space]
"accumulator.bits" = [4, 8]
"adc.bits" = [6, 8]
[search]
sampler = "random"
[budget]
trials = 12
seeds = 2
"""


def test_a_design_that_is_proposed_twice_is_simulated_once(tmp_path):
    submitted = []

    class Counting(LocalExecutor):
        def submit(self, job):
            submitted.append((job.design.key, job.seed))
            super().submit(job)

    start(parse_study(DISCRETE.replace("trials = 12", "trials = 7"), tmp_path), tmp_path / "r", Counting)
    rows = read_table(tmp_path / "r").to_pylist()
    assert len(rows) == 14
    assert len(submitted) == len(set(submitted)) == 6
    by_key = {(row["trial"], row["seed"]): row for row in rows}
    copies = [row for row in rows if row["same_as"] is not None]
    assert len(copies) == 8
    for row in copies:
        source = by_key[row["same_as"], row["seed"]]
        assert source["same_as"] is None
        assert all(row[name] == source[name] for name in ("design_key", "accuracy", "layers", "curve"))


def test_a_failed_trial_is_recorded_with_its_reason_and_the_study_goes_on(tmp_path):
    class Breaks(LocalExecutor):
        def wait(self, timeout_s):
            failure = result_fields(Failure("diverged", "the loss is not finite"))
            return [a if a.job.trial else replace(a, result=failure) for a in super().wait(timeout_s)]

    start(parse_study(DISCRETE, tmp_path), tmp_path / "r", Breaks)
    rows = read_table(tmp_path / "r").to_pylist()
    failed = [row for row in rows if row["state"] == "failed"]
    assert {row["failure"] for row in failed} == {"the loss is not finite"}
    assert all(row["accuracy"] is None and row["layers"] == [] for row in failed)
    assert len(rows) == 16  # the eighth proposal is the last design of the space


def test_a_design_that_really_diverges_is_recorded(tmp_path):
    text = DISCRETE.replace('"adc.bits" = [6, 8]', '"training.learning_rate" = [1.0, 1e30]').replace(
        "trials = 12", "trials = 6"
    )
    start(parse_study(text, tmp_path), tmp_path / "r", LocalExecutor)
    states = {(row["state"], row["failure_kind"]) for row in read_table(tmp_path / "r").to_pylist()}
    assert states == {("complete", None), ("failed", "diverged")}


def test_settings_that_contradict_each_other_fail_alone(tmp_path):
    text = DISCRETE.replace(
        '"adc.bits" = [6, 8]',
        '"array.initial_min_us" = [0.1, 3.0, 0.2]\n"array.initial_max_us" = [2.0, 8.0, 9.0]',
    )
    start(parse_study(text, tmp_path), tmp_path / "r", LocalExecutor)
    rows = read_table(tmp_path / "r").to_pylist()
    invalid = [row for row in rows if row["failure_kind"] == "invalid"]
    assert invalid
    assert all("initial_min_us = 3.0 is above initial_max_us = 2.0" in row["failure"] for row in invalid)
    assert any(row["state"] == "complete" for row in rows)


@pytest.mark.slow
def test_a_table_of_other_proposals_is_refused(study, tmp_path):
    folder: Path = tmp_path / "r"
    start(study, folder, LocalExecutor)
    rows = read_table(folder).to_pylist()
    rows[5]["design_key"] = "0" * 20
    create(tmp_path / "forged", read_about(folder), {})
    with Store(tmp_path / "forged") as store, pytest.raises(ResultsError, match="trial 5 in the table has design 000"):
        loop.run(study, store, rows, LocalExecutor())


def test_results_on_other_data_are_refused(study, tmp_path):
    class Changed(LocalExecutor):
        def wait(self, timeout_s):
            answers = super().wait(timeout_s)
            return [replace(a, result={**a.result, "data_checksum": f"{a.job.trial:064}"}) for a in answers]

    with pytest.raises(ResultsError, match="the data set has changed"):
        start(study, tmp_path / "r", Changed)


@pytest.mark.slow
def test_other_code_does_not_resume_unless_the_user_accepts_it(undisturbed, monkeypatch):
    monkeypatch.setattr("dse.search.runs.code_version", lambda: "9.9+other")
    with pytest.raises(ResultsError, match=r"was begun by other code: code was .* and is 9\.9\+other"):
        resume(undisturbed, LocalExecutor)
    with pytest.raises(ResultsError, match=r"already holds this study, begun by other code: code was .* 9\.9\+other\."):
        start(open_study(undisturbed, read_about(undisturbed)), undisturbed, LocalExecutor)
    resume(undisturbed, LocalExecutor, other_code=True)


@pytest.mark.slow
def test_wear_of_any_name_goes_the_whole_way(tmp_path, ask):
    """From a cell of one's own through the table into queries, one trial, the page and the pictures."""

    def worn(job):
        outcome = free(job)
        layers = tuple(replace(e, wear={**e.wear, "gate_max": 5.0 + e.layer, "bulk": 7.0}) for e in outcome.layers)
        return replace(outcome, layers=layers)

    start(parse_study(study_text(6), tmp_path), tmp_path / "r", lambda: LocalExecutor(worn))
    sql = "SELECT layer, max(wear_gate_max) AS gate, min(wear_bulk) AS bulk FROM layers GROUP BY layer ORDER BY layer"
    found = json.loads(ask("query", tmp_path / "r", sql, "--format", "json").stdout)
    assert found == [{"layer": 0, "gate": 5.0, "bulk": 7.0}, {"layer": 1, "gate": 6.0, "bulk": 7.0}]
    assert "wear_gate_max" in ask("show", tmp_path / "r", 3).stdout
    assert ask("report", tmp_path / "r", "--without", "importance").returncode == 0
    assert '"gate":"gate"' in (tmp_path / "r" / "report.html").read_text()
    drawn = ask("report", tmp_path / "r", "--format", "svg", "--without", "importance")
    assert drawn.returncode == 0, drawn.stderr
    assert "gate, the largest of a layer" in (tmp_path / "r" / "figures" / "wear.svg").read_text()


def test_an_objective_of_a_plug_in_that_is_gone_ends_in_a_message(tmp_path, ask):
    def measured(job):
        outcome = free(job)
        return replace(outcome, metrics={**outcome.metrics, "sparkle": 1.0})

    folder = tmp_path / "r"
    start(parse_study(study_text(4), tmp_path), folder, lambda: LocalExecutor(measured))
    about = json.loads((folder / "study.json").read_text())
    describe(folder, {**about, "objectives": ["loss", "sparkle"]})
    commands = (
        ("front",),
        ("front", "--plot", tmp_path / "f.png"),
        ("status",),
        ("report", "--without", "importance"),
        ("query", "SELECT * FROM ranks"),
    )
    for name, *options in commands:
        said = ask(name, folder, *options)
        assert said.returncode == 2, name
        assert "unknown objective 'sparkle'" in said.stderr
    describe(folder, {**about, "constraints": {"sparkle": ">= 0.5"}})
    said = ask("front", folder)
    assert said.returncode == 2
    assert "unknown constraint 'sparkle'" in said.stderr
