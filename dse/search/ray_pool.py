"""The Ray pool: actors that each host a simulation. The only file that imports Ray.

Ray may restart an actor that died, but it does not repeat calls: a design that kills its actor would take down every
actor in turn. The driver repeats a lost job itself, at most `MAX_ATTEMPTS` times, and then records it as crashed.
"""

import logging
import os
from typing import Any

from dse.errors import DseError, ExecutorError
from dse.search.executor import Answer, Job, code_version, unsimulated, work

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, OutOfMemoryError, RayError, RayTaskError

from dse.design.outcome import Failure

MAX_ATTEMPTS = 3
"""Times that a job is started before it is recorded as crashed."""
START_TIMEOUT_S = 120.0
"""Time after which actors that do not start are given up."""


@ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=0)
class Simulator:
    """An actor that simulates one job at a time on one thread."""

    def ready(self) -> str:
        """Return the version of the framework that this actor runs, once it has loaded all it needs."""
        import dse.design.evaluate  # noqa: PLC0415, F401  loads torch

        return code_version()

    def work(self, job: Job) -> Answer:
        """Simulate a job; see `dse.search.executor.work`."""
        return work(job)


class RayPool:
    """Actors on a local Ray.

    Args:
        actors: number of actors; by default one for each core.

    Raises:
        ExecutorError: Ray does not start, or its actors do not.
    """

    def __init__(self, actors: int | None = None) -> None:
        self.slots = actors or _cores()
        self._flight: dict[Any, tuple[Any, Job, int]] = {}
        try:
            ray.init(
                num_cpus=self.slots,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=False,
            )
        except Exception as error:
            # Ray raises many kinds of exceptions while it starts; all of them mean the same to the user.
            raise ExecutorError(
                f"Ray could not be started: {_first_line(error)}. "
                "`--executor local` runs the same study without Ray, with the same results"
            ) from error
        self._idle: list[Any] = [Simulator.remote() for _ in range(self.slots)]
        self._check_actors()

    def _check_actors(self) -> None:
        try:
            codes: list[str] = ray.get([actor.ready.remote() for actor in self._idle], timeout=START_TIMEOUT_S)
        except RayError as error:
            self.close()
            raise ExecutorError(f"the Ray actors did not start: {_first_line(error)}") from error
        if set(codes) != {code_version()}:
            self.close()
            raise ExecutorError(f"the Ray actors run {codes[0]}, this process {code_version()}; install one version")

    def submit(self, job: Job) -> None:
        """Give a job to an idle actor."""
        self._start(self._idle.pop(), job, attempt=1)

    def _start(self, actor: Any, job: Job, attempt: int) -> None:
        self._flight[actor.work.remote(job)] = (actor, job, attempt)

    def wait(self, timeout_s: float) -> list[Answer]:
        """Return answers as they come."""
        ready, _ = ray.wait(list(self._flight), timeout=timeout_s)
        answers: list[Answer] = []
        for reference in ready:
            actor, job, attempt = self._flight.pop(reference)
            try:
                answer: Answer = ray.get(reference)
            except RayTaskError as error:
                cause = getattr(error, "cause", None)
                raise (cause if isinstance(cause, DseError) else error) from None
            except (ActorDiedError, ActorUnavailableError, OutOfMemoryError) as error:
                if attempt < MAX_ATTEMPTS:
                    self._start(actor, job, attempt + 1)
                    continue
                failure = Failure("crashed", f"its process died {attempt} times ({type(error).__name__})")
                answer = unsimulated(job, failure, attempt)
            except RayError as error:
                raise ExecutorError(f"Ray was lost: {_first_line(error)}") from error
            self._idle.append(actor)
            answers.append(answer if attempt == 1 else _with_attempts(answer, attempt))
        return answers

    def close(self) -> None:
        """Shut the local Ray down."""
        self._flight.clear()
        ray.shutdown()


def _with_attempts(answer: Answer, attempts: int) -> Answer:
    return Answer(**{**answer.__dict__, "attempts": attempts})


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
