"""What a cell is: its settings, and what happens in an array of such cells.

A cell is a final class below `AbstractCell` for its settings, which loads without torch and stands in
`dse.devices.CELLS`, and one for the state of an array of them, which follows the protocol `Cells`. Whatever follows it
can train any network: pulses are counted, wear is reported, products see its conductances and its read noise. Only PCM
has compiled code; all else takes the plain path.

A card of the device library names the model of its cell, and gives the numbers (`dse.devices.card`).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, Self, cast

from annotated_types import Ge, Gt, Le
from pydantic import model_validator

from dse.spec import ActsUnless, Added, Condition, Spec

if TYPE_CHECKING:
    from torch import Tensor

    from dse.streams import Stream


ENDLESS = "endless"
"""The endurance of a cell that nothing wears out."""
Endured = Annotated[float, Ge(1.0), Le(1e18)] | Literal["endless"]
Spread = Annotated[float, Ge(0.0), Le(5.0)]
Worn = Literal["held", "set", "reset"]


class AbstractCell(Spec):
    """One cell. Its settings stand in the table `device` of a design. Conductances in microsiemens."""

    card: str
    """Name of the card in the device library that gave the values which the design does not give itself."""
    g_min_us: Annotated[float, Ge(0.0), Le(1e6)]
    """Lowest conductance that a pulse can leave, uS."""
    g_max_us: Annotated[float, Ge(0.0), Le(1e6)]
    """Highest conductance that a pulse can leave, uS."""
    granularity_us: Annotated[float, Gt(0.0), Le(100.0)]
    """Mean size of a step over the range in use, uS: the unit of the threshold epsilon."""

    set_endurance_pulses: Annotated[Endured, ActsUnless(on_crossbars=False), Added()] = ENDLESS
    """Median of the SET pulses that a cell endures (pulses in both directions of a cell that goes both ways); then it
    is worn, and ignores all pulses."""
    set_endurance_spread: Annotated[Spread, ActsUnless(set_endurance_pulses=ENDLESS), Added()] = 0.0
    """Standard deviation of the logarithm of that number from cell to cell."""
    reset_endurance_pulses: Annotated[
        Endured, ActsUnless(on_crossbars=False), ActsUnless({"refresh.every_samples": 0}), Added()
    ] = ENDLESS
    """Median of the RESET pulses that a cell endures, which wear it apart from SET pulses."""
    reset_endurance_spread: Annotated[
        Spread, ActsUnless(reset_endurance_pulses=ENDLESS), ActsUnless({"refresh.every_samples": 0}), Added()
    ] = 0.0
    """Standard deviation of the logarithm of that number from cell to cell."""
    worn_state: Annotated[Worn, ActsUnless(set_endurance_pulses=ENDLESS, reset_endurance_pulses=ENDLESS), Added()] = (
        "held"
    )
    """Where a worn cell sticks: "held" where its last pulse left it, "set" at g_max_us, "reset" at g_min_us."""

    model: ClassVar[str]
    """Name of the model, by which a card names it."""
    about: ClassVar[str]
    """What it is, in a line."""
    directions: ClassVar[Literal["up", "both"]] = "up"
    """Whether pulses only raise a conductance, or lower it, too. Only a cell that goes up needs RESET and refresh."""
    compiled: ClassVar[bool] = False
    """Whether there is compiled code for its pulses and reads; others step in tensor operations."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Defaults that it brings for settings of other tables, by their paths."""
    idle: ClassVar[Mapping[str, Condition]] = {}
    """Settings of other tables that have no effect on it, by their paths, and under which further condition."""

    @model_validator(mode="before")
    @classmethod
    def _model_is_known(cls, values: Any) -> Any:
        """Accept the name of the model, which the class has, among the settings."""
        given = cast("dict[str, Any]", values)  # pydantic also lets others pass, and refuses them later
        if isinstance(values, dict) and "model" in given and given["model"] == cls.model:
            return {name: value for name, value in given.items() if name != "model"}
        return given

    @model_validator(mode="after")
    def _window_is_open(self) -> Self:
        if self.g_min_us >= self.g_max_us:
            msg = f"g_min_us = {self.g_min_us} must lie below g_max_us = {self.g_max_us}"
            raise ValueError(msg)
        return self

    @property
    def wears_out(self) -> bool:
        """Whether pulses wear cells out."""
        return self.set_endurance_pulses != ENDLESS or self.reset_endurance_pulses != ENDLESS

    @classmethod
    def decided(cls) -> Mapping[str, Any]:
        """Return settings of other tables that it leaves no choice about, by their paths, with their values."""
        return {} if cls.directions == "up" else {"refresh.every_samples": 0}

    @property
    def reach_us(self) -> tuple[float, float]:
        """Lowest and highest conductance that any such cell can show, uS; beyond the window where theirs differ."""
        return self.g_min_us, self.g_max_us

    @property
    def drift_begins_s(self) -> float:
        """Time after a pulse until which a conductance stays, s; 0 where nothing is known of it."""
        return 0.0

    def cells(self, g_us: "Tensor", variation: "Stream") -> "Cells":
        """Return fresh cells at given conductances, uS, float32, any shape; `variation` draws what differs in them."""
        raise NotImplementedError

    def mean_response_us(self, pulses: int) -> list[float]:
        """Return the mean conductance after 0 to `pulses` pulses from RESET, uS, by which a refresh writes anew."""
        raise NotImplementedError


class Cells(Protocol):
    """The state of an array of cells."""

    @property
    def spec(self) -> AbstractCell:
        """The cell."""
        ...

    def pulse(self, cells: "Tensor", count: "Tensor", now_s: float, noise: "Stream") -> int:
        """Apply pulses to different cells (flat indices, int64) and return how many there were.

        Args:
            cells: the cells.
            count: pulses of each, int64, not 0; negative ones lower a cell that goes both ways.
            now_s: time, s.
            noise: stream of the write noise; a draw belongs to a cell and to a pulse of its life.
        """
        ...

    def reset(self, cells: "Tensor", now_s: float, noise: "Stream") -> int:
        """Apply one RESET pulse to each of the cells and return their number."""
        ...

    def conductance_us(self, now_s: float) -> "Tensor":
        """Return the conductances at a time, uS, without read noise."""
        ...

    def read_noise_std_us(self, g_us: "Tensor") -> "Tensor | None":
        """Return the standard deviation of one read at given conductances, uS; None where reads are noise-free."""
        ...

    def wear(self) -> "Mapping[str, Tensor]":
        """Return the pulses in the life of each cell, int64: "set" for those that carry weights, and "reset"."""
        ...


def read_us(cells: Cells, now_s: float, noise: "Stream") -> "Tensor":
    """Return one noisy read of every cell at a time, uS."""
    return read_at(cells, cells.conductance_us(now_s), noise)


def read_at(cells: Cells, g: "Tensor", noise: "Stream") -> "Tensor":
    """Return one noisy read of every cell at given conductances, uS."""
    std = cells.read_noise_std_us(g)
    return g if std is None else g + std * noise.next_normal(g.numel()).reshape(g.shape)
