"""Executors: who simulates. A small frozen job goes out, a small frozen answer comes back.

The loop of a study knows only the protocol `Executor`. `LocalExecutor` simulates in this process and is the plain twin
of the Ray pool (`dse.search.ray_pool`); both run `work`, so that their tables agree to the last bit. What simulates is
an argument, so that the machinery can be tried and timed without a simulation.
"""

import hashlib
import json
import logging
import platform
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import dse
from dse.designs.design import Design, compose
from dse.designs.outcome import Failure, Outcome
from dse.errors import DseError, ExecutorError, PluginError
from dse.plugins import failed_in
from dse.plugins import version as plugin_version
from dse.portable import arithmetic
from dse.results.rows import result_fields
from dse.results.under_way import UnderWay
from dse.search.checkpoint import pack, unpack

if TYPE_CHECKING:
    from dse.pausing import State

log = logging.getLogger(__name__)

RECURRENCE, SCALED_RECURRENCE, READ_NOISE = "recurrence", "recurrence of scaled outputs", "read noise"
WAYS = {RECURRENCE: "over time", SCALED_RECURRENCE: "over time", READ_NOISE: "in one pass"}
"""How products are taken where earlier versions, whose rows do not say so, took them otherwise, with other last digits;
see `dse.crossbar.analog.earlier`."""
DECIDING = (
    *(
        "pausing.py",
        "portable.py",
        "spec.py",
        "streams.py",
        "variants.py",
        "plugins/**/*.py",
        "kernel/**/*.py",
        "devices/**/*.py",
        "crossbar/**/*.py",
        "data/**/*.py",
    ),
    *("networks/**/*.py", "updates/**/*.py", "tasks/**/*.py", "deployment/**/*.py"),
    *("designs/**/*.py", "pricing/**/*.py", "search/**/*.py"),
)
"""The source files that decide what is in a table, as patterns below the package."""


@dataclass(frozen=True)
class Job:
    """One simulation to do.

    Attributes:
        trial: number of the trial.
        seed: seed of the simulation.
        design: the design; None where its settings contradict each other, which is never submitted.
        until: the epoch at which the training pauses; None for its end.
        since: the epoch at which it paused before, or 0.
        start: what the training was then, packed; None to train from the start, with the same result.
    """

    trial: int
    seed: int
    design: Design | None
    until: int | None = None
    since: int = 0
    start: bytes | None = None


@dataclass(frozen=True)
class Answer:
    """What came of a job, with what made it.

    Attributes:
        job: the job.
        result: the columns of the table that its outcome or failure fills; see `dse.results.schema.result_fields`.
        host: machine that simulated.
        started_at: start, UTC, ISO 8601.
        wall_s: duration, s.
        code: version and source hash of the framework that simulated.
        packages: versions of packages that results depend on, as JSON.
        attempts: times the job was started.
        paused: what a training that paused needs to go on, packed; see `dse.search.checkpoint`.
        kept_in: file of the spool that holds this answer too, or None; see `dse.search.spool`.
        came_from: results and trial that simulated this before, or None.
    """

    job: Job
    result: Mapping[str, Any]
    host: str
    started_at: str
    wall_s: float
    code: str
    packages: str
    attempts: int = 1
    paused: bytes | None = None
    kept_in: Path | None = None
    came_from: str | None = None


Simulate = Callable[[Job], Outcome | Failure]
"""What simulates a job; it may say that memory ran out by `MemoryError`."""


class Executor(Protocol):
    """Runs jobs, at most `slots` at once."""

    @property
    def slots(self) -> int:
        """How many jobs may be in flight; this can change while a study runs."""
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


@runtime_checkable
class Telling(Protocol):
    """An executor that tells what its actors simulate."""

    def under_way(self) -> list[UnderWay]:
        """Return the simulations that actors have, the oldest of each actor first."""
        ...


