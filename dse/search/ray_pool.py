"""The Ray pool: actors that each host simulations, as many as the cluster has room for, while it grows and shrinks.

Ray neither restarts actors nor repeats calls here: a design that kills its actor would take down every actor in turn,
and retries burn out before a dead node is noticed. `dse.search.dispatch` says what goes where and what is tried again;
this file starts actors, sends calls and notices deaths.
"""

import logging
import os
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ray import exceptions

from dse import files, plugins
from dse.data.shared import share
from dse.designs.outcome import Failure
from dse.errors import DseError, ExecutorError, PluginError
from dse.portable import pins
from dse.results.under_way import UnderWay
from dse.search.dispatch import Call, Dispatcher
from dse.search.executor import Answer, Job, Simulate, code_version, simulate_design, warm_up, work
from dse.search.ray_cluster import (
    Node,
    first_line,
    head_answers,
    join,
    living_nodes,
    offer,
    ray,
    room,
    start_local,
    wanted,
)
from dse.search.spec import ResourcesSpec
from dse.search.spool import answers_of, decode, encode, is_here, keeping, lines_of, open_spool
from dse.startup import collect_less, give_memory_back

log = logging.getLogger(__name__)

START_TIMEOUT_S = 120.0
"""Time after which a study is given up of which no actor has been placed on a cluster of others, unless it may wait
longer for nodes."""
WARM_UP_TIMEOUT_S = 1800.0
"""Time after which it is given up if its actors are placed and do not become ready; the first on a node compiles."""
POLL_S = 2.0
"""Time between two looks at the nodes of the cluster."""
LONG_CALL_S = 1.0
"""Duration of a call after which an actor gives memory back: then that takes less than a hundredth of it, s."""
MAX_START_FAILURES = 3
"""Actors that may fail to start, one after the other, before there is a pause."""
START_PAUSES_S = (10.0, 30.0)
"""The pauses; when as many have failed once more behind the last, the study is given up, s."""
ACTOR_DIGITS = 8
"""Digits of the identifier of an actor that tell it from others, here and in Ray's dashboard."""
HEAD_S = 20.0
"""Time for which the head of the cluster may be silent, s. After a minute Ray's library ends this process itself."""
LOST = (exceptions.RayActorError, exceptions.OutOfMemoryError, exceptions.NodeDiedError, exceptions.ObjectLostError)
"""How Ray says that the process of a call is gone."""


@dataclass(frozen=True)
class Shipped:
    """A file that designs need, on its way to an actor.

    Attributes:
        sha256: its checksum.
        places: where it lies on the machine of the driver, which may be that of the actor.
        bytes: reference to its bytes in the cluster; None where every actor is on the machine of the driver.
    """

    sha256: str
    places: Sequence[Path]
    bytes: Any = None

    def offer(self) -> None:
        """Say in this process where it is found: a place is believed if the checksum is right, else bytes come."""
        for place in self.places:
            files.offer(self.sha256, place)
        if self.bytes is not None:
            files.offer(self.sha256, lambda: ray.get(self.bytes))


class Simulator:
    """What an actor does: the jobs of a call one by one, on one thread.

    Args:
        simulate: what simulates a job.
        spool: folder where answers are kept, if this process sees it.
        session: mark of that folder.
        names: names of the plug-ins of the study.
    """

    def __init__(self, simulate: Simulate, spool: Path | None, session: str, names: tuple[str, ...]) -> None:
        collect_less()
        share()
        self._plugins = names
        self._simulate = simulate
        self._spool = spool if spool is not None and is_here(spool, session) else None

    def hello(self) -> tuple[str, Mapping[str, str], str]:
        """Load the plug-ins; return the version of the framework, theirs by name, and the node.

        Raises:
            PluginError: one is not here, or cannot be loaded.
        """
        return code_version(), plugins.load(self._plugins), ray.get_runtime_context().get_node_id()

    def warm_up(self) -> None:
        """Load and compile what a simulation needs."""
        warm_up()

    def work(self, key: str, jobs: Sequence[Job], shipped: Sequence[Shipped] = ()) -> bytes:
        """Simulate jobs and return their answers, a line each; see `dse.search.spool`.

        Args:
            key: of the call.
            jobs: the jobs.
            shipped: files that their designs need.
        """
        started = time.monotonic()
        for file in shipped:
            file.offer()
        lines: list[bytes] = []
        with keeping(self._spool, key) as keep:
            for job in jobs:
                answer = work(job, self._simulate)
                keep(encode(answer))
                lines.append(encode(answer, whole=True))
        if time.monotonic() - started > LONG_CALL_S:
            give_memory_back()
        return b"".join(lines)


