"""In what earlier designs differ from those of a study outside of its space, as axes beside it.

A number that has several values among them, such as one that an earlier study varied, is an axis of its own, on which
the designs of the study are at 0. All else makes groups of designs that differ in the same way: another number of
epochs, another data set. A group is an axis, too: how far designs of it tell of others is then learned as for any other
axis, by its length.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dse.search.learned import Kind
from dse.spec import shown

APART = math.sqrt(0.5)
"""Place of a group on its own axis: two of them have the distance 1, as choices without order have."""
GROUPS = 4
"""Groups that have an axis of their own, at most; where there are more, the rarer ones share the last."""
NUMBERS = 4
"""Numbers that have an axis of their own, at most."""
SEVERAL = 3
"""Values, with that of the study, from which a number has an axis of its own."""
DECADE = 10.0
"""Ratio of the largest to the smallest value from which a number is on a log scale."""

Differences = Mapping[str, tuple[Any, Any]]
"""Values of an earlier design and of the nearest one of the study, by path; None for a setting that one lacks."""


@dataclass(frozen=True)
class Beside:
    """Axes beside a space.

    Attributes:
        axes: what each stands for.
        places: of each design on the axes.
        kinds: the designs by group.
    """

    axes: Sequence[str]
    places: Sequence[Sequence[float]]
    kinds: Sequence[Kind]


def beside(differences: Sequence[Differences]) -> Beside:
    """Return the axes that differences of designs make."""
    paths = _telling(differences)
    numbers = [path for path in paths if _is_number(path, differences)]
    numbers = sorted(sorted(numbers, key=lambda path: -len(set(_texts(path, differences))))[:NUMBERS])
    axes = [_axis(path, differences) for path in numbers]
    rest = sorted(set(paths) - set(numbers))
    groups = [{path: own[path][0] for path in rest if path in own} for own in differences]
    kinds, names, of_groups = _grouped(groups)
    columns = [*(column for column, _ in axes), *of_groups]
    places = [[column[number] for column in columns] for number in range(len(differences))]
    return Beside([*(name for _, name in axes), *names], places, kinds)


def _telling(differences: Sequence[Differences]) -> list[str]:
    """Return the paths that tell designs apart, without those that follow from another: of a card, its name alone."""
    texts = {path: _texts(path, differences) for path in sorted({path for own in differences for path in own})}
    # What is written out names things; of the rest, what has most values tells most.
    order = sorted(texts, key=lambda path: (not _is_name(path, differences), -len(set(texts[path])), path))
    found: list[str] = []
    for path in order:
        if not any(_follows(texts[path], texts[other]) for other in found):
            found.append(path)
    return found


def _follows(values: Sequence[str], other: Sequence[str]) -> bool:
    """Return whether values follow from others: not by chance, as where these differ between almost all designs.

    Nor where designs differ in these values that do not differ in the others.
    """
    if any(own and not far for own, far in zip(values, other, strict=True)):
        return False
    distinct = len(set(other))
    return distinct == len(set(zip(other, values, strict=True))) and distinct <= max(1, len(other) // 2)


def _texts(path: str, differences: Sequence[Differences]) -> list[str]:
    """Return the value of each design at a path as text; "" where it does not differ."""
    return [json.dumps(own[path][0]) if path in own else "" for own in differences]


def _is_name(path: str, differences: Sequence[Differences]) -> bool:
    return all(isinstance(own[path][0], str) for own in differences if path in own)


def _is_number(path: str, differences: Sequence[Differences]) -> bool:
    """Return whether a path has an axis of its own."""
    values = [value for own in differences if path in own for value in own[path]]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return len(numbers) == len(values) and len(set(numbers)) >= SEVERAL


def _axis(path: str, differences: Sequence[Differences]) -> tuple[list[float], str]:
    """Return the places of designs on the axis of a number, and what it stands for."""
    here = next(float(own[path][1]) for own in differences if path in own)
    values = [float(own[path][0]) if path in own else here for own in differences]
    low, high = min(here, *values), max(here, *values)
    scale = math.log10 if low > 0.0 and high >= DECADE * low else float
    span = scale(high) - scale(low)
    places = [(scale(value) - scale(here)) / span for value in values]
    return places, f"{path} from {shown(min(values))} to {shown(max(values))}, here {shown(here)}"


def _grouped(groups: Sequence[Mapping[str, Any]]) -> tuple[list[Kind], list[str], list[list[float]]]:
    """Return the kinds of designs, and names of axes with the places of designs on them.

    Args:
        groups: in what each design differs.
    """
    texts = [json.dumps(own, sort_keys=True) for own in groups]
    same = json.dumps({})
    counts = Counter(texts)
    order = sorted((own for own in counts if own != same), key=lambda own: (-counts[own], own))
    single = order if len(order) <= GROUPS else order[: GROUPS - 1]
    rest = set(order) - set(single)
    kinds = [Kind(counts[own], json.loads(own)) for own in ([same] if same in counts else []) + single]
    members = [{own} for own in single]
    if rest:
        members.append(rest)
        kinds.append(Kind(sum(counts[own] for own in rest), {}, others=True))
    columns = [[APART * (own in group) for own in texts] for group in members]
    return kinds, [f"group {number}" for number in range(1, len(members) + 1)], columns
