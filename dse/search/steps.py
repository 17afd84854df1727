"""Steps: what a search decides, one after the other.

A step asks for simulations of one design: under some seeds, to the end of its training or to an epoch at which that
pauses. A plan says which steps there are, and in what order; see `dse.search.proposals` and `dse.search.rung_plan`.

Step n is decided from the results of all steps up to n - lookahead, told in their order, and of no others. What is
decided from results is stored before it is acted on (`dse.search.decisions`), and is never decided again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

from dse.search.criteria import Values

Kind = Literal["new", "on", "seeds", "certify"]
KINDS = get_args(Kind)
"""A new design; one that goes on from where it paused; further seeds of one; further seeds that make sure that a
design is on the front."""


@dataclass(frozen=True)
class Step:
    """What is simulated next.

    Attributes:
        number: of the step.
        kind: see `KINDS`.
        trial: number of the design in the search, from 0.
        parameters: of the design.
        seeds: the seeds that it is simulated under.
        until: the epoch at which the training pauses; None for its end.
        since: the epoch at which it paused before, 0 for a new one.
        why: what the decision was made of, for a reader; None where it was made without regard to results.
        told: steps whose results it was decided from: all before this number.
        in_steps: whether rows say the number of the step; they do where designs do not all go to their end at once.
    """

    number: int
    kind: Kind
    trial: int
    parameters: Mapping[str, Any]
    seeds: Sequence[int]
    until: int | None = None
    since: int = 0
    why: Mapping[str, Any] | None = None
    told: int = 0
    in_steps: bool = False


@dataclass(frozen=True)
class Spent:
    """Epochs of a search.

    Attributes:
        planned: of all steps so far.
        budget: that the study may plan; None for no limit.
        whole: that all designs so far would have taken under all seeds to their ends.
    """

    planned: int
    budget: int | None
    whole: int


class Plan(Protocol):
    """Decides steps, one after the other.

    Attributes:
        stored: trials that the table held when the run began.
    """

    stored: int

    @property
    def exhausted(self) -> int | None:
        """How many designs the space has, once all were proposed; else None."""
        ...

    @property
    def spent(self) -> Spent | None:
        """Epochs so far; None where designs all go to their end at once."""
        ...

    def is_next_ready(self) -> bool:
        """Return whether there is another step, and it can be decided now, after telling the results that it sees."""
        ...

    def ask(self) -> Step:
        """Return the next step."""
        ...

    def settle(self, step: int, values: Mapping[int, Values | None]) -> None:
        """Take what came of a step, by seed, None for one that failed; steps come in any order."""
        ...
