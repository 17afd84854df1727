"""Mixed-precision descent: how the weights of torch modules learn on pairs of cells through accumulators."""

import math
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from dse.crossbar.analog import AnalogLayer, analog_layers
from dse.crossbar.events import EVENT_NAMES, Events
from dse.crossbar.spec import ArraySpec
from dse.crossbar.usage import LayerUsage
from dse.errors import DivergedError
from dse.kernel.arithmetic import ordered_sum
from dse.pausing import State
from dse.updates.descent import as_network_says
from dse.updates.layers import CrossbarLayer, Hardware, Held
from dse.updates.modules import PLAIN, CrossbarParameter, MixedPrecisionSgd
from dse.updates.optimisers import AbstractOptimiser
from dse.updates.usage import usage_of_pairs


class CrossbarDescent:
    """Mixed-precision descent: gradients go into accumulators, whole pulses to the cells that products see.

    Attributes:
        pairs: for every layer its pairs and accumulators, in the order of the network.

    Args:
        network: a network of `AnalogLayer`.
        hardware: of every layer; `conductance_per_weight_us` is set layer by layer.
        conductance_per_std_us: conductance difference that stands for the deviation of a layer's initial weights, uS.
        with_accumulator: whether inference adds the accumulators to the weights in the pairs.
        seed: seed of the trial.
        sample_time_s: simulated time of an image, s.
        drift_every: images between two evaluations of the drift.
        optimiser: what turns gradients into what enters the accumulators.
        digital: the same for digital parameters.
        digital_share: learning rate of digital parameters in units of that of the weights.
    """

    def __init__(
        self,
        network: nn.Module,
        hardware: Hardware,
        *,
        conductance_per_std_us: float,
        with_accumulator: bool,
        seed: int,
        sample_time_s: float,
        drift_every: int,
        optimiser: AbstractOptimiser = PLAIN,
        digital: AbstractOptimiser = PLAIN,
        digital_share: float = 1.0,
    ) -> None:
        layers = dict(analog_layers(network))
        self._with_accumulator = with_accumulator
        # Operands are rounded where gradients are formed, in the layers.
        accumulator = hardware.accumulator.model_copy(update={"operand_bits": "float"})

        def choose(name: str, values: Tensor) -> Hardware | None:
            owner, _, leaf = name.rpartition(".")
            if leaf != "weight" or owner not in layers:
                return None
            beta = beta_us_of(hardware.array, values, conductance_per_std_us)
            array = hardware.array.model_copy(update={"conductance_per_weight_us": beta})
            return replace(hardware, array=array, accumulator=accumulator)

        self.optimiser = MixedPrecisionSgd(
            network,
            choose,
            lr=1.0,
            seed=seed,
            sample_time_s=sample_time_s,
            drift_every=drift_every,
            optimiser=optimiser,
            digital=digital,
        )
        self._digital_share = digital_share
        self.pairs: Sequence[CrossbarParameter] = self.optimiser.parameters_on_crossbars
        self._layers: list[AnalogLayer] = list(layers.values())
        for layer, pair in zip(self._layers, self.pairs, strict=True):
            layer.read_noise = pair.read_variance
            layer.counting = True

    def prepare(self, epochs: float) -> None:  # noqa: ARG002
        """Forget the last gradients."""
        self.optimiser.zero_grad(set_to_none=True)

    def step(self, learning_rate: float, samples: int) -> None:
        """Add the updates to the accumulators and apply the pulses."""
        analog, *digital = self.optimiser.param_groups
        analog["lr"] = learning_rate
        for group in digital:
            group["lr"] = learning_rate * self._digital_share
        self.optimiser.step(samples=samples)

    @contextmanager
    def measuring(self, now_s: float) -> Generator[None]:
        """Let products see the cells as they have drifted, with fresh read noise, and count nothing."""
        self.optimiser.write_back()
        held = [layer.read_noise for layer in self._layers]
        for layer, pair in zip(self._layers, self.pairs, strict=True):
            pair.layer.sense(now_s)
            sensed, shape = pair.layer.sensed, layer.weight.shape
            chi = pair.layer.accumulator.chi if self._with_accumulator else 0.0
            layer.effective_weight = (sensed.weight + chi).reshape(shape).contiguous().to(layer.weight.device)
            layer.read_noise = None if sensed.noise_variance is None else sensed.noise_variance.reshape(shape)
            layer.counting = False
        yield
        for layer, noise in zip(self._layers, held, strict=True):
            layer.effective_weight, layer.read_noise, layer.counting = None, noise, True

    def survey(self, now_s: float) -> None:
        """Note the mean conductance of every layer."""
        self.optimiser.write_back()  # cells on an accelerator
        for pair in self.pairs:
            pair.layer.survey(now_s)

    def usage(self) -> list[LayerUsage]:
        """Return what happened in the layers; see `Descent`."""
        self.optimiser.write_back()
        return [
            as_network_says(_usage_of(number, layer, pair.layer), layer)
            for number, (layer, pair) in enumerate(zip(self._layers, self.pairs, strict=True))
        ]

    def held(self) -> list[Held]:
        """Return the cells of each layer, with its accumulators where inference adds them; see `Descent`."""
        layers = [pair.layer for pair in self.pairs]
        return [Held(own.array, own.accumulator.chi if self._with_accumulator else None) for own in layers]

    def state(self) -> dict[str, NDArray[Any]]:
        """Return pairs and accumulators; see `dse.pausing.Pausable`."""
        return self.optimiser.pause()

    def restore(self, state: State) -> None:
        """Go back to a state; see `dse.pausing.Pausable`."""
        self.optimiser.go_on(state)


def _usage_of(number: int, layer: AnalogLayer, pairs: CrossbarLayer) -> LayerUsage:
    """Return what happened in a layer: in its products, and in the pairs that hold its weights."""
    counted = [vars(events) for events in (layer.events, pairs.events)]
    own = usage_of_pairs(
        number,
        pairs.array,
        pairs.accumulator,
        Events(**{name: sum(events[name] for events in counted) for name in EVENT_NAMES}),
        size=(layer.rows, layer.cols),
        ranges=layer.ranges,
        operand_bits=layer.crossbars.operand_bits,
        surveys_us=pairs.conductance_surveys_us,
        standing=pairs.standing(),
    )
    return replace(own, row_tiles=len(layer.row_tiles), column_tiles=len(layer.column_tiles))


def beta_us_of(array: ArraySpec, values: Tensor, conductance_per_std_us: float) -> float:
    """Return the conductance difference of a pair that stands for a weight of 1, uS, by the initial weights of a layer.

    Raises:
        DivergedError: their deviation is 0 or no number.
    """
    deviation = deviation_of(values)
    if array.mapping == "largest":
        return array.conductance_at_largest_us / float(values.detach().abs().max())
    return conductance_per_std_us / deviation


def deviation_of(values: Tensor) -> float:
    """Return the standard deviation of some weights around 0, summed in their order.

    Raises:
        DivergedError: it is 0 or no number.
    """
    deviation = math.sqrt(ordered_sum(values.detach().double().square().cpu().numpy()) / values.numel())
    if not (deviation > 0.0 and math.isfinite(deviation)):
        raise DivergedError(f"the weights of a layer have the deviation {deviation}, and conductances cannot follow it")
    return deviation
