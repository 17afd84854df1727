"""What stands between an exact product and its converter: read noise, and a look at the largest that comes.

Directions are `FORWARD` and `BACKWARD`, with the transposed array.
"""

import torch
from torch import Tensor

from dse.crossbar.analog import accelerated
from dse.crossbar.analog.base import AnalogLayer
from dse.crossbar.analog.earlier import adds_noise_by_torch
from dse.crossbar.analog.passes import add_noise, largest_magnitudes
from dse.streams import Stream

FORWARD, BACKWARD = 0, 1


def with_read_noise(y: Tensor, variance: Tensor, noise: Stream) -> Tensor:
    """Return products with read noise, in one pass where that can be; they are overwritten there."""
    if accelerated.takes(y):
        return accelerated.read(y, variance, noise, None)[0]
    return y if not adds_noise_by_torch() and add_noise(y, variance, noise) else noisy(y, variance, noise)


def noisy(y: Tensor, variance: Tensor, noise: Stream) -> Tensor:
    """Return values with normal noise of a variance; what rounding left below zero counts as zero."""
    if accelerated.takes(y) and y.is_contiguous():
        return accelerated.noisy(y, variance, noise)
    draw = noise.next_normal(1, vectors=y.numel()).reshape(y.shape).to(y.device, y.dtype)
    return torch.addcmul(y, variance.clamp_min(0.0).sqrt(), draw)


def watch(layer: AnalogLayer, way: int, y: Tensor, scales: Tensor) -> None:
    """Note the largest product before a converter where its range follows the products."""
    if layer.watching or (layer.counting and layer.crossbars.adc.ranging == "calibrated"):
        peak = float((largest_magnitudes(y) / scales).max())
        layer.peaks[way] = max(layer.peaks[way], peak)
        if layer.watching:
            layer.ranges[way] = layer.crossbars.adc.headroom * layer.peaks[way]
