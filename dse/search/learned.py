"""What a study learned from earlier results, as it is kept with its own: so these are a function of what lies there.

`source/learned.json` holds every design of the earlier results that the study learns from, by what its models need:
values at the paths of its space, places on axes beside it, and quantities. It is there when the earlier results are
gone or have grown, in a resume, a replay, and on a cluster.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, cast

from dse.pricing.text import counted
from dse.search.criteria import Criteria
from dse.search.samplers.base import EarlierDesign
from dse.spec import shown

FILE = "learned.json"
"""Its name among the files that are kept with results."""
NAMED = 3
"""Settings that are named of those in which a kind differs, at most."""


@dataclass(frozen=True)
class LearnedDesign:
    """A design of earlier results.

    Attributes:
        settings: values at the paths of the space, in its order; None for what does not act.
        beside: places on the axes beside the space.
        values: of the quantities, means over seeds.
        seeds: how many these are.
    """

    settings: Sequence[Any]
    beside: Sequence[float]
    values: Sequence[float]
    seeds: int


@dataclass(frozen=True)
class Kind:
    """Earlier designs that differ from those of the study in the same settings outside of its space.

    Attributes:
        designs: how many they are.
        differs: their values, by path.
        others: whether they are of several kinds that are taken together.
    """

    designs: int
    differs: Mapping[str, Any]
    others: bool = False

    def __str__(self) -> str:
        if self.others:
            return f"{self.designs} that differ otherwise, taken together"
        if not self.differs:
            return f"{self.designs} that differ in the space alone"
        named = [f"{path} = {shown(value)}" for path, value in list(self.differs.items())[:NAMED]]
        more = [counted(len(self.differs) - NAMED, "other setting")] if len(self.differs) > NAMED else []
        return f"{self.designs} with {' and '.join([', '.join(named), *more])}"


@dataclass(frozen=True)
class Learned:
    """What a study learned from earlier results.

    Attributes:
        paths: of the space, in the order of `LearnedDesign.settings`.
        quantities: in the order of `LearnedDesign.values`.
        axes: what the axes beside the space stand for.
        kinds: the designs by what they differ in outside of the space.
        found: how many designs there were; of too many those of the best ranks were taken.
        designs: the designs.
    """

    paths: Sequence[str]
    quantities: Sequence[str]
    axes: Sequence[str]
    kinds: Sequence[Kind]
    found: int
    designs: Sequence[LearnedDesign]

    @classmethod
    def read(cls, content: bytes) -> "Learned":
        """Return what was kept.

        Raises:
            ValueError: it is not what is written by `content`.
        """
        try:
            table = cast("dict[str, Any]", json.loads(content))
            table["kinds"] = [Kind(**own) for own in table["kinds"]]
            table["designs"] = [LearnedDesign(*own) for own in table["designs"]]
            return cls(**table)
        except (TypeError, LookupError, RecursionError) as error:
            raise ValueError(str(error)) from None

    @cached_property
    def content(self) -> bytes:
        """The bytes that are kept."""
        designs = [[own.settings, own.beside, own.values, own.seeds] for own in self.designs]
        table = {**asdict(self), "designs": designs}
        return json.dumps(table, sort_keys=True, separators=(",", ":")).encode()

    @property
    def sha256(self) -> str:
        """The checksum of the content."""
        return hashlib.sha256(self.content).hexdigest()

    def has(self, criteria: Criteria) -> bool:
        """Return whether it has what designs are judged by."""
        return set(criteria.quantities) <= set(self.quantities)

    def judged(self, criteria: Criteria) -> list[EarlierDesign]:
        """Return the designs as samplers take them."""
        places = [self.quantities.index(name) for name in criteria.quantities]
        found: list[EarlierDesign] = []
        for own in self.designs:
            verdict = criteria.verdict([[own.values[place] for place in places]])
            if verdict is not None:
                settings = dict(zip(self.paths, own.settings, strict=True))
                found.append(EarlierDesign(settings, own.beside, verdict.values, verdict.margins, own.seeds))
        return found

    @property
    def in_words(self) -> list[str]:
        """What was learned from, for a reader: a line, and one for each kind."""
        more = f" of {self.found}, those of the best ranks" if self.found > len(self.designs) else ""
        lines = [f"learns from {counted(len(self.designs), 'earlier design')}{more}"]
        return [*lines, *(f"  {kind}" for kind in self.kinds), *(f"  beside the space: {axis}" for axis in self.axes)]
