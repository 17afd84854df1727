"""What a process of the framework does for its own start."""

import gc

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
