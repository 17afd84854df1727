"""Which tensors kernels take."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

INTERPRET = "TRITON_INTERPRET"
_allowed = {"cpu": False, "cuda": True}
"""Whether kernels take tensors of a kind of device; torch calls AMD's accelerators "cuda", too."""


def takes(x: "Tensor") -> bool:
    """Return whether kernels take a tensor: of floats, on an accelerator that Triton compiles for, the current one."""
    kind = x.device.type
    if not _allowed.get(kind, False) or (kind == "cuda" and not _is_current(x)):
        return False
    return x.dtype.itemsize == 4 and x.dtype.is_floating_point and is_installed()


def _is_current(x: "Tensor") -> bool:
    """Return whether a tensor is on the device that kernels are launched on."""
    import torch  # noqa: PLC0415  loaded, where there is a tensor

    return x.device.index == torch.cuda.current_device()


def is_installed() -> bool:
    """Return whether Triton is here; builds of torch for accelerators bring it along."""
    return "triton" in sys.modules or find_spec("triton") is not None


@contextmanager
def exact_products(device: str) -> Generator[None]:
    """Let convolutions on an accelerator multiply whole floats, and form the same sums in the same order every time.

    By default torch takes shorter factors (TF32), whose rounding is that of a converter of 11 bits. Kernels are
    launched on the device that is the current one, which is this one meanwhile.
    """
    if device == "cpu":
        yield
        return
    import torch  # noqa: PLC0415  seconds, which the command line does without

    flags = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    with flags, torch.cuda.device(device) if device.startswith("cuda") else nullcontext():
        yield


@contextmanager
def without_kernels() -> Generator[None]:
    """Let plain torch take what is on an accelerator, to compare the two."""
    with _set("cuda", to=False):
        yield


@contextmanager
def interpreted() -> Generator[None]:
    """Let Triton's interpreter take tensors of the processor, to show that kernels compute what they should.

    It is slow beyond use. Triton decides when it is loaded whether it interprets, by a variable of the environment.

    Raises:
        RuntimeError: Triton does not interpret in this process.
    """
    if os.environ.get(INTERPRET) != "1" or not import_module("dse.kernel.accelerator.arithmetic").IS_INTERPRETED:
        raise RuntimeError(f"Triton compiles in this process; set {INTERPRET}=1 before torch is loaded")
    with _set("cpu", to=True):
        yield


@contextmanager
def _set(kind: str, *, to: bool) -> Generator[None]:
    before, _allowed[kind] = _allowed[kind], to
    try:
        yield
    finally:
        _allowed[kind] = before
