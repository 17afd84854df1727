"""A trained network on cells that age: reads, compensation, measures, whatever computes its products.

    renew     fresh cells or fresh reads; ranges of converters; outputs under fixed inputs at time 0
    age       the cells at a time
    compensate, measured

What computes products is a subclass: compiled code for a perceptron (`dse.deployment.perceptron`), torch for any
module (`dse.deployment.modules`).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.crossbar.events import EVENT_NAMES, DeploymentEvents
from dse.crossbar.spec import Resolution
from dse.crossbar.usage import PARTIAL_ADDS_DEPLOYMENT, LayerUsage
from dse.data.images import Split
from dse.deployment.compensation.base import AbstractCompensation
from dse.deployment.matrices import Matrix, Purpose
from dse.deployment.measure import AbstractMeasure
from dse.kernel.arithmetic import Floats
from dse.streams import Stream, stream

RANGE_SAMPLES = 1000
"""Training samples over which the ranges of output converters are measured."""


@dataclass(kw_only=True)
class AbstractDeployedLayer(ABC):
    """A layer on cells.

    Attributes:
        matrix: what its cells hold.
        cells: how many they are.
        events: what the deployment took, evaluation apart.
    """

    matrix: Matrix
    cells: int
    events: DeploymentEvents = field(default_factory=DeploymentEvents)

    @property
    @abstractmethod
    def resolutions(self) -> tuple[Resolution, Resolution]:
        """Bits of the input converters and of the output converters."""

    @abstractmethod
    def scale(self, factor: Floats | None) -> None:
        """Scale the outputs digitally: one factor, or one for each output; None for none."""

    @abstractmethod
    def first_response(self) -> Floats:
        """Make fixed inputs and their converters fit each other, at time 0, and return the response then."""

    @abstractmethod
    def response(self) -> Floats:
        """Return the magnitudes of the outputs under fixed inputs, shape (vectors, cols)."""

    @abstractmethod
    def count_response(self) -> None:
        """Count the products that a response takes."""

    @property
    @abstractmethod
    def facts(self) -> dict[str, int]:
        """What prices must know of its converters; see `dse.crossbar.spec.AdcSpec.facts`."""

    def full_lines(self, trained: LayerUsage) -> dict[str, int]:  # noqa: ARG002
        """Return the lines of its full arrays where the account of the trained layer does not tell them."""
        return {}

    def account(self, trained: LayerUsage) -> LayerUsage:
        """Return the account of the trained layer with what its deployment took."""
        self.matrix.renew(0)
        dac_bits, adc_bits = self.resolutions
        added = self.events.partial_adds_deployment
        return replace(
            trained,
            events={
                **trained.events,
                **{name: trained.events[name] + getattr(self.events, name) for name in EVENT_NAMES},
                **({PARTIAL_ADDS_DEPLOYMENT: added} if added else {}),
                **self.facts,
                **self.full_lines(trained),
            },
            deployed_cells=self.cells,
            deployed_dac_bits=_resolution(dac_bits),
            deployed_adc_bits=_resolution(adc_bits),
            deployed_conductance_us=self.matrix.mean_conductance_us(),
        )


Layer = TypeVar("Layer", bound=AbstractDeployedLayer)


class AbstractDeployedNetwork(ABC, Generic[Layer]):
    """A network on cells.

    Attributes:
        layers: its layers, first layer first.
        fresh: responses of the layers at time 0, by which compensations judge what drift has done.

    Args:
        layers: its layers.
        samples_per_read: samples between two reads of programmed cells.
    """

    def __init__(self, layers: Sequence[Layer], samples_per_read: int) -> None:
        self.layers = layers
        self.fresh: list[Floats] = []
        self._samples_per_read = samples_per_read
        self._counting, self._fresh_is_counted = False, False

    @abstractmethod
    def outputs(self, split: Split, chosen: Tensor, reads: Sequence[Stream]) -> Floats:
        """Return the outputs for some samples (int64 indices) of a split by one read of every layer's cells."""

    @abstractmethod
    def set_ranges(self) -> None:
        """Set the ranges of the output converters to what training samples need, where they are not given."""

    def estimate_norms(self) -> None:
        """Estimate the statistics of batch normalisations anew, on training samples.

        Raises:
            SettingError: there are none.
        """
        raise NotImplementedError

    def restore_norms(self) -> None:
        """Go back to the statistics of the training."""

    def renew(self, repetition: int) -> None:
        """Begin a repetition; the time is 0. What the first one takes is counted."""
        self._counting, self._fresh_is_counted = repetition == 0, False
        self._uncompensated()
        for layer in self.layers:
            layer.matrix.renew(repetition)
            if self._counting:
                layer.matrix.count_programming(layer.events)
        self.set_ranges()
        self.fresh = [layer.first_response() for layer in self.layers]

    def age(self, time_s: float) -> None:
        """Go to a time of the deployment."""
        for layer in self.layers:
            layer.matrix.age(time_s)

    def compensate(self, how: type[AbstractCompensation]) -> None:
        """Compensate for what this time has done.

        Raises:
            SettingError: the network has not what the compensation needs.
        """
        self._uncompensated()
        how.apply(self)

    def responses(self) -> list[Floats]:
        """Return the responses of the layers now, counted with those at time 0."""
        found = [layer.response() for layer in self.layers]
        if self._counting:
            for _ in range(1 if self._fresh_is_counted else 2):
                for layer in self.layers:
                    layer.count_response()
            self._fresh_is_counted = True
        return found

    def measured(
        self, split: Split, measures: Sequence[type[AbstractMeasure]], purpose: Purpose = "evaluation"
    ) -> dict[str, float]:
        """Return what measures find on a split now, by name, by reads for a purpose."""
        reads = self.reads(purpose)
        parts: dict[str, list[NDArray[Any]]] = {own.name: [] for own in measures}
        for chosen in torch.split(torch.arange(len(split)), self._samples_per_read):
            outputs = self.outputs(split, chosen, reads)
            for own in measures:
                answers = self.digital if own.against == "digital" else self.answers
                parts[own.name].append(own.of(outputs, answers(split, chosen)))
        return {own.name: own.combined(np.concatenate(parts[own.name])) for own in measures}

    def answers(self, split: Split, chosen: Tensor) -> NDArray[Any]:
        """Return the answers of some samples (int64 indices) of a split, samples first."""
        return split.labels[chosen].numpy()

    def digital(self, split: Split, chosen: Tensor) -> NDArray[Any]:
        """Return what the digital network gives for some samples; only where a measure of its task asks for that."""
        raise NotImplementedError

    def accounts(self, trained: Sequence[LayerUsage]) -> list[LayerUsage]:
        """Return the accounts of the trained layers with what their deployment took; others stand behind them."""
        count = len(self.layers)
        deployed = [layer.account(usage) for layer, usage in zip(self.layers, trained[:count], strict=True)]
        return [*deployed, *trained[count:]]

    def reads(self, purpose: Purpose) -> list[Stream]:
        """Return the streams of reads for a purpose, one a layer."""
        return [layer.matrix.noise(purpose) for layer in self.layers]

    def _uncompensated(self) -> None:
        self.restore_norms()
        for layer in self.layers:
            layer.scale(None)


def _resolution(bits: Resolution) -> int | None:
    return None if bits == "ideal" else bits


def fixed_inputs(vectors: int, rows: int) -> Floats:
    """Return the inputs under which drift is measured, evenly distributed in [0, 1], shape (vectors, rows)."""
    drawn = stream(0, "inputs of drift compensation", rows).next_uniform(vectors * rows)
    return drawn.reshape(vectors, rows).numpy()
