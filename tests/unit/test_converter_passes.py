"""Read noise and backward parts pass compiled code in blocks; the bits are those of the definition, one by one."""

import numpy as np
import pytest
import torch

from dse.crossbar.analog.passes import Folding, add_noise, quantise
from dse.crossbar.converters import quantise_signed
from dse.kernel.arithmetic import NORMALS_BLOCK, normal_range
from dse.kernel.converters import VECTORS_AT_ONCE
from dse.streams import Stream

DRAWS = np.random.default_rng(3)


def normal(*shape: int) -> torch.Tensor:
    return torch.from_numpy(DRAWS.standard_normal(shape, np.float32))


@pytest.mark.parametrize("size", [1, 15, NORMALS_BLOCK - 1, NORMALS_BLOCK + 17, 40 * NORMALS_BLOCK])
@pytest.mark.parametrize("first", [0, 2**40 + 5])
def test_read_noise_has_the_bits_of_the_normal_numbers_of_its_counters(size: int, first: int) -> None:
    """The longest has some forty numbers from the tail, which another polynomial forms."""
    y, variance = normal(size), 0.1 * normal(size)  # half of the variances are below zero
    found = y.clone()
    assert add_noise(found, variance, Stream(2**63 + 9, first))
    draw = normal_range(2**63 + 9, first, size)
    wanted = y.numpy() + np.sqrt(variance.clamp_min(0.0).numpy()) * draw
    np.testing.assert_array_equal(found.numpy().view(np.int32), wanted.view(np.int32))
    assert size < 40 * NORMALS_BLOCK or np.count_nonzero(np.abs(draw) > 2.93) > 10


@pytest.mark.parametrize("channels", [1, 3, 20])
@pytest.mark.parametrize("kernel", [1, 3])
def test_parts_are_added_to_their_places_in_the_order_of_vectors_and_taps(kernel: int, channels: int) -> None:
    """Places in a row are added in one pass: no sum may take its parts in another order."""
    high, wide, vectors = 6, 5, 2 * VECTORS_AT_ONCE - 2
    down, right = (np.arange(size)[:, None] - kernel // 2 + np.arange(kernel) for size in (high, wide))
    inside = ((down >= 0) & (down < high))[:, None, :, None] & ((right >= 0) & (right < wide))[None, :, None]
    targets = np.where(inside, down[:, None, :, None] * wide + right[None, :, None], high * wide).reshape(vectors, -1)
    parts, limits = normal(3, vectors, targets.shape[1] * channels), torch.tensor([0.5, 1.0, 2.0])
    before, scales = parts.clone(), torch.tensor([1.0, 2.0, 3.0])
    start = normal(3, high * wide, channels)
    sums = start.clone()
    folding = Folding(6, scales, limits, torch.from_numpy(targets), sums, watches=True)
    folding.take(parts, 0)
    assert torch.equal(parts, before)
    converted, cut = quantise(parts, 6, limits)
    assert torch.equal(converted, quantise_signed(parts, 6, limits[:, None, None]))
    wanted = np.concatenate([start.numpy(), np.zeros((3, 1, channels), np.float32)], axis=1)
    for n in range(3):
        for vector, places in enumerate(targets):
            own = converted[n, vector].view(-1, channels).numpy()
            for place, part in zip(places, own, strict=True):
                wanted[n, place] += part
    np.testing.assert_array_equal(sums.numpy().view(np.int32), wanted[:, :-1].copy().view(np.int32))
    assert folding.cut == cut > 0
    assert folding.peak == float((parts.abs().amax(dim=(1, 2)) / scales).max())
