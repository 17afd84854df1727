"""Trainings that pause and go on, to the last bit: of every kind, over bytes, and never from what is damaged."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.data.base import Data
from dse.designs.design import Design, compose
from dse.designs.evaluate import evaluate
from dse.designs.outcome import Outcome
from dse.pausing import CannotPauseError, State, UnlikeStateError, gathered, hand_out
from dse.results.rows import result_fields
from dse.search.checkpoint import FORMAT, pack, unpack
from dse.search.executor import Job, made_by, simulate_design, work
from dse.streams import stream
from dse.tasks.pictures import AbstractPictureLearner
from dse.updates import fast

FEW: dict[str, Any] = {"workload.dataset": "digits", "workload.images": 40, "training.epochs": 4}
SMALL: dict[str, Any] = {**FEW, "workload.images": 120, "network.hidden": [6]}
EVENTFUL: dict[str, Any] = {
    "refresh.threshold_us": 3.0,
    "refresh.every_samples": 70,
    "clock.drift_every_samples": 50,
    "clock.sample_time_s": 20.0,
    "adc.ranging": "calibrated",
    "adc.calibrate_every_samples": 90,
}
"""Refresh, drift and calibration at other times than the ends of epochs."""
STOCHASTIC: dict[str, Any] = {"accumulator.bits": 7, "accumulator.rounding": "stochastic"}
RARE: dict[str, Any] = {"accumulator.bits": 6, "accumulator.transfer_every": 5, "accumulator.headroom_bits": 1}
IN_PCM: dict[str, Any] = {**STOCHASTIC, "accumulator.storage": "pcm", "array.pairs_per_weight": 3}
UNEVEN: dict[str, Any] = {
    "device.response_spread": 0.2,
    "device.drift_exponent_spread": 0.02,
    "device.stuck_set_fraction": 0.02,
    "training.batch_size": 7,
}
CNN: dict[str, Any] = {**FEW, "network.name": "cnn", "network.width": 0.25, "training.batch_size": 7}
MODULES: dict[str, Any] = {**EVENTFUL, "refresh.every_samples": 30, "adc.calibrate_every_samples": 25}
FLOAT: dict[str, Any] = {"architecture": "float"}
KEPT: dict[str, Any] = {"deployment.times_s": [1.0, 1e5], "deployment.repetitions": 1}
KINDS: dict[str, dict[str, Any]] = {
    "float words": {**SMALL, **EVENTFUL, **UNEVEN},
    "stochastic words": {**SMALL, **EVENTFUL, **STOCHASTIC},
    "rare transfers": {**SMALL, **EVENTFUL, **RARE},
    "words in PCM, three pairs": {**SMALL, **EVENTFUL, **IN_PCM},
    "digital": {**SMALL, **FLOAT},
    "kept cells": {**SMALL, **EVENTFUL, **KEPT},
    "digital, then programmed": {**SMALL, **FLOAT, **KEPT},
    "convolutions": {**CNN, **MODULES, "accumulator.inference": "cells_and_accumulator", **KEPT},
    "convolutions, words in PCM": {**CNN, **MODULES, **IN_PCM},
    "convolutions, digital": {
        **CNN,
        **FLOAT,
        "training.momentum": 0.9,
        "training.weight_decay": 1e-3,
        "training.weight_noise": 0.05,
        "training.weight_noise_ramp_epochs": 3,
        "training.clip_std": 2.0,
    },
    "behind wires": {**SMALL, **EVENTFUL, "array.wires.row_ohm": 40.0, **KEPT},
    "convolutions behind wires": {**CNN, **MODULES, "array.wires.row_ohm": 40.0, **KEPT},
    "dropout": {**CNN, **FLOAT, "network.name": "cnn9", "training.momentum": 0.9},
    "dropout on crossbars": {**CNN, **MODULES, "network.name": "cnn9", "training.momentum": 0.9},
    "residual": {**CNN, **MODULES, "network.name": "resnet8", "training.augmentation": "crop_flip"},
    "residual, digital": {**CNN, **FLOAT, "network.name": "resnet8", "training.augmentation": "crop_flip", **KEPT},
    "text": {
        "workload.dataset": "ptb",
        "workload.train_characters": 2000,
        "workload.evaluation_characters": 200,
        "network.name": "lstm",
        "network.hidden": [6, 5],
        "training.epochs": 4,
        "training.optimiser": "adam",
        "training.momentum": 0.9,
        "training.learning_rate": 0.05,
        "training.digital_optimiser": "sgd",
        **MODULES,
    },
    "generated": {**CNN, **MODULES, "network.name": "gan", "network.width": 1.0, "network.hidden": [6]},
}
PLAIN = ("float words", "stochastic words", "rare transfers", "words in PCM, three pairs", "convolutions")
"""Kinds that have a compiled path, to be taken on the plain one, too."""


def outcome_of(design: Design, data: Data, **how: Any) -> Outcome:
    found = evaluate(design, 3, data, **how)
    assert isinstance(found, Outcome), found
    return found


def gone_on(design: Design, data: Data, *pauses: int) -> Outcome:
    """Train with pauses after some epochs, each over bytes."""
    state: State | None = None
    for epoch in pauses:
        part = outcome_of(design, data, until=epoch, start=state, keep_state=True)
        assert part.state is not None
        assert (part.epochs, len(part.curve), part.deployments) == (epoch, epoch, ())
        of = made_by(design, 3, epoch, data.checksum)
        state = unpack(pack(part.state, of), of)
    return outcome_of(design, data, start=state)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is compiled."""
    monkeypatch.setattr(fast, "takes", lambda _: False)
    monkeypatch.setattr(fast, "compiles", lambda _: False)


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which trainings went on from a state, as nothing else tells; they would start over and end alike."""
    from dse.tasks.train import Training  # noqa: PLC0415

    found: list[str] = []
    restore = Training.restore

    def noted(self: Training, state: State) -> None:
        restore(self, state)
        found.append(str(len(self.curve)))

    monkeypatch.setattr(Training, "restore", noted)
    return found


@pytest.mark.one_in(18)
@pytest.mark.parametrize("kind", KINDS)
def test_a_training_that_paused_ends_as_one_that_did_not(kind: str, restored: list[str]) -> None:
    design = compose(KINDS[kind])
    data = design.workload.load()
    whole = outcome_of(design, data)
    assert whole.epochs == 4
    paused = gone_on(design, data, 1, 3)
    assert restored == ["1", "3"]
    assert paused == whole
    assert result_fields(paused) == result_fields(whole)
    assert len({epoch.loss for epoch in whole.curve}) == 4


@pytest.mark.one_in(3)
@pytest.mark.parametrize("kind", PLAIN)
def test_so_does_one_on_the_plain_path(kind: str, plain: None, restored: list[str]) -> None:
    design = compose(KINDS[kind])
    data = design.workload.load()
    assert gone_on(design, data, 2) == outcome_of(design, data)
    assert restored == ["2"]


@pytest.mark.slow
def test_cells_of_a_compiled_parameter_go_on_plainly(monkeypatch: pytest.MonkeyPatch, restored: list[str]) -> None:
    design = compose(KINDS["convolutions"])
    data = design.workload.load()
    whole, state = outcome_of(design, data), outcome_of(design, data, until=2, keep_state=True).state
    monkeypatch.setattr(fast, "compiles", lambda _: False)
    assert outcome_of(design, data, start=state) == whole
    assert restored == ["2"]


@pytest.mark.slow
def test_another_process_goes_on(tmp_path: Path) -> None:
    design = compose(KINDS["stochastic words"])
    data = design.workload.load()
    state = outcome_of(design, data, until=2, keep_state=True).state
    assert state is not None
    (tmp_path / "paused").write_bytes(pack(state, made_by(design, 3, 2, data.checksum)))
    program = f"""
