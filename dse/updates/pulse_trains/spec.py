"""Analog stochastic gradient descent (Gokmen and Vlasov, Front. Neurosci. 10:333, 2016): what is said of it."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, cast

from annotated_types import Ge, Le

from dse.spec import Spec
from dse.updates.base import AbstractUpdate

if TYPE_CHECKING:
    from torch import nn

    from dse.updates.platform import Platform
    from dse.updates.pulse_trains.descent import PulsedDescent
    from dse.updates.pulse_trains.layer import PulsedLayer
    from dse.updates.training import ModuleTraining


class TrainsSpec(Spec):
    """What makes pulses of an update."""

    longest: Annotated[int, Ge(1), Le(1000)] = 31
    """Slots of a pulse train, and most pulses that a weight takes from a sample, or from a mini-batch of torch modules;
    what is wanted beyond is lost."""


class PulseTrains(AbstractUpdate):
    """Random trains on rows and columns meet in the cells, which take the update without an accumulator.

    A perceptron is pulsed sample by sample. Torch modules give the gradient of a mini-batch, which is rounded to whole
    pulses at random, with the same mean; see `dse.updates.pulse_trains.trains`. There is no word of a weight that an
    optimiser could work on, so that it is not `optimised`: momentum and all else of optimisers have no effect.
    """

    name = "pulse_trains"
    about = "stochastic pulse trains straight into the cells, without an accumulator (analog SGD)"
    on_crossbars = True
    tables: ClassVar[Mapping[str, type[Spec]]] = {"trains": TrainsSpec}
    perceptrons = True

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
        from dse.updates.pulse_trains.trains import rounded  # noqa: PLC0415  torch

        longest = cast("TrainsSpec", platform.tables["trains"]).longest
        return PulsedDescent(network, platform, pulses=partial(rounded, longest=longest), seed=seed)

    @classmethod
    def layer(cls, rows: int, cols: int, platform: "Platform", *, seed: int, number: int) -> "PulsedLayer":
        """Return a layer of a perceptron; see `AbstractUpdate`."""
        from dse.updates.layers import CrossbarLayer  # noqa: PLC0415  torch
        from dse.updates.pulse_trains.layer import PulsedLayer  # noqa: PLC0415  torch

        own = CrossbarLayer(rows, cols, platform.crossbar_hardware, seed=seed, layer=number)
        longest = cast("TrainsSpec", platform.tables["trains"]).longest
        return PulsedLayer(own, longest=longest, seed=seed, layer=number)
