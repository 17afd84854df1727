"""How earlier versions took products, so that a replay of their rows is equal to the last bit.

Three things changed sums in their last digits: recurrent products are taken over time (`over_time`), and those of
outputs with digital factors, too, since later; and read noise is added to products in one compiled pass (`passes`).
Rows of results say which of these made them.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

_STEPS = ContextVar("_STEPS", default=False)
_SCALED_STEPS = ContextVar("_SCALED_STEPS", default=False)
_NOISE = ContextVar("_NOISE", default=False)


@contextmanager
def as_made(*, over_time: bool, scaled_over_time: bool, noise_in_one_pass: bool) -> Generator[None]:
    """Let products be taken as in the version that made a row."""
    wanted = ((_STEPS, over_time), (_SCALED_STEPS, scaled_over_time), (_NOISE, noise_in_one_pass))
    tokens = [(own, own.set(not is_so)) for own, is_so in wanted]
    try:
        yield
    finally:
        for own, token in tokens:
            own.reset(token)


def takes_single_steps(*, scaled: bool) -> bool:
    """Return whether recurrent products are taken one by one, of outputs with digital factors or without."""
    return _STEPS.get() or (scaled and _SCALED_STEPS.get())


def adds_noise_by_torch() -> bool:
    """Return whether read noise is added by torch, whose square root differs in its last bit from place to place."""
    return _NOISE.get()
