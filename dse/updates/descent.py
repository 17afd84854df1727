"""What update rules have in common: what a learner asks of whatever moves the weights of a network."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from dse.crossbar.analog import AnalogLayer
from dse.crossbar.cuts import full_lines
from dse.crossbar.usage import ARRAY_LINES, OUTPUT_SCALES, LayerUsage
from dse.updates.bits import FLOAT_BITS
from dse.updates.layers import Held


class Descent(Protocol):
    """What moves the weights of a network.

    One that is `dse.pausing.Pausable` too lets a training pause: its state is what it has beside the parameters and
    buffers of its network; cells that hold weights among it, which it then shows in the network again.
    """

    def prepare(self, epochs: float) -> None:
        """Set what the products of the next mini-batch see, after a number of epochs."""
        ...

    def step(self, learning_rate: float, samples: int) -> None:
        """Learn from the gradients of a mini-batch."""
        ...

    def measuring(self, now_s: float) -> AbstractContextManager[None]:
        """Return a context in which products see what inference sees at a time."""
        ...

    def survey(self, now_s: float) -> None:
        """Take stock at the end of an epoch."""
        ...

    def usage(self) -> list[LayerUsage]:
        """Return what happened in the layers of the network, in its order."""
        ...

    def held(self) -> Sequence[Held] | None:
        """Return the cells that hold the weights of each layer after an epoch; None for digital weights."""
        ...


def as_network_says(usage: LayerUsage, layer: AnalogLayer) -> LayerUsage:
    """Return the account of a layer with what its network says of it, and how often a sample drove it."""
    infers = layer.traits.infers
    own = 0 if layer.learned_scale is None else layer.learned_scale.numel()
    bits = usage.inference_bits + FLOAT_BITS * own if infers else 0.0
    full = full_lines(layer.row_tiles, layer.column_tiles)
    events = {**usage.events, **arrays_of(layer), **full} if usage.cells else usage.events
    if own:
        events = {**events, **dict(zip(OUTPUT_SCALES, layer.scaled, strict=True))}
    return replace(usage, places=layer.places, infers=infers, inference_bits=bits, events=events)


def arrays_of(layer: AnalogLayer) -> dict[str, int]:
    """Return the lines that the arrays of a layer have, used or not; nothing where they are made to fit."""
    crossbars = layer.crossbars
    if not crossbars.unused_lines:
        return {}
    sizes = zip(ARRAY_LINES, (crossbars.tile_rows, crossbars.tile_columns), (layer.rows, layer.cols), strict=True)
    return {name: own if lines is None else lines for name, lines, own in sizes}