@dataclass(frozen=True)
class Simulation:
    """Simulates the design of a job.

    Attributes:
        device: where deep networks compute and PCM cells learn, such as "cuda"; other cells are on the CPU.
    """

    device: str = "cpu"

    def __call__(self, job: Job) -> Outcome | Failure:
        """Simulate.

        Raises:
            DataError: the data set is missing or unreadable.
        """
        from dse.designs.evaluate import evaluate  # noqa: PLC0415  torch, which a driver on Ray does without

        if job.design is None:
            raise ValueError(f"trial {job.trial} has no design")
        data = job.design.workload.load()
        start = start_of(job, job.design, data.checksum)
        pauses = job.until is not None
        with one_thread():
            return evaluate(job.design, job.seed, data, self.device, until=job.until, start=start, keep_state=pauses)


def made_by(design: Design, seed: int, epoch: int, data_checksum: str) -> dict[str, str | int]:
    """Return what a state depends on, for `pack` and `unpack`: what made it, in this process.

    Args:
        design: the design.
        seed: seed of the training.
        epoch: epochs trained.
        data_checksum: SHA-256 of the data set.
    """
    return {
        "code": code_version(),
        "packages": package_versions(design.plugins),
        "design": design.key,
        "seed": seed,
        "epoch": epoch,
        "data": data_checksum,
    }


def start_of(job: Job, design: Design, checksum: str) -> "State | None":
    """Return the state that a job goes on from; None where there is none, or it cannot be used."""
    if job.start is None:
        return None
    try:
        return unpack(job.start, made_by(design, job.seed, job.since, checksum))
    except ValueError as error:
        log.info("trial %d seed %d trains from the start: %s", job.trial, job.seed, error)
        return None


def _paused(job: Job, outcome: Outcome | Failure) -> bytes | None:
    """Return what a training that paused needs to go on, packed; None where it does not go on, or cannot."""
    if isinstance(outcome, Failure) or outcome.state is None or job.design is None:
        return None
    return pack(outcome.state, made_by(job.design, job.seed, outcome.epochs, outcome.data_checksum))


simulate_design = Simulation()


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


def warm_up() -> None:
    """Load and compile what a simulation needs, so that the time of the first one is its own."""
    simulate_design(Job(0, 0, compose({"network.hidden": [4], "training.epochs": 1})))


CALL_S = 0.2
"""Time that jobs which are handed over together should take, s."""
MAX_BATCH = 64
"""Jobs that are handed over together at most."""


def batch_size(pace_s: float | None) -> int:
    """Return how many jobs to hand over together, so that the hand-over costs little and nobody waits long.

    Args:
        pace_s: measured duration of a job, s; None before the first.
    """
    if pace_s is None:
        return 1
    return min(MAX_BATCH, max(1, int(CALL_S / max(pace_s, 1e-9))))


class LocalExecutor:
    """Simulates in this process, one job at a time; answers together where jobs are short."""

    def __init__(self, simulate: Simulate = simulate_design) -> None:
        self._simulate = simulate
        self._jobs: deque[Job] = deque()
        self.slots = 1

    def submit(self, job: Job) -> None:
        """Take a job."""
        self._jobs.append(job)

    def wait(self, timeout_s: float) -> list[Answer]:  # noqa: ARG002  a simulation in this process cannot be left
        """Simulate the jobs that are there and return their answers."""
        answers = [work(job, self._simulate) for job in self._jobs]
        self._jobs.clear()
        if answers:
            self.slots = batch_size(sum(answer.wall_s for answer in answers) / len(answers))
        return answers

    def under_way(self) -> list[UnderWay]:
        """Return the jobs that are about to be simulated."""
        now = _told(datetime.now(UTC))
        return [UnderWay(job.trial, job.seed, host_of(self._simulate), now) for job in self._jobs]

    def close(self) -> None:
        """Drop what was not simulated."""
        self._jobs.clear()


