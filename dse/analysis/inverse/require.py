"""The inverse question: what must a design be like to reach some targets, and how sure is that?

The answer is a region of parameters (see `dse.analysis.inverse.region`), with three figures that say how sure it is:
the share of the designs inside that meet the targets, with Wilson's 95 % interval (J. Am. Stat. Assoc. 22, 1927); the
same for designs held out, in five folds, each tested on a region found without it, since a region looks better on the
designs that chose it (designs that differ in free axes alone are held out together, but each counts); and the
probability that a random forest predicts, on average over designs drawn inside.

What to simulate next are designs that the forest is least sure of, apart from each other (uncertainty sampling). All
draws are seeded.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from dse.analysis.effects.features import Axis, AxisValue, Designs, designs_of, matrix, without_idle
from dse.analysis.effects.forest import Forest, forest_of
from dse.analysis.inverse.region import Levels, Region, everything, find_region, inside, levels_of
from dse.analysis.inverse.targets import Target, met
from dse.analysis.tables.tables import Tables, search_trials
from dse.errors import QueryError

SHARE = 0.9
"""Share of the designs inside that meet the targets, by default."""
FOLDS = 5
TREES = 200
DRAWN = 2000
"""Designs drawn for a probability and as candidates to simulate."""
AT_LEAST = 10


@dataclass(frozen=True)
class Answer:
    """What reaches the targets.

    Attributes:
        targets: the targets.
        designs: the complete designs of the search.
        levels: the same by the numbers of their values.
        meets: which meet the targets, shape (designs,).
        region: the region found.
        held_out: (designs inside, of these meeting) over the folds.
        forest: predicts whether a design meets the targets.
        seed: of all draws.
    """

    targets: Sequence[Target]
    designs: Designs
    levels: Levels
    meets: np.ndarray
    region: Region
    held_out: tuple[int, int]
    forest: Forest
    seed: int


def require(tables: Tables, targets: Sequence[Target], share: float = SHARE, seed: int = 0) -> Answer:
    """Find the region that reaches the targets.

    Args:
        tables: the tables of a study.
        targets: bounds on metrics; means over seeds are held against them.
        share: of the designs inside that is to meet them, above 0 and up to 1.
        seed: of folds, forest and draws.

    Raises:
        QueryError: fewer than 10 complete designs, none that meets all targets, or nothing that varies.
    """
    if not 0 < share <= 1:
        raise QueryError(f"share {share:g} is not allowed; give a number above 0, up to 1")
    table = search_trials(tables)
    if len(table) < AT_LEAST:
        raise QueryError(f"there are {len(table)} complete designs; a region needs at least {AT_LEAST}")
    designs = designs_of(tables, table)
    if not designs.axes:
        raise QueryError("no parameter varies among the complete designs")
    meets = met(table, targets)
    levels = levels_of(designs)
    region = find_region(levels, meets, share)
    forest = forest_of(matrix(designs), meets.astype(np.float64), TREES, np.random.default_rng([seed, 1]))
    held_out = _held_out(levels, meets, designs.simulation, share, seed)
    return Answer(targets, designs, levels, meets, region, held_out, forest, seed)


def _held_out(levels: Levels, meets: np.ndarray, simulation: np.ndarray, share: float, seed: int) -> tuple[int, int]:
    folds = (np.random.default_rng(seed).permutation(int(simulation.max()) + 1) % FOLDS)[simulation]
    found = hits = 0
    for fold in range(FOLDS):
        train, test = folds != fold, folds == fold
        if not meets[train].any():
            continue
        known = Levels(levels.axes, levels.values, levels.codes[:, train])
        region = find_region(known, meets[train], share)
        here = inside(region, levels.codes[:, test])
        found, hits = found + int(here.sum()), hits + int(meets[test][here].sum())
    return found, hits


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share; 0 to 1 where nothing was counted."""
    if count == 0:
        return 0.0, 1.0
    z, p = 1.959964, hits / count
    middle, half = p + z * z / (2 * count), z * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    low, high = (middle - half) / (1 + z * z / count), (middle + half) / (1 + z * z / count)
    return max(0.0, low if hits else 0.0), min(1.0, high if hits < count else 1.0)


def summary_table(answer: Answer) -> pl.DataFrame:
    """Return how sure the region is, a row a figure: `figure`, `designs`, `meeting`, `share`, `low`, `high`."""
    here = inside(answer.region, answer.levels.codes)
    rows = [
        _counted("all designs", len(here), int(answer.meets.sum())),
        _counted("designs inside", int(here.sum()), int(answer.meets[here].sum())),
        _counted("designs held out and inside", *answer.held_out),
        {"figure": "predicted for designs drawn inside", "share": predicted(answer)},
    ]
    return pl.DataFrame(rows, schema=list(rows[0]), infer_schema_length=None)


def _counted(figure: str, count: int, hits: int) -> dict[str, Any]:
    low, high = wilson(hits, count)
    share = hits / count if count else None
    return {"figure": figure, "designs": count, "meeting": hits, "share": share, "low": low, "high": high}


def predicted(answer: Answer) -> float:
    """Return the mean probability that the forest predicts for designs drawn in the region."""
    return float(_probability(answer, drawn(answer, answer.region)).mean())


