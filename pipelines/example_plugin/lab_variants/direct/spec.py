"""Direct pulsed training (Gokmen and Vlasov, Front. Neurosci. 10:333, 2016): what is said of it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, cast

from annotated_types import Ge, Le

from dse.spec import Spec
from dse.updates.base import AbstractUpdate

if TYPE_CHECKING:
    from torch import nn

    from dse.updates.platform import Platform
    from dse.updates.training import ModuleTraining
    from lab_variants.direct.descent import DirectDescent


class PulserSpec(Spec):
    """What makes pulses of a gradient."""

    longest: Annotated[int, Ge(1), Le(1000)] = 31
    """Most pulses that a weight takes at an update; what is wanted beyond is lost."""


class Direct(AbstractUpdate):
    """Every update goes to the cells at once, rounded to whole pulses at random: the mean is the wanted change."""

    name = "direct"
    about = "stochastic pulses straight to pairs of cells, without an accumulator"
    on_crossbars = True
    tables: ClassVar[Mapping[str, type[Spec]]] = {"pulser": PulserSpec}

    @classmethod
    def descent(
        cls,
        network: "nn.Module",
        training: "ModuleTraining",  # noqa: ARG003  nothing digital has a memory here
        platform: "Platform",
        *,
        seed: int,
    ) -> "DirectDescent":
        """Return what moves the weights; see `AbstractUpdate`."""
        from lab_variants.direct.descent import DirectDescent  # noqa: PLC0415  torch

        pulser = cast("PulserSpec", platform.tables["pulser"])
        return DirectDescent(network, platform, longest=pulser.longest, seed=seed)
