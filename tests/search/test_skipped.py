"""Designs that are known to miss a constraint are never simulated, and what is known need not be learned."""

import json
from dataclasses import replace

import numpy as np
import pytest

from dse.designs.space import FloatRange, IntRange
from dse.errors import SettingError
from dse.pricing.known import knowable
from dse.progress import _Follower
from dse.results.rows import to_rows
from dse.results.store import Store, read_about, read_table
from dse.search.criteria import Verdict
from dse.search.executor import LocalExecutor
from dse.search.runs import resume, start
from dse.search.samplers import SAMPLERS, draws
from dse.search.samplers.model.belief import Belief, Exact, transformed
from dse.search.samplers.model.scales import Scale
from dse.search.study import Study, parse_study
from dse.search.tally import Judged, Progress
from dse.search.tried import Tried
from tests.search.scrambled import Scrambled

STUDY = """
name = "small-area"
objectives = ["validation_accuracy", "area_m2"]
[workload]
images = 40
[design]
training.epochs = 1
[space]
"adc.bits" = { low = 4, high = 10 }
"network.width" = { low = 0.05, high = 4.0, log = true }
"accumulator.bits" = [4, 8, 16]
[constraints]
area_m2 = "<= BOUND"
[search]
sampler = "SAMPLER"
startup = 6
lookahead = 3
[budget]
trials = 16
"""


def text_of(sampler="random", bound="1.5e-7", trials=16):
    return STUDY.replace("SAMPLER", sampler).replace("BOUND", bound).replace("trials = 16", f"trials = {trials}")


def study_of(tmp_path, **given) -> Study:
    return parse_study(text_of(**given), tmp_path)


def table(folder):
    return read_table(folder).select(["trial", "seed", "design_key", "same_as", "parameters", "loss", "layers"])


def areas(folder, study):
    rows = to_rows(read_table(folder))
    return [values[1] for values in study.criteria.of(rows)]


@pytest.mark.slow
@pytest.mark.parametrize("sampler", [sampler.name for sampler in SAMPLERS])
def test_no_sampler_has_a_design_simulated_that_is_known_to_be_infeasible(sampler, tmp_path):
    study = study_of(tmp_path, sampler=sampler)
    start(study, tmp_path / "r", LocalExecutor)
    found = areas(tmp_path / "r", study)
    assert len(found) == 16
    assert max(found) <= 1.5e-7
    free = study_of(tmp_path, sampler=sampler, bound="1.0").proposer()
    known = study.known([free.ask() for _ in range(free.blind)][:6])
    assert any(own.is_out for own in known)  # there was something to leave out


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "quasi_random", "nsga2", "model"])
def test_kills_and_resumes_do_not_change_what_is_left_out(sampler, tmp_path):
    study = study_of(tmp_path, sampler=sampler, bound="1.2e-7")
    start(study, tmp_path / "whole", LocalExecutor)
    with pytest.raises(KeyboardInterrupt):
        start(study, tmp_path / "r", lambda: Scrambled(3, seed=0, stop_after=9))
    resume(tmp_path / "r", lambda: Scrambled(2, seed=1))
    assert table(tmp_path / "r").equals(table(tmp_path / "whole"))


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "model"])
def test_where_a_model_proposes_what_is_infeasible_a_random_design_that_is_not_takes_its_place(sampler, tmp_path):
    study = study_of(tmp_path, sampler=sampler, bound="1.1e-7")
    proposer = study.proposer()
    for number in range(10):
        assert not study.known([proposer.ask()])[0].is_out
        proposer.tell(number, [0.5, 1e-7], [0.0])


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "model"])
def test_a_study_that_began_with_them_goes_on_with_them(sampler, tmp_path):
    """As an earlier version did."""
    folder, old = tmp_path / "r", replace(study_of(tmp_path, sampler=sampler, trials=10), skips=False)
    start(old, folder, LocalExecutor)
    assert max(areas(folder, old)) > 1.5e-7
    with Store(folder) as store:
        store.describe({key: value for key, value in store.about.items() if key != "skips"})
    before = to_rows(read_table(folder))
    resume(folder, LocalExecutor, wanted=study_of(tmp_path, sampler=sampler))
    after = to_rows(read_table(folder))
    assert [row["design_key"] for row in after[:10]] == [row["design_key"] for row in before]
    assert read_about(folder)["skips"] is False
    whole = tmp_path / "whole"
    start(replace(study_of(tmp_path, sampler=sampler), skips=False), whole, LocalExecutor)
    assert table(folder).equals(table(whole))


