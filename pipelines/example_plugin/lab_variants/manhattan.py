"""The Manhattan rule (Zamanidoost, Bayat, Strukov and Kataeva, IEEE WISP 2015): pulses by the sign of a gradient."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, cast

from annotated_types import Gt, Le

from dse.spec import Spec
from dse.updates.base import AbstractUpdate

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dse.streams import Stream
    from dse.updates.platform import Platform
    from dse.updates.pulse_trains.descent import PulsedDescent
    from dse.updates.training import ModuleTraining


class DriverSpec(Spec):
    """What drives the lines of an array at an update."""

    least: Annotated[float, Gt(0), Le(1)] = 0.1
    """Smallest change, in pulses, for which a cell takes one."""


class Manhattan(AbstractUpdate):
    """A weight whose wanted change is large enough takes one pulse of its direction, and no other takes any."""

    name = "manhattan"
    about = "one pulse a weight by the sign of its gradient, straight to pairs of cells (Manhattan rule)"
    on_crossbars = True
    tables: ClassVar[Mapping[str, type[Spec]]] = {"driver": DriverSpec}

    @classmethod
    def descent(
        cls,
        network: "nn.Module",
        training: "ModuleTraining",  # noqa: ARG003  nothing digital has a memory here
        platform: "Platform",
        *,
        seed: int,
    ) -> "PulsedDescent":
        """Return what moves the weights; see `AbstractUpdate`."""
        from dse.updates.pulse_trains.descent import PulsedDescent  # noqa: PLC0415  torch

        least = cast("DriverSpec", platform.tables["driver"]).least

        def by_sign(wanted: "Tensor", draws: "Stream") -> "Tensor":  # noqa: ARG001  nothing is random
            return (wanted.sign() * (wanted.abs() >= least)).long()

        return PulsedDescent(network, platform, pulses=by_sign, seed=seed)
