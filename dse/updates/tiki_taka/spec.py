"""Tiki-Taka in its later forms (Gokmen 2021; Rasch et al. 2024): what is said of it; sources in `gradient_array`."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from dse.spec import Condition, Spec
from dse.updates.base import AbstractUpdate
from dse.updates.pulse_trains.spec import TrainsSpec
from dse.updates.spec import AccumulatorSpec
from dse.updates.tiki_taka.transfer import TransferSpec

if TYPE_CHECKING:
    from torch import nn

    from dse.updates.platform import Platform
    from dse.updates.pulse_trains.descent import PulsedDescent
    from dse.updates.pulse_trains.layer import PulsedLayer
    from dse.updates.tiki_taka.gradient_array import GradientArray
    from dse.updates.training import ModuleTraining


class TikiTaka(AbstractUpdate):
    """Trains of pulses meet in an array of gradients of the same size, which is read line by line on to the weights.

    A reading, less its reference, enters the accumulator of its weights, and whole pulses leave that for the cells of
    the weights; see `dse.updates.tiki_taka.gradient_array`. Each layer gives two accounts: that of its weights with the
    accumulators, and, behind those of all layers, that of its gradients with the words of their references. Reading an
    array of gradients is billed as a forward product of the second. As with `pulse_trains`, drivers of the trains have
    no price.
    """

    name = "tiki_taka"
    about = "pulse trains into an array of gradients, read on to the weights through accumulators (TTv2, c-TTv2, AGAD)"
    on_crossbars = True
    tables: ClassVar[Mapping[str, type[Spec]]] = {
        "accumulator": AccumulatorSpec,
        "trains": TrainsSpec,
        "transfer": TransferSpec,
    }
    idle: ClassVar[Mapping[str, Condition]] = {
        "accumulator.operand_bits": {},
        "accumulator.transfer_every": {},
        "accumulator.headroom_bits": {},
        "accumulator.inference": {},
    }
    perceptrons = True

    @classmethod
    def check(cls, tables: Mapping[str, Spec], updates: int) -> None:
        """Check that a pulse can reach a weight; see `AbstractUpdate`."""
        every = cast("TransferSpec", tables["transfer"]).every
        if every > updates:
            msg = (
                f"transfer.every = {every} exceeds the {updates} updates of the training, so that no pulse would reach "
                "a weight"
            )
            raise ValueError(msg)

    @classmethod
    def descent(
        cls,
        network: "nn.Module",
        training: "ModuleTraining",  # noqa: ARG003  no word stands before the cells of the gradients
        platform: "Platform",
        *,
        seed: int,
    ) -> "PulsedDescent":
        """Return what moves the weights; see `AbstractUpdate`."""
        from dse.updates.pulse_trains.descent import PulsedDescent  # noqa: PLC0415  torch
        from dse.updates.pulse_trains.trains import rounded  # noqa: PLC0415  torch

        longest = cast("TrainsSpec", platform.tables["trains"]).longest

        def between(inputs: int, outputs: int, per_weight_us: float, number: int) -> "GradientArray":
            return _gradients(inputs, outputs, per_weight_us, platform, seed=seed, number=number)

        pulses = partial(rounded, longest=longest)
        return PulsedDescent(network, platform, pulses=pulses, seed=seed, between=between)

    @classmethod
    def layer(cls, rows: int, cols: int, platform: "Platform", *, seed: int, number: int) -> "PulsedLayer":
        """Return a layer of a perceptron; see `AbstractUpdate`."""
        from dse.updates.layers import CrossbarLayer  # noqa: PLC0415  torch
        from dse.updates.pulse_trains.layer import PulsedLayer  # noqa: PLC0415  torch

        own = CrossbarLayer(rows, cols, platform.crossbar_hardware, seed=seed, layer=number)
        longest = cast("TrainsSpec", platform.tables["trains"]).longest
        per_weight_us = platform.array.conductance_per_weight_us
        between = _gradients(rows, cols, per_weight_us, platform, seed=seed, number=number)
        return PulsedLayer(own, longest=longest, seed=seed, layer=number, between=between)


def _gradients(
    inputs: int, outputs: int, per_weight_us: float, platform: "Platform", *, seed: int, number: int
) -> "GradientArray":
    from dse.updates.tiki_taka.gradient_array import GradientArray  # noqa: PLC0415  torch

    hardware, spec = platform.crossbar_hardware, cast("TransferSpec", platform.tables["transfer"])
    return GradientArray(inputs, outputs, hardware, spec, per_weight_us=per_weight_us, seed=seed, number=number)
