"""A network that is trained already: it learns nothing, and is deployed as it came."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dse.crossbar.usage import LayerUsage
from dse.data.images import Dataset, Split
from dse.deployment.build import deployed_module
from dse.deployment.modules import INFERENCE_SAMPLES, DeployedModule
from dse.deployment.spec import DeploymentSpec
from dse.errors import DataError
from dse.tasks.inference.measure import Recognised
from dse.updates.platform import Platform
from dse.updates.training import NoTraining

EVALUATION_BATCH = 100


class TrainedNetwork:
    """A trained network; see `dse.tasks.base.Learner`.

    Attributes:
        samples: samples over which an inference is counted.

    Args:
        networks: the network.
        data: the samples.
        training: nothing.
        platform: where it is placed.
        seed: seed of the trial.
        answered: whether the answers of the samples are classes.
    """

    def __init__(
        self,
        networks: tuple[nn.Module, ...],
        data: Dataset,
        training: NoTraining,  # noqa: ARG002  there is none
        platform: Platform,
        *,
        seed: int,
        answered: bool,
    ) -> None:
        (network,) = networks
        self.samples = min(INFERENCE_SAMPLES, len(data.train))
        self._network, self._data, self._platform, self._seed = network.eval(), data, platform, seed
        self._answered, self._classes = answered, _class_numbers(data)

    def learn(self, seen: int) -> float:  # noqa: ARG002
        """Return 0: there is nothing to learn."""
        return 0.0

    def measure(self, now_s: float) -> Mapping[str, float]:  # noqa: ARG002  digital weights do not age
        """Return the accuracies of the digital network, where there are answers."""
        if not self._answered:
            return {}
        held_out = self._data.validation
        validation = {} if held_out is None else {"validation_accuracy": self._accuracy(held_out)}
        return {**validation, "accuracy": self._accuracy(self._data.test)}

    def usage(self) -> list[LayerUsage]:
        """Return nothing: no layer was trained, and its deployment accounts for its inference."""
        return []

    def deployed(self, spec: DeploymentSpec, trained_until_s: float) -> DeployedModule:
        """Return the network on the cells of its deployment; see `dse.tasks.base.Learner`."""
        return deployed_module(
            self._platform.placed(self._network, seed=self._seed).to(self._platform.device),
            None,
            self._data.train,
            spec,
            seed=self._seed,
            trained_until_s=trained_until_s,
            device=self._platform.device,
            inputs=self._inputs,
            answers=self._answers,
            reference=self._network,
        )

    def _inputs(self, split: Split, chosen: Tensor) -> Tensor:
        return split.floats(chosen).reshape(len(chosen), *self._data.info.shape)

    def _answers(self, split: Split, chosen: Tensor) -> NDArray[Any]:
        labels = split.labels[chosen].numpy()
        return labels if self._classes is None else self._classes[labels]

    def _accuracy(self, split: Split) -> float:
        parts: list[NDArray[Any]] = []
        for chosen in torch.split(torch.arange(len(split)), EVALUATION_BATCH):
            with torch.no_grad():
                outputs = self._network(self._inputs(split, chosen)).numpy()
            answers = self._answers(split, chosen)
            most = max(outputs.shape[2], 2) - 1
            if answers.min() < 0 or answers.max() > most:
                raise DataError(
                    f"the answers of the samples are classes from {answers.min()} to {answers.max()}, and the output "
                    f"of the network decides between 0 and {most}; give the number of the output that is meant"
                )
            parts.append(Recognised.of(outputs, answers))
        return Recognised.combined(np.concatenate(parts))


def _class_numbers(data: Dataset) -> NDArray[np.int64] | None:
    """Return the numbers that a file gives its classes, which are those of outputs; None where they are 0, 1, 2 ..."""
    labels = getattr(data.info, "labels", ())
    return np.array(labels, np.int64) if labels else None