@dataclass(frozen=True)
class _Start:
    """An actor that starts: it is placed, and then warms up."""

    handle: Any
    node: str | None = None


@dataclass(frozen=True)
class _Flight:
    """A call on its way."""

    actor: str
    call: Call


class RayPool:
    """Actors on Ray.

    Args:
        actors: number of actors; by default as many as the cluster has room for, at any time.
        address: the cluster to join; by default a Ray is started on this machine, for this study alone.
        resources: what an actor reserves, and when a trial is given up.
        folder: the results folder, where actors that see it keep what they have finished.
        simulate: what simulates a job.
        names: names of the plug-ins of the study, which this process has loaded.
        wait_s: how long to wait for nodes with room for an actor, and for one to be placed, s.

    Raises:
        ExecutorError: Ray does not start, there is no room for an actor, or none starts.
    """

    def __init__(
        self,
        actors: int | None = None,
        *,
        address: str | None = None,
        resources: ResourcesSpec | None = None,
        folder: Path | None = None,
        simulate: Simulate = simulate_design,
        names: tuple[str, ...] = (),
        wait_s: float = 0.0,
    ) -> None:
        resources = resources or ResourcesSpec()
        self._request = {"CPU": resources.cpus, "GPU": resources.gpus}
        self._limit_s, self._most = resources.time_limit_s, actors
        self._place_within_s = max(START_TIMEOUT_S, wait_s)
        self._session = uuid.uuid4().hex[:12]
        self._spool = None if folder is None else open_spool(folder, self._session)
        self._dispatcher = Dispatcher(
            resources.attempts,
            resources.time_limit_s,
            self._session,
            self._spooled,
            lambda node: node not in self._nodes,
        )
        self._shipped: dict[str, Shipped] = {}
        self._handles: dict[str, Any] = {}
        self._starting: dict[Any, _Start] = {}
        self._flights: dict[Any, _Flight] = {}
        self._start_failures: list[str] = []
        self._start_again_at = 0.0
        self._heard_at = time.monotonic()
        self._ours = address is None
        if address is None:
            start_local(resources.cpus * (actors or _cores() / resources.cpus))
        else:
            join(address)
        try:
            self._begin(simulate, names, wait_s)
        except BaseException:
            self.close()
            raise

    def _begin(self, simulate: Simulate, names: tuple[str, ...], wait_s: float) -> None:
        """Start actors, and wait for the first."""
        self._actor = ray.remote(
            num_cpus=self._request["CPU"],
            num_gpus=self._request["GPU"],
            max_restarts=0,
            max_task_retries=0,
            # Processes of a cluster that others started: numpy may be loaded before this package is.
            runtime_env=None if self._ours else {"env_vars": pins()},
        )(Simulator)
        self._arguments = (ray.put(simulate), self._spool, self._session, names)
        self._plugins = names
        self._polled = -POLL_S
        self._alone_since = time.monotonic()
        self._look()
        while room(living_nodes(), self._request) == 0:
            if time.monotonic() - self._alone_since > wait_s:
                raise ExecutorError(
                    f"no node has room for an actor: {wanted(self._request)}, and {offer(living_nodes())}. Lower "
                    "[resources] in the study file, add a node, or let --wait-for-nodes SECONDS wait for one"
                )
            time.sleep(0.5)
            self._look()
        self._alone_since = time.monotonic()
        while not self._handles:
            self._look()
            self._wait(1.0)

    @property
    def slots(self) -> int:
        """How many jobs may be here: as many as keep all actors busy, and their next ones."""
        return self._dispatcher.slots

    def submit(self, job: Job) -> None:
        """Take a job."""
        self._dispatcher.submit(job)

    def wait(self, timeout_s: float) -> list[Answer]:
        """Return answers as they come: none where the time is over, or a job has to be started again."""
        answers = self._look()
        self._send()
        answers += self._wait(0.0 if answers else timeout_s)
        self._send()
        return answers

    def under_way(self) -> list[UnderWay]:
        """Return the jobs of the first call of each actor; the first of them without an answer is being simulated."""
        now, clock = datetime.now(UTC), time.monotonic()
        found: list[UnderWay] = []
        for name, actor in self._dispatcher.actors.items():
            who = f"{self._machines.get(actor.node, 'a node that has left')}, actor {name[:ACTOR_DIGITS]}"
            if actor.calls:
                since = (now - timedelta(seconds=clock - actor.calls[0].began)).isoformat(timespec="seconds")
                found += [UnderWay(task.job.trial, task.job.seed, who, since) for task in actor.calls[0].tasks]
        return found

    def close(self) -> None:
        """End the actors, and the Ray where it is ours."""
        for handle in (*self._handles.values(), *(start.handle for start in self._starting.values())):
            ray.kill(handle)
        self._handles.clear()
        self._starting.clear()
        self._flights.clear()
        ray.shutdown()

    def _look(self) -> list[Answer]:
        """Now and then look at the nodes, start and drop actors, and return what those that are gone left behind."""
        now = time.monotonic()
        if now - self._polled < POLL_S:
            return []
        if not self._hears_head(now):
            return []
        nodes = living_nodes()
        self._nodes = {node["NodeID"] for node in nodes}
        self._machines = {node["NodeID"]: node["NodeManagerHostname"] for node in nodes}
        answers: list[Answer] = []
        for name in [name for name, actor in self._dispatcher.actors.items() if actor.node not in self._nodes]:
            answers += self._bury(name, Failure("crashed", "its node left the cluster"))
        self._polled = now
        target = room(nodes, self._request) if self._most is None else self._most
        missing = target - len(self._handles) - len(self._starting)
        for _ in range(missing if now >= self._start_again_at else 0):
            handle = self._actor.remote(*self._arguments)
            self._starting[handle.hello.remote()] = _Start(handle)
        for reference in list(self._starting)[: max(0, -missing)]:
            ray.kill(self._starting.pop(reference).handle)
        self._check_patience(now, nodes)
        return answers

    def _hears_head(self, now: float) -> bool:
        """Return whether the head of the cluster answers; while it does not, nothing is asked of it.

        Raises:
            ExecutorError: it has been silent for too long.
        """
        if head_answers():
            self._heard_at = now
            return True
        self._polled = now
        if now - self._heard_at > HEAD_S:
            raise ExecutorError(
                f"the head of the Ray cluster has not answered for {HEAD_S:g} s. Finished trials are safe in the "
                "results; go on with `dse resume` when it runs again, or on another"
            )
        return False

    def _check_patience(self, now: float, nodes: Sequence[Node]) -> None:
        """Give up where there has been no actor for too long."""
        # A Ray of this study alone has room for its actors: they are there, and only slow to load on a busy machine.
        placed = self._ours or any(start.node is not None for start in self._starting.values())
        limit_s = max(WARM_UP_TIMEOUT_S, self._place_within_s) if placed else self._place_within_s
        if self._handles or now - self._alone_since <= limit_s:
            return
        why = "it loads and compiles still" if placed else f"{offer(nodes)}, which others may be using"
        raise ExecutorError(
            f"no actor has been ready for {limit_s:g} s: {wanted(self._request)}; {why}. "
            f"What is finished is safe; go on with `dse resume` when there is {'time' if placed else 'room'}"
        )

    def _send(self) -> None:
        """Hand out what is waiting."""
        while (chosen := self._dispatcher.next_call(time.monotonic())) is not None:
            name, call = chosen
            jobs = [task.job for task in call.tasks]
            reference = self._handles[name].work.remote(call.key, jobs, self._shipped_with(jobs))
            self._flights[reference] = _Flight(name, call)

    def _shipped_with(self, jobs: Sequence[Job]) -> list[Shipped]:
        """Return the files that the designs of jobs need; their bytes are put into a cluster once."""
        needed = {sha256: name for job in jobs if job.design for sha256, name in job.design.files.items()}
        for sha256, name in needed.items():
            if sha256 not in self._shipped:
                held = None if self._ours else ray.put(files.find(sha256, name).read())
                self._shipped[sha256] = Shipped(sha256, files.places(sha256), held)
        return [self._shipped[sha256] for sha256 in needed]

    def _wait(self, timeout_s: float) -> list[Answer]:
        references = [*self._flights, *self._starting]
        if not references:
            time.sleep(min(timeout_s, 0.2))
            return []
        if not ray.wait(references, timeout=timeout_s)[0]:
            return self._end_overdue()
        ready: list[Any] = ray.wait(references, num_returns=len(references), timeout=0)[0]
        answers: list[Answer] = []
        dead: dict[str, BaseException] = {}
        for reference in ready:
            if reference in self._starting:
                self._welcome(reference)
                continue
            flight = self._flights.pop(reference)
            try:
                lines: bytes = ray.get(reference)
            except exceptions.RayTaskError as error:
                cause: Any = getattr(error, "cause", None)
                raise (cause if isinstance(cause, DseError) else error) from None
            except LOST as error:
                dead.setdefault(flight.actor, error)
            except exceptions.RayError as error:
                raise ExecutorError(f"Ray was lost: {first_line(error)}") from error
            else:
                landed = self._read(lines.split(b"\n")[:-1], flight.call)
                answers += self._dispatcher.answered(flight.actor, flight.call, landed, time.monotonic())
        for name, error in dead.items():
            answers += self._bury(name, _last_words(error))
        return answers + self._end_overdue()

    def _welcome(self, reference: Any) -> None:
        """Take an actor that is ready, or that could not start."""
        starting = self._starting.pop(reference)
        try:
            said = ray.get(reference)
        except exceptions.RayTaskError as error:
            cause: Any = getattr(error, "cause", None)
            if isinstance(cause, PluginError):
                raise ExecutorError(f"a Ray actor cannot load what the study needs: {cause}") from None
            raise
        except exceptions.RayError as error:
            self._take_start_failure(_last_words(error).reason)
            return
        if starting.node is None:
            code, versions, node = said
            self._check_plugins(versions)
            if code != code_version():
                raise ExecutorError(
                    f"a Ray actor runs {code}, this process {code_version()}; install one version on all nodes, or "
                    "let `dse submit` bring the code along"
                )
            self._starting[starting.handle.warm_up.remote()] = _Start(starting.handle, node)
            return
        self._start_failures.clear()
        name: str = starting.handle._actor_id.hex()  # noqa: SLF001  its only name
        self._handles[name] = starting.handle
        self._dispatcher.join(name, starting.node)

    def _take_start_failure(self, reason: str) -> None:
        """Let others start after a pause where several have failed in a row: a machine may be busy, or short of memory.

        Raises:
            ExecutorError: it was no use.
        """
        self._start_failures.append(reason)
        rounds, more = divmod(len(self._start_failures), MAX_START_FAILURES)
        if more:
            return
        if rounds > len(START_PAUSES_S):
            raise ExecutorError(
                f"the Ray actors did not start, {len(self._start_failures)} of them in a row: {reason}. What is "
                "finished is safe; go on with `dse resume`, with fewer --actors or with more memory for each"
            )
        pause = START_PAUSES_S[rounds - 1]
        self._start_again_at = time.monotonic() + pause
        log.warning("%d Ray actors did not start (%s); trying again in %g s", MAX_START_FAILURES, reason[:200], pause)

    def _check_plugins(self, versions: Mapping[str, str]) -> None:
        """Check that the plug-ins of an actor are those of this process."""
        for name in self._plugins:
            if versions[name] != (here := plugins.loaded(name).version):
                raise ExecutorError(
                    f"a Ray actor has the plug-in {name!r} in version {versions[name]}, this process in {here}; "
                    "install one version on all nodes, or let `dse submit` bring the plug-in along"
                )

    def _end_overdue(self) -> list[Answer]:
        """End the actors whose job exceeds the time limit."""
        answers: list[Answer] = []
        for name in self._dispatcher.overdue(time.monotonic()):
            answers += self._bury(name, Failure("timeout", f"ended at its time limit of {self._limit_s:g} s"))
        return answers

    def _bury(self, name: str, last_words: Failure) -> list[Answer]:
        """Let go of an actor that is dead, or shall be."""
        ray.kill(self._handles.pop(name))
        self._flights = {r: flight for r, flight in self._flights.items() if flight.actor != name}
        if not self._handles:
            self._alone_since = time.monotonic()
        self._polled = -POLL_S  # another one is due
        return self._dispatcher.lost(name, last_words)

    def _spooled(self, call: Call) -> list[Answer]:
        if self._spool is None:
            return []
        return answers_of(lines_of(self._spool, call.key), [task.job for task in call.tasks], self._kept_in(call))

    def _read(self, lines: Sequence[bytes], call: Call) -> list[Answer]:
        kept_in = self._kept_in(call)
        return [decode(line, task.job, kept_in) for line, task in zip(lines, call.tasks, strict=True)]

    def _kept_in(self, call: Call) -> Path | None:
        return None if self._spool is None else self._spool / f"{call.key}.jsonl"


def _last_words(error: BaseException) -> Failure:
    """Return what Ray says of the end of a process, in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, exceptions.OutOfMemoryError) or "memory pressure" in text or "OutOfMemory" in text:
        return Failure("memory", f"its process was ended because memory ran out: {text[:300]}")
    kind = re.search(r"Worker exit type: (\w+)", text)
    detail = re.search(r"Worker exit detail: (.*)", text)
    said = f"{kind[1]}: {detail[1]}" if kind and detail else text
    return Failure("crashed", f"its process died ({said[:300]})")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
