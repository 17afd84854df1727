"""The Ray pool: actors that each host a simulation. The only file that imports Ray.

Ray may restart an actor that died, but it does not repeat calls: a design that kills its actor would take down every
actor in turn. The driver repeats a lost job itself, at most `MAX_ATTEMPTS` times, and then records it as crashed.
"""

import importlib
import logging
import os
from dataclasses import dataclass, replace
from typing import Any, cast

# Before Ray is imported, which reads it then: nothing of a study leaves the machine.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# A study ends at its first error; what jobs beside it have to say adds nothing.
os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")

import ray as untyped_ray
from ray import exceptions

from dse.design.outcome import Failure
from dse.errors import DseError, ExecutorError
from dse.search.executor import Answer, Job, code_version, unsimulated, work

ray = cast("Any", untyped_ray)  # its own types are partial

MAX_ATTEMPTS = 3
"""Times that a job is started before it is recorded as crashed."""
START_TIMEOUT_S = 120.0
"""Time after which actors that do not start are given up."""
LOST = (exceptions.ActorDiedError, exceptions.ActorUnavailableError, exceptions.OutOfMemoryError)
"""How Ray says that the process of a job is gone."""


class Simulator:
    """What an actor does: one job at a time, on one thread."""

    def ready(self) -> str:
        """Return the version of the framework that this actor runs, once it has loaded all it needs."""
        importlib.import_module("dse.design.evaluate")
        return code_version()

    def work(self, job: Job) -> Answer:
        """Simulate a job; see `dse.search.executor.work`."""
        return work(job)


@dataclass(frozen=True)
class _Flight:
    """A job on its way."""

    actor: Any
    job: Job
    attempt: int


class RayPool:
    """Actors on a local Ray.

    Args:
        actors: number of actors; by default one for each core.

    Raises:
        ExecutorError: Ray does not start, or its actors do not.
    """

    def __init__(self, actors: int | None = None) -> None:
        self._slots = actors or _cores()
        self._flights: dict[Any, _Flight] = {}
        try:
            ray.init(
                num_cpus=self._slots,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=False,
            )
        except Exception as error:  # Ray raises many kinds here, and all mean the same to the user
            raise ExecutorError(
                f"Ray could not be started: {_first_line(error)}. "
                "`--executor local` runs the same study without Ray, with the same results"
            ) from error
        actor = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=0)(Simulator)
        self._idle: list[Any] = [actor.remote() for _ in range(self._slots)]
        self._check_actors()

    def _check_actors(self) -> None:
        try:
            codes: list[str] = ray.get([actor.ready.remote() for actor in self._idle], timeout=START_TIMEOUT_S)
        except exceptions.RayError as error:
            self.close()
            raise ExecutorError(f"the Ray actors did not start: {_first_line(error)}") from error
        if set(codes) != {code_version()}:
            self.close()
            raise ExecutorError(f"the Ray actors run {codes[0]}, this process {code_version()}; install one version")

    @property
    def slots(self) -> int:
        """How many jobs may be in flight: one for each actor."""
        return self._slots

    def submit(self, job: Job) -> None:
        """Give a job to an idle actor."""
        self._start(_Flight(self._idle.pop(), job, attempt=1))

    def _start(self, flight: _Flight) -> None:
        self._flights[flight.actor.work.remote(flight.job)] = flight

    def wait(self, timeout_s: float) -> list[Answer]:
        """Return answers as they come."""
        ready: list[Any] = ray.wait(list(self._flights), timeout=timeout_s)[0]
        return [answer for reference in ready if (answer := self._land(reference)) is not None]

    def _land(self, reference: Any) -> Answer | None:
        """Return the answer of a flight, or None where it was started again."""
        flight = self._flights.pop(reference)
        try:
            answer: Answer = ray.get(reference)
        except exceptions.RayTaskError as error:
            cause: Any = getattr(error, "cause", None)
            raise (cause if isinstance(cause, DseError) else error) from None
        except LOST:
            if flight.attempt < MAX_ATTEMPTS:
                self._start(replace(flight, attempt=flight.attempt + 1))
                return None
            answer = unsimulated(flight.job, Failure("crashed", f"its process died {flight.attempt} times"))
        except exceptions.RayError as error:
            raise ExecutorError(f"Ray was lost: {_first_line(error)}") from error
        self._idle.append(flight.actor)
        return replace(answer, attempts=flight.attempt)

    def close(self) -> None:
        """Shut the local Ray down."""
        self._flights.clear()
        ray.shutdown()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
