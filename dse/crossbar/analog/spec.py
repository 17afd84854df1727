"""What the arrays and converters of a deep layer are."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from dse.crossbar.spec import AdcSpec, DacSpec, ScaleKind, Scales

IDEAL_DAC = DacSpec(bits="ideal")
IDEAL_ADC = AdcSpec(bits="ideal")


@dataclass(frozen=True)
class Crossbars:
    """The arrays that hold the weights of layers, and their converters.

    Inputs in both directions are scaled digitally by the largest magnitude of their sample and use 2^bits - 1 levels in
    [-1, 1]; ranges of the output converters are in units of weight times full-scale input. A layer with more inputs or
    outputs than an array has rows or columns is cut into tiles; each tile of a product has a conversion of its own, and
    the parts are added digitally.

    Attributes:
        dac: converters of the inputs.
        adc: converters of the outputs; with `ranging = "calibrated"` ranges follow `AnalogLayer.calibrate`.
        tile_rows: inputs of an array; None for as many as a layer has.
        tile_columns: outputs of an array; None for as many as a layer has.
        unused_lines: whether an array has all of its lines where a layer takes fewer.
        operand_bits: resolution of the inputs and errors whose products form the gradient of the weights.
        read_noise_per: "product" draws read noise for every product of the array with a vector; "mini_batch" draws a
            weight's noise once for a mini-batch and direction, which takes no time and correlates what passes together.
        output_scale: whether a layer has a digital factor of its outputs, or one for each column or tile.
        output_scale_kind: whether these learn, or are fixed by the initial weights; see `factors`.
        output_scale_by: what of the initial weights fixed ones go by.
        output_scale_rate: what the gradients of those that learn are multiplied by.
    """

    dac: DacSpec = IDEAL_DAC
    adc: AdcSpec = IDEAL_ADC
    tile_rows: int | None = None
    tile_columns: int | None = None
    unused_lines: bool = False
    operand_bits: int | Literal["float"] = "float"
    read_noise_per: Literal["product", "mini_batch"] = "product"
    output_scale: Scales = "none"
    output_scale_kind: ScaleKind = "learned"
    output_scale_by: Literal["deviation", "largest"] = "deviation"
    output_scale_rate: float = 1.0

    @cached_property
    def are_exact(self) -> bool:
        """Whether no converter and no multiplier rounds."""
        resolutions = (self.dac.bits, self.adc.bits, self.dac.bits_backward, self.adc.bits_backward)
        return all(bits == "ideal" for bits in resolutions) and self.operand_bits == "float"
