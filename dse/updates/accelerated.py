"""Accumulators and PCM cells of a parameter that stay on an accelerator, next to the products that see them.

`AcceleratedEngine` is the twin of `dse.updates.engines.CompiledEngine` there: the same pulses, refreshes and drift with
the same random numbers, a kernel for each over all cells of a layer. Nothing but counts of bit-serial inputs is copied
in a step; cells, accumulators and counts come back when somebody asks for them.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dse.kernel.accelerator import dispatch
from dse.pausing import State
from dse.updates import fast
from dse.updates.layers import CrossbarLayer
from dse.updates.pace import Pace
from dse.updates.resumed import restored, state_of

CHECK_EVERY = 100
"""Updates after which a training is asked whether it left the range of numbers; asking waits for the accelerator."""


def takes(layer: CrossbarLayer, weight: Tensor) -> bool:
    """Return whether there are kernels for the cells of a layer, where its weights are."""
    return dispatch.takes(weight) and fast.compiles(layer) and layer.array.wires is None


class AcceleratedEngine:
    """PCM cells in kernels; see `dse.updates.engines.Engine`."""

    def __init__(self, layer: CrossbarLayer, weight: Tensor, pace: Pace) -> None:
        from dse.kernel.accelerator import cells  # noqa: PLC0415  Triton, which the processor does without

        self._cells, self._layer, self._weight, self._pace = cells, layer, weight, pace
        self._knobs = fast.knobs_of(layer, pace)
        self._rates: dict[float, Tensor] = {}
        self._begin(0, 0)

    def _begin(self, since_refresh: int, seen: int) -> None:
        """Take over the layer as it is, having seen so many samples."""
        from dse.kernel.accelerator.layout import bank_of  # noqa: PLC0415

        self._states = fast.states_of([self._layer], backward=False)
        record, knobs = self._states.records[0], self._knobs[0]
        self._updates, self._since_refresh, self._period = int(record["updates"]), since_refresh, -1
        self._reads = 1 + int(knobs["verify_rounds"]) + int(knobs["keeps_misses"])
        self._refreshes = int(record["refresh_events"]) // self._reads
        self._refreshed = self._touched = self._transfers = 0
        shown = self._weight.view(1, -1)
        self._bank = bank_of(self._states.records, self._knobs, list(self._states.arrays), shown)
        self._grow_old(seen)

    def wait(self, seen: int, samples: int) -> None:
        """Let some samples pass; see `Engine`."""
        if samples > 0:
            self._maintain(seen + samples, samples)
        self._grow_old(seen + samples)

    def step(self, gradient: Tensor, learning_rate: float, seen: int, samples: int) -> None:
        """Learn from a gradient on the accelerator; see `Engine`. That it diverged may be said some steps later."""
        self._updates += 1
        self._touched += 1
        every = int(self._knobs["transfer_every"][0])
        self._transfers += every > 1 and self._updates % every == 0
        now_s = float(np.float32(seen * self._pace.sample_time_s))
        self._cells.update(self._bank, gradient, self._rate(learning_rate), self._updates, now_s)
        self.wait(seen, samples)
        if self._updates % CHECK_EVERY == 0:
            self._check()

    def _rate(self, learning_rate: float) -> Tensor:
        if learning_rate not in self._rates:
            self._rates = {learning_rate: torch.full((1,), -learning_rate, device=self._weight.device)}
        return self._rates[learning_rate]

    def _maintain(self, seen: int, samples: int) -> None:
        """Refresh where it is time."""
        self._since_refresh += samples
        if self._pace.maintain_every and self._since_refresh >= self._pace.maintain_every:
            self._since_refresh = 0
            self._cells.refresh(self._bank, self._refreshes, float(np.float32(seen * self._pace.sample_time_s)))
            self._refreshes += 1
            self._refreshed += 1

    def _grow_old(self, seen: int) -> None:
        """Evaluate the drift where it is time."""
        period = seen // self._pace.drift_every
        if self._period < 0 or (self._knobs["drifts"][0] and period != self._period):
            self._cells.age(self._bank, float(np.float32(self._drifted_to_s(period))))
        self._period = period

    def _drifted_to_s(self, period: int) -> float:
        return period * self._pace.drift_every * self._pace.sample_time_s

    def _check(self) -> None:
        """Check that no update left the range of numbers.

        Raises:
            DivergedError: one did.
        """
        from dse.kernel.accelerator.layout import CULPRIT, STATUS  # noqa: PLC0415

        status, culprit = (int(own) for own in self._bank.counts[0, [STATUS, CULPRIT]].cpu())
        self._states.records["culprit"][0] = np.array(culprit, np.int32).view(np.float32)
        fast.check(status, self._states)

    def write_back(self) -> None:
        """Bring the layer up to date, its cells among it; see `Engine`."""
        self._fetch()
        self._check()
        self._layer.sense(self._drifted_to_s(self._period))

    def _fetch(self) -> None:
        """Bring cells, accumulators and counts to the processor."""
        from dse.kernel.accelerator.layout import COUNTS  # noqa: PLC0415

        bank, arrays, record = self._bank, self._states.arrays[0], self._states.records[0]
        for name in ("g_us", "history", "pulsed_at_s", "set_pulses", "reset_pulses", "word", *self._worn):
            own = arrays[name]
            own[...] = bank.array(name, 0).reshape(own.shape).view(own.dtype)
        counts = bank.array("counts", 0)
        for place, name in enumerate(COUNTS):
            record[name] += counts[place]
        bank.counts[:, : len(COUNTS)].zero_()
        size = self._layer.rows * self._layer.cols
        record["refresh_reads"] += self._refreshed * self._layer.array.size
        record["touched"] += self._touched * size
        record["transfer_reads"] += self._transfers * size
        self._refreshed = self._touched = self._transfers = 0
        record["updates"] = self._updates
        every, draws = int(self._knobs["transfer_every"][0]), self._layer.accumulator.spec
        record["selected"] = self._updates // every % self._layer.array.pairs
        if draws.bits != "float" and draws.rounding == "stochastic":
            record["chi_events"] = self._updates
        if self._bank.noisy:
            record["refresh_events"] = self._refreshes * self._reads
        fast.write_back([self._layer], self._states)

    @property
    def _worn(self) -> tuple[str, ...]:
        return ("flips",) if "flips" in self._states.arrays[0] else ()

    def read_variance(self) -> Tensor | None:
        """Return the variance of one read on the accelerator; see `Engine`."""
        return self._bank.variance.view(self._weight.shape) if self._bank.noisy else None

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the state; see `Engine`."""
        self._fetch()
        return state_of(self._layer, self._since_refresh, self._period * self._pace.drift_every)

    def restore(self, saved: State) -> None:
        """Go back to a state of any engine; see `Engine`."""
        self._begin(*restored(self._layer, saved))