import json
from pathlib import Path
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.results.rows import result_fields
from dse.search.checkpoint import unpack
from dse.search.executor import Job, made_by, simulate_design, work
design = compose({KINDS["stochastic words"]!r})
data = design.workload.load()
state = unpack(Path({str(tmp_path / "paused")!r}).read_bytes(), made_by(design, 3, 2, data.checksum))
print(json.dumps(result_fields(evaluate(design, 3, data, start=state))))
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert json.loads(found) == json.loads(json.dumps(result_fields(outcome_of(design, data))))


@pytest.mark.slow
def test_a_paused_outcome_is_the_training_until_then() -> None:
    """Schedules follow the whole training; metrics, curve and account are those of that epoch."""
    design = compose({**CNN, **FLOAT, "training.schedule": "cosine", **KEPT})
    data = design.workload.load()
    whole, paused = outcome_of(design, data), outcome_of(design, data, until=2)
    assert paused.curve == whole.curve[:2]
    assert paused.metrics["loss"] == whole.curve[1].loss
    assert paused.metrics["accuracy"] == whole.curve[1].metrics["accuracy"]
    assert paused.train_samples * 2 == whole.train_samples
    assert paused.deployments == ()
    assert paused.state is None
    assert whole.deployments
    assert outcome_of(design, data, until=4) == whole
    macs = [layer.events["macs_forward"] for layer in paused.layers]
    assert [2 * count for count in macs] == [layer.events["macs_forward"] for layer in whole.layers]


