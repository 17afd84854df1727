"""Tiki-Taka in its later forms (Gokmen 2021; Rasch et al. 2024): what is said of it; sources in `gradient_array`."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, cast

from annotated_types import Ge, Gt, Le
from pydantic import model_validator

from dse.spec import ActsUnless, Condition, Spec
from dse.updates.base import AbstractUpdate
from dse.updates.pulse_trains.spec import TrainsSpec
from dse.updates.spec import AccumulatorSpec

if TYPE_CHECKING:
    from torch import nn

    from dse.updates.platform import Platform
    from dse.updates.pulse_trains.descent import PulsedDescent
    from dse.updates.pulse_trains.layer import PulsedLayer
    from dse.updates.tiki_taka.gradient_array import GradientArray
    from dse.updates.training import ModuleTraining


class TransferSpec(Spec):
    """The array of gradients of each layer, and how it is read on to the weights.

    Second form (TTv2): the reference of every cell is known, and no sign is turned. The third, chopped TTv2, turns
    signs (`chopper`); the fourth (AGAD) knows no reference and takes it from earlier readings
    (`reference = "running_mean"`).
    """

    gradient_rate: Annotated[float, Gt(0.0), Le(1e6)] = 10.0
    """Learning rate of the array of gradients, in units of `training.learning_rate`. It must follow the gradient within
    few of its readings: too slow, it goes on in the old direction when the gradient has turned."""
    every: Annotated[int, Ge(1), Le(10**9)] = 1
    """Updates (mini-batches) between two transfers (n_s)."""
    lines: Annotated[int, Ge(1), Le(65536)] = 1
    """Input lines that a transfer reads, in turn, of those that a layer has; a layer of 785 inputs and one line an
    update is read through once in 785 updates."""
    part: Annotated[float, Gt(0.0), Le(1e3)] = 0.0078125
    """Part of a reading that is added to the words of the accumulator, in units of weight; a negative power of two is a
    shift of the word, and no multiplication is billed."""
    reference: Literal["symmetric_point", "running_mean", "none"] = "symmetric_point"
    """What is taken off a reading: "symmetric_point" the reading where steps up and down of both cells of the pair are
    equal, measured before and kept in a word; "running_mean" the mean of the readings until the sign of the line turned
    last (AGAD); "none" nothing."""
    reference_error_us: Annotated[
        float,
        Ge(0.0),
        Le(1e4),
        ActsUnless(reference="running_mean"),
        ActsUnless(reference="none"),
    ] = 0.0
    """Standard deviation of the error of a reference that was measured, uS."""
    mean_part: Annotated[
        float, Gt(0.0), Le(1.0), ActsUnless(reference="symmetric_point"), ActsUnless(reference="none")
    ] = 0.5
    """Part of a reading that enters the running mean."""
    chopper: Annotated[float, Ge(0.0), Le(0.5)] = 0.0
    """Probability that a line turns the sign of its gradients after a reading; offsets of the array then cancel."""

    @model_validator(mode="after")
    def _means_need_turns(self) -> "TransferSpec":
        if self.reference == "running_mean" and self.chopper == 0.0:
            msg = (
                'transfer.reference = "running_mean" takes the readings before the last turn of a sign, and with '
                "transfer.chopper = 0 none turns; give a probability, such as 0.1"
            )
            raise ValueError(msg)
        return self


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
