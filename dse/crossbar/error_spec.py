"""What can be chosen about the errors of output converters."""

from typing import Annotated, Literal

from annotated_types import Ge, Le

from dse.spec import ActsUnless, Spec

Share = Annotated[float, Ge(0.0), Le(1.0)]
Correction = Literal["none", "offset", "offset_and_gain"]


class ConverterErrorSpec(Spec):
    """Errors of output converters, in units of their range; absent where they do not err.

    A converter turns u, a product in units of its range, into

        u (1 + gain) + offset + inl S(u) + noise,      S(u) = (3 sqrt(3) / 2) u (1 - u^2)

    before it cuts and rounds it. Gain, offset and inl are drawn for every converter once, normally and around 0, and
    stay; those of forward and backward products are different converters. S is the odd bow of a differential
    converter, 0 at the ends and in the middle of the range, 1 where it is largest. Noise is new in every conversion.
    Converters that were calibrated correct their offset, and their gain, digitally behind the conversion: rounding,
    cut and bow stay. Reads of single cells for refresh do not err.
    """

    offset_std: Share = 0.0
    """Standard deviation of the offset from one converter to the next."""
    gain_std: Share = 0.0
    """Standard deviation of the gain from one converter to the next, around 1."""
    inl_std: Share = 0.0
    """Standard deviation of the largest integral nonlinearity from one converter to the next."""
    noise_std: Share = 0.0
    """Standard deviation of the noise of a conversion, thermal and other, at the input of the converter."""
    correction: Annotated[Correction, ActsUnless(offset_std=0.0, gain_std=0.0)] = "none"
    """What is corrected digitally behind every conversion: nothing, the offset (an addition), or the offset and the
    gain (a multiplication, too)."""

    @property
    def are_none(self) -> bool:
        """Whether nothing errs."""
        return self.offset_std == self.gain_std == self.inl_std == self.noise_std == 0.0