def test_the_end_of_a_training_is_a_pause_too(restored: list[str]) -> None:
    """Only its deployment is left then."""
    design = compose(KINDS["kept cells"])
    data = design.workload.load()
    whole = outcome_of(design, data, keep_state=True)
    assert outcome_of(design, data, start=whole.state) == whole
    assert restored == ["4"]


@pytest.mark.parametrize("until", [0, -1, 5])
def test_an_epoch_that_the_training_has_not_is_refused(until: int) -> None:
    design = compose(SMALL)
    with pytest.raises(ValueError, match=f"until = {until} is no epoch of this training; give 1 to 4"):
        evaluate(design, 3, design.workload.load(), until=until)


def test_what_a_training_cannot_take_lets_it_start_from_the_beginning(restored: list[str]) -> None:
    design = compose(SMALL)
    data = design.workload.load()
    whole = outcome_of(design, data, keep_state=True)
    other = compose({**SMALL, "training.learning_rate": 0.5})
    strange = [
        whole.state,  # further than the training is to go
        {},
        outcome_of(other, data, until=1, keep_state=True).state,
        evaluate(design, 4, data, until=1, keep_state=True).state,  # type: ignore[union-attr]
    ]
    half = dict(outcome_of(design, data, until=1, keep_state=True).state or {})
    half.pop("learner/order/position")
    expected = outcome_of(design, data, until=2)
    for state in (*strange, half):
        assert outcome_of(design, data, until=2, start=state) == expected
    assert restored == []


@pytest.mark.slow
def test_what_cannot_say_what_it_goes_on_from_starts_from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    design = compose(CNN)
    data = design.workload.load()
    state = outcome_of(design, data, until=2, keep_state=True).state
    assert state is not None
    monkeypatch.delattr(AbstractPictureLearner, "own_parts")
    assert outcome_of(design, data, until=2, keep_state=True).state is None
    assert outcome_of(design, data, start=state) == outcome_of(design, data)


@pytest.fixture(scope="module")
def paused() -> tuple[dict[str, Any], bytes, State]:
    design = compose(SMALL)
    data = design.workload.load()
    state = outcome_of(design, data, until=2, keep_state=True).state
    assert state is not None
    of = made_by(design, 3, 2, data.checksum)
    return of, pack(state, of), state


def test_a_state_comes_back_from_bytes_as_it_was(paused: tuple[dict[str, Any], bytes, State]) -> None:
    of, content, state = paused
    found = unpack(content, of)
    assert found.keys() == state.keys()
    for name, values in state.items():
        assert (found[name].dtype, found[name].shape) == (values.dtype, values.shape)
        assert np.array_equal(found[name], values)
    assert pack(state, of) == content