@pytest.mark.slow
def test_where_no_design_can_meet_a_constraint_it_is_said_before_anything_runs(tmp_path, ask, monkeypatch):
    monkeypatch.setattr(draws, "MOST_MISSED", 100)
    (tmp_path / "s.toml").write_text(text_of(bound="1e-9"))
    for command in (("check",), ("run", "--executor", "local", "--out", tmp_path / "r")):
        said = ask(command[0], tmp_path / "s.toml", *command[1:])
        assert said.returncode == 2
        assert "none meets what is known of the constraints without a simulation; the nearest, adc.bits" in said.stderr
        assert "misses area_m2 <= 0.001 mm2 (0.0" in said.stderr
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
def test_a_constraint_that_becomes_impossible_by_an_extension_ends_in_the_same_message(tmp_path, monkeypatch):
    monkeypatch.setattr(draws, "MOST_MISSED", 100)
    start(study_of(tmp_path), tmp_path / "r", LocalExecutor)
    with pytest.raises(SettingError, match="none meets what is known of the constraints"):
        resume(tmp_path / "r", LocalExecutor, wanted=study_of(tmp_path, bound="1e-9", trials=20))


@pytest.mark.slow
def test_a_design_to_try_first_that_is_known_to_miss_a_constraint_is_refused(tmp_path):
    text = text_of().replace("[search]", '[[first]]\n"network.width" = 4.0\n[search]')
    with pytest.raises(SettingError, match=r"first 1 misses area_m2 <= 0.15 mm2 \(0\.\d+ mm2\)"):
        parse_study(text, tmp_path).check_known()
    parse_study(text.replace("= 4.0", "= 0.1"), tmp_path).check_known()


@pytest.mark.slow
def test_a_finite_space_is_exhausted_when_all_that_can_be_feasible_were_tried(tmp_path):
    space = '[space]\n"adc.bits" = [5, 6]\n"network.width" = [0.1, 0.2, 4.0]\n'
    head, _, rest = text_of(sampler="model").partition("[space]")
    study = parse_study(f"{head}{space}[constraints]{rest.partition('[constraints]')[2]}", tmp_path)
    start(study, tmp_path / "r", LocalExecutor)
    about = read_about(tmp_path / "r")
    assert (about["exhausted"], about["trials"]) == (4, 4)


def test_a_finite_space_that_is_too_large_to_be_looked_through_is_never_exhausted(tmp_path):
    space = {"adc.bits": IntRange(4, 10), "network.width": FloatRange(0.1, 4.0, step=0.1), "dac.bits": IntRange(4, 16)}
    study = study_of(tmp_path)
    more = {**space, "accumulator.bits": IntRange(2, 8)}
    assert Tried(more, study.design, 100_000, None).designs == 7 * 40 * 13 * 7
    assert Tried(more, study.design, 100_000, study.known).designs is None


@pytest.mark.slow
def test_what_is_known_is_that_of_the_rows(tmp_path):
    study = study_of(tmp_path, bound="1.0")
    start(study, tmp_path / "r", LocalExecutor)
    rows = to_rows(read_table(tmp_path / "r"))
    known = study.known([json.loads(row["parameters"]) for row in rows])
    verdicts = [study.criteria.verdict([own]) for own in study.criteria.of(rows)]
    assert [own.values for own in known] == [{1: verdict.values[1]} for verdict in verdicts]
    assert [own.violations for own in known] == [{0: verdict.violations[0]} for verdict in verdicts]


