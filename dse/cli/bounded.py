"""Work that ends the process where it takes too long, or more memory than is free.

What runs in a library cannot be stopped from Python, and a system without memory stops other programs first. So a
thread looks on, and ends the process with one message; what is worked on must leave nothing half written.
"""

import os
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from dse.cli.options import echo

SHARE = 0.9
"""Of the memory that is free at the start, the most that is taken."""
LOOKS_S = 0.05
"""Time between two looks, s."""
STATUS = 2
GROUP = Path("/sys/fs/cgroup")
"""Where a container sees its control group (version 2)."""


@contextmanager
def bounded(what: str, advice: str, *, seconds: float) -> Generator[None]:
    """End the process where what is done in the block takes too long, or more memory than is free.

    Args:
        what: what is done, for the message: "the query".
        advice: what to do, a sentence.
        seconds: the most that it may take, s.
    """
    begun, held, free = time.monotonic(), resident_bytes(), free_bytes()
    done = threading.Event()

    def look() -> None:
        while not done.wait(LOOKS_S):
            grown = resident_bytes() - held
            if time.monotonic() - begun > seconds:
                _end(f"{what} was ended after {seconds:g} s (--time-limit). {advice}")
            elif free is not None and grown > SHARE * free:
                _end(f"{what} was ended at {grown / 1e9:.3g} GB: no more memory is free. {advice}")

    onlooker = threading.Thread(target=look, daemon=True)
    onlooker.start()
    try:
        yield
    finally:
        done.set()
        onlooker.join()


def _end(message: str) -> None:
    with suppress(OSError):
        echo(f"error: {message}", err=True)
        sys.stderr.flush()
    os._exit(STATUS)


def resident_bytes() -> int:
    """Return the memory that this process has, in bytes; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def free_bytes() -> int | None:
    """Return the memory that this process may still take, in bytes; None where the system does not say."""
    known = [own for own in (_free_of_system(), _free_of_group()) if own is not None]
    return min(known, default=None)


def _free_of_system() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def _free_of_group() -> int | None:
    """Return what the control group of a container leaves, if it has a limit (cgroup v2), or None.

    Pages of files and what the kernel can give back count as memory of the group, and as free here.
    """
    try:
        most, now, parts = (
            (GROUP / f"memory.{name}").read_text(encoding="ascii") for name in ("max", "current", "stat")
        )
        held = {name: int(number) for name, number in map(str.split, parts.splitlines())}
        back = sum(held.get(name, 0) for name in ("inactive_file", "active_file", "slab_reclaimable"))
        return max(0, int(most) - int(now) + back)
    except (OSError, ValueError):
        return None