def test_a_damaged_checkpoint_is_refused(paused: tuple[dict[str, Any], bytes, State]) -> None:
    of, content, _ = paused
    places = np.random.default_rng(1).integers(0, len(content), 200)
    for place in (*range(len(FORMAT) + 70), *places):
        damaged = bytearray(content)
        damaged[place] ^= 1 << (int(place) % 8)
        with pytest.raises(ValueError, match=r"damaged|no paused training"):
            unpack(bytes(damaged), of)
    for length in (0, 1, len(FORMAT), 80, len(content) // 2, len(content) - 1):
        with pytest.raises(ValueError, match=r"damaged|no paused training"):
            unpack(content[:length], of)
    with pytest.raises(ValueError, match="damaged"):
        unpack(content + b"\0", of)


@pytest.mark.parametrize(
    ("name", "other"), [("code", "0+a"), ("packages", "{}"), ("design", "a"), ("seed", 4), ("epoch", 1), ("data", "b")]
)
def test_a_checkpoint_of_something_else_is_refused(
    name: str, other: str | int, paused: tuple[dict[str, Any], bytes, State]
) -> None:
    of, content, _ = paused
    with pytest.raises(ValueError, match=f"another one: {name} was"):
        unpack(content, {**of, name: other})


@pytest.mark.parametrize(("other", "goes_on_from"), [({}, ["2"]), ({"code": "0+a"}, []), ({"packages": "{}"}, [])])
def test_a_training_never_goes_on_from_a_checkpoint_of_other_code(
    other: dict[str, str],
    goes_on_from: list[str],
    paused: tuple[dict[str, Any], bytes, State],
    restored: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What other code made may be another state under the same names: here all of its floats are.

    That of this code is the true one, so that the same answer comes of going on.
    """
    of, _, state = paused
    strange = {name: values * 0.5 if values.dtype.kind == "f" and other else values for name, values in state.items()}
    design, straight = compose(SMALL), work(Job(0, 3, compose(SMALL)), simulate_design)
    with caplog.at_level("INFO", "dse.search.executor"):
        answer = work(Job(0, 3, design, since=2, start=pack(strange, {**of, **other})), simulate_design)
    assert answer.result == straight.result
    assert restored == goes_on_from
    told = [text for text in caplog.messages if "trial 0 seed 3 trains from the start: the paused training is" in text]
    assert [f"another one: {name} was" in told[0] for name in other] == [True] * len(told)


def test_what_has_the_right_checksum_and_is_no_state_is_refused(paused: tuple[dict[str, Any], bytes, State]) -> None:
    of, _, _ = paused
    body = b"no deflated file"
    with pytest.raises(ValueError, match="cannot be read"):
        unpack(b"%s %s\n" % (FORMAT, hashlib.sha256(body).hexdigest().encode()) + body, of)
    with pytest.raises(ValueError, match=r"pickle|object"):
        pack({"objects": np.array([{}, []], dtype=object)}, of)


def test_a_checkpoint_of_full_layers_takes_few_bytes_a_cell() -> None:
    design = compose({"workload.dataset": "digits", "training.epochs": 2, "network.hidden": [48]})
    data = design.workload.load()
    part = outcome_of(design, data, until=1, keep_state=True)
    assert part.state is not None
    cells = sum(layer.cells for layer in part.layers)
    assert len(pack(part.state, made_by(design, 3, 1, data.checksum))) < 18 * cells


def test_parts_say_what_is_not_theirs() -> None:
    parts = {"a": stream(1, "one"), "b": {"c": stream(1, "two")}}
    state = gathered(parts)
    hand_out(parts, state)
    with pytest.raises(UnlikeStateError, match="another seed"):
        hand_out({"a": stream(2, "one")}, state)
    with pytest.raises(UnlikeStateError, match="the state has no position"):
        hand_out({"d": stream(1, "one")}, state)
    with pytest.raises(CannotPauseError, match=r"int has no methods state\(\) and restore\(\)"):
        gathered({"a": 1})
