"""How earlier versions took products, so that a replay of their rows is equal to the last bit.

Two things changed sums in their last digits: recurrent products are taken over time (`over_time`), and read noise is
added to products in one compiled pass (`passes`). Rows of results say which of these made them.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

_STEPS = ContextVar("_STEPS", default=False)
_NOISE = ContextVar("_NOISE", default=False)


@contextmanager
def as_made(*, over_time: bool, noise_in_one_pass: bool) -> Generator[None]:
    """Let products be taken as in the version that made a row."""
    tokens = _STEPS.set(not over_time), _NOISE.set(not noise_in_one_pass)
    try:
        yield
    finally:
        _STEPS.reset(tokens[0])
        _NOISE.reset(tokens[1])


def takes_single_steps() -> bool:
    """Return whether recurrent products are taken one by one."""
    return _STEPS.get()


def adds_noise_by_torch() -> bool:
    """Return whether read noise is added by torch, whose square root differs in its last bit from place to place."""
    return _NOISE.get()
