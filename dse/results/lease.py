"""The lock of an object store: a lease with signs of life. Nothing tells a store that a process has died.

`lease/000007.json` names its holder and counts its beats; the highest number holds. A driver takes over by creating
the next number, which the store grants to one alone (a put that fails where the object exists), and only after it has
seen no new beat for as long as the lease lasts, by its own clock: no clocks of two machines are compared.
A holder that finds a higher number than its own stops. Should it write once more before it finds out (a laptop that
slept), its objects have names of their own and hold rows that are equal to those of its successor, so nothing is
overwritten and each row still counts once.
"""

import json
import threading
import time
from contextlib import suppress
from typing import Any, Protocol

from dse.errors import ResultsError
from dse.results.place import in_use, me

BEAT_S = 5.0
"""Time between two signs of life of the holder of a lease."""
LEASE_S = 30.0
"""A lease without a new beat for so long is free."""
JOIN_S = 40.0
"""How long the end of a run waits for a sign of life that is under way."""


class Objects(Protocol):
    """What a lease needs of an object store; see `dse.results.bucket.Bucket`."""

    def read(self, name: str) -> bytes:
        """Return an object."""
        ...

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects of a subfolder."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Make or replace an object."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Make an object, and return whether it is ours."""
        ...

    def remove(self, name: str) -> None:
        """Remove an object."""
        ...


class Lease:
    """The lock of a bucket; see the module for its rules.

    Args:
        bucket: what it guards.
        beat_s: time between two signs of life, s.
        lasts_s: a lease without a sign of life for so long is free, s.
    """

    def __init__(self, bucket: Objects, beat_s: float | None = None, lasts_s: float | None = None) -> None:
        self._bucket = bucket
        self._beat_s, self._lasts_s = beat_s or BEAT_S, lasts_s or LEASE_S
        self._number = 0
        self._beats = 0
        self._lost: str | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> None:
        """Take the lease; waits for one whose holder shows no life.

        Raises:
            ResultsError: its holder lives, or another was quicker.
        """
        held = newest_lease(self._bucket)
        if held is not None and not held["released"]:
            self._watch(held)
        self._number = (0 if held is None else int(held["number"])) + 1
        if not self._bucket.create(self._name, self._content()):
            raise in_use(str(self._bucket), "it was a moment quicker")
        for name in self._bucket.names("lease"):
            if name < self._name:
                self._bucket.remove(name)
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def _watch(self, held: dict[str, Any]) -> None:
        """Return once a lease has stood still for as long as it lasts; refuse at its first sign of life."""
        end = time.monotonic() + float(held["lasts_s"])
        while time.monotonic() < end:
            time.sleep(min(self._beat_s / 2, max(end - time.monotonic(), 0.0)))
            now = newest_lease(self._bucket)
            if now is not None and now["released"]:
                return
            if now is None or (now["number"], now["beats"]) != (held["number"], held["beats"]):
                raise in_use(str(self._bucket), held["owner"] if now is None else str(now["owner"]))

    def _live(self) -> None:
        while not self._stop.wait(self._beat_s):
            with suppress(OSError):  # a store that cannot be reached is reported where rows are written
                if not self._is_newest():
                    return
                self._beats += 1
                self._bucket.write(self._name, self._content())

    def _is_newest(self) -> bool:
        newer = [name for name in self._bucket.names("lease") if name > self._name]
        if newer:
            lease = newest_lease(self._bucket)
            self._lost = "another run" if lease is None else str(lease["owner"])
        return not newer

    def check(self) -> None:
        """Make sure that the lease is still ours, as of the last beat."""
        if self._lost is not None:
            raise ResultsError(
                f"{self._bucket} was taken over by {self._lost}, because this run showed no sign of life for "
                f"{self._lasts_s:g} s. Nothing is lost; that run continues the study"
            )

    def release(self) -> None:
        """Give the lease back, so that the next run need not wait."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=JOIN_S)
            self._thread = None
            if self._lost is None:
                with suppress(OSError):
                    self._bucket.write(self._name, self._content(released=True))

    @property
    def _name(self) -> str:
        return f"lease/{self._number:06}.json"

    def _content(self, *, released: bool = False) -> bytes:
        lease = {
            "number": self._number,
            "owner": me(),
            "beats": self._beats,
            "lasts_s": self._lasts_s,
            "at": time.time(),
            "released": released,
        }
        return json.dumps(lease).encode()


def newest_lease(bucket: Objects) -> dict[str, Any] | None:
    """Return the lease with the highest number, or None where there is none."""
    names = bucket.names("lease")
    if not names:
        return None
    try:
        lease = json.loads(bucket.read(names[-1]))
        return {
            "number": int(lease["number"]),
            "owner": str(lease["owner"]),
            "beats": int(lease["beats"]),
            "lasts_s": min(max(float(lease["lasts_s"]), 0.0), 3600.0),
            "at": float(lease["at"]),
            "released": bool(lease["released"]),
        }
    except FileNotFoundError:
        return newest_lease(bucket)  # its successor has just removed it
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ResultsError(f"{bucket}: {names[-1]} is damaged ({error}); remove it if no run is using it") from None
