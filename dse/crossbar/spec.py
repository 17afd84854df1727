"""What can be chosen about a crossbar: how conductance stands for weight, its converters, its refresh."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from pydantic import model_validator

from dse.crossbar.cuts import cuts
from dse.crossbar.error_spec import ConverterErrorSpec
from dse.crossbar.significance_spec import SignificanceSpec
from dse.crossbar.usage import COLUMNS_PER_ADC, CORRECTIONS, PLANES, PULSE_STEPS
from dse.crossbar.wire_spec import WireSpec
from dse.crossbar.wiring import ArrayWires
from dse.spec import ActsUnless, Added, Spec

Bits = Annotated[int, Ge(2), Le(16)] | Literal["ideal"]
BackwardBits = Annotated[int, Ge(2), Le(16)] | Literal["ideal", "same"]
Resolution = int | Literal["ideal"]
Unused = Literal["absent", "present"]
Packing = Literal["apart", "shared"]
Sharing = Annotated[int, Ge(1), Le(65536)] | Literal["card"]
Scales = Literal["none", "layer", "column", "tile"]
ScaleKind = Literal["learned", "fixed"]
TileLines = Annotated[int, Ge(1), Le(65536)] | Literal["whole"]
NO_CONVERTERS = (
    ActsUnless(bits="ideal", backward_bits="same"),
    ActsUnless(bits="ideal", backward_bits="ideal"),
)
"""Nothing before which a range could stand: products pass as floats both ways."""


OF_REAL_SIZE = (
    ActsUnless(tile_rows="whole"),
    ActsUnless(tile_columns="whole"),
    ActsUnless(unused_lines="absent"),
)
"""Settings with which arrays are made to fit their layers, so that nothing of them is left to share."""
NOTHING_WEARS = (
    ActsUnless(on_crossbars=False),
    ActsUnless({"device.set_endurance_pulses": "endless", "device.reset_endurance_pulses": "endless"}),
    ActsUnless({"device.set_endurance_pulses": "endless", "refresh.every_samples": 0}),
)
"""Cells that last for ever."""


class ArraySpec(Spec):
    """How differential pairs of cells hold weights: W = (G+ - G-) / conductance_per_weight_us, the mean of all pairs.

    With several pairs a weight, a counter of the array selects the one whose cell takes the next pulse (Boybat et al.,
    Nat. Commun. 9:2514, 2018). Pairs of unequal significance count in the mean as that says.
    """

    conductance_per_weight_us: Annotated[float, Gt(0.0), Le(1e4)] = 8.0
    """Conductance difference of each pair that stands for a weight of 1, uS (beta)."""
    pairs_per_weight: Annotated[int, Ge(1), Le(64), ActsUnless(on_crossbars=False)] = 1
    """Differential pairs that hold a weight together; they start equal, and one cell takes each pulse."""
    significance: Annotated[
        SignificanceSpec | None,
        ActsUnless(on_crossbars=False),
        ActsUnless(optimised=False),
        ActsUnless(pairs_per_weight=1),
        ActsUnless({"refresh.every_samples": 0}),
    ] = None
    """Unequal significance of the pairs of a weight; absent where all count the same. A transfer erases and writes as a
    refresh does, so that it needs one."""
    mapping: Annotated[Literal["deviation", "largest"], ActsUnless(on_crossbars=False), Added()] = "deviation"
    """Deep networks: which initial weight of a layer sets its beta: "deviation", the standard deviation of all of them,
    or "largest", the largest magnitude."""
    conductance_at_largest_us: Annotated[
        float, Gt(0.0), Le(1e4), ActsUnless(on_crossbars=False), ActsUnless(mapping="deviation"), Added()
    ] = 3.5
    """Conductance difference of each pair that stands for the largest initial weight of a layer, uS. Uniform weights
    reach sqrt(3) deviations, so that the default is about the 2 uS of `conductance_per_std_us` for them."""
    conductance_per_std_us: Annotated[
        float, Gt(0.0), Le(1e4), ActsUnless(on_crossbars=False), ActsUnless(mapping="largest")
    ] = 2.0
    """Deep networks: conductance difference of each pair that stands for the standard deviation of a layer's
    initial weights, uS; so beta differs from layer to layer. 0.5 by default for an lstm."""
    output_scale: Annotated[Scales, ActsUnless(on_crossbars=False), Added()] = "none"
    """Deep networks: digital factors of the outputs before the bias, one for a "layer", or one for each "column" or
    "tile". Learned ones begin at 1 and learn as other digital parameters do, so that effective weights can grow where
    conductances cannot. Every output takes a multiplication, every error two (one where factors are fixed); those of
    tiles stand behind the converters of each array, both ways (a multiplication an output and tile of rows, an input
    and tile of columns), and on the errors that form the gradient of its weights."""
    output_scale_kind: Annotated[
        ScaleKind,
        ActsUnless(on_crossbars=False),
        ActsUnless(output_scale="none"),
        ActsUnless(output_scale="layer"),
        Added(),
    ] = "learned"
    """Deep networks: output scales that are "learned"; or "fixed" by the initial weights: the deviation (or largest, as
    `mapping` says) of a column or tile over that of its layer, with cells that hold weights over their factor, so that
    all use the range alike. It is on the gradient as well, so that effective weights move by its square."""
    output_scale_rate: Annotated[
        float,
        Gt(0.0),
        Le(1e4),
        ActsUnless(on_crossbars=False),
        ActsUnless(output_scale="none"),
        ActsUnless(output_scale_kind="fixed"),
        Added(),
    ] = 0.01
    """Learning rate of output scales in units of that of other digital parameters; a scale gathers the gradients of all
    its weights."""
    tile_rows: Annotated[TileLines, ActsUnless(on_crossbars=False)] = "whole"
    """Rows of an array: a layer with more inputs takes several, whose products are converted apart and added digitally;
    256 by default for deep networks. "whole": as many as the layer needs."""
    tile_columns: Annotated[TileLines, ActsUnless(on_crossbars=False)] = "whole"
    """Columns of an array; the same for the outputs of a layer and for backward products."""
    unused_lines: Annotated[
        Unused, ActsUnless(on_crossbars=False), ActsUnless(tile_rows="whole", tile_columns="whole"), Added()
    ] = "absent"
    """Deep networks: "present" where arrays have all of `tile_rows` and `tile_columns`, and a layer that fills them in
    part leaves cells, drivers and converters idle, which take area; "absent", the default, where they are made to fit.
    """
    packing: Annotated[Packing, ActsUnless(on_crossbars=False), *OF_REAL_SIZE, Added()] = "apart"
    """Deep networks: "shared" where blocks of several layers lie in one array, at most one of each, and multiply in
    turn; "apart", the default, where every layer has arrays of its own. Without wires and spare rows."""
    read_noise_per: Annotated[
        Literal["product", "mini_batch"], ActsUnless(on_crossbars=False), ActsUnless({"device.read_noise_scale": 0.0})
    ] = "product"
    """Deep networks: "product" draws read noise anew for every product of an array with a vector;
    "mini_batch" draws that of a weight once for a pass of a mini-batch in a direction (an lstm: for each of its steps),
    which is fast and correlates its images."""
    initial_mean_us: Annotated[float, Ge(0.0), Le(1e4)] = 1.6
    """Mean initial conductance of a cell, uS."""
    initial_std_us: Annotated[float, Ge(0.0), Le(1e4)] = 0.83
    """Deviation of the initial conductance, uS; it spreads the initial weights."""
    initial_min_us: Annotated[float, Ge(0.0), Le(1e4)] = 0.1
    """Lowest initial conductance, uS."""
    initial_max_us: Annotated[float, Ge(0.0), Le(1e4)] = 8.0
    """Highest initial conductance, uS."""
    wires: Annotated[WireSpec | None, ActsUnless(on_crossbars=False)] = None
    """The wires of the arrays; absent where they have no resistance."""

    spare_rows: Annotated[int, Ge(0), Le(65536), *NOTHING_WEARS, ActsUnless({"refresh.every_samples": 0}), Added()] = 0
    """Rows of an array that stand by, at most as many as it has: a refresh that finds a row too worn erases a spare one
    and writes the differences of its pairs there. They take area."""
    remap_worn_share: Annotated[
        float,
        Gt(0.0),
        Le(1.0),
        *NOTHING_WEARS,
        ActsUnless({"refresh.every_samples": 0}),
        ActsUnless(spare_rows=0),
        Added(),
    ] = 0.1
    """Share of the cells of a row that must be worn for a spare row to take its place; the most worn come first."""
    tolerated_loss: Annotated[float, Gt(0.0), Le(1.0), *NOTHING_WEARS, Added()] = 0.05
    """How much worse than its best what the task measures may become while cells wear out, in its own units: 0.05 of an
    accuracy are five percentage points, not a twentieth of it; `lifetime_samples` ends there."""

    @model_validator(mode="after")
    def _range_is_open(self) -> "ArraySpec":
        if self.initial_min_us > self.initial_max_us:
            msg = f"initial_min_us = {self.initial_min_us} is above initial_max_us = {self.initial_max_us}"
            raise ValueError(msg)
        if self.tile_rows != "whole" and self.spare_rows > self.tile_rows:
            msg = f"spare_rows = {self.spare_rows} exceed the {self.tile_rows} rows of an array; give at most as many"
            raise ValueError(msg)
        return self

    @property
    def worths(self) -> tuple[float, ...]:
        """How often each pair of a weight counts, the fine one first."""
        coarse = 1.0 if self.significance is None else self.significance.ratio
        return (1.0, *[coarse] * (self.pairs_per_weight - 1))

    @model_validator(mode="after")
    def _shared_arrays_are_plain(self) -> "ArraySpec":
        if self.packing == "shared" and self.spare_rows:
            msg = 'packing = "shared" leaves no row to stand by; give spare_rows = 0, or packing = "apart"'
            raise ValueError(msg)
        check_packing(self.packing, self.wires)
        return self

    def smallest_rows(self, inputs: int) -> int:
        """Return the rows of the smallest array of a layer that is cut."""
        tile = None if self.tile_rows == "whole" else self.tile_rows
        if tile is not None and self.unused_lines == "present":
            return tile
        return min(last - first for first, last in cuts(inputs, tile))

    def wires_of_tiles(self, *, inputs_first: bool) -> ArrayWires | None:
        """Return the wires of the tiles of a layer, or None where they take nothing.

        Args:
            inputs_first: whether its matrix of weights has the shape (inputs, outputs), or (outputs, inputs).
        """
        rows, columns, unused = self.tile_rows, self.tile_columns, self.unused_lines
        return wires_of(self.wires, rows, columns, inputs_first=inputs_first, unused=unused)


def check_packing(packing: Packing, wires: WireSpec | None) -> None:
    """Check that layers do not share arrays with wires.

    Raises:
        ValueError: they do.
    """
    if packing == "shared" and wires is not None and not wires.are_ideal:
        msg = 'packing = "shared" is not worked out with wires; give "apart", or leave the wires out'
        raise ValueError(msg)


def wires_of(
    wires: WireSpec | None,
    tile_rows: int | Literal["whole"],
    tile_columns: int | Literal["whole"],
    *,
    inputs_first: bool,
    unused: Unused = "absent",
) -> ArrayWires | None:
    """Return the wires of tiles of a size; see `ArraySpec.wires_of_tiles`."""
    if wires is None or wires.are_ideal:
        return None
    rows, columns = (None if lines == "whole" else lines for lines in (tile_rows, tile_columns))
    return ArrayWires(wires, rows, columns, inputs_first, unused_lines=unused == "present")


NO_DACS = (
    ActsUnless(bits="ideal", backward_bits="same"),
    ActsUnless(bits="ideal", backward_bits="ideal"),
)
"""The same for converters of inputs."""
Coding = Literal["levels", "pulse_width", "bit_serial"]


class DacSpec(Spec):
    """Digital-to-analog converters of the inputs: rows in forward products, columns in backward products.

    Forward inputs of a perceptron lie in [0, 1] and use 2^bits levels there. Backward inputs, and forward inputs of
    deep networks, are signed, are scaled digitally by the largest magnitude of their sample, and use
    2^bits - 1 levels in [-1, 1].
    """

    bits: Bits = 8
    """Resolution of forward inputs; "ideal" passes floats."""
    backward_bits: BackwardBits = "same"
    """Resolution of backward inputs, which have converters of their own; "same" takes `bits`."""
    coding: Annotated[Coding, *NO_DACS, Added()] = "levels"
    """How an input drives its line: "levels" by one pulse of a converter; "pulse_width" by a driver of one bit, as long
    as its magnitude, in steps of the card's `pulse_step_s`, so that every bit doubles the time; "bit_serial" by a pulse
    for each bit of its magnitude, and output converters convert every one, whose words are shifted and added."""

    @property
    def bits_backward(self) -> Resolution:
        """Resolution of backward inputs, "same" resolved."""
        return self.bits if self.backward_bits == "same" else self.backward_bits

    def largest(self, way: int, *, signed: bool) -> int | None:
        """Return the largest code of a magnitude, 0 for forward and 1 for backward inputs; None where ideal."""
        bits = (self.bits, self.bits_backward)[way]
        return None if bits == "ideal" else int(2 ** (bits - 1 if signed else bits)) - 1

    def planes(self, way: int, *, signed: bool) -> int | None:
        """Return how many bits of a magnitude drive a line one after the other; None where they do so together."""
        largest = self.largest(way, signed=signed)
        return None if largest is None or self.coding != "bit_serial" else largest.bit_length()

    def driver_bits(self, way: int) -> Resolution:
        """Return the resolution of the driver of a line."""
        bits = (self.bits, self.bits_backward)[way]
        return 1 if self.coding == "bit_serial" and bits != "ideal" else bits

    def facts(self, *, signed: bool) -> dict[str, int]:
        """Return what prices must know, for the events of a layer; nothing where one pulse drives a line.

        Args:
            signed: whether forward inputs are signed, as those of deep networks.
        """
        names, of = {"pulse_width": (PULSE_STEPS, self.largest), "bit_serial": (PLANES, self.planes)}.get(
            self.coding, ((), self.largest)
        )
        ways = zip(names, (of(0, signed=signed), of(1, signed=True)), strict=False)
        return {name: own for name, own in ways if own is not None}


class AdcSpec(Spec):
    """Analog-to-digital converters of the outputs, signed, with 2^bits - 1 levels within the range.

    Ranges are in units of weight times full-scale input. What exceeds them is cut and counted. Calibrated ranges follow
    the products: every `calibrate_every_samples`, the range of each layer and direction becomes `headroom` times the
    largest magnitude that came before the converter since the last time, as a peak detector would give it.
    """

    bits: Bits = 8
    """Resolution of forward outputs; "ideal" passes floats."""
    backward_bits: BackwardBits = "same"
    """Resolution of backward outputs, which have converters of their own; "same" takes `bits`."""
    range: Annotated[float, Gt(0.0), Le(1e4), ActsUnless(bits="ideal")] = 8.0
    """Largest magnitude of a forward product that is not cut; with calibration, until its first time."""
    backward_range: Annotated[
        float, Gt(0.0), Le(1e4), ActsUnless(bits="ideal", backward_bits="same"), ActsUnless(backward_bits="ideal")
    ] = 4.0
    """Largest magnitude of a backward product that is not cut; with calibration, until its first time."""
    ranging: Annotated[Literal["fixed", "calibrated"], *NO_CONVERTERS] = "fixed"
    """Whether ranges stay, or follow the products of each layer, the default for deep networks."""
    calibrate_every_samples: Annotated[int, Ge(1), Le(10**9), ActsUnless(ranging="fixed"), *NO_CONVERTERS] = 1000
    """Training images between two calibrations, rounded up to whole mini-batches."""
    headroom: Annotated[float, Gt(0.0), Le(100.0), ActsUnless(ranging="fixed"), *NO_CONVERTERS] = 1.0
    """A calibrated range in units of the largest magnitude seen; below 1 it cuts the tail and refines the steps."""
    columns_per_converter: Annotated[Sharing, *NO_CONVERTERS, Added()] = "card"
    """Columns of an array that share a converter and are read in turn (backward: rows): the more, the slower and the
    smaller, and neighbours share its errors; "card" takes the number of the cost card, and errors of each column."""
    errors: Annotated[ConverterErrorSpec | None, *NO_CONVERTERS] = None
    """Errors of converters, from one to the next and in every conversion; absent where they do not err."""

    @property
    def bits_backward(self) -> Resolution:
        """Resolution of backward outputs, "same" resolved."""
        return self.bits if self.backward_bits == "same" else self.backward_bits

    @property
    def facts(self) -> dict[str, int]:
        """What prices must know, for the events of a layer; nothing where the card says all."""
        facts = {} if self.columns_per_converter == "card" else {COLUMNS_PER_ADC: self.columns_per_converter}
        correction = "none" if self.errors is None or self.errors.are_none else self.errors.correction
        corrected = {"none": (), "offset": CORRECTIONS[:1], "offset_and_gain": CORRECTIONS}[correction]
        return {**facts, **dict.fromkeys(corrected, 1)}


class RefreshSpec(Spec):
    """When a pair is RESET and its difference written anew.

    A pair is refreshed if either cell reads above `threshold_us` and the two differ by less than `difference_us`. Both
    cells are RESET, then one takes, open loop, the number of SET pulses whose mean response is nearest the difference.
    A verified refresh reads the pair then, and writes what is missing in the same way, to G+ or G-, a few times.
    """

    every_samples: Annotated[int, Ge(0), Le(10**9)] = 100
    """Training images between two refreshes, rounded up to whole mini-batches; 0 never refreshes."""
    threshold_us: Annotated[float, Gt(0.0), Le(1e4), ActsUnless(every_samples=0)] = 8.0
    """Conductance above which a cell is near saturation, uS."""
    difference_us: Annotated[float, Gt(0.0), Le(1e4), ActsUnless(every_samples=0)] = 6.0
    """Pairs that differ by at least this much are left alone, uS."""
    max_pulses: Annotated[int, Ge(0), Le(1000), ActsUnless(every_samples=0)] = 8
    """Most SET pulses to re-write a difference; likewise for what a round of verification finds missing."""
    verify_rounds: Annotated[int, Ge(0), Le(100), ActsUnless(every_samples=0), Added()] = 0
    """Most times that a pair is read after it was written, and pulsed where it misses its difference; 0 does not look.
    A round that no pulse would bring nearer is the last."""
    tolerance_us: Annotated[
        float, Gt(0.0), Le(1e4), ActsUnless(every_samples=0), ActsUnless(verify_rounds=0), Added()
    ] = 1.0
    """A pair that reads this near its difference, or nearer, is left as it is, uS."""
