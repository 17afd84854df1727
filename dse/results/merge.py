"""Several results in one table.

Results of one study (two machines ran it, each a part) unite into results of that study, which can be resumed. Results
of different studies become a table to read: their trials are numbered anew, one study behind the other, and every row
names its origin. What cannot be compared is not united: other data, other prices, no common objective.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as typed_compute

from dse.errors import ResultsError
from dse.results.address import place_of
from dse.results.place import Place, Where
from dse.results.reading import PAUSED, each_once, keys_of, unreachable
from dse.results.schema import RESULT_COLUMNS, SCHEMA
from dse.results.store import create, read_about, read_table

pc = cast("Any", typed_compute)  # its types know no mixture of columns and scalars

DECIDED = ("diverged", "invalid")
"""Kinds of failure that the design decides; the others happen to a machine."""


def merge(sources: Sequence[Where], out: Where) -> int:
    """Unite results in a new place and return the number of rows.

    Args:
        sources: two or more results.
        out: where; there must be nothing yet.

    Raises:
        ResultsError: they cannot be united, or `out` cannot be made.
    """
    places = [place_of(where) for where in sources]
    names = [str(place) for place in places]
    if len(set(names)) < len(names):
        raise ResultsError(f"the same results are named twice: {', '.join(names)}")
    abouts = [read_about(place) for place in places]
    tables = [_with_origin(read_table(place, paused=True), str(place)) for place in places]
    _check_alike(names, tables)
    keys = [{about["study_key"], *about["former_keys"]} for about in abouts]
    if set.intersection(*keys):
        # The one whose key is that of now, where results of earlier versions of the schema are among them.
        first = max(range(len(abouts)), key=lambda n: abouts[n]["study_key"] not in abouts[n]["former_keys"])
        about = {**abouts[first], "former_keys": sorted({k for a in abouts for k in a["former_keys"]})}
        table, files = _same_study(names, tables), _files(places[first], about)
    else:
        table, about, files = _one_behind_the_other(tables), _described(names, abouts, tables), {}
    create(out, about, files, table)
    return table.num_rows


def _with_origin(table: pa.Table, name: str) -> pa.Table:
    come = pc.binary_join_element_wise(name, "trial", pc.cast(table["trial"], pa.string()), " ")
    return _replaced(table, "came_from", pc.coalesce(table["came_from"], come))


def _check_alike(names: Sequence[str], tables: Sequence[pa.Table]) -> None:
    for column, what in (("data_checksum", "learned from different data"), ("cost_card", "were priced on other cards")):
        found = {str(value) for table in tables for value in table[column].drop_null().unique().to_pylist()}
        if len(found) > 1:
            raise ResultsError(
                f"{' and '.join(names)} {what} ({', '.join(sorted(found))}), so that their values "
                "cannot be compared in one table"
            )


def _same_study(names: Sequence[str], tables: Sequence[pa.Table]) -> pa.Table:
    decided = [_decided(table) for table in tables]
    united = each_once([*decided, *tables])  # a crash here is no result where another machine has one
    nested = ["layers", "trail"]
    results = [name for name in RESULT_COLUMNS if name not in ("trial", "seed", "study_key", *nested)]
    known = _places(united)
    for name, table in zip(names, decided, strict=True):
        keys = set(_places(table))
        mine = united.filter(pa.array([key in keys for key in known], pa.bool_()))
        if mine.select([*results, *nested]).equals(table.select([*results, *nested])):
            continue
        alike = _nested_alike(mine, table, nested)
        mine, theirs = mine.select(results), table.select(results)
        if not (mine.equals(theirs) and all(alike)):
            numbers = range(table.num_rows)
            unequal = next(i for i in numbers if not (alike[i] and mine.slice(i, 1).equals(theirs.slice(i, 1))))
            raise ResultsError(
                f"{name} holds trial {table['trial'][unequal]} seed {table['seed'][unequal]} with another result than "
                f"{names[0]}, though the study is the same. `dse replay` tells which of them this machine confirms"
            )
    return united


def _nested_alike(mine: pa.Table, theirs: pa.Table, columns: Sequence[str]) -> list[bool]:
    """Return for each row whether its layers were the same, by epoch too, as far as both say it.

    Rows of earlier versions say nothing by epoch, and lack what was not measured yet.
    """
    found = [True] * mine.num_rows
    for name in columns:
        pairs = zip(mine[name].to_pylist(), theirs[name].to_pylist(), strict=True)
        found = [known and (not a or not b or _alike(a, b)) for known, (a, b) in zip(found, pairs, strict=True)]
    return found


def _alike(one: Any, other: Any) -> bool:
    """Return whether nested values are equal in all that both have of maps."""
    if isinstance(one, list) and isinstance(other, list):
        these, those = cast("list[Any]", one), cast("list[Any]", other)
        if all(isinstance(own, tuple) for own in [*these, *those]):  # a map
            return _alike(dict(these), dict(those))
        return len(these) == len(those) and all(map(_alike, these, those))
    if isinstance(one, dict) and isinstance(other, dict):
        this, that = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        return all(_alike(this[key], that[key]) for key in this.keys() & that.keys())
    return one == other or (one != one and other != other)  # noqa: PLR0124  what is no number is alike


def _places(table: pa.Table) -> list[tuple[Any, ...]]:
    """Return what tells the rows of a table apart."""
    columns = [table[name].to_pylist() for name in ("trial", "seed", "state", "epochs")]
    return [(*own, state == PAUSED and epochs) for *own, state, epochs in zip(*columns, strict=True)]


def _decided(table: pa.Table) -> pa.Table:
    """Return the rows that the study decides, without those of processes that died."""
    kinds = table["failure_kind"]
    return table.filter(pc.or_(pc.is_null(kinds), pc.is_in(kinds, pa.array(DECIDED))))


def _one_behind_the_other(tables: Sequence[pa.Table]) -> pa.Table:
    moved: list[pa.Table] = []
    first = 0
    for table in tables:
        numbers = pc.add(table["trial"], first)
        moved.append(_replaced(_replaced(table, "trial", numbers), "same_as", pc.add(table["same_as"], first)))
        first += 1 + (pc.max(table["trial"]).as_py() or 0)
    return each_once(moved)


def _replaced(table: pa.Table, name: str, values: Any) -> pa.Table:
    at = SCHEMA.get_field_index(name)
    field = cast("Any", SCHEMA.field(at))
    return table.set_column(at, field, values.cast(field.type))


def _described(names: Sequence[str], abouts: Sequence[dict[str, Any]], tables: Sequence[pa.Table]) -> dict[str, Any]:
    objectives = [name for name in abouts[0]["objectives"] if all(name in about["objectives"] for about in abouts)]
    if not objectives:
        raise ResultsError(f"{' and '.join(names)} have no objective in common")
    keys = "+".join(about["study_key"] for about in abouts)
    # Designs are held against the same constraints, or against none.
    first = abouts[0]["constraints"]
    constraints: dict[str, str] = first if all(about["constraints"] == first for about in abouts) else {}
    one = {key: {about[key] for about in abouts} for key in ("code", "packages")}
    return {
        "name": "+".join(dict.fromkeys(about["name"] for about in abouts)),
        "objectives": objectives,
        "constraints": constraints,
        "plugins": _plugins(abouts),
        "parameters": list(dict.fromkeys(name for about in abouts for name in about["parameters"])),
        "seeds": min(about["seeds"] for about in abouts),
        "trials": sum(len(table["trial"].unique()) for table in tables),
        "study_key": hashlib.sha256(keys.encode()).hexdigest()[:20],
        **{key: values.pop() if len(values) == 1 else "several" for key, values in one.items()},
        "merged": list(names),
        "merged_keys": sorted({key for about in abouts for key in keys_of(about) or ()}),
    }


def _plugins(abouts: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the versions of the plug-ins of several results, "several" where they differ."""
    found: dict[str, str] = {}
    for name, version in (item for about in abouts for item in about["plugins"].items()):
        found[name] = version if found.setdefault(name, version) == version else "several"
    return found


def _files(place: Place, about: dict[str, Any]) -> dict[str, bytes]:
    """Return the study file and cards of results, to keep with their union."""
    if about["history"]:
        raise ResultsError(f"{place} was extended; unite the studies before they are extended")
    try:
        return {name: place.read(f"source/{name}") for name in about["files"]}
    except OSError as error:
        raise unreachable(place, error) from None
