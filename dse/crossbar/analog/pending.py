"""What was counted on an accelerator and not yet asked for."""

from dataclasses import dataclass, field

from torch import Tensor

from dse.crossbar.events import REAL_EVENTS, Events


@dataclass
class Pending:
    """Counts and largest products of a layer that lie on an accelerator: asking for each would wait for it.

    Attributes:
        counts: by the names of `Events`.
        peaks: the largest magnitudes before output converters, by direction.
    """

    counts: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    peaks: dict[int, Tensor] = field(default_factory=dict[int, Tensor])

    def add(self, name: str, number: Tensor) -> None:
        """Add to a count."""
        self.counts[name] = self.counts[name] + number if name in self.counts else number

    def note(self, way: int, peak: Tensor) -> None:
        """Note a largest magnitude."""
        self.peaks[way] = self.peaks[way].maximum(peak) if way in self.peaks else peak

    def settle_counts(self, events: Events) -> None:
        """Hand the counts to events."""
        while self.counts:
            name, number = self.counts.popitem()
            own = float(number) if name in REAL_EVENTS else round(float(number))
            setattr(events, name, getattr(events, name) + own)

    def settle_peaks(self, peaks: list[float]) -> None:
        """Hand the largest magnitudes on."""
        while self.peaks:
            way, peak = self.peaks.popitem()
            peaks[way] = max(peaks[way], float(peak))
