"""How the accumulators and cells of one parameter step: in compiled code, or plainly.

`CompiledEngine` is for PCM; `PlainEngine` takes any cells, and is its twin to the last bit.
"""

import copy
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor

from dse.errors import SettingError
from dse.kernel import engine as images
from dse.kernel import state
from dse.updates import fast
from dse.updates.layers import CrossbarLayer
from dse.updates.pace import Pace

UNLIKE = "the saved state is of another shape, hardware or seed"


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
        """Bring accumulators, events and `sensed` of the layer up to date."""
        ...

    def read_variance(self) -> Tensor | None:
        """Return the variance of one read of each weight now, shape (rows, cols); None for quiet reads."""
        ...

    def state(self) -> dict[str, Any]:
        """Return a copy of everything that training changes."""
        ...

    def restore(self, saved: dict[str, Any]) -> None:
        """Go back to a state that `state` returned.

        Raises:
            SettingError: it is that of another shape, hardware or seed.
        """
        ...


def engine_of(layer: CrossbarLayer, weight: Tensor, pace: Pace, *, compiled: bool = True) -> Engine:
    """Return what steps a layer and shows its weights.

    Args:
        layer: pairs and accumulators.
        weight: where weights are shown, float32, shape (rows, cols); its memory must live as long.
        pace: learning rate and time.
        compiled: take compiled code where there is some; the result is the same.
    """
    chosen = CompiledEngine if compiled and fast.compiles(layer) else PlainEngine
    return chosen(layer, weight, pace)


class CompiledEngine:
    """PCM cells in compiled code; see `Engine`."""

    def __init__(self, layer: CrossbarLayer, weight: Tensor, pace: Pace) -> None:
        self._layer = layer
        self._knobs = fast.knobs_of(layer, pace)
        self._states = fast.states_of([layer], backward=False)
        self._states.arrays[0]["weight"] = weight.numpy()
        self._states.records["weight"][0] = weight.data_ptr()
        self._buffers = state.gathered(state.BUFFERS, [fast.room_for(layer, 1)])
        self._clock = np.array([0, 0, -1], np.int64)
        self.wait(0, 0)

    def wait(self, seen: int, samples: int) -> None:
        """Let some samples pass; see `Engine`."""
        images.wait(self._states.records, self._knobs, seen, samples, self._clock)

    def step(self, gradient: Tensor, learning_rate: float, seen: int, samples: int) -> None:
        """Learn from a gradient; see `Engine`."""
        records = self._states.records, self._knobs, self._buffers.records
        status = images.step(*records, gradient.numpy(), np.float32(-learning_rate), seen, samples, self._clock)
        fast.check(status, self._states)

    def write_back(self) -> None:
        """Bring the layer up to date; see `Engine`. Its cells always are."""
        fast.write_back([self._layer], self._states)
        now_s = float(self._clock[state.PERIOD] * self._knobs["drift_every"][0] * self._knobs["sample_time_s"][0])
        self._layer.sense(now_s)

    def read_variance(self) -> Tensor | None:
        """Return the variance of one read; see `Engine`."""
        variance = self._states.arrays[0].get("variance")
        return None if variance is None else torch.from_numpy(variance)

    def state(self) -> dict[str, Any]:
        """Return the state; see `Engine`."""
        record = self._states.records[0]
        return {
            "arrays": {name: torch.from_numpy(array.copy()) for name, array in self._states.arrays[0].items()},
            "numbers": {
                name: record[name].item() for name in state.STATE.names or () if name not in state.STATE_ARRAYS
            },
            "clock": torch.from_numpy(self._clock.copy()),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go back to a state; see `Engine`."""
        if "arrays" not in saved:
            raise SettingError(UNLIKE)
        arrays, numbers = self._states.arrays[0], saved["numbers"]
        keys = [f"{name}_key" for name in state.STREAMS]
        shapes = {name: tuple(array.shape) for name, array in saved["arrays"].items()}
        if shapes != {name: array.shape for name, array in arrays.items()} or any(
            numbers[key] != self._states.records[key][0] for key in keys
        ):
            raise SettingError(UNLIKE)
        for name, array in arrays.items():
            array[...] = saved["arrays"][name].numpy()
        for name, number in numbers.items():
            self._states.records[name] = number
        self._clock[:] = saved["clock"].numpy()


class PlainEngine:
    """Any cells, step by step in tensor operations; see `Engine`."""

    def __init__(self, layer: CrossbarLayer, weight: Tensor, pace: Pace) -> None:
        self._layer, self._weight, self._pace = layer, weight, pace
        self._seen, self._since_refresh = 0, 0
        self.wait(0, 0)

    def wait(self, seen: int, samples: int) -> None:
        """Let some samples pass; see `Engine`."""
        self._seen = seen + samples
        self._since_refresh += samples
        if self._pace.maintain_every and self._since_refresh >= self._pace.maintain_every:
            self._since_refresh = 0
            self._layer.maintain(self._seen * self._pace.sample_time_s)
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

    def state(self) -> dict[str, Any]:
        """Return the state; see `Engine`."""
        return {"plain": copy.deepcopy({name: getattr(*place) for name, place in self._places().items()})}

    def restore(self, saved: dict[str, Any]) -> None:
        """Go back to a state; see `Engine`."""
        own, streams = cast("dict[str, Any]", copy.deepcopy(saved.get("plain", {}))), self._layer.array.streams
        if (
            own.keys() != self._places().keys()
            or own["word"].shape != self._layer.accumulator.word.shape
            or [stream.key for stream in own["streams"]] != [stream.key for stream in streams]
        ):
            raise SettingError(UNLIKE)
        for stream, there in zip(streams, own.pop("streams"), strict=True):
            stream.events = there.events
        self._layer.accumulator.noise.events = own.pop("rounding").events
        for name, value in own.items():
            setattr(*self._places()[name], value)
        self.write_back()
        self._weight.copy_(self._layer.sensed.weight)

    def _places(self) -> dict[str, tuple[Any, str]]:
        """Return where everything stands that training changes."""
        array, accumulator = self._layer.array, self._layer.accumulator
        return {
            "cells": (array, "cells"),
            "selected": (array, "selected"),
            "streams": (array, "streams"),
            "word": (accumulator, "word"),
            "flips": (accumulator, "flips"),
            "updates": (accumulator, "updates"),
            "rounding": (accumulator, "noise"),
            "events": (self._layer, "events"),
            "seen": (self, "_seen"),
            "since_refresh": (self, "_since_refresh"),
        }
