"""Designs that learn together on an accelerator come to what they come to alone, and on the processor.

Without an accelerator Triton's interpreter runs the kernels, which takes seconds of processor time a design.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from dse.data.images import Dataset, Split
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.generation import Candidate, evaluate_together, shape_of
from dse.designs.hardware import hardware_of
from dse.designs.outcome import Failure, Outcome
from dse.errors import DataError
from dse.kernel.accelerator import dispatch
from dse.networks.perceptron.learner import PerceptronLearner
from dse.networks.perceptron.together import join
from dse.search.executor import Job, work
from dse.search.generations import GenerationExecutor, Generations, alike
from dse.search.simulating import joins
from dse.search.study import parse_study
from dse.tasks.regression.measure import SquaredError
from dse.tasks.train import Training
from dse.updates.layers import CrossbarLayer
from dse.updates.pace import Pace
from tests.data import load
from tests.interpreted import DEVICE, kernels

PIXELS = [3, 10, 17, 20, 27, 34, 36, 43, 51]
SHAPE = {
    "network.hidden": [4], "training.epochs": 2, "training.batch_size": 4, "training.learning_rate": 2.0,
    "clock.sample_time_s": 0.5, "clock.drift_every_samples": 7, "refresh.threshold_us": 3.0,
}  # fmt: skip
DESIGNS: dict[str, dict[str, Any]] = {
    "refreshes of their own, calibrated ranges, cells that differ": {
        "refresh.every_samples": 5, "adc.ranging": "calibrated", "adc.calibrate_every_samples": 6,
        "device.response_spread": 0.3, "accumulator.bits": "float", "accumulator.operand_bits": 6,
    },
    "coarse converters, words that wear": {
        "refresh.every_samples": 10, "adc.bits": 4, "dac.bits": 3, "adc.backward_bits": 5, "dac.backward_bits": 4,
        "accumulator.bits": 7, "accumulator.rounding": "stochastic", "accumulator.storage": "pcm",
    },
    "quiet cells at another rate": {
        "refresh.every_samples": 0, "device.read_noise_scale": 0.0, "device.write_noise_scale": 0.0,
        "device.drift_exponent": 0.0, "adc.bits": "ideal", "dac.bits": "ideal", "training.learning_rate": 0.7,
    },
}  # fmt: skip
STUDY = """
name = "rates"
objectives = ["validation_accuracy"]
[workload]
dataset = "digits"
[design]
"network.name" = "{network}"
[space]
"training.learning_rate" = [1.0, 2.0]
[budget]
trials = 2
"""
DIVERGES = {"training.learning_rate": 1e30, "refresh.every_samples": 5}


@pytest.fixture(scope="module")
def few() -> Dataset:
    data = load("digits", 0.25)
    splits = [
        Split(own.images[:size][:, PIXELS].contiguous(), own.labels[:size] % 3, own.full_scale)
        for own, size in ((data.train, 7), (data.test, 5))
    ]
    return Dataset("few", splits[0], splits[1], splits[1], 3, "")


def candidates(some: Sequence[dict[str, Any]]) -> list[Candidate]:
    return [Candidate(compose({**SHAPE, **own}), seed) for seed, own in enumerate(some, 1)]


def check_same(a: Outcome | Failure, b: Outcome | Failure, *, exactly: bool) -> None:
    """Check that two outcomes are the same to the last bit, or but for the time of driving."""
    if isinstance(a, Failure) or isinstance(b, Failure) or exactly:
        assert a == b
        return
    assert a.curve == b.curve
    assert a.metrics == pytest.approx(b.metrics, rel=1e-12)
    for own, other in zip(a.layers, b.layers, strict=True):
        times = {name: number for name, number in other.events.items() if name.startswith("drive_time")}
        assert {name: own.events[name] for name in times} == pytest.approx(times, rel=1e-12)
        assert replace(own, events={**own.events, **times}) == other


@pytest.mark.slow
def test_designs_of_one_launch_come_to_what_they_come_to_on_the_processor(few: Dataset) -> None:
    """One of them fails, which says the same and leaves the others alone."""
    some = candidates([*DESIGNS.values(), DIVERGES])
    with kernels():
        found = evaluate_together(some, few, DEVICE)
    for own, outcome in zip(some, found, strict=True):
        check_same(outcome, evaluate(own.design, own.seed, few), exactly=False)
    assert [type(own) for own in found] == [Outcome, Outcome, Outcome, Failure]


@pytest.mark.slow
def test_a_design_is_the_same_alone_and_among_others(few: Dataset) -> None:
    some = candidates(list(DESIGNS.values())[:2])
    with kernels():
        together = evaluate_together(some, few, DEVICE)
        for own, among in zip(some, together, strict=True):
            (alone,) = evaluate_together([own], few, DEVICE)
            check_same(alone, among, exactly=True)


@pytest.mark.slow
def test_trainings_that_pause_go_on_to_the_same_end_together_and_on_the_processor(few: Dataset) -> None:
    some = candidates(list(DESIGNS.values())[:2])
    with kernels():
        paused = evaluate_together(some, few, DEVICE, until=1, keep_state=True)
        assert all(isinstance(own, Outcome) and own.is_paused and own.state is not None for own in paused)
        states = [own.state for own in paused if isinstance(own, Outcome)]
        going_on = [replace(own, start=state) for own, state in zip(some, states, strict=True)]
        ended = evaluate_together(going_on, few, DEVICE)
    for own, outcome in zip(going_on, ended, strict=True):
        whole = evaluate(own.design, own.seed, few)
        check_same(outcome, whole, exactly=False)
        check_same(evaluate(own.design, own.seed, few, start=own.start), whole, exactly=False)


def test_what_kernels_do_not_take_is_evaluated_by_itself(few: Dataset) -> None:
    some = candidates([*DESIGNS.values(), DIVERGES])
    found = evaluate_together(some, few, "cpu")
    assert found == [evaluate(own.design, own.seed, few) for own in some]


def test_designs_of_other_shapes_are_no_generation(few: Dataset) -> None:
    some = [Candidate(compose({**SHAPE, "network.hidden": [own]}), 1) for own in (4, 5)]
    with pytest.raises(ValueError, match="different shapes"):
        evaluate_together(some, few, "cpu")
    assert shape_of(compose({"network.name": "cnn"})) is None
    assert shape_of(compose({"architecture": "float"})) is None
    assert evaluate_together([], few, "cpu") == []


@pytest.mark.parametrize(
    "own",
    [
        {"dac.coding": "bit_serial"},
        {"device.set_endurance_pulses": 100.0},
        {"array.wires.sense_ohm": 1.0},
        {"adc.errors.gain_std": 0.01},
        {"architecture": "tiki_taka"},
    ],
)
def test_what_has_no_compiled_code_waits_for_no_others(own: dict[str, Any]) -> None:
    """It would learn by itself anyway, and an interruption would lose what has ended before the last."""
    assert shape_of(compose({**SHAPE, **own})) is None


def jobs(some: Sequence[dict[str, Any]], until: int | None = None) -> list[Job]:
    return [Job(trial, trial, compose({**SHAPE, **own}), until) for trial, own in enumerate(some)]


def test_jobs_of_one_shape_and_one_pause_go_together() -> None:
    own = [*jobs(list(DESIGNS.values())), *jobs([{}], 1), *jobs([{"network.hidden": [5]}, {"network.name": "cnn"}])]
    assert [len(group) for group in alike(own)] == [3, 1, 1, 1]


def test_a_generation_of_jobs_is_answered_as_each_alone() -> None:
    """With pauses, and with what goes on from them; on the processor every job is a training of its own."""
    small = {"workload.dataset": "digits", "workload.images": 60, "training.batch_size": 10}
    some = [{**small, "refresh.every_samples": every} for every in (20, 50)]
    executor = GenerationExecutor("cpu")
    for own in jobs(some, 1):
        executor.submit(own)
    paused = executor.wait(0.0)
    assert [answer.result for answer in paused] == [work(own).result for own in jobs(some, 1)]
    for own, answer in zip(jobs(some), paused, strict=True):
        assert answer.paused is not None
        executor.submit(replace(own, since=1, start=answer.paused))
    ended = executor.wait(0.0)
    assert [answer.result for answer in ended] == [work(own).result for own in jobs(some)]
    assert {answer.host for answer in ended} == {work(jobs(some)[0]).host}


class Counting(Generations):
    """Refuses designs that are together, and counts those alone."""

    alone: list[int]

    def together(self, jobs: Sequence[Job]) -> list[Outcome | Failure]:
        if len(jobs) > 1:
            raise DataError("not enough room for all of these")
        self.alone.append(jobs[0].trial)
        return [Failure("diverged", "alone")]


def test_a_generation_that_cannot_be_simulated_goes_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    simulate = Counting("cuda")
    object.__setattr__(simulate, "alone", [])
    executor = GenerationExecutor("cuda", simulate)
    for job in jobs([{}, {}, {"network.hidden": [5]}]):
        executor.submit(job)
    assert [own.trial for own in executor.under_way()] == [0, 1, 2]
    with caplog.at_level(logging.WARNING):
        first = executor.wait(0.0)
        assert [own.trial for own in executor.under_way()] == [1, 2]
        rest = executor.wait(0.0), executor.wait(0.0)
    assert [[own.job.trial for own in answers] for answers in (first, *rest)] == [[0], [1], [2]]
    assert simulate.alone == [0, 1, 2]
    assert "not enough room" in caplog.text
    assert executor.wait(0.0) == []


@pytest.mark.parametrize(
    ("network", "device", "found"),
    [("perceptron", "cuda", True), ("perceptron", "cuda:1", True), ("perceptron", "cpu", False),
     ("perceptron", "mps", False), ("cnn", "cuda", False)],
)  # fmt: skip
def test_a_search_awaits_generations_only_of_designs_that_learn_together(
    network: str, device: str, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "is_installed", lambda: True)
    study = parse_study(STUDY.format(network=network), Path())
    assert joins(study, device) == found
    monkeypatch.setattr(dispatch, "is_installed", lambda: False)
    assert not joins(study, device)


def regression(few: Dataset, settings: dict[str, Any]) -> Training:
    """Return a training of two layers on numbers, three for a sample."""
    splits = [replace(own, labels=own.images[:, :3] / own.full_scale) for own in (few.train, few.test)]
    data = Dataset("numbers", splits[0], None, splits[1], 0, "")
    hardware = hardware_of(compose(settings))
    assert hardware is not None
    layers = [CrossbarLayer(*size, hardware, seed=1, layer=number) for number, size in enumerate([(10, 4), (5, 3)])]
    learner = PerceptronLearner(layers, data, 4, Pace(2.0, 0.5, 7, 5), measure=SquaredError, seed=1)
    return Training(learner, sample_time_s=0.5)


@pytest.mark.slow
def test_linear_outputs_several_pairs_and_transfers_now_and_then_are_those_of_the_processor(few: Dataset) -> None:
    settings = {
        "refresh.threshold_us": 3.0, "accumulator.bits": 8, "accumulator.transfer_every": 2,
        "accumulator.headroom_bits": 1, "accumulator.storage": "pcm", "array.pairs_per_weight": 2,
    }  # fmt: skip
    plain, other = (regression(few, settings) for _ in range(2))
    plain.run(2)
    with kernels():
        join([cast("PerceptronLearner", other.learner)], 0, DEVICE)
        other.run(2)
    assert plain.curve == other.curve
    states = plain.state(), other.state()
    assert states[0].keys() == states[1].keys()
    for name, own in states[0].items():
        if "drive_time" not in name and not name.endswith("events/counts"):
            np.testing.assert_array_equal(own, states[1][name], name)
    for own, layer in zip(plain.learner.usage(), other.learner.usage(), strict=True):
        assert own.events == pytest.approx(layer.events, rel=1e-12)
        assert own.events["set_pulses_update"] > 0
