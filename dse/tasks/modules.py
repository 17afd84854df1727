"""How torch modules learn: mini-batch by mini-batch, on crossbars or digitally.

    for every mini-batch    the loss of the task .backward();  the update rule steps

What a task adds is in its learner: which mini-batches there are, what a step is, what is measured.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Generic, TypeVar

import torch
from numpy.typing import NDArray
from torch import nn

from dse.crossbar.analog import analog_layers
from dse.crossbar.usage import LayerUsage, numbered
from dse.deployment.network import AbstractDeployedNetwork
from dse.deployment.spec import DeploymentSpec
from dse.pausing import CannotPauseError, State, by_number, gathered, hand_out
from dse.streams import derived_seed
from dse.tasks.pausing import NetworkState
from dse.updates.descent import Descent
from dse.updates.pace import Interval
from dse.updates.platform import Platform
from dse.updates.training import ModuleTraining

STEPS = ((0.5, 0.1), (0.75, 0.01))
"""Where the schedule "step" lowers the rate, as shares of the training, and to what."""
Batch = TypeVar("Batch")


class AbstractModuleLearner(ABC, Generic[Batch]):
    """Torch modules that learn; see `dse.tasks.base.Learner`.

    Attributes:
        samples: samples of an epoch.
        networks: the modules, their layers on the crossbars of a platform, ideal ones for digital training.
        updates: what moves the weights of each.

    Args:
        networks: the modules with their initial weights; they are copied.
        seeds: a seed for the random streams of each.
        samples: samples of an epoch.
        training: epochs, learning rate, schedule.
        platform: the hardware.
        seed: seed of the trial.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        seeds: Sequence[int],
        samples: int,
        training: ModuleTraining,
        platform: Platform,
        *,
        seed: int,
    ) -> None:
        self.samples, self.training, self.platform, self.seed = samples, training, platform, seed
        pairs = list(zip(networks, seeds, strict=True))
        self.networks = [platform.placed(network, seed=own).to(platform.device) for network, own in pairs]
        self.updates: list[Descent] = [
            platform.update(network, training, seed=own) for network, (_, own) in zip(self.networks, pairs, strict=True)
        ]
        self._calibration = Interval(platform.calibrate_every)

    @abstractmethod
    def batches(self) -> Iterator[tuple[int, Batch]]:
        """Yield the mini-batches of an epoch with their numbers of samples."""

    @abstractmethod
    def step(self, batch: Batch, rate: float, epochs: float) -> float:
        """Learn a mini-batch at a learning rate after a number of epochs, and return its mean loss."""

    @abstractmethod
    def measured(self) -> Mapping[str, float]:
        """Return the metrics of the networks as products see them now."""

    def learn(self, seen: int) -> float:
        """Learn for an epoch; see `dse.tasks.base.Learner`."""
        loss = 0.0
        with own_generator(self.seed, "modules", seen):
            for network in self.networks:
                network.train()
            for count, batch in self.batches():
                share = seen / (self.training.epochs * self.samples)
                rate = self.training.learning_rate * schedule(self.training.schedule, share)
                loss += self.step(batch, rate, seen / self.samples) * count
                seen += count
                if self._calibration.is_due(count):
                    self._calibrate()
        return loss

    def own_parts(self) -> Mapping[str, Any]:
        """Return what a class below owns that a training goes on from, by name: what is `Pausable`, or generators.

        Raises:
            CannotPauseError: the class does not say; its trainings cannot pause.
        """
        raise CannotPauseError(
            f"{type(self).__name__} does not say what its training goes on from; let own_parts() return it"
        )

    def _parts(self) -> dict[str, Any]:
        pairs = zip(self.networks, self.updates, strict=True)
        networks = [NetworkState(network, in_cells=update.held() is not None) for network, update in pairs]
        # Weights are shown in a network by what holds them, so that networks come first.
        return {
            "networks": by_number(networks),
            "updates": by_number(self.updates),
            "calibration": self._calibration,
            "own": self.own_parts(),
        }

    def state(self) -> dict[str, NDArray[Any]]:
        """Return networks, what moves their weights, and what the task owns; see `dse.pausing.Pausable`."""
        return gathered(self._parts())

    def restore(self, state: State) -> None:
        """Go back to a state; see `dse.pausing.Pausable`."""
        hand_out(self._parts(), state)

    def usage(self) -> list[LayerUsage]:
        """Return what happened in the layers of all modules; see `dse.tasks.base.Learner`."""
        return numbered(usage for update in self.updates for usage in update.usage())

    def _calibrate(self) -> None:
        for network in self.networks:
            for _, layer in analog_layers(network):
                layer.calibrate()

    def measure(self, now_s: float) -> Mapping[str, float]:
        """Return the metrics at a time, in s; see `dse.tasks.base.Learner`."""
        for update in self.updates:
            update.survey(now_s)
        with self.measuring(now_s):
            return self.measured()

    def deployed(self, spec: DeploymentSpec, trained_until_s: float) -> AbstractDeployedNetwork[Any] | None:  # noqa: ARG002
        """Return None: most tasks have no deployment; see `dse.tasks.base.Learner`."""
        return None

    @contextmanager
    def measuring(self, now_s: float) -> Generator[None]:
        """Let products see what inference sees at a time, in s."""
        with ExitStack() as stack:
            # All of them: an update rule brings its events and wear up to date when its network is measured.
            for update in self.updates:
                stack.enter_context(update.measuring(now_s))
            for network in self.networks:
                network.eval()
            yield


@contextmanager
def own_generator(seed: int, *purpose: str | int) -> Generator[None]:
    """Let modules that draw from torch's global generator draw from a stream of their own, and leave it as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, *purpose))
        yield


def schedule(name: str, share: float) -> float:
    """Return the factor of the learning rate after a share of the training."""
    if name == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * share))
    if name == "step":
        return min([1.0, *(factor for start, factor in STEPS if share >= start)])
    return 1.0
