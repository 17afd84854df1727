"""A Ray to run on: one of our own on this machine alone, or a cluster by its address; and what it offers.

A Ray of our own listens on the loopback interface only, and asks for a token there, which other users of the machine
do not have. A cluster is joined with the token of the user where there is one (RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or
~/.ray/auth_token); RAY_AUTH_MODE, where it is set, decides instead.
"""

import logging
import math
import os
import signal
import socket
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

# Before Ray is imported, which reads it then: nothing of a study leaves the machine.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# A study ends at its first error; what jobs beside it have to say adds nothing.
os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")

import ray as untyped_ray
from ray._private import ray_constants as untyped_constants
from ray._private import services as untyped_services
from ray._private import utils as untyped_utils
from ray._private import worker as untyped_worker

from dse.errors import ExecutorError

# What it says of its tokens is for those who start clusters.
logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
ray = cast("Any", untyped_ray)  # its own types are partial


def _say_nothing(*_: Any, **__: Any) -> None:
    """Stand in for what Ray prints."""


# It prints what befalls actors on standard output, among the results of a command; the table has it.
setattr(untyped_worker, "print_to_stdstream", _say_nothing)  # noqa: B010
_constants, _services = cast("Any", untyped_constants), cast("Any", untyped_services)
_worker, _utils = cast("Any", untyped_worker), cast("Any", untyped_utils)

CLUSTERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Ray's switch between clusters and a single machine on the loopback interface, misnamed on other systems."""

REACH_S = 10.0
"""Time after which the head of a cluster is taken for unreachable."""


def start_local(cpus: float) -> None:
    """Start a Ray on this machine, for this process alone.

    Args:
        cpus: cores it shall offer.

    Raises:
        ExecutorError: it does not start.
    """
    with _loopback():
        _init(
            "Ray could not be started: {}. `--executor local` runs the same study without Ray, with the same results",
            address="local",  # and not another Ray that may run on this machine
            num_cpus=math.ceil(cpus),
            include_dashboard=False,
            _node_ip_address="127.0.0.1",
        )


def join(address: str) -> None:
    """Join a running Ray.

    Args:
        address: "auto", "HOST:PORT" of its head, or "ray://HOST:PORT" of its client server.

    Raises:
        ExecutorError: there is none, or it does not let us in.
    """
    use_token()
    _check_reachable(address)
    _init(
        f"cannot join the Ray cluster at {address}: {{}}. Is it running there, with this version of Ray and Python? "
        "Has it a token (set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN) or none (RAY_AUTH_MODE=disabled)?",
        address=address,
    )


def _check_reachable(address: str) -> None:
    """Look for the head before Ray does, which would try for minutes where there is none any more.

    Raises:
        ExecutorError: nobody listens there.
    """
    try:
        host_and_port = _services.canonicalize_bootstrap_address("auto") if address == "auto" else address
        host, _, port = (host_and_port or "").removeprefix("ray://").rpartition(":")
        socket.create_connection((host, int(port)), timeout=REACH_S).close()
    except (OSError, ValueError) as error:
        raise ExecutorError(
            f"no Ray cluster answers at {address}: {first_line(error)}. Give HOST:PORT of its head (6379 unless it was "
            'started with another), ray://HOST:10001, or "auto" on one of its nodes; or leave --address out'
        ) from error


def head_answers() -> bool:
    """Return whether the head of the cluster that this process has joined takes connections.

    Ray's library is not asked: it waits for a head that is gone, and after a minute ends the process.
    """
    address = _worker.global_worker.gcs_client.address if _worker.global_worker.connected else None
    if not address:  # joined through a client server, which notices by itself
        return True
    host, _, port = str(address).rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1.0).close()
    except (OSError, ValueError):
        return False
    return True


def _init(message: str, **options: Any) -> None:
    try:
        with _own_signals():
            ray.init(log_to_driver=False, logging_level=logging.ERROR, configure_logging=False, **options)
    except Exception as error:  # Ray raises many kinds here, and all mean the same to the user
        raise ExecutorError(message.format(first_line(error))) from error


@contextmanager
def _own_signals() -> Generator[None]:
    """Keep what this process does at signals: Ray puts handlers of its own in their place, which end it without a word.

    One is set in Python, another by its library at the moment of connecting; a signal of that moment waits.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    connect, handlers = _worker.connect, {number: signal.getsignal(number) for number in ENDING}

    def connect_and_restore(*arguments: Any, **options: Any) -> Any:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            return connect(*arguments, **options)
        finally:
            for number, handler in handlers.items():
                if handler is not None:
                    signal.signal(number, handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    setter = _utils.set_sigterm_handler
    _worker.connect, _utils.set_sigterm_handler = connect_and_restore, _say_nothing
    try:
        yield
    finally:
        _worker.connect, _utils.set_sigterm_handler = connect, setter


ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals that Ray's library may take for itself; SIGINT it leaves alone."""


@contextmanager
def _loopback() -> Generator[None]:
    """Let Ray take 127.0.0.1 for what it is; elsewhere it puts the address of the machine in its place."""
    before, was = os.environ.get(CLUSTERS), _constants.ENABLE_RAY_CLUSTER
    os.environ[CLUSTERS], _constants.ENABLE_RAY_CLUSTER = "0", False
    try:
        yield
    finally:
        _constants.ENABLE_RAY_CLUSTER = was
        if before is None:
            del os.environ[CLUSTERS]
        else:
            os.environ[CLUSTERS] = before


def use_token() -> None:
    """Show clusters the user's token, where there is one and RAY_AUTH_MODE does not say otherwise.

    Ray does so when it starts a cluster, but not when it joins one, which a cluster with a token then refuses.
    """
    named = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    if named or (Path.home() / ".ray" / "auth_token").exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


Node = Mapping[str, Any]


def living_nodes() -> list[Node]:
    """Return the nodes of the cluster that are alive, as Ray describes them."""
    return [node for node in ray.nodes() if node["Alive"]]


def room(nodes: Sequence[Node], request: Mapping[str, float]) -> int:
    """Return how many actors fit on nodes that are otherwise empty.

    Args:
        nodes: the nodes.
        request: what an actor reserves, such as {"CPU": 1, "GPU": 0.5}; nothing of it is shared between nodes.
    """
    return sum(_room_on(node, request) for node in nodes)


def _room_on(node: Node, request: Mapping[str, float]) -> int:
    fits: list[int] = []
    for name, amount in request.items():
        offered = node["Resources"].get(name, 0.0)
        if 0 < amount < 1:  # a fraction shares one device, and cannot be put together from two
            fits.append(int(offered) * int(1.0 / amount + 1e-9) if name == "GPU" else int(offered / amount + 1e-9))
        elif amount > 0:
            fits.append(int(offered / amount + 1e-9))
    return min(fits, default=0)


def offer(nodes: Sequence[Node]) -> str:
    """Return in words what nodes offer."""
    if not nodes:
        return "the cluster has no node"
    parts = [f"{n['NodeManagerAddress']}: {_amounts(n['Resources'])}" for n in nodes[:8]]
    more = f" and {len(nodes) - 8} more nodes" if len(nodes) > 8 else ""
    return f"the cluster offers {'; '.join(parts)}{more}"


def _amounts(resources: Mapping[str, float]) -> str:
    return ", ".join(f"{resources.get(name, 0.0):g} {name}" for name in ("CPU", "GPU"))


def wanted(request: Mapping[str, float]) -> str:
    """Return in words what an actor reserves."""
    return f"an actor reserves {_amounts(request)}"


def first_line(error: BaseException) -> str:
    """Return the first line of an error."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
