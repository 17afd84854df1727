"""When the ranges of output converters follow the products of their layers."""

from torch import nn

from dse.crossbar.analog import analog_layers


class Calibration:
    """Calibrates all layers of a network every so many samples, rounded up to whole mini-batches.

    Args:
        network: the network, its layers on crossbars.
        every: samples between two calibrations; 0 for none.
    """

    def __init__(self, network: nn.Module, every: int) -> None:
        self._layers = [layer for _, layer in analog_layers(network)]
        self._every, self._since = every, 0

    def after(self, samples: int) -> None:
        """Note that a mini-batch was learned, and calibrate where it is time."""
        self._since += samples
        if self._every and self._since >= self._every:
            self._since = 0
            for layer in self._layers:
                layer.calibrate()
