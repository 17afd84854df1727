"""A perceptron that learns, in compiled code where it can."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.crossbar.usage import LayerUsage, numbered
from dse.data.images import Dataset
from dse.deployment.build import deployed_perceptron
from dse.deployment.measure import AbstractMeasure
from dse.deployment.perceptron import DeployedPerceptron
from dse.deployment.spec import DeploymentSpec
from dse.networks.perceptron.plain import PlainRun, Run
from dse.pausing import State, by_number, gathered, hand_out
from dse.streams import generator
from dse.tasks.measured import on_splits
from dse.updates import fast
from dse.updates.layers import Layer
from dse.updates.pace import Pace
from dse.updates.platform import Platform
from dse.updates.pulse_trains.between import WithArraysBeside


class PerceptronLearner:
    """A perceptron that learns the answers of samples; see `dse.tasks.base.Learner`.

    Attributes:
        samples: samples of an epoch.
        layers: its layers, first layer first; on crossbars all, or digital all.
        batch_size: samples between two updates.
        pace: learning rate and time.
        lessons: the samples and what outputs should be for them.
        run: what trains the layers.

    Args:
        layers: the layers with their initial weights, which learn.
        data: the samples.
        batch_size: samples between two updates.
        pace: learning rate and time.
        measure: what it is measured by.
        seed: seed of the trial, for the order of the samples.
        compiled: take the compiled path where it applies; the result is the same.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        data: Dataset,
        batch_size: int,
        pace: Pace,
        *,
        measure: type[AbstractMeasure],
        seed: int,
        compiled: bool = True,
    ) -> None:
        self.samples, self.layers, self._data, self._seed = len(data.train), list(layers), data, seed
        self._measure, self._order = measure, generator(seed, "order")
        self.batch_size, self.pace, self.lessons = batch_size, pace, fast.Lessons.of(data)
        run = fast.runner if compiled and fast.takes(self.layers) else PlainRun
        self.run: Run = run(self.layers, self.lessons, batch_size, pace)
        self._next: Tensor | None = None

    def learn(self, seen: int) -> float:
        """Learn for an epoch; see `dse.tasks.base.Learner`."""
        loss = self.run.learn(self.next_order(), seen)
        self._next = None
        return loss

    def next_order(self) -> Tensor:
        """Return the order of the samples in the epoch to come, int64 indices."""
        if self._next is None:
            self._next = torch.randperm(self.samples, generator=self._order)
        return self._next

    def usage(self) -> list[LayerUsage]:
        """Return what happened in the layers; see `dse.tasks.base.Learner`."""
        beside = [own for layer in self.layers if isinstance(layer, WithArraysBeside) for own in layer.beside()]
        return numbered([*(layer.usage(number) for number, layer in enumerate(self.layers)), *beside])

    def _parts(self) -> dict[str, Any]:
        return {"layers": by_number(self.layers), "order": self._order, "run": self.run}

    def state(self) -> dict[str, NDArray[Any]]:
        """Return layers, order and run; see `dse.pausing.Pausable`."""
        return gathered(self._parts())

    def restore(self, state: State) -> None:
        """Go back to a state; see `dse.pausing.Pausable`."""
        hand_out(self._parts(), state)
        self._next = None

    def measure(self, now_s: float) -> Mapping[str, float]:
        """Return its measure of each split; see `dse.tasks.base.Learner`."""
        for layer in self.layers:
            layer.survey(now_s)
        return on_splits(self._measure, self._data, lambda split: self.run.outputs(split, now_s))

    def deployed(self, spec: DeploymentSpec, trained_until_s: float) -> DeployedPerceptron:
        """Return the network on the cells of its deployment; see `dse.tasks.base.Learner`."""
        return deployed_perceptron(self.layers, self._data, spec, seed=self._seed, trained_until_s=trained_until_s)


def layers_of(sizes: Sequence[tuple[int, int]], platform: Platform, *, seed: int) -> list[Layer]:
    """Return layers with initial weights, from (rows, cols) of each."""
    return [platform.layer(rows, cols, seed=seed, number=number) for number, (rows, cols) in enumerate(sizes)]
