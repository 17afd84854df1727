"""Inputs whose bits drive the lines of an array one after the other (bit-serial inputs).

A magnitude is k steps of L, the largest code, with k = sum_j 2^j k_j. Bit j drives a line by k_j, with the sign of the
input, and its product is worth 2^j / L. Every product is converted in the range of products of levels: a bit is a
full-scale pulse.
"""

import torch
from torch import Tensor

from dse.crossbar.spec import DacSpec

Planes = list[tuple[Tensor, float]]
"""What drives the lines one after the other, of the shape of the inputs, and what each product is worth."""


def planes_of(driven: Tensor, dac: DacSpec, way: int, *, signed: bool, scales: Tensor | None = None) -> Planes:
    """Return what drives the lines, least bit first; the inputs themselves where all bits do so together.

    Args:
        driven: inputs behind their converters, on their levels.
        dac: the converters.
        way: 0 for forward inputs, 1 for backward ones.
        signed: whether they are signed, with levels on both sides of 0.
        scales: full scale of each sample, shape (samples,), to which pulses of a bit rise; 1 by default.
    """
    planes, largest = dac.planes(way, signed=signed), dac.largest(way, signed=signed)
    if planes is None or largest is None:
        return [(driven, 1.0)]
    full = 1.0 if scales is None else scales.to(driven.device).reshape(-1, *[1] * (driven.dim() - 1))
    codes = torch.round(driven.abs() / full * largest).to(torch.int32)
    height = driven.sign() * full
    return [(((codes >> bit) & 1) * height, 2.0**bit / largest) for bit in range(planes)]