def test_a_study_of_what_must_be_simulated_asks_for_nothing(tmp_path):
    plain = study_of(tmp_path, bound="1.0").text.replace("area_m2", "energy_per_sample_j")
    study = parse_study(plain.replace("[design]", '[design]\nnetwork.name = "cnn"'), tmp_path)
    assert study.known is None
    example = study.design(study.scope.corner(0.0))
    assert knowable(example, study.card, study.criteria.quantities) == set()


@pytest.mark.slow
def test_settings_that_contradict_each_other_are_a_trial_as_before(tmp_path):
    varied = '"array.initial_min_us" = [0.1, 3.0]\n"array.initial_max_us" = [2.0, 8.0]\n[constraints]'
    study = parse_study(text_of().replace("[constraints]", varied), tmp_path)
    start(study, tmp_path / "r", LocalExecutor)
    kinds = {row["failure_kind"] for row in to_rows(read_table(tmp_path / "r"))}
    assert kinds == {None, "invalid"}


def test_a_design_that_is_known_to_be_dominated_is_worth_least():
    """Both objectives are known: only the one that beats the front gains, whatever the model believes."""
    x = np.random.Generator(np.random.PCG64(3)).random((12, 2))
    y = np.stack([x[:, 0], 1.0 - x[:, 0] + 0.1 * x[:, 1]], axis=1)
    belief = Belief(x, y, np.zeros((12, 0)), np.zeros((0, 2)), {})
    candidates = np.full((3, 2), 0.5)
    best = y[belief.best].min(axis=0)
    values = np.array([best - 0.05, y.max(axis=0) + 1.0, y.max(axis=0) + 2.0])
    worth = belief.worth(candidates, Exact(values, [()] * 3))
    assert worth[0] > worth[1] > worth[2]
    assert worth[1] < np.log(1e-10)
    unknown = Exact(np.full((3, 2), np.nan), [()] * 3)
    assert np.array_equal(belief.worth(candidates, unknown), belief.worth(candidates))


def test_a_constraint_that_is_known_to_be_met_needs_no_model():
    x = np.random.Generator(np.random.PCG64(4)).random((12, 1))
    belief = Belief(x, x.copy(), np.maximum(x - 0.5, 0.0), np.zeros((0, 1)), {})
    candidates, known = np.array([[0.4], [0.9]]), Exact(np.full((2, 1), np.nan), [(0,), (0,)])
    without = belief.worth(candidates)
    assert belief.worth(candidates, known)[1] > without[1]


def test_values_that_are_known_stand_on_the_scale_of_those_that_were_seen():
    seen = [(1.0, -100.0), (100.0, -1.0), None, (5.0, -3.0)]
    table, _ = transformed(seen)
    told = np.array([own for own in seen if own is not None])
    for k in range(2):
        assert np.array_equal(Scale.of(told[:, k], 3).to(told[:, k]), table[[0, 1, 3], k])
    scaled = Scale.of(told[:, 0], 3).to
    assert np.isnan(scaled(np.array([np.nan, 0.0]))).tolist() == [True, False]
    assert scaled(np.array([0.0]))[0] == -6.0  # below all that was seen


def test_progress_names_the_nearest_where_no_design_is_feasible():
    follower = _Follower(["loss"])
    rows = [
        {"origin": "search", "seed": 0, "design_key": f"{n:020x}", "trial": n, "state": "complete"} for n in range(8)
    ]
    verdicts = [Verdict([1.0], [0.5 - 0.01 * (n == 5)]) for n in range(8)]
    follower.take(Progress(8, 10, 0, 0, 8, tuple(map(Judged, rows, verdicts))))
    assert "8 infeasible: none is feasible yet, trial 5 is nearest" in follower.text()
    assert follower.numbers["nearest"] == 5
    more = {"origin": "search", "seed": 0, "design_key": "f", "trial": 8, "state": "complete"}
    follower.take(Progress(9, 10, 0, 0, 9, (Judged(more, Verdict([1.0], [0.0])),)))
    assert "feasible yet" not in follower.text()