def work(job: Job, simulate: Simulate = simulate_design) -> Answer:
    """Simulate a job in this process on one thread.

    Raises:
        DataError: the data set is missing or unreadable.
    """
    started_at, start = datetime.now(UTC), time.perf_counter()
    try:
        outcome = simulate(job)
    except DseError:
        raise
    except Exception as error:
        if not (isinstance(error, MemoryError | RuntimeError) and _is_out_of_memory(error)):
            _tell_of_plugin(job, error)
            raise
        outcome = Failure("memory", f"memory ran out: {str(error).strip() or type(error).__name__}"[:300])
    return answer(job, outcome, simulate, started_at, time.perf_counter() - start)


def answer(job: Job, outcome: Outcome | Failure, simulate: Simulate, started_at: datetime, wall_s: float) -> Answer:
    """Return the answer to a job that something simulated since a time (UTC) and for so many seconds."""
    return Answer(
        job=job,
        result=result_fields(outcome),
        host=host_of(simulate),
        started_at=_told(started_at),
        wall_s=round(wall_s, 6),
        code=code_version(),
        packages=_packages_of(job),
        paused=_paused(job, outcome),
    )


_ON = " on "
"""Stands between a machine and the accelerator that simulates there; names of machines have no spaces."""


def host_of(simulate: Simulate) -> str:
    """Return how rows name this machine, and the device that simulates there."""
    device = getattr(simulate, "device", "cpu")
    return platform.node() + ("" if device == "cpu" else f"{_ON}{device}")


def is_of_processor(host: str) -> bool:
    """Return whether a row whose host is named so has the bits of a processor, which are the same wherever it runs."""
    return _ON not in host


def _told(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def _tell_of_plugin(job: Job, error: Exception) -> None:
    """Raise an error of a design as one of the plug-in that it comes from, where it does.

    Raises:
        PluginError: it does.
    """
    where = "" if job.design is None else failed_in(job.design.plugins, error)
    if where:
        raise PluginError(
            f"{where}, in trial {job.trial} seed {job.seed}. Mend it and start afresh, or leave out the designs that "
            "it does not take"
        ) from error


def _packages_of(job: Job) -> str:
    return package_versions(() if job.design is None else job.design.plugins)


def _is_out_of_memory(error: Exception) -> bool:
    # torch says it in a RuntimeError: of a kind of its own on an accelerator, by its text on a CPU.
    named = type(error).__name__ == "OutOfMemoryError"
    return isinstance(error, MemoryError) or named or "can't allocate memory" in str(error)


def unsimulated(job: Job, failure: Failure, attempts: int = 0) -> Answer:
    """Return the answer to a job that no simulation came of."""
    return Answer(
        job=job,
        result=result_fields(failure),
        host=platform.node(),
        started_at=_told(datetime.now(UTC)),
        wall_s=0.0,
        code=code_version(),
        packages=_packages_of(job),
        attempts=attempts,
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


def package_versions(plugins: Iterable[str] = ()) -> str:
    """Return the versions of the packages that a simulation depends on, and the kind of its arithmetic, as JSON.

    Args:
        plugins: names of the plug-ins that it depends on, too.
    """
    own = {name: plugin_version(name) for name in plugins}
    return json.dumps({**_package_versions(), **({"plugins": own} if own else {})})


@lru_cache(maxsize=1)
def _package_versions() -> dict[str, str]:
    names = ("torch", "numpy", "numba", "llvmlite", "scikit-learn", "scipy", "optuna")
    versions = {name: version(name) for name in names}
    return {"python": platform.python_version(), "arithmetic": arithmetic(), **WAYS, **versions}


def ways_of(packages: str) -> set[str]:
    """Return which of the `WAYS` of taking products made a row, by the versions that it has, as JSON."""
    try:
        found: Any = json.loads(packages)
    except (ValueError, RecursionError):
        return set()
    return {name for name in WAYS if name in found} if isinstance(found, dict) else set()


def plugins_of(packages: str) -> list[str]:
    """Return the names of the plug-ins in the versions of packages, as JSON; see `package_versions`."""
    try:
        found: Any = json.loads(packages)
    except (ValueError, RecursionError):  # rows of old versions have texts of other kinds
        return []
    return list(cast("dict[str, Any]", found).get("plugins", ())) if isinstance(found, dict) else []
