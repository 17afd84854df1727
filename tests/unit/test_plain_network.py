"""The plain network of nine layers: its size, its dropout, its digital limit on crossbars."""

from typing import Any

import pytest
import torch

from dse.crossbar.analog import AnalogConv2d, AnalogLinear, Crossbars, analog_layers, on_crossbars
from dse.data.images import Dataset, Split
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.outcome import Outcome
from dse.networks.parts import Dropout, weights_of
from tests.data import load
from tests.networks import network
from tests.studies import FINE

SMALL: dict[str, Any] = {
    "network.name": "cnn9",
    "network.width": 0.06,
    "training.epochs": 2,
    "training.batch_size": 20,
    "training.learning_rate": 0.1,
    "training.momentum": 0.0,
    "training.weight_decay": 0.0,
    "training.dropout": 0.2,
}


@pytest.fixture(scope="module")
def few() -> Dataset:
    data = load("digits", 0.25)
    train = Split(data.train.images[:200], data.train.labels[:200], data.train.full_scale)
    return Dataset("digits", train, data.validation, data.test, 10, data.checksum, data.shape)


def outcome_of(settings: dict[str, Any], data: Dataset) -> Outcome:
    outcome = evaluate(compose(settings), 1, data)
    assert isinstance(outcome, Outcome)
    return outcome


def test_it_has_nine_layers_and_one_and_a_half_million_weights() -> None:
    own = network("cnn9")
    layers = [type(layer) for _, layer in analog_layers(on_crossbars(own, Crossbars()))]
    assert layers == [AnalogConv2d] * 6 + [AnalogLinear] * 3
    assert weights_of(own) == 1_464_986


@pytest.mark.slow
def test_ideal_cells_with_fine_pulses_learn_as_the_digital_control_does(few: Dataset) -> None:
    control, found = (outcome_of({**SMALL, **own}, few) for own in ({"architecture": "float"}, FINE))
    losses = [[point.loss for point in outcome.curve] for outcome in (control, found)]
    assert losses[1] == pytest.approx(losses[0], rel=2e-3)
    assert found.metrics["set_pulses"] > 1000  # type: ignore[operator]


@pytest.mark.slow
def test_dropout_acts_in_training_alone_and_repeats(few: Dataset) -> None:
    digital = {**SMALL, "architecture": "float"}
    first = outcome_of(digital, few)
    assert first == outcome_of(digital, few)
    assert first.curve != outcome_of({**digital, "training.dropout": 0.0}, few).curve


def test_dropout_keeps_its_share_and_the_mean() -> None:
    dropout = Dropout(0.25, torch.Generator().manual_seed(1))
    x = torch.ones(100_000)
    dropped = dropout.train()(x)
    kept = float((dropped > 0).double().mean())
    assert abs(kept - 0.75) < 5 * (0.25 * 0.75 / 100_000) ** 0.5  # z = 5: alarm once in two million seeds
    assert dropped[dropped > 0].unique().tolist() == [pytest.approx(1 / 0.75)]
    assert torch.equal(dropout.eval()(x), x)
