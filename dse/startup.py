"""What a process of the framework does for its own start, and for the memory that it holds."""

import ctypes
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


def give_memory_back() -> bool:
    """Give memory that is free in this process back to the system; return whether there was some.

    The C library keeps what a simulation freed, for the next: 55 MB after a perceptron on MNIST. To give it back takes
    a hundredth of a second. Other C libraries than that of GNU decide themselves.
    """
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (AttributeError, OSError):
        return False


def drop_what_cannot_be_written() -> None:
    """Let the null device take what standard streams hold and cannot write, so that Python ends with its own status."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with suppress(OSError):
                os.dup2(null := os.open(os.devnull, os.O_WRONLY), stream.fileno())
                os.close(null)


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
