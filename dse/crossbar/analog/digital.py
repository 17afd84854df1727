"""Layers whose weights stay digital words although others of their network are on crossbars."""

from abc import ABC
from collections.abc import Iterator

from torch import nn

from dse.crossbar.analog.base import AnalogLayer, named_parts
from dse.crossbar.events import Events


class DigitalLayer(nn.Module, ABC):
    """A layer with digital weights that counts its products.

    Attributes:
        rows: inputs of a product.
        cols: outputs.
        events: what happened while `counting`.
        counting: whether products are counted.
        places: products that a sample took in the last counted pass.
    """

    def __init__(self, rows: int, cols: int) -> None:
        super().__init__()
        self.rows, self.cols = rows, cols
        self.events, self.counting, self.places = Events(), False, 1

    def count(self, samples: int, macs: int, outputs: int) -> None:
        """Count products: their samples, multiply-accumulates and outputs, each followed by an activation."""
        if self.counting:
            self.places = max(1, macs // max(1, samples * self.rows * self.cols))
            self.events.macs_forward += macs
            self.events.weight_reads += samples * self.rows * self.cols
            self.events.activations += outputs


def weighted_layers(module: nn.Module) -> Iterator[tuple[str, AnalogLayer | DigitalLayer]]:
    """Yield the layers of a module with weights, on crossbars or digital, with their names, in its order."""
    for name, layer in named_parts(module):
        if isinstance(layer, (AnalogLayer, DigitalLayer)):
            yield name, layer
