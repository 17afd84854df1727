"""Reading results, also while a run writes them.

A row that was acknowledged is in a log or in a part at every moment: a part is complete before its logs, or the parts
that it unites, are removed. A reader lists logs before parts, lists parts until two listings agree (a listing is no
snapshot: it may miss both the old and the new file of a rename that happens meanwhile), begins again where a part
vanished under its hands, and takes each (trial, seed), and each epoch at which that paused, once. So it sees every
acknowledged row, once.

Damaged files are reported and passed over; the next run sets them aside in `damaged/` and simulates their rows again.
"""

import json
import logging
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as typed_compute

from dse.errors import ResultsError
from dse.results.address import place_of
from dse.results.encoding import DamagedError, read_lines, read_part
from dse.results.migration import check_version, current_about
from dse.results.place import Place, Where
from dse.results.schema import COLUMNS, SCHEMA, VERSION

ABOUT: dict[str, type | tuple[type, ...]] = {
    "schema": int,
    "name": str,
    "objectives": list,
    "parameters": list,
    "seeds": int,
    "trials": int,
    "study_key": str,
    "code": str,
    "packages": str,
    "source": str,
    "files": list,
}
"""Keys that `study.json` must have, and their types."""
LISTS = {
    **dict.fromkeys(("objectives", "parameters", "files"), str),
    "history": dict,
    **dict.fromkeys(("reuse", "merged", "former_keys"), str),
}
"""What it lists; all but the first three may be absent. `constraints` is a table of texts by metric, `plugins` one of
versions by name; both may be absent. `exhausted` is how many designs the space has, once all were tried, or null;
`in_steps` says whether designs do not all go to their ends at once, and `ended` whether such a study has ended. `skips`
is whether designs that are known to miss a constraint are left out; of results of before, they are not."""
PAUSED = "paused"
"""The state of a row of a training that has further epochs to go."""
ENDED = 2**31 - 1
"""Where a row of the end stands among those of a training that paused."""
TRIES = 100
"""Times that a reader begins again before it takes a folder for broken."""

pc = cast("Any", typed_compute)  # its types know no mixture of columns and scalars
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Damage:
    """A file that is not what was written.

    Attributes:
        name: its name, relative to the root of the results.
        reason: what is wrong with it.
    """

    name: str
    reason: str


def read_about(where: Where) -> dict[str, Any]:
    """Return the description of results.

    Raises:
        ResultsError: there are none, they are of another version, or they cannot be read.
    """
    place = place_of(where)
    try:
        about: Any = json.loads(place.read("study.json"))
    except (FileNotFoundError, NotADirectoryError):
        raise ResultsError(f"{place} is no results folder (it has no study.json)") from None
    except OSError as error:
        raise unreachable(place, error) from None
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{place}/study.json is unreadable: {error}") from None
    table = cast("dict[str, Any]", about) if isinstance(about, dict) else {}
    try:
        check_version(table.get("schema", VERSION))
    except ValueError as error:
        raise ResultsError(f"{place} {error}. Use the version that wrote it: {table.get('code', 'unknown')}") from None
    missing = [key for key in ABOUT if key not in table]
    if missing:
        raise ResultsError(f"{place}/study.json is damaged: it has no {', '.join(missing)}")
    try:
        table = current_about(table)
    except (LookupError, TypeError, AttributeError):
        raise ResultsError(f"{place}/study.json is damaged: its lists are not what they should be") from None
    wrong = _wrong(table)
    if wrong:
        raise ResultsError(f"{place}/study.json is damaged: {', '.join(wrong)} is not what it should be")
    return table


def version_of(where: Where) -> int:
    """Return the version of the schema that results say they are of, as they lie there."""
    return json.loads(place_of(where).read("study.json"))["schema"]


def _wrong(table: dict[str, Any]) -> list[str]:
    """Return the keys of a description whose values are not allowed, after adding what may be absent."""
    wrong = [key for key, kind in ABOUT.items() if not isinstance(table[key], kind) or isinstance(table[key], bool)]
    for key in ("history", "reuse", "merged", "former_keys"):
        table.setdefault(key, [])
    wrong += [] if isinstance(table.setdefault("skips", False), bool) else ["skips"]
    wrong += [] if isinstance(table.setdefault("exhausted", None), int | None) else ["exhausted"]
    wrong += [key for key in ("in_steps", "ended") if not isinstance(table.setdefault(key, False), bool)]
    wrong += [] if _is_of_tables(table.setdefault("data_files", {})) else ["data_files"]
    for key in ("constraints", "plugins"):
        entries = table.setdefault(key, {})
        texts = list(cast("dict[str, Any]", entries).values()) if isinstance(entries, dict) else [None]
        wrong += [] if all(isinstance(text, str) for text in texts) else [key]
    for key, kind in LISTS.items():
        entries = cast("list[Any]", table[key]) if isinstance(table[key], list) else [None]
        wrong += [] if all(isinstance(entry, kind) for entry in entries) else [key]
    if wrong:
        return wrong
    objectives, parameters = cast("list[str]", table["objectives"]), cast("list[str]", table["parameters"])
    if not objectives or len(set(objectives)) < len(objectives):
        wrong.append("objectives")
    if len(set(parameters)) < len(parameters) or COLUMNS.keys() & set(parameters) or "" in parameters:
        wrong.append("parameters")
    wrong += [key for key in ("seeds", "trials") if not 0 <= cast("int", table[key]) < 2**31]
    return wrong


