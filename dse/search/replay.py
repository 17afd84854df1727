"""Replay: a stored trial simulated again, and compared with its row field by field, to the last bit."""

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, cast

import polars as pl
import pyarrow as pa

from dse import plugins
from dse.analysis.costs.prices import own_card
from dse.analysis.tables.tables import one_trial, open_tables
from dse.crossbar.usage import SINCE
from dse.designs.design import Design, parse_design
from dse.errors import QueryError, SettingError
from dse.results.place import Where
from dse.results.rows import object_of, to_rows, unfolded
from dse.results.source import offer_files
from dse.results.store import read_table
from dse.search.criteria import ENERGY, prices_of
from dse.search.executor import READ_NOISE, RECURRENCE, SCALED_RECURRENCE, WAYS, Answer, Job, plugins_of, ways_of, work

MADE_BY = ("code", "packages", "host")
"""What may explain a difference."""


COUNTED_SINCE = SINCE
"""What has a price among the events of a layer, and earlier versions did not count or tell."""


@dataclass(frozen=True)
class Replay:
    """What came of a replay.

    Attributes:
        seed: seed of the simulation.
        fields: number of fields that were compared.
        differences: field, stored value, value now; none where all agree to the last bit.
        made: what made the row, where it was something else than what made the replay: name, stored, now.
    """

    seed: int
    fields: int
    differences: tuple[tuple[str, Any, Any], ...]
    made: tuple[tuple[str, str, str], ...]

    def table(self) -> pl.DataFrame:
        """Return the differences as a table."""
        rows = [{"field": field, "stored": repr(was), "now": repr(now)} for field, was, now in self.differences]
        return pl.DataFrame(rows, schema={"field": pl.String, "stored": pl.String, "now": pl.String})


def replay(where: Where, trial: int, seed: int | None = None) -> list[Replay]:
    """Simulate a stored trial again, in this process, and compare.

    Args:
        where: the results.
        trial: number of the trial.
        seed: one of its seeds; by default all.

    Raises:
        QueryError: there is no such trial or seed, or its design cannot be simulated.
        ResultsError: there are no results.
        DataError: data that the trial learned from are missing, or have changed.
    """
    tables = open_tables(where)
    one_trial(tables, trial)
    offer_files(where)
    found = read_table(where)
    at = [index for index, number in enumerate(found["trial"].to_pylist()) if number == trial]
    rows = to_rows(found.take(pa.array(at, pa.int64())))
    chosen = [row for row in rows if seed is None or row["seed"] == seed]
    if not chosen:
        raise QueryError(f"trial {trial} has no seed {seed}; it has {', '.join(str(row['seed']) for row in rows)}")
    card = own_card(where, tables)
    replays: list[Replay] = []
    for row in chosen:
        with _as_made(row["packages"]):
            answer = work(Job(trial, row["seed"], stored_design(row)))
        now = dict(answer.result)
        if now["state"] == "complete":
            now |= prices_of([as_counted(row, now)], card, [ENERGY])[0]
        replays.append(_compared(row, now, answer))
    return replays


def _as_made(packages: str) -> AbstractContextManager[None]:
    """Let products be taken as in the version that made a row."""
    from dse.crossbar.analog.earlier import as_made  # noqa: PLC0415  torch

    ways = ways_of(packages)
    return as_made(
        over_time=RECURRENCE in ways,
        scaled_over_time=SCALED_RECURRENCE in ways,
        noise_in_one_pass=READ_NOISE in ways,
    )


def stored_design(row: Mapping[str, Any]) -> Design:
    """Return the design of a row.

    Raises:
        QueryError: the row has none, or this version reads it otherwise.
        PluginError: its variants are those of a plug-in that is not here.
    """
    if row["design"] is None:
        raise QueryError(f"trial {row['trial']} has no design to simulate: {row['failure']}")
    plugins.load(plugins_of(row["packages"]))
    try:
        design = parse_design(object_of(row["design"], f"the design of trial {row['trial']}"))
    except (SettingError, ValueError) as error:
        raise QueryError(f"the design of trial {row['trial']} is not one of this version: {error}") from None
    if design.key != row["design_key"]:
        raise QueryError(
            f"this version reads the design of trial {row['trial']} otherwise ({design.key} for {row['design_key']}); "
            f"install the one that made it: {row['code']}"
        )
    return design


def _compared(row: Mapping[str, Any], now: Mapping[str, Any], answer: Answer) -> Replay:
    known = [key for key in now if key != "trail" or row["trail"]]  # rows of earlier versions of the schema have none
    stored, new = (dict(_leaves(unfolded({key: of[key] for key in known}))) for of in (row, now))
    differences = tuple(
        (field, stored.get(field), new.get(field))
        for field in dict.fromkeys([*stored, *new])
        if not _same(stored.get(field), new.get(field)) and not is_measured_since(field, stored)
    )
    made = tuple(
        (name, str(row[name]), str(getattr(answer, name))) for name in MADE_BY if row[name] != getattr(answer, name)
    )
    return Replay(row["seed"], len(stored.keys() | new.keys()), differences, _packages_apart(made))


def as_counted(row: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return what came out now with what the version that made a row counted and priced, and nothing more."""
    layers = [
        {**new, "events": {k: v for k, v in new["events"].items() if k in then["events"] or k not in COUNTED_SINCE}}
        for then, new in zip(row["layers"], now["layers"], strict=False)
    ]
    return {**now, "layers": layers}


_OF_LAYERS = re.compile(r"layers\[(?P<layer>\d+)\]\.(?P<name>\w+)")
_OF_TRAILS = re.compile(r"trail\.(?P<layer>\d+)\.(?P<kind>wear|events)\.(?P<name>\w+?)(\[\d+\]|\.length)")


def is_measured_since(field: str, stored: Mapping[str, Any]) -> bool:
    """Return whether a number of a layer is one that the version which made a row did not measure at all."""
    if found := _OF_LAYERS.fullmatch(field):
        return field not in stored and f"layers[{found['layer']}].rows" in stored
    if found := _OF_TRAILS.fullmatch(field):
        name = f"wear_{found['name']}" if found["kind"] == "wear" else found["name"]
        return f"layers[{found['layer']}].{name}" not in stored
    return False


def _packages_apart(made: tuple[tuple[str, str, str], ...]) -> tuple[tuple[str, str, str], ...]:
    """Return what made a row, with the packages that differ instead of the list of all."""
    apart: list[tuple[str, str, str]] = []
    for name, was, now in made:
        if name != "packages":
            apart.append((name, was, now))
            continue
        old, new = (object_of(own, "the packages of a row") for own in (was, now))
        apart += [
            (package, str(old.get(package)), str(new.get(package)))
            for package in sorted((old.keys() | new.keys()) - set(WAYS))  # a replay takes that of the row
            if old.get(package) != new.get(package)
        ]
    return tuple(apart)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every number and word of nested tables and lists with its path."""
    if isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, Any]", value).items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        entries = cast("list[Any]", value)
        yield f"{path}.length", len(entries)
        for index, inner in enumerate(entries):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, value


def _same(a: Any, b: Any) -> bool:
    return a == b or (a != a and b != b)  # noqa: PLR0124  NaN
