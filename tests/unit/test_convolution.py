"""Gradients of narrow kernels of one place with a stride: as defined, and within their memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from dse.crossbar.analog.convolution import Geometry, convolve, gradients
from dse.portable import pins

LAST = torch.channels_last
NARROW = [(1, 2), (2, 3), (3, 6), (7, 8), (8, 14), (15, 16)]
"""Channels of inputs and outputs, fewer than a vector register holds floats on one processor or another."""
OWN_PROCESS = """
import {first}, torch
from test_convolution import NARROW, learns
torch.set_num_threads({threads})
for channels, outputs in NARROW * 3:
    learns(channels, outputs, 20, (32, 32), (2, 2))
    learns(channels, outputs, 4, (24, 32), (3, 1))
"""


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def problem(channels, outputs, samples, size, stride) -> tuple[torch.Tensor, ...]:
    """Inputs, weights, biases and errors of the outputs, channels last in memory."""
    x = normal(samples, channels, *size, seed=0).contiguous(memory_format=LAST)
    d = normal(samples, outputs, size[0] // stride[0], size[1] // stride[1], seed=3).contiguous(memory_format=LAST)
    return x, normal(outputs, channels, 1, 1, seed=1), normal(outputs, seed=2), d


def learns(channels, outputs, samples, size, stride) -> None:
    """Hold the gradients of a kernel of one place against their definition, in doubles."""
    x, weight, bias, d = problem(channels, outputs, samples, size, stride)
    learning = [tensor.requires_grad_() for tensor in (x, weight, bias)]
    convolve(*learning, Geometry(stride, (0, 0), (1, 1))).backward(d)
    errors, met = d.double(), (slice(None), slice(None), slice(None, None, stride[0]), slice(None, None, stride[1]))
    x, weight = x.detach(), weight.detach()
    back = torch.zeros(x.shape, dtype=torch.float64)
    back[met] = torch.einsum("nohw,oi->nihw", errors, weight[:, :, 0, 0].double())
    weights = torch.einsum("nohw,nihw->oi", errors, x[met].double())[:, :, None, None]
    for tensor, exact in zip(learning, (back, weights, errors.sum(dim=(0, 2, 3))), strict=True):
        assert float((tensor.grad - exact).abs().max()) < 1e-4 * float(exact.abs().max())


@pytest.mark.slow
@pytest.mark.parametrize(("threads", "first"), [(1, "dse"), (2, "torch")])
def test_narrow_kernels_of_one_place_learn_within_their_memory(threads: int, first: str) -> None:
    """A process that loads torch before dse takes wider registers where the processor has them."""
    # In a process of its own: what writes beyond its memory ends the process, or keeps it from ending.
    command = [sys.executable, "-c", OWN_PROCESS.format(threads=threads, first=first)]
    env = {name: value for name, value in os.environ.items() if name not in pins()}
    done = subprocess.run(
        command, cwd=Path(__file__).parent, env=env, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("channels", "size", "layout"), [(16, 16, LAST), (28, 16, LAST), (3, 15, LAST), (3, 16, torch.contiguous_format)]
)
def test_what_is_not_at_risk_is_torchs_to_the_last_bit(channels: int, size: int, layout: torch.memory_format) -> None:
    x, weight, bias, _ = problem(channels, 8, 6, (size, size), (2, 2))
    x, geometry, found = x.contiguous(memory_format=layout), Geometry((2, 2), (0, 0), (1, 1)), []
    for product in (lambda *own: convolve(*own, geometry), lambda *own: functional.conv2d(*own, stride=2)):
        learning = [tensor.clone().requires_grad_() for tensor in (x, weight, bias)]
        y = product(*learning)
        y.backward(normal(*y.shape, seed=3))
        found.append([y, *(tensor.grad for tensor in learning)])
    assert all(torch.equal(own, torchs) for own, torchs in zip(*found, strict=True))


def test_gradients_of_narrow_kernels_can_be_differentiated_again() -> None:
    *tensors, d = (tensor.double().requires_grad_() for tensor in problem(2, 3, 2, (4, 4), (2, 2)))
    geometry = Geometry((2, 2), (0, 0), (1, 1))
    assert torch.autograd.gradgradcheck(lambda *own: convolve(*own, geometry), tensors, d)


def test_only_wanted_gradients_are_formed() -> None:
    x, weight, _, d = problem(2, 3, 2, (4, 4), (2, 2))
    for wanted in ((True, False, False), (False, True, False), (False, True, True)):
        formed = gradients(d, x, weight, Geometry((2, 2), (0, 0), (1, 1)), wanted)
        assert tuple(gradient is not None for gradient in formed) == wanted
