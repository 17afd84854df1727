"""An update rule that is no part of the package, as far as designs go: on crossbars, with a table instead of chi."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from dse.spec import Spec
from dse.updates.base import AbstractUpdate


class PulserSpec(Spec):
    """What makes pulses of gradients."""

    share: Annotated[float, Ge(0.0), Le(1.0)] = 0.01
    """Share of the weights of a layer that take a pulse at an update."""


class Pulsed(AbstractUpdate):
    """The weights with the largest gradients take a pulse."""

    name = "pulsed"
    about = "pulses for the largest gradients"
    on_crossbars = True
    tables: ClassVar[Mapping[str, type[Spec]]] = {"pulses": PulserSpec}

    @classmethod
    def check(cls, tables: Mapping[str, Spec], updates: int) -> None:
        """Refuse what no update could do."""
        if tables["pulses"] == PulserSpec(share=0.0):
            msg = f"pulses.share = 0 lets no weight learn in {updates} updates"
            raise ValueError(msg)
