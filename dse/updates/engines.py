"""How the accumulators and cells of one parameter step: in compiled code, or plainly.

`CompiledEngine` is for PCM; `PlainEngine` takes any cells, and is its twin to the last bit. Where a parameter is on an
accelerator, its PCM stays there too; see `dse.updates.accelerated`.
"""

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.kernel import engine as images
from dse.kernel import state
from dse.pausing import State
from dse.updates import accelerated, fast
from dse.updates.layers import CrossbarLayer
from dse.updates.pace import Pace
from dse.updates.resumed import restored, state_of


class Engine(Protocol):
    """What steps the accumulators and cells of a parameter, and shows its weights in a matrix."""

    def wait(self, seen: int, samples: int) -> None:
        """Let some samples pass without an update."""
        ...

    def step(self, gradient: Tensor, learning_rate: float, seen: int, samples: int) -> None:
        """Learn from a gradient, float32, shape (rows, cols), of some samples, having seen others.

        Raises:
            DivergedError: an update left the range of numbers.
        """
        ...

    def write_back(self) -> None:
        """Bring accumulators, events and `sensed` of the layer up to date, and cells that are on an accelerator."""
        ...

    def read_variance(self) -> Tensor | None:
        """Return the variance of one read of each weight now, shape (rows, cols); None for quiet reads."""
        ...

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the state of the layer, the samples since refresh and those by which drift was last evaluated.

        It is the same for every engine; see `dse.pausing.Pausable`.
        """
        ...

    def restore(self, saved: State) -> None:
        """Go back to a state of any engine, and show the weights; see `dse.pausing.Pausable`."""
        ...


def engine_of(layer: CrossbarLayer, weight: Tensor, pace: Pace, *, compiled: bool = True) -> Engine:
    """Return what steps a layer and shows its weights.

    Args:
        layer: pairs and accumulators.
        weight: where weights are shown, float32, shape (rows, cols); its memory must live as long.
        pace: learning rate and time.
        compiled: take compiled code, or kernels, where there are some; the result is the same.
    """
    if compiled and accelerated.takes(layer, weight):
        return accelerated.AcceleratedEngine(layer, weight, pace)
    chosen = CompiledEngine if compiled and fast.compiles(layer) else PlainEngine
    return chosen(layer, weight, pace)


class CompiledEngine:
    """PCM cells in compiled code; see `Engine`."""

    def __init__(self, layer: CrossbarLayer, weight: Tensor, pace: Pace) -> None:
        self._layer, self._weight, self._every = layer, weight, pace.drift_every
        # Compiled code keeps the weights of cells; what products see through wires follows from all of them.
        self._own = weight if layer.array.wires is None else torch.empty_like(weight)
        self._variance: Tensor | None = None
        self._knobs = fast.knobs_of(layer, pace)
        self._buffers = state.gathered(state.BUFFERS, [fast.room_for(layer, 1)])
        self._begin(state.started(), 0)

    def _begin(self, clock: NDArray[np.int64], seen: int) -> None:
        """Take over the layer as it is, having seen so many samples."""
        self._states = fast.states_of([self._layer], backward=False)
        self._states.arrays[0]["weight"] = self._own.numpy()
        self._states.records["weight"][0] = self._own.data_ptr()
        self._clock = clock
        self.wait(seen, 0)

    def wait(self, seen: int, samples: int) -> None:
        """Let some samples pass; see `Engine`."""
        images.wait(self._states.records, self._knobs, seen, samples, self._clock)
        self._show()

    def step(self, gradient: Tensor, learning_rate: float, seen: int, samples: int) -> None:
        """Learn from a gradient; see `Engine`."""
        records = self._states.records, self._knobs, self._buffers.records
        status = images.step(*records, gradient.numpy(), np.float32(-learning_rate), seen, samples, self._clock)
        fast.check(status, self._states)
        self._show()

    def _show(self) -> None:
        """Show the weights through the wires, where there are any."""
        array, state_arrays = self._layer.array, self._states.arrays[0]
        if array.wires is not None:
            g = torch.from_numpy(state_arrays["g_us"] * state_arrays["left"])
            sensed = array.presented(g.view(2, array.pairs, array.rows, array.cols))
            self._weight.copy_(sensed.weight)
            self._variance = sensed.noise_variance

    def write_back(self) -> None:
        """Bring the layer up to date; see `Engine`. Its cells always are."""
        fast.write_back([self._layer], self._states)
        now_s = float(self._clock[state.PERIOD] * self._knobs["drift_every"][0] * self._knobs["sample_time_s"][0])
        self._layer.sense(now_s)

    def read_variance(self) -> Tensor | None:
        """Return the variance of one read; see `Engine`."""
        if self._layer.array.wires is not None:
            return self._variance
        variance = self._states.arrays[0].get("variance")
        return None if variance is None else torch.from_numpy(variance)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the state; see `Engine`."""
        fast.write_back([self._layer], self._states)
        drifted_at = int(self._clock[state.PERIOD]) * self._every
        return state_of(self._layer, int(self._clock[state.SINCE_REFRESH]), drifted_at)

    def restore(self, saved: State) -> None:
        """Go back to a state; see `Engine`."""
        since, seen = restored(self._layer, saved)
        self._begin(state.started(np.array([since, 0])), seen)


class PlainEngine:
    """Any cells, step by step in tensor operations; see `Engine`."""

    def __init__(self, layer: CrossbarLayer, weight: Tensor, pace: Pace) -> None:
        self._layer, self._weight, self._pace = layer, weight, pace
        self._seen, self._since_refresh = 0, 0
        self.wait(0, 0)

    def wait(self, seen: int, samples: int) -> None:
        """Let some samples pass; see `Engine`."""
        self._since_refresh += samples
        self._layer.let_pass(samples, (seen + samples) * self._pace.sample_time_s)
        if self._pace.maintain_every and self._since_refresh >= self._pace.maintain_every:
            self._since_refresh = 0
            self.write_back()  # whatever was sensed since, such as what inference sees
            self._layer.maintain((seen + samples) * self._pace.sample_time_s)
        self._seen = seen + samples
        self.write_back()
        self._weight.copy_(self._layer.sensed.weight)

    def step(self, gradient: Tensor, learning_rate: float, seen: int, samples: int) -> None:
        """Learn from a gradient; see `Engine`."""
        layer, events = self._layer, self._layer.events
        pulses = layer.accumulator.add(gradient * float(np.float32(-learning_rate)), events)
        for name in ("chi_reads", "chi_writes", "chi_adds"):
            setattr(events, name, getattr(events, name) + gradient.numel())
        if pulses is not None:
            layer.array.program(pulses, seen * self._pace.sample_time_s, events)
        self.wait(seen, samples)

    def write_back(self) -> None:
        """Let the cells be seen as they were when drift was last evaluated; see `Engine`."""
        every = self._pace.drift_every
        self._layer.sense(self._seen // every * every * self._pace.sample_time_s)

    def read_variance(self) -> Tensor | None:
        """Return the variance of one read; see `Engine`."""
        return self._layer.sensed.noise_variance

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the state; see `Engine`."""
        every = self._pace.drift_every
        return state_of(self._layer, self._since_refresh, self._seen // every * every)

    def restore(self, saved: State) -> None:
        """Go back to a state; see `Engine`."""
        self._since_refresh, self._seen = restored(self._layer, saved)
        self.write_back()
        self._weight.copy_(self._layer.sensed.weight)
