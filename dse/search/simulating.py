"""Who simulates a study, as a user asks for it: actors on Ray, or this process."""

from typing import Literal, get_args

from dse.errors import SettingError
from dse.results.address import place_of
from dse.results.place import Where
from dse.search.executor import Executor, LocalExecutor, Simulation, check_device
from dse.search.generations import GenerationExecutor
from dse.search.remarks import networks_of
from dse.search.study import Study

Kind = Literal["ray", "local"]
KINDS = get_args(Kind)


def executor_for(
    study: Study,
    where: Where,
    kind: Kind = "ray",
    *,
    actors: int | None = None,
    address: str | None = None,
    wait_s: float = 0.0,
    device: str | None = None,
) -> Executor:
    """Return what simulates a study.

    Args:
        study: the study.
        where: its results, where actors keep what they have finished.
        kind: actors on Ray, or this process; the results are the same.
        actors: number of actors; None for as many as there is room for.
        address: the Ray cluster to join; None for one of our own.
        wait_s: how long to wait for a node with room for an actor, s.
        device: where torch computes deep networks, and in this process perceptrons too, a generation in one launch;
            None for an accelerator where the study asks for one.

    Raises:
        ExecutorError: it cannot be started.
        SettingError: this process cannot do what the study or the arguments ask for.
    """
    if kind not in KINDS:
        raise SettingError(f"executor = {kind!r} is not allowed; give one of {', '.join(map(repr, KINDS))}")
    simulate = Simulation(device or ("cuda" if study.spec.resources.gpus else "cpu"))
    if kind == "local":
        check_local(study, actors=actors, address=address, wait_s=wait_s)
        check_device(simulate.device)
        return GenerationExecutor(simulate.device) if joins(study, simulate.device) else LocalExecutor(simulate)
    from dse.search.ray_pool import RayPool  # noqa: PLC0415  Ray, which others do without

    return RayPool(
        actors,
        address=address,
        resources=study.spec.resources,
        folder=place_of(where).work,
        names=tuple(study.plugins),
        wait_s=wait_s,
        simulate=simulate,
    )


def joins(study: Study, device: str) -> bool:
    """Return whether designs of a study can learn together on a device.

    Others go one at a time: a search that awaits a generation of them learns nothing from the first before the last is
    proposed.
    """
    from dse.kernel.accelerator.dispatch import is_installed  # noqa: PLC0415  kernels, which most runs do without

    return device.startswith("cuda") and is_installed() and any(own.joins for own in networks_of(study))


def check_local(study: Study, *, actors: int | None, address: str | None, wait_s: float) -> None:
    """Check that this process can simulate what a user asks for.

    Raises:
        SettingError: it cannot.
    """
    if actors is not None or address is not None or wait_s:
        raise SettingError(
            "a number of actors, an address and waiting for nodes are for Ray (--actors, --address, --wait-for-nodes); "
            'the executor "local" is this process'
        )
    if study.spec.resources.time_limit_s is not None:
        raise SettingError(
            "resources.time_limit_s needs Ray actors, which can be ended; leave the executor local, or the setting"
        )
