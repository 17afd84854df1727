"""Mixed-precision descent (Nandakumar et al., Front. Neurosci. 14:406, 2020): what is said of it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

from dse.spec import Spec
from dse.updates.base import AbstractUpdate
from dse.updates.spec import AccumulatorSpec

if TYPE_CHECKING:
    from torch import nn

    from dse.updates.layers import CrossbarLayer
    from dse.updates.mixed_precision.descent import CrossbarDescent
    from dse.updates.platform import Platform
    from dse.updates.training import ModuleTraining


class MixedPrecision(AbstractUpdate):
    """Updates are summed in an accumulator for each weight and leave it as whole pulses to the cells."""

    name = "mixed_precision"
    about = "pairs of cells with a digital accumulator"
    on_crossbars = True
    optimised = True
    tables: ClassVar[Mapping[str, type[Spec]]] = {"accumulator": AccumulatorSpec}
    defaults: ClassVar[Mapping[str, Any]] = {"training.momentum": 0.0}  # what networks say is for digital training
    perceptrons = True
    compiled = True
    accounted = True

    @classmethod
    def check(cls, tables: Mapping[str, Spec], updates: int) -> None:
        """Check that a pulse can reach a cell; see `AbstractUpdate`."""
        every = cast("AccumulatorSpec", tables["accumulator"]).transfer_every
        if every > updates:
            msg = (
                f"accumulator.transfer_every = {every} exceeds the {updates} updates of the "
                "training, so that no pulse would reach a cell"
            )
            raise ValueError(msg)

    @classmethod
    def descent(
        cls,
        network: "nn.Module",
        training: "ModuleTraining",
        platform: "Platform",
        *,
        seed: int,
    ) -> "CrossbarDescent":
        """Return what moves the weights; see `AbstractUpdate`."""
        from dse.updates.mixed_precision.descent import CrossbarDescent  # noqa: PLC0415  torch

        hardware = platform.crossbar_hardware
        return CrossbarDescent(
            network,
            hardware,
            conductance_per_std_us=platform.array.conductance_per_std_us,
            with_accumulator=hardware.accumulator.inference == "cells_and_accumulator",
            seed=seed,
            sample_time_s=platform.sample_time_s,
            drift_every=platform.drift_every,
            optimiser=training.of_weights,
            digital=training.of_digital,
            digital_share=training.digital_share,
        )

    @classmethod
    def layer(cls, rows: int, cols: int, platform: "Platform", *, seed: int, number: int) -> "CrossbarLayer":
        """Return a layer of a perceptron; see `AbstractUpdate`."""
        from dse.updates.layers import CrossbarLayer  # noqa: PLC0415  torch

        return CrossbarLayer(rows, cols, platform.crossbar_hardware, seed=seed, layer=number)
