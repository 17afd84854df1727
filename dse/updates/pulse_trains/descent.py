"""How the weights of torch modules learn by pulses, without an accumulator before the cells."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dse.crossbar.analog import AnalogLayer, analog_layers
from dse.crossbar.cuts import full_lines
from dse.crossbar.pairs import PairArray, Sensed
from dse.crossbar.spec import RefreshSpec
from dse.crossbar.usage import LayerUsage, numbered
from dse.errors import DivergedError
from dse.kernel.arithmetic import mean
from dse.pausing import State, by_number, gathered, hand_out, taken
from dse.streams import Stream, stream
from dse.updates.descent import arrays_of, as_network_says
from dse.updates.layers import Held
from dse.updates.mixed_precision.descent import beta_us_of
from dse.updates.pace import Interval
from dse.updates.platform import Platform
from dse.updates.pulse_trains.between import Place
from dse.updates.standing import standing_of
from dse.updates.usage import usage_of_pairs

Pulses = Callable[[Tensor, Stream], Tensor]
"""Makes whole pulses of a layer, int64, from those wanted, signed and real, of that shape, and a stream of its own."""


class PulsedWeights:
    """The pairs that hold the weights of a layer, and what pulses them.

    Args:
        layer: the layer, which shows the weights in the cells to its products.
        platform: the hardware.
        pulses: what makes whole pulses of wanted ones.
        seed: seed of the network.
        between: what makes an array that takes the pulses and passes some on; None where the weights take them.
    """

    def __init__(
        self, layer: AnalogLayer, platform: Platform, *, pulses: Pulses, seed: int, between: Place | None = None
    ) -> None:
        self.layer, self._pulses = layer, pulses
        hardware, weight = platform.crossbar_hardware, layer.weight.detach().cpu().reshape(layer.cols, -1)
        beta_us = beta_us_of(platform.array, weight, platform.array.conductance_per_std_us)
        array = platform.array.model_copy(update={"conductance_per_weight_us": beta_us})
        self.array = PairArray(
            layer.cols,
            layer.rows,
            hardware.cell,
            array,
            hardware.dac,
            hardware.adc,
            seed=seed,
            layer=layer.number,
            inputs_first=False,
        )
        self.array.start_from(weight, array.initial_mean_us)
        self._pulse = hardware.cell.granularity_us / self.array.beta_us
        self._draws = stream(seed, "pulses", layer.number)
        self.surveys_us: list[float] = []
        self.between = None if between is None else between(layer.rows, layer.cols, beta_us, layer.number)
        refresh = hardware.refresh
        self._threshold_us = refresh.threshold_us if refresh.every_samples else None
        layer.counting = True

    def sense(self, now_s: float) -> Sensed:
        """Return what products see at a time, of the shape of the weights of the layer."""
        sensed, shape = self.array.sense(now_s), self.layer.weight.shape
        noise = sensed.noise_variance
        return Sensed(sensed.weight.reshape(shape), None if noise is None else noise.reshape(shape))

    def show(self, now_s: float) -> None:
        """Let training see the cells as they are at a time."""
        sensed = self.sense(now_s)
        with torch.no_grad():
            self.layer.weight.copy_(sensed.weight)
        self.layer.read_noise = sensed.noise_variance

    def step(self, learning_rate: float, now_s: float) -> None:
        """Pulse the cells by the gradient.

        Raises:
            DivergedError: a gradient is not finite.
        """
        if self.layer.weight.grad is None:
            return
        gradient = self.layer.weight.grad.cpu().reshape(self.layer.cols, -1)
        rate = learning_rate if self.between is None else learning_rate * self.between.rate
        wanted = gradient * (-rate / self._pulse)
        if not bool(torch.isfinite(wanted).all()):
            raise DivergedError("an update is no longer finite")
        pulses: Tensor | None = self._pulses(wanted, self._draws)
        if self.between is not None:
            # An array of its own has its inputs in rows, as the layers of a perceptron do.
            self.between.gather(pulses.T.contiguous(), now_s)
            passed_on = self.between.transfer(now_s, self.layer.events)
            pulses = None if passed_on is None else passed_on.T.contiguous()
        if pulses is not None:
            self.array.program(pulses, now_s, self.layer.events)
        # Rows and columns of pulses meet in the cells: nothing is multiplied digitally.
        self.layer.events.macs_update = 0

    def survey(self, now_s: float) -> None:
        """Note the mean conductance of a cell, which the energy of a read follows."""
        self.surveys_us.append(mean(self.array.conductance_us(now_s).numpy()))
        if self.between is not None:
            self.between.survey(now_s)

    def refresh(self, rule: RefreshSpec, now_s: float) -> None:
        """Refresh pairs near saturation."""
        self.array.refresh(rule, now_s, self.layer.events)
        if self.between is not None:
            self.between.maintain(now_s)

    def usage(self, number: int) -> LayerUsage:
        """Return what happened in the layer."""
        layer = self.layer
        own = usage_of_pairs(
            number,
            self.array,
            None if self.between is None else self.between.filter,
            layer.events,
            size=(layer.rows, layer.cols),
            ranges=layer.ranges,
            operand_bits="float",
            surveys_us=self.surveys_us,
            standing=standing_of(self.array, self._threshold_us),
        )
        own = replace(own, row_tiles=len(layer.row_tiles), column_tiles=len(layer.column_tiles))
        return as_network_says(own, layer)

    def beside(self) -> list[LayerUsage]:
        """Return the account of the array before the weights, which is cut as they are, if there is one."""
        if self.between is None:
            return []
        own, layer = self.between.usage(0), self.layer
        tiles = {"row_tiles": len(layer.row_tiles), "column_tiles": len(layer.column_tiles)}
        full = full_lines(layer.row_tiles, layer.column_tiles)
        return [replace(own, events={**own.events, **arrays_of(layer), **full}, **tiles)]

    def _parts(self) -> dict[str, Any]:
        between = {} if self.between is None else {"between": self.between}
        return {"array": self.array, "draws": self._draws, **between}

    def state(self) -> dict[str, NDArray[Any]]:
        """Return cells, draws and what was measured; see `dse.pausing.Pausable`."""
        return {"surveys_us": np.array(self.surveys_us), **gathered(self._parts())}

    def restore(self, state: State) -> None:
        """Go back to a state; see `dse.pausing.Pausable`."""
        self.surveys_us = taken(state, "surveys_us").tolist()
        hand_out(self._parts(), state)


class PulsedDescent:
    """Moves the weights of a network; see `dse.updates.descent.Descent`. Biases and normalisation are digital.

    Args:
        network: torch modules on the crossbars of the platform.
        platform: the hardware.
        pulses: what makes whole pulses of wanted ones, which is where rules of this kind differ.
        seed: seed of the network.
        between: what makes an array that takes the pulses and passes some on; None where the weights take them.
    """

    def __init__(
        self, network: nn.Module, platform: Platform, *, pulses: Pulses, seed: int, between: Place | None = None
    ) -> None:
        layers = [layer for _, layer in analog_layers(network)]
        self.pulsed = [PulsedWeights(layer, platform, pulses=pulses, seed=seed, between=between) for layer in layers]
        in_cells = {id(layer.weight) for layer in layers}
        self._digital = [own for own in network.parameters() if id(own) not in in_cells]
        self._all = list(network.parameters())
        self._refresh, self._rule = Interval(platform.refresh_every), platform.crossbar_hardware.refresh
        self._sample_time_s, self._drift_every, self._seen = platform.sample_time_s, platform.drift_every, 0
        self._show()

    def _show(self) -> None:
        """Show the cells as they were when drift was last evaluated."""
        now_s = self._seen // self._drift_every * self._drift_every * self._sample_time_s
        for own in self.pulsed:
            own.show(now_s)

    def prepare(self, epochs: float) -> None:  # noqa: ARG002  the cells are shown after each step
        """Forget the gradients of the last mini-batch."""
        for parameter in self._all:
            parameter.grad = None

    def step(self, learning_rate: float, samples: int) -> None:
        """Pulse the cells, move what is digital, and refresh where it is time."""
        for own in self.pulsed:
            own.step(learning_rate, self._seen * self._sample_time_s)
        with torch.no_grad():
            for parameter in self._digital:
                if parameter.grad is not None:
                    parameter.add_(parameter.grad, alpha=-learning_rate)
        self._seen += samples
        if self._refresh.is_due(samples):
            for own in self.pulsed:
                own.refresh(self._rule, self._seen * self._sample_time_s)
        self._show()

    @contextmanager
    def measuring(self, now_s: float) -> Generator[None]:
        """Let products see the cells as they have drifted, and count nothing."""
        held = [own.layer.read_noise for own in self.pulsed]
        for own in self.pulsed:
            sensed = own.sense(now_s)
            own.layer.effective_weight = sensed.weight.contiguous().to(own.layer.weight.device)
            own.layer.read_noise, own.layer.counting = sensed.noise_variance, False
        yield
        for own, noise in zip(self.pulsed, held, strict=True):
            own.layer.effective_weight, own.layer.read_noise, own.layer.counting = None, noise, True

    def survey(self, now_s: float) -> None:
        """Note the mean conductance of every layer, which the energy of a read follows."""
        for own in self.pulsed:
            own.survey(now_s)

    def usage(self) -> list[LayerUsage]:
        """Return what happened in the layers, and behind them in arrays that take their pulses first."""
        accounts = [own.usage(number) for number, own in enumerate(self.pulsed)]
        return numbered([*accounts, *(array for own in self.pulsed for array in own.beside())])

    def held(self) -> list[Held]:
        """Return the cells of each layer."""
        return [Held(own.array) for own in self.pulsed]

    def _parts(self) -> dict[str, Any]:
        return {"refresh": self._refresh, "layers": by_number(self.pulsed)}

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the cells and where their intervals stand; other parameters are the network's."""
        return {"seen": np.array(self._seen), **gathered(self._parts())}

    def restore(self, state: State) -> None:
        """Go back to a state, and show the weights in the cells again."""
        self._seen = int(taken(state, "seen", ()))
        hand_out(self._parts(), state)
        self._show()
