"""What can be chosen about the life of a network after training: cells, times, compensation."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import Strict, model_validator

from dse.crossbar.error_spec import ConverterErrorSpec
from dse.crossbar.spec import (
    OF_REAL_SIZE,
    AdcSpec,
    Bits,
    Coding,
    DacSpec,
    Packing,
    Sharing,
    TileLines,
    Unused,
    check_packing,
)
from dse.crossbar.wire_spec import WireSpec
from dse.deployment.compensation import COMPENSATIONS
from dse.devices.spec import ProgrammedCellSpec
from dse.spec import ActsUnless, ActsUnlessAny, Added, OneOf, Spec

WeightBits = Annotated[int, Ge(2), Le(16)] | Literal["analog"]
HOUR_S, DAY_S = 3600.0, 86400.0
MONTH_S, YEAR_S = 30 * DAY_S, 365 * DAY_S
TIMES_S = (1.0, HOUR_S, DAY_S, MONTH_S, YEAR_S)


def _names() -> list[str]:
    return [own.name for own in COMPENSATIONS]


def _abouts() -> str:
    return "; ".join(f'"{own.name}": {own.about}' for own in COMPENSATIONS) + "."


Compensation = Annotated[str, OneOf(_names)]
Compensating = Annotated[str, OneOf(_names, _abouts)]
NO_COMPENSATION, DEFAULT_COMPENSATION = COMPENSATIONS[0].name, COMPENSATIONS[1].name
Time = Annotated[float, Ge(0.0), Le(1e10)]
_KEPT = ActsUnless(on_crossbars=True, reprogram=False)
"""The cells of the training live on, and none are programmed."""


def _used(setting: str) -> ActsUnlessAny:
    """Return under which compensations, where they are the only one, a setting has no effect."""

    def others() -> list[ActsUnless]:
        names = [own.name for own in COMPENSATIONS if setting not in own.uses]
        return [ActsUnless(compared=(NO_COMPENSATION,), compensation=how) for how in names]

    return ActsUnlessAny(others)


class DeploymentSpec(Spec):
    """A trained network on cells that drift, read at chosen times.

    Digital weights are programmed into fresh cells, of each pair the device of the right sign, the largest weight of a
    layer at the largest conductance; times count from the first read, `drift_reference_s` after programming. A network
    trained on PCM keeps its cells, and times count from the end of the training: each cell drifts on from its own last
    pulse by its own model. A deployment is part of a design as soon as one of its settings is given.
    """

    times_s: Annotated[tuple[Time, ...], MinLen(1), Strict(strict=False)] = TIMES_S
    """Times of evaluation, s, ascending."""
    repetitions: Annotated[
        int,
        Ge(1),
        Le(10_000),
        ActsUnless({"device.read_noise_scale": 0.0}, on_crossbars=True, reprogram=False),
    ] = 5
    """Independent repetitions: of programming, drift and reads where cells are programmed, of reads where they are
    kept. What is measured is a mean over them."""
    compensation: Compensating = DEFAULT_COMPENSATION
    compared: Annotated[tuple[Compensation, ...], Strict(strict=False)] = (NO_COMPENSATION,)
    """Further compensations on the same cells with the same reads; the table tells of them, metrics do not."""
    gdc_vectors: Annotated[int, Ge(1), Le(100_000), _used("gdc_vectors")] = 32
    """Fixed inputs under which global drift compensation measures a layer, evenly distributed in [0, 1]; smaller where
    an output would exceed the range of its converter."""
    calibration_samples: Annotated[int, Ge(2), Le(1_000_000), _used("calibration_samples")] = 1300
    """Training images on which batch-norm statistics are re-estimated, at every time anew."""
    tolerated_loss: Annotated[float, Gt(0.0), Le(1.0)] = 0.01
    """How much worse what the task measures may become since the first time: an accuracy that falls, an error that
    grows; the retention time ends there."""
    reprogram: Annotated[bool, ActsUnless(on_crossbars=False)] = False
    """Whether the weights of a network trained on PCM are read and programmed into fresh cells, too."""
    samples_per_read: Annotated[
        int,
        Ge(1),
        Le(1_000_000),
        _KEPT,
        ActsUnless({"deployment.device.read_noise_scale": 0.0}),
    ] = 100
    """Images between two draws of the 1/f noise of programmed cells. Most of that noise is slower than an image: it
    must not be new in every product, nor be the same for all images."""
    dac_bits: Annotated[Bits, ActsUnless(on_crossbars=True)] = 8
    """Input converters of a network that was trained digitally; inputs in [0, 1]."""
    adc_bits: Annotated[Bits, ActsUnless(on_crossbars=True)] = 8
    """Output converters of a network that was trained digitally; the range of each layer is the largest magnitude of
    its outputs over training images, measured after programming."""
    coding: Annotated[Coding, ActsUnless(on_crossbars=True), ActsUnless(dac_bits="ideal"), Added()] = "levels"
    """How inputs drive the lines of its arrays; see `dac.coding`."""
    columns_per_converter: Annotated[Sharing, ActsUnless(on_crossbars=True), ActsUnless(adc_bits="ideal"), Added()] = (
        "card"
    )
    """Columns of its arrays that share an output converter; see `adc.columns_per_converter`."""
    errors: Annotated[ConverterErrorSpec | None, ActsUnless(on_crossbars=True), ActsUnless(adc_bits="ideal")] = None
    """Errors of its output converters; see `adc.errors`."""
    tile_rows: Annotated[TileLines, ActsUnless(on_crossbars=True)] = 256
    """Inputs of an array, for a network of convolutions that was trained digitally; "whole" for all of a layer."""
    tile_columns: Annotated[TileLines, ActsUnless(on_crossbars=True)] = 256
    """Outputs of an array; likewise."""
    unused_lines: Annotated[
        Unused, ActsUnless(on_crossbars=True), ActsUnless(tile_rows="whole", tile_columns="whole"), Added()
    ] = "absent"
    """Whether its arrays have lines that a layer leaves unused; see `array.unused_lines`. Of a network that was trained
    here areas are those of the training, and only wires cross such lines."""
    packing: Annotated[Packing, ActsUnless(on_crossbars=True), *OF_REAL_SIZE, Added()] = "apart"
    """Whether layers share the arrays of a network that was trained already; see `array.packing`."""
    wires: Annotated[WireSpec | None, ActsUnless(on_crossbars=True)] = None
    """The wires of the arrays of a network that was trained digitally; absent where they have no resistance."""
    weight_bits: Annotated[WeightBits, _KEPT, Added()] = "analog"
    """Bits, sign included, to which weights are rounded before they are programmed; "analog" rounds nothing."""
    slices: Annotated[int, Ge(1), Le(16), _KEPT, ActsUnless(weight_bits="analog"), Added()] = 1
    """Digits into which a weight is cut, at most `weight_bits`, without the sign of a pair: each has columns of its
    own, side by side, and conversions of its own, which are shifted and added. `tile_columns` counts outputs."""
    reference: Annotated[Literal["pair", "column"], _KEPT, Added()] = "pair"
    """What a weight is measured against: "pair" the other column of its own, of which one is programmed; "column" an
    offset column of the array, in the middle of the window, so that a weight takes half the cells. Without wires."""
    device: Annotated[ProgrammedCellSpec | None, _KEPT] = None
    """The programmed cell; absent where trained cells are kept."""

    @property
    def compensations(self) -> tuple[Compensation, ...]:
        """All compensations that are evaluated, each once, the chosen one last."""
        others: dict[Compensation, None] = {how: None for how in self.compared if how != self.compensation}
        return (*others, self.compensation)

    @property
    def dac(self) -> DacSpec:
        """The input converters of a network that was trained digitally."""
        return DacSpec(bits=self.dac_bits, coding=self.coding)

    @property
    def adc(self) -> AdcSpec:
        """The output converters of a network that was trained digitally."""
        return AdcSpec(bits=self.adc_bits, columns_per_converter=self.columns_per_converter, errors=self.errors)

    @model_validator(mode="after")
    def _every_slice_has_a_bit(self) -> "DeploymentSpec":
        paired = self.reference == "pair"
        most = 1 if self.weight_bits == "analog" else self.weight_bits - paired
        if self.slices > most:
            msg = f"slices = {self.slices} of a weight are more than its bits{' without the sign' * paired}; " + (
                f"give at most {most}, or more weight_bits than {self.weight_bits}"
                if self.weight_bits != "analog"
                else "give weight_bits"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _shared_arrays_are_plain(self) -> "DeploymentSpec":
        check_packing(self.packing, self.wires)
        return self

    @model_validator(mode="after")
    def _times_ascend(self) -> "DeploymentSpec":
        if any(later <= earlier for earlier, later in zip(self.times_s, self.times_s[1:], strict=False)):
            msg = f"times_s = {list(self.times_s)} must ascend"
            raise ValueError(msg)
        return self


def no_batch_norm(how: str) -> str:
    """Return the message for a compensation that needs batch normalisation where there is none."""
    others = " or ".join(f'"{own.name}"' for own in COMPENSATIONS if not own.needs_batch_norm)
    return (
        f'deployment.compensation = "{how}" re-estimates batch-norm statistics, and this network has none; '
        f"give {others}"
    )
