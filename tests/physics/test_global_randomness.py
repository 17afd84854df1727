"""Randomness that is no stream: what modules draw from torch's global generator follows from the seed of the trial."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from dse.data.base import Data, ImageInfo, TextInfo
from dse.data.images import Dataset, Split
from dse.data.text import Text
from dse.designs.design import compose
from dse.designs.hardware import platform_of
from dse.designs.settings import NETWORK
from dse.files import FileSpec
from dse.networks.base import AbstractNetwork, ModuleNetwork
from dse.networks.perceptron.learner import PerceptronLearner
from dse.tasks.base import Learner
from dse.tasks.curve import Epoch
from dse.tasks.modules import AbstractModuleLearner
from dse.tasks.recognition.spec import Recognition
from dse.tasks.train import train
from dse.updates.layers import CrossbarLayer, FloatLayer
from tests.data import load

ARCHITECTURES = ["float", "mixed_precision"]
STATES = (1, 2)
"""Two seeds for torch's global generator, of which nothing may follow."""


class Drawing(ModuleNetwork):
    """A network that leaves initial weights and dropout to torch."""

    name: Literal["drawing"] = "drawing"
    dropout: float = 0.3
    task = Recognition

    def build(self, info: ImageInfo, training: Any, *, seed: int) -> tuple[nn.Module, ...]:
        hidden = [nn.Flatten(), nn.Linear(info.pixels, 16), nn.ReLU(), nn.Dropout(self.dropout)]
        return (nn.Sequential(*hidden, nn.Linear(16, info.classes)),)


@contextmanager
def state_of_torch(state: int) -> Generator[None]:
    """Give torch's global generator a state, which must be the same afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(state)
        before = torch.get_rng_state()
        yield
        assert torch.equal(before, torch.get_rng_state())


@pytest.fixture(scope="module")
def few() -> Dataset:
    data = load("digits", 0.25)
    return replace(data, train=Split(data.train.images[:100], data.train.labels[:100], data.train.full_scale))


def data_for(network: type[AbstractNetwork], images: Dataset) -> Data:
    if network.task.accepts is not TextInfo:
        return images
    part = torch.arange(200, dtype=torch.uint8) % 7
    return Text("ptb", part, part, part, alphabet=b"abcdefg", checksum="00")


def learner_of(name: str, architecture: str, images: Dataset, seed: int) -> Learner:
    family = NETWORK.names[name]
    dataset = "ptb" if family.task.accepts is TextInfo else "digits"
    design = compose({"network.name": name, "workload.dataset": dataset, "architecture": architecture})
    data = data_for(type(design.network), images)
    return design.network.learner(data, design.training, platform_of(design), seed=seed)


def numbers_of(learner: Learner) -> dict[str, Tensor]:
    """Return all that a network has learned, or begins with: weights, biases, statistics."""
    if isinstance(learner, AbstractModuleLearner):
        parts = [network.state_dict() for network in learner.networks]
        return {f"{part}.{name}": values.clone() for part, own in enumerate(parts) for name, values in own.items()}
    assert isinstance(learner, PerceptronLearner)
    found: dict[str, Tensor] = {}
    for number, layer in enumerate(learner.layers):
        assert isinstance(layer, (FloatLayer, CrossbarLayer))
        found[f"{number}.weight"] = (layer.weight if isinstance(layer, FloatLayer) else layer.sensed.weight).clone()
    return found


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", [name for name, own in NETWORK.names.items() if not issubclass(own, FileSpec)])
def test_a_network_begins_with_what_its_seed_says_whatever_torch_has_drawn(
    name: str, architecture: str, few: Dataset
) -> None:
    found: list[dict[str, Tensor]] = []
    for state in STATES:
        with state_of_torch(state):
            found.append(numbers_of(learner_of(name, architecture, few, seed=3)))
    assert same(*found)
    other = numbers_of(learner_of(name, architecture, few, seed=4))
    matrices = [key for key, values in other.items() if values.dim() > 1]
    assert matrices
    assert not [key for key in matrices if torch.equal(other[key], found[0][key])]


def trained(
    architecture: str, data: Dataset, state: int, seed: int, dropout: float = 0.3
) -> tuple[list[Epoch], dict[str, Tensor]]:
    design = compose({"network.name": "cnn", "architecture": architecture, "training.batch_size": 10})
    platform, network = platform_of(design), Drawing(dropout=dropout)
    training = design.training.model_copy(update={"epochs": 2, "learning_rate": 0.05})
    with state_of_torch(state):
        learner = network.learner(data, training, platform, seed=seed)
        curve = train(learner, 2, sample_time_s=platform.sample_time_s)
    return curve, numbers_of(learner)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_modules_that_draw_themselves_learn_the_same_twice_and_otherwise_under_another_seed(
    architecture: str, few: Dataset
) -> None:
    first, again = (trained(architecture, few, state, seed=3) for state in STATES)
    assert first[0] == again[0]
    assert same(first[1], again[1])
    other = trained(architecture, few, STATES[0], seed=4)
    assert first[0] != other[0]
    assert not [name for name, values in other[1].items() if torch.equal(values, first[1][name])]
    assert first[0] != trained(architecture, few, STATES[0], seed=3, dropout=0.0)[0]  # units were switched off


def test_every_epoch_switches_off_other_units(few: Dataset) -> None:
    """Where nothing is learned, losses of two epochs in the same order differ by what was switched off."""
    design = compose({"network.name": "cnn", "architecture": "float"})
    training = design.training.model_copy(update={"epochs": 10, "learning_rate": 1e-30, "weight_decay": 0.0})
    one = replace(few, train=Split(few.train.images[:1], few.train.labels[:1], few.train.full_scale))
    losses: dict[float, list[float]] = {}
    for dropout in (0.0, 0.3):
        learner = Drawing(dropout=dropout).learner(one, training, platform_of(design), seed=3)
        losses[dropout] = [learner.learn(epoch) for epoch in range(10)]
    assert len(set(losses[0.0])) == 1
    assert len(set(losses[0.3])) > 5
