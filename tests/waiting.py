"""Waiting for conditions and processes. A clock decides nothing about right and wrong: its limit is for what hangs."""

import signal
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Protocol

HANGS_S = 900.0
"""What takes longer hangs, even on a machine that is busy with other things."""


class HangError(Exception):
    """Something did not end or come true in `HANGS_S`; that says nothing about whether it would have been right."""


class Process(Protocol):
    """What `subprocess.Popen` and `tests.forked.Forked` have in common."""

    pid: int
    args: Any

    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...
    def send_signal(self, number: int, /) -> None: ...


def wait_until(condition: Callable[[], Any], what: str, process: Process | None = None) -> Any:
    """Wait for a condition and return its value, the first that is true.

    Args:
        condition: asked again and again.
        what: what is waited for, for the message.
        process: what should bring it about, and be alive until then.
    """
    begin = time.monotonic()
    while not (found := condition()):
        if process is not None and process.poll() is not None:
            assert condition(), f"the process ended with status {process.returncode} before: {what}"
        if time.monotonic() - begin > HANGS_S:
            raise HangError(f"waited {HANGS_S:g} s for: {what}")
        time.sleep(0.02)
    return found


def ended(process: Process) -> int:
    """Wait for the end of a process and return its status."""
    try:
        return process.wait(HANGS_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise HangError(f"not ended after {HANGS_S:g} s: {process.args}") from None


def output_of(process: "subprocess.Popen[str]") -> str:
    """Wait for the end of a process and return what it wrote to its pipe, of standard output or error."""
    try:
        return "".join(part or "" for part in process.communicate(timeout=HANGS_S))
    except subprocess.TimeoutExpired:
        process.kill()
        raise HangError(f"not ended after {HANGS_S:g} s: {process.args}") from None


def stop(process: Process) -> None:
    """Stop a process (SIGSTOP); it stands still, or has ended, when this returns."""
    process.send_signal(signal.SIGSTOP)
    look = ["ps", "-o", "state=", "-p", str(process.pid)]

    def stands_still() -> bool:
        if process.poll() is not None:
            return True
        said = subprocess.run(look, capture_output=True, text=True, check=False).stdout
        return said.strip().startswith("T")

    wait_until(stands_still, f"process {process.pid} stands still")


@contextmanager
def caught_underway(
    launch: Callable[[], Process], rows: Callable[[], int], least: int, total: int
) -> Generator[Process]:
    """Give a run that is stopped (SIGSTOP) while it has at least so many rows of its table, but not all of them.

    A run that gets to its end before it can be stopped, which is a matter of the scheduler alone, is launched again:
    its results then have to be elsewhere, where `rows` looks for them.

    Args:
        launch: starts a run.
        rows: how many rows the run that was launched last has stored.
        least: how many it has at least.
        total: how many the table has in the end.
    """
    begin = time.monotonic()
    while time.monotonic() - begin < HANGS_S:
        process = launch()
        wait_until(lambda process=process: rows() >= least or process.poll() is not None, f"{least} rows")
        stop(process)
        if process.poll() is None and rows() < total:
            break
        process.kill()
        process.wait()
    else:
        raise HangError(f"no run was caught underway in {HANGS_S:g} s")
    try:
        yield process
    finally:
        process.kill()
        process.wait()
