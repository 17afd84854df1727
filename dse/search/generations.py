"""Simulates a generation of jobs at a time on an accelerator: those whose designs have one shape in one launch."""

import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dse.designs.outcome import Failure, Outcome
from dse.results.under_way import UnderWay
from dse.search.executor import MAX_BATCH, Answer, Job, LocalExecutor, Simulation, answer, one_thread, start_of, work

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Generations:
    """Simulates the designs of jobs together; a single one as one of a generation of its own.

    Attributes:
        device: where perceptrons learn and deep networks compute, such as "cuda".
    """

    device: str

    def __call__(self, job: Job) -> Outcome | Failure:
        """Simulate one.

        Raises:
            DataError: the data set is missing or unreadable.
        """
        return self.together([job])[0]

    def together(self, jobs: Sequence[Job]) -> list[Outcome | Failure]:
        """Simulate jobs of one shape, whose trainings pause at one epoch; see `alike`."""
        from dse.designs.generation import Candidate, evaluate_together, shape_of  # noqa: PLC0415  torch

        designs = [job.design for job in jobs if job.design is not None]
        if len(designs) != len(jobs):
            raise ValueError("a job without a design cannot be simulated")
        if shape_of(designs[0]) is None:
            return [Simulation(self.device)(job) for job in jobs]
        data, until = designs[0].workload.load(), jobs[0].until
        pairs = list(zip(jobs, designs, strict=True))
        some = [Candidate(own, job.seed, start_of(job, own, data.checksum)) for job, own in pairs]
        with one_thread():
            return evaluate_together(some, data, self.device, until=until, keep_state=until is not None)


def alike(jobs: Sequence[Job]) -> list[list[Job]]:
    """Return jobs in groups that can be simulated together, in the order of the first of each."""
    from dse.designs.generation import shape_of  # noqa: PLC0415  torch

    groups: dict[object, list[Job]] = {}
    for job in jobs:
        shape = None if job.design is None else shape_of(job.design)
        groups.setdefault((job.trial, job.seed) if shape is None else (shape, job.until, job.since), []).append(job)
    return list(groups.values())


class GenerationExecutor:
    """Simulates in this process, a generation at a time; the twin of `LocalExecutor` for an accelerator.

    Args:
        device: the accelerator, such as "cuda".
        simulate: what simulates; by default `Generations` on the device.
    """

    def __init__(self, device: str, simulate: Generations | None = None) -> None:
        self._simulate = Generations(device) if simulate is None else simulate
        self._jobs: deque[Job] = deque()
        self._alone: deque[Job] = deque()
        self.slots = MAX_BATCH

    def submit(self, job: Job) -> None:
        """Take a job."""
        self._jobs.append(job)

    def wait(self, timeout_s: float) -> list[Answer]:  # noqa: ARG002  a simulation in this process cannot be left
        """Simulate the first of the jobs that are there with all that are like it, and return their answers."""
        if not self._alone and self._jobs:
            groups = alike(self._jobs)
            self._jobs = deque(job for own in groups[1:] for job in own)
            answers = self._together(groups[0])
            if answers:
                return answers
            self._alone.extend(groups[0])
        # One answer a call, so that it is stored before the next one begins.
        return [work(self._alone.popleft(), self._simulate)] if self._alone else []

    def _together(self, jobs: Sequence[Job]) -> list[Answer]:
        """Return the answers to jobs of one shape; none where they have to go one by one."""
        if len(jobs) > 1:
            started_at, start = datetime.now(UTC), time.perf_counter()
            try:
                outcomes = self._simulate.together(jobs)
            except Exception as error:  # noqa: BLE001  of one of them, or memory: alone each says its own
                log.warning("%d designs could not learn together, and go one by one: %s", len(jobs), error)
            else:
                share_s = (time.perf_counter() - start) / len(jobs)
                pairs = zip(jobs, outcomes, strict=True)
                return [answer(job, outcome, self._simulate, started_at, share_s) for job, outcome in pairs]
        return []

    def under_way(self) -> list[UnderWay]:
        """Return the jobs that are about to be simulated."""
        waiting = LocalExecutor(self._simulate)
        for job in (*self._alone, *self._jobs):
            waiting.submit(job)
        return waiting.under_way()

    def close(self) -> None:
        """Drop what was not simulated."""
        self._jobs.clear()
        self._alone.clear()
