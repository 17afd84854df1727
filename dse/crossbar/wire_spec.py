"""What can be chosen about the wires of an array."""

from typing import Annotated, Literal

from annotated_types import Ge, Le

from dse.crossbar.wires import SOLUTIONS
from dse.crossbar.wires.base import Line, Lines
from dse.spec import ActsUnless, OneOf, Spec

MEGAOHM = 1e6
Ohm = Annotated[float, Ge(0.0), Le(1e6)]
Ends = Literal["one", "both"]


def _names() -> list[str]:
    return [own.name for own in SOLUTIONS]


def _abouts() -> str:
    return "; ".join(f'"{own.name}": {own.about}' for own in SOLUTIONS) + "."


class WireSpec(Spec):
    """The wires of arrays, which take a part of every voltage and current (IR drop); absent where none has resistance.

    A row has a segment before every cell, a column one behind. The two cells of a pair, and the pairs of a weight, lie
    side by side on bit lines of their own, so that a row of 256 weights crosses 512 with one pair a weight. A layer
    that does not fill an array lies next to its drivers and converters, with the selectors of other cells off. Rows
    without an input are held at 0 V. Read voltages are small, and cells ohmic. Pulses and reads of single cells, for
    refresh, verification and reprogramming, see no wires.
    """

    row_ohm: Ohm = 0.0
    """Resistance of a row between two bit lines, and before the first, ohm."""
    column_ohm: Ohm | Literal["same"] = "same"
    """Resistance of a bit line between two rows, and before the first, ohm; "same" takes `row_ohm`."""
    source_ohm: Ohm = 0.0
    """Further resistance between an end of a row and its driver, which reads it in backward products, ohm."""
    sense_ohm: Ohm = 0.0
    """Further resistance between an end of a bit line and its converter, which drives it in backward products, ohm."""
    row_ends: Annotated[Ends, ActsUnless(row_ohm=0.0, source_ohm=0.0)] = "one"
    """Whether a row is driven, and read in backward products, at one end or at both."""
    column_ends: Annotated[
        Ends,
        ActsUnless(column_ohm=0.0, sense_ohm=0.0),
        ActsUnless(row_ohm=0.0, column_ohm="same", sense_ohm=0.0),
    ] = "one"
    """Whether a bit line is read, and driven in backward products, at one end or at both."""
    solution: Annotated[
        str,
        OneOf(_names, _abouts),
        ActsUnless(row_ohm=0.0, column_ohm=0.0, source_ohm=0.0, sense_ohm=0.0),
        ActsUnless(row_ohm=0.0, column_ohm="same", source_ohm=0.0, sense_ohm=0.0),
    ] = SOLUTIONS[0].name

    @property
    def bit_line_ohm(self) -> float:
        """Resistance of a bit line between two rows, "same" resolved, ohm."""
        return self.row_ohm if self.column_ohm == "same" else self.column_ohm

    @property
    def are_ideal(self) -> bool:
        """Whether nothing has resistance."""
        return self.row_ohm == self.bit_line_ohm == self.source_ohm == self.sense_ohm == 0.0

    def lines(self, unused_rows: int = 0, unused_columns: int = 0) -> Lines:
        """Return the lines of an array, in which some rows and bit lines at the far ends are not used."""
        rows = _line(self.row_ohm, self.source_ohm, self.row_ends, unused_columns)
        return Lines(rows, _line(self.bit_line_ohm, self.sense_ohm, self.column_ends, unused_rows))


def _line(segment_ohm: float, end_ohm: float, ends: Ends, unused: int) -> Line:
    segment, end = segment_ohm / MEGAOHM, end_ohm / MEGAOHM
    near = segment + end
    return Line(segment, near, near + unused * segment if ends == "both" and near > 0.0 else None)
