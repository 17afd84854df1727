"""Executors: who simulates. A small frozen job goes out, a small frozen answer comes back.

The loop of a study knows only the protocol `Executor`. `LocalExecutor` simulates in this process and is the plain twin
of the Ray pool (`dse.search.ray_pool`); both run `work`, so that their tables agree to the last bit.
"""

import hashlib
import json
import platform
import time
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import dse
from dse.design.design import Design
from dse.design.outcome import Failure, Outcome
from dse.errors import ExecutorError

DECIDING = (
    "spec.py",
    "streams.py",
    "compiled.py",
    *(f"{floor}/**/*.py" for floor in ("devices", "crossbar", "training", "design", "pricing", "search")),
)
"""The source files that decide what is in a table, as patterns below the package."""


@dataclass(frozen=True)
class Job:
    """One simulation to do.

    Attributes:
        trial: number of the trial.
        seed: seed of the simulation.
        design: the design; None where its settings contradict each other, which is never submitted.
    """

    trial: int
    seed: int
    design: Design | None


@dataclass(frozen=True)
class Answer:
    """What came of a job, with what made it.

    Attributes:
        job: the job.
        outcome: its outcome, or the failure.
        host: machine that simulated.
        started_at: start, UTC, ISO 8601.
        wall_s: duration, s.
        code: version and source hash of the framework that simulated.
        packages: versions of packages that results depend on, as JSON.
        attempts: times the job was started.
    """

    job: Job
    outcome: Outcome | Failure
    host: str
    started_at: str
    wall_s: float
    code: str
    packages: str
    attempts: int = 1


class Executor(Protocol):
    """Runs jobs, at most `slots` at once."""

    @property
    def slots(self) -> int:
        """How many jobs may be in flight."""
        ...

    def submit(self, job: Job) -> None:
        """Take a job. The caller keeps to `slots`."""
        ...

    def wait(self, timeout_s: float) -> list[Answer]:
        """Return answers as they come: at least one, or none after the timeout."""
        ...

    def close(self) -> None:
        """Let go of everything; jobs in flight are dropped."""
        ...


class LocalExecutor:
    """Simulates in this process, one job at a time.

    Args:
        device: where torch computes products of networks of convolutions, such as "cuda"; the rest is on the CPU.

    Raises:
        ExecutorError: torch has no such device here.
    """

    slots = 1

    def __init__(self, device: str = "cpu") -> None:
        check_device(device)
        self._device = device
        self._jobs: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """Take a job."""
        self._jobs.append(job)

    def wait(self, timeout_s: float) -> list[Answer]:  # noqa: ARG002  a simulation in this process cannot be left
        """Simulate the next job and return its answer."""
        return [work(self._jobs.popleft(), self._device)] if self._jobs else []

    def close(self) -> None:
        """Drop what was not simulated."""
        self._jobs.clear()


def check_device(device: str) -> None:
    """Check that torch can compute on a device.

    Raises:
        ExecutorError: it cannot.
    """
    if device == "cpu":
        return
    import torch  # noqa: PLC0415  torch, which a driver on Ray does without

    try:
        torch.zeros(1, device=device).add_(1.0).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ExecutorError(
            f"torch cannot compute on the device {device!r} here ({reason}); leave out --device"
        ) from None


def work(job: Job, device: str = "cpu") -> Answer:
    """Simulate a job in this process on one thread.

    Args:
        job: what to simulate.
        device: where torch computes products of networks of convolutions.

    Raises:
        DataError: the data set is missing or unreadable.
    """
    from dse.design.evaluate import evaluate  # noqa: PLC0415  torch, which a driver on Ray does without
    from dse.training.datasets import load_workload  # noqa: PLC0415

    if job.design is None:
        raise ValueError(f"trial {job.trial} has no design")
    data = load_workload(job.design.workload)
    started_at, start = datetime.now(UTC), time.perf_counter()
    with one_thread():
        outcome = evaluate(job.design, job.seed, data, device)
    return Answer(
        job=job,
        outcome=outcome,
        host=platform.node() + ("" if device == "cpu" else f" on {device}"),
        started_at=started_at.isoformat(timespec="milliseconds"),
        wall_s=round(time.perf_counter() - start, 6),
        code=code_version(),
        packages=package_versions(),
    )


def unsimulated(job: Job, failure: Failure) -> Answer:
    """Return the answer to a job that no simulation came of."""
    return Answer(
        job=job,
        outcome=failure,
        host=platform.node(),
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        wall_s=0.0,
        code=code_version(),
        packages=package_versions(),
        attempts=0,
    )


@contextmanager
def one_thread() -> Generator[None]:
    """Run torch on one thread: two split sums differently and change the last digits."""
    import torch  # noqa: PLC0415

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return the version of the framework and a hash of the source that decides what is in a table."""
    root = Path(dse.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for part in DECIDING for path in root.glob(part)):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{dse.__version__}+{digest.hexdigest()[:12]}"


@lru_cache(maxsize=1)
def package_versions() -> str:
    """Return the versions of the packages that a simulation depends on, as JSON."""
    names = ("torch", "numpy", "numba", "llvmlite", "scikit-learn", "scipy", "optuna")
    return json.dumps({"python": platform.python_version(), **{name: version(name) for name in names}})