def region_table(answer: Answer) -> pl.DataFrame:
    """Return a row for each parameter, the loosest first.

    `parameter`, `demand` as text, `low` and `high` (null where that side is open), `choices` (null for numbers) and
    `kept`, the part of its range or of its choices that is left. A bound lies half-way between the last value inside
    and the next one seen outside, on the scale of the parameter; for integers and few choices at the last value inside.
    """
    rows = [_demand(p, v, a) for p, v, a in zip(answer.designs.axes, answer.levels.values, answer.region, strict=True)]
    schema = {"parameter": pl.String, "demand": pl.String, "low": pl.Float64, "high": pl.Float64}
    schema |= {"choices": pl.String, "kept": pl.Float64}
    return pl.DataFrame(rows, schema=schema).sort("kept", descending=True, maintain_order=True)


def _demand(axis: Axis, values: tuple[AxisValue, ...], allowed: np.ndarray) -> dict[str, Any]:
    if not axis.is_ordered:
        left = [shown(v) for v, a in zip(values, allowed, strict=True) if a]
        demand = "any" if allowed.all() else f"one of {', '.join(left)}"
        return {"parameter": axis.name, "demand": demand, "low": None, "high": None} | {
            "choices": ", ".join(left),
            "kept": float(allowed.mean()),
        }
    low, high = bounds(axis, allowed)
    kept = float(allowed.mean()) if not axis.is_free else _width(axis, low, high)
    below, above = not allowed[0], not allowed[-1]
    texts = [f">= {low:.4g}"] * below + [f"<= {high:.4g}"] * above
    return {"parameter": axis.name, "demand": " and ".join(texts) or "any"} | {
        "low": low if below else None,
        "high": high if above else None,
        "choices": None,
        "kept": kept,
    }


def bounds(axis: Axis, allowed: np.ndarray) -> tuple[float, float]:
    """Return the ends of the interval that a region allows of a parameter of numbers."""
    places, numbers = np.flatnonzero(allowed), axis.numbers
    first, last = int(places[0]), int(places[-1])
    low, high = numbers[first], numbers[last]
    if axis.is_free:
        low = low if first == 0 else _between(axis, low, numbers[first - 1])
        high = high if last == len(numbers) - 1 else _between(axis, high, numbers[last + 1])
    return low, high


def _between(axis: Axis, a: float, b: float) -> float:
    return math.sqrt(a * b) if axis.is_log else (a + b) / 2


def _width(axis: Axis, low: float, high: float) -> float:
    scale = math.log if axis.is_log else float
    return (scale(high) - scale(low)) / (scale(axis.numbers[-1]) - scale(axis.numbers[0]))


def shown(value: AxisValue) -> str:
    """Return a value as a study file spells it."""
    return value if isinstance(value, str) else f"{value:g}"


def next_table(answer: Answer, count: int = 5) -> pl.DataFrame:
    """Return designs to simulate next: `probability` to meet the targets, and a column for each parameter.

    Of `DRAWN` designs, drawn over all values seen, those with a variance p (1 - p) of at least half the largest are
    candidates, a tenth at most; of these the most uncertain is taken, and then one by one that farthest from those
    taken. Null where a parameter does not act.
    """
    candidates = drawn(answer, everything(answer.levels))
    probability = _probability(answer, candidates)
    doubt = probability * (1.0 - probability)
    pool = min(max(count, int((doubt >= doubt.max() / 2).sum())), DRAWN // 10)
    unsure: np.ndarray = np.argsort(-doubt, kind="stable")[:pool]
    taken = _apart(matrix(answer.designs, candidates)[unsure], count)
    picked = [int(unsure[i]) for i in taken]
    columns: dict[str, list[Any]] = {"probability": [float(probability[i]) for i in picked]}
    for p in answer.designs.axes:
        columns[p.name] = [_typed(p, candidates[p.name][i]) for i in picked]
    return pl.DataFrame(columns, strict=False)


def _typed(axis: Axis, value: AxisValue | None) -> Any:
    if value is None or isinstance(value, str):
        return value
    return shown(value) if axis.strings else int(value) if axis.whole else value


def _apart(points: np.ndarray, count: int) -> list[int]:
    """Return the first point and then, one by one, that farthest from those taken (Gonzalez, 1985). O(count n)."""
    span = np.ptp(points, axis=0)
    scaled = points / np.where(span > 0, span, 1.0)
    taken, nearest = [0], np.full(len(points), np.inf)
    while len(taken) < min(count, len(points)):
        nearest = np.minimum(nearest, np.linalg.norm(scaled - scaled[taken[-1]], axis=1))
        taken.append(int(nearest.argmax()))
    return taken


def _probability(answer: Answer, values: dict[str, list[AxisValue | None]]) -> np.ndarray:
    return answer.forest.predict(matrix(answer.designs, values))


def drawn(answer: Answer, region: Region) -> dict[str, list[AxisValue | None]]:
    """Draw `DRAWN` designs in a region, evenly on the scale of each parameter; None where one does not act."""
    random = np.random.default_rng(answer.seed)
    columns: dict[str, list[AxisValue]] = {}
    for axis, values, allowed in zip(answer.designs.axes, answer.levels.values, region, strict=True):
        if axis.is_ordered and axis.is_free:
            low, high = bounds(axis, allowed)
            u = random.random(DRAWN)
            found = low * (high / low) ** u if axis.is_log else low + u * (high - low)
            columns[axis.name] = [float(v) for v in found]
        else:
            places = random.choice(np.flatnonzero(allowed), size=DRAWN)
            columns[axis.name] = [values[place] for place in places]
    acting = [
        without_idle(answer.designs, dict(zip(columns, row, strict=True)))
        for row in zip(*columns.values(), strict=True)
    ]
    return {name: [row[name] for row in acting] for name in columns}