def _is_of_tables(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(own, dict) for own in cast("dict[str, Any]", value).values())


def has_results(where: Where) -> bool:
    """Return whether there are results.

    Raises:
        ResultsError: the place cannot be reached.
    """
    place = place_of(where)
    try:
        place.read("study.json")
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise unreachable(place, error) from None
    return True


def read_table(where: Where, *, paused: bool = False) -> pa.Table:
    """Return the rows of results, each (trial, seed) once, in order of trial and seed. Safe while a run writes.

    Damaged files are reported as warnings of the logger "dse.results.reading", and passed over.

    Args:
        where: the results.
        paused: also return the rows of trainings at the epochs where they paused, before that of their end.

    Raises:
        ResultsError: there are no results, or they cannot be reached.
    """
    place = place_of(where)
    read_about(place)
    table, damages = read_rows(place)
    for damage in damages:
        log.warning(
            "%s/%s is damaged: %s. Its rows are missing here; `dse resume` sets it aside and simulates them again",
            place,
            damage.name,
            damage.reason,
        )
    return table if paused else table.filter(pc.not_equal(table["state"], pa.scalar(PAUSED)))


def read_rows(place: Place) -> tuple[pa.Table, list[Damage]]:
    """Return all rows, each once and in order, and the files that are damaged.

    Raises:
        ResultsError: the place cannot be reached.
    """
    try:
        tables, damages = _read_logs(place)
        parts, more = _read_parts(place)
    except OSError as error:
        raise unreachable(place, error) from None
    return each_once([*tables, *parts]), damages + more


def _read_logs(place: Place) -> tuple[list[pa.Table], list[Damage]]:
    tables = [SCHEMA.empty_table()]
    damages: list[Damage] = []
    for name in log_names(place):
        try:
            found, damaged = read_lines(place.read(name))
        except FileNotFoundError:
            continue  # sealed since the listing; the part has the rows
        tables.append(found)
        damages += [Damage(name, bad_lines(damaged))] if damaged else []
    return tables, damages


def _read_parts(place: Place) -> tuple[list[pa.Table], list[Damage]]:
    known: dict[str, pa.Table | Damage] = {}
    for _ in range(TRIES):
        names = place.names("trials")
        if names != place.names("trials"):
            continue
        try:
            for name in names:
                if name not in known:
                    known[name] = part_or_damage(place, name)
        except FileNotFoundError:
            continue  # united with others since the listing
        now = [known[name] for name in names]
        return [part for part in now if isinstance(part, pa.Table)], [part for part in now if isinstance(part, Damage)]
    raise ResultsError(f"the parts of {place} change faster than they can be read; try again")


def part_or_damage(place: Place, name: str) -> pa.Table | Damage:
    """Return the table of a part, or what is wrong with it."""
    try:
        return read_part(name.rpartition("/")[2], place.read(name))
    except DamagedError as error:
        return Damage(name, str(error))
    except IsADirectoryError:
        return Damage(name, "it is a folder")


def each_once(tables: list[pa.Table]) -> pa.Table:
    """Return the rows of tables of the schema, each once, in order of trial and seed, paused ones by their epochs.

    Of several rows of the end of a (trial, seed) it is the first, and of several at an epoch at which that paused.
    """
    table = pa.concat_tables(tables)
    at = pa.array(range(table.num_rows), pa.int64())
    epochs = pc.if_else(pc.equal(table["state"], pa.scalar(PAUSED)), table["epochs"], pa.scalar(ENDED, pa.int32()))
    keys = table.select(["trial", "seed"]).append_column("until", epochs).append_column("at", at)
    first = keys.group_by(["trial", "seed", "until"], use_threads=False).aggregate([("at", "min")])
    order = pc.sort_indices(first, sort_keys=[(name, "ascending") for name in ("trial", "seed", "until")])
    return table.take(first["at_min"].take(order))


def log_names(place: Place) -> list[str]:
    """Return the names of the logs."""
    return [name for name in place.names("log") if name.endswith(".jsonl")]


def bad_lines(numbers: list[int]) -> str:
    """Return which lines of a log are damaged, as text."""
    shown = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
    return f"line{'s' if len(numbers) > 1 else ''} {shown} {'are' if len(numbers) > 1 else 'is'} not what was written"


def unreachable(place: Place, error: OSError) -> ResultsError:
    """Return the error of a place that cannot be read."""
    return ResultsError(f"cannot read {place}: {error.strerror or error}. Mend it and try again; nothing is lost")
