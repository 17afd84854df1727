"""Where tests run the kernels of accelerators: on one where there is one, else in Triton's interpreter."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest
import torch

from dse.kernel.accelerator import dispatch

HAS_ACCELERATOR = torch.cuda.is_available() and dispatch.is_installed()
DEVICE = "cuda" if HAS_ACCELERATOR else "cpu"
"""Where tensors of tests of kernels are."""


def on_an_accelerator(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that needs an accelerator."""
    skips = pytest.mark.skipif(not HAS_ACCELERATOR, reason="no accelerator that torch and Triton compute on")
    return pytest.mark.accelerator(skips(test))


@contextmanager
def kernels() -> Generator[None]:
    """Let kernels take tensors on `DEVICE`."""
    if HAS_ACCELERATOR:
        yield
        return
    with dispatch.interpreted():
        yield
