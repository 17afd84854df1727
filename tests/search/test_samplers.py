"""What samplers find, and that what they forget does not matter; their promises are in tests/contract."""

import hashlib
import json
import warnings

import pytest

from dse.designs.space import FloatRange, IntRange
from dse.errors import SettingError
from dse.search.samplers import SAMPLERS
from dse.search.samplers.auto import Auto, sampler
from dse.search.samplers.base import Problem
from dse.search.samplers.model import Model
from dse.search.samplers.nsga2 import Nsga2, nsga2_model
from dse.search.samplers.optuna_proposer import OptunaProposer
from dse.search.samplers.quasi_random import QuasiRandom
from dse.search.samplers.tpe import Tpe
from dse.search.spec import SearchSpec, sampler_named
from dse.testing.samplers import failing, problem, propose
from tests.conftest import simulated

SAMPLERS_BY_NAME = [sampler.name for sampler in SAMPLERS]


@pytest.mark.slow
def test_models_learn_where_the_best_results_are():
    """The objectives do not conflict, so that proposals move to the corner of both; the middle is 7 and 1.7."""
    tpe = propose(Tpe(), trials=60)[-20:]
    assert sum(p["adc.bits"] for p in tpe) / 20 > 8.5
    nsga2 = propose(Nsga2(), trials=300)[-50:]
    assert sum(p["training.learning_rate"] for p in nsga2) / 50 < 1.2


def test_the_quasi_random_start_covers_every_level():
    points = propose(QuasiRandom(), trials=32)
    assert {p["adc.bits"] for p in points} == set(range(4, 11))
    assert {p["accumulator.bits"] for p in points} == {2, 8, "float"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("random", "ce6df06eb04c1826"),
        ("quasi_random", "58950afe1d8ba29c"),
        ("tpe", "3e958d2e537aebe7"),
        ("nsga2", "6d387985e1d78459"),
    ],
)
def test_proposals_are_those_that_were_recorded(name, digest):
    """Sixty, recorded on 2026-11-22 (TPE, NSGA-II: 2026-11-30) with Optuna 5.0: stored studies go on with the same."""
    proposals = json.dumps(propose(sampler_named(name), trials=60))
    assert hashlib.sha256(proposals.encode()).hexdigest()[:16] == digest


@pytest.mark.slow
def test_auto_proposes_as_the_model_does_and_hands_over_to_nsga2_which_knows_what_came_before(monkeypatch):
    monkeypatch.setattr(sampler, "MODEL_TRIALS", 14)
    found = propose(Auto(), trials=40)
    assert found[:14] == propose(Model(), trials=40, stop=14)
    assert found[14:] == propose(Nsga2(), trials=40, given=found[:14])[14:]
    assert propose(Auto(), trials=40, stop=31) == found[:31]


@pytest.mark.parametrize("name", SAMPLERS_BY_NAME)
def test_every_sampler_proposes_steps_as_a_study_file_writes_them(name):
    """0.3, not three times 0.1 in binary; and no end that steps do not reach."""
    steps = {"a": FloatRange(0.1, 1.0, step=0.1), "b": FloatRange(0.1, 1.0, step=0.4), "c": IntRange(4, 11, step=3)}
    proposer = sampler_named(name).proposer(Problem(steps, ["minimise", "minimise"], 1, 6, trials=24))
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(24):
            found.append(proposer.ask())
            proposer.tell(number, [found[-1]["a"], -found[-1]["b"]])
    assert {p["a"] for p in found} <= {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0}
    assert {p["b"] for p in found} <= {0.1, 0.5, 0.9}
    assert {p["c"] for p in found} <= {4, 7, 10}


@pytest.mark.slow
def test_a_stepped_value_is_found_by_the_number_that_was_written(tmp_path, here):
    text = """
name = "steps"
objectives = ["accuracy", "worst_writes"]
[workload]
dataset = "digits"
images = 60
[design]
network.hidden = [4]
training = { epochs = 1, batch_size = 10 }
[space]
"device.write_noise_scale" = { low = 0.1, high = 1.0, step = 0.1 }
[controls.mine]
device.write_noise_scale = 0.3
[search]
sampler = "quasi_random"
[budget]
trials = 12
"""
    folder = simulated(text, tmp_path)
    sql = 'SELECT origin, same_as FROM designs WHERE "device.write_noise_scale" = 0.3 ORDER BY origin'
    done = here("query", folder, sql, "--format", "csv")
    assert "search,0" in done.stdout.splitlines()  # the design of the control, trial 0
    (tmp_path / "s.toml").write_text(text)
    assert "device.write_noise_scale: 0.1 to 1.0 in steps of 0.1" in here("check", tmp_path / "s.toml").stdout


@pytest.mark.slow
def test_nsga2_proposes_the_same_whether_it_forgets_what_it_no_longer_looks_at_or_not():
    """Some trials fail, and some are in flight when a generation begins."""

    def propose_(forget, trials, lookahead):
        proposer = OptunaProposer(problem(trials=trials), lambda _, seed: nsga2_model(seed), forget=forget)
        asked = []
        for number in range(trials):
            done = number - lookahead
            if done >= 0:
                p = asked[done]
                values = [p["adc.bits"], p["network.width"] * p["training.learning_rate"]]
                proposer.tell(done, None if failing(done) else values)
            asked.append(proposer.ask())
        return asked, len(proposer._study.trials)

    for lookahead in (1, 70):
        kept, all_trials = propose_(False, 330, lookahead)
        forgotten, window = propose_(True, 330, lookahead)
        assert kept == forgotten
        assert all_trials == 330
        assert window < 250


def test_an_unknown_sampler_is_refused_with_the_nearest():
    with pytest.raises(SettingError, match="sampler: unknown sampler 'tpx'; did you mean 'tpe'\\? \\(known: auto, ran"):
        SearchSpec.parse({"sampler": "tpx"})
