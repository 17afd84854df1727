"""What a process of the framework does for its own start."""

import gc
import os
import sys
from contextlib import suppress

ALLOCATIONS = 10_000
"""New objects after which garbage is looked for."""


def collect_less() -> None:
    """Look for garbage less often, which takes a tenth off the start.

    Importing torch, numba and the rest makes a million objects, all of which stay; the interpreter looks through them
    again and again. A simulation makes few.
    """
    now, *older = gc.get_threshold()
    if 0 < now < ALLOCATIONS:
        gc.set_threshold(ALLOCATIONS, *older)


def hold_standard_streams() -> None:
    """Open the null device in the place of a standard stream that is closed.

    A file of results that got the number of a closed standard error would take what libraries write there.
    """
    for number, (name, mode) in enumerate([("stdin", "r"), ("stdout", "w"), ("stderr", "w")]):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.dup2(handle := os.open(os.devnull, os.O_RDWR), number)
                if handle != number:
                    os.close(handle)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115  open to the end
