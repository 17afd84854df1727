"""Reading results, also while a run writes them.

A row that was acknowledged is in a log or in a part at every moment: a part is complete before its logs, or the parts
that it unites, are removed. A reader lists logs before parts, lists parts until two listings agree (a listing is no
snapshot: it may miss both the old and the new file of a rename that happens meanwhile), begins again where a part
vanished under its hands, and takes each (trial, seed), and each epoch at which that paused, once. So it sees every
acknowledged row, once.

Damaged files are reported and passed over; the next run sets them aside in `damaged/` and simulates their rows again.
So are parts of another study, and parts that `parts.json` lists and that are gone. A description that is damaged is
read from its copy. Files that are kept with a table are held against the checksums in its description.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any, Generic, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as typed_compute
from numpy.typing import NDArray

from dse.errors import ResultsError
from dse.results.address import place_of
from dse.results.encoding import (
    DamagedError,
    Keys,
    from_sealed,
    in_schema,
    part_batches,
    read_lines,
    read_part,
    rows_of,
)
from dse.results.inside import OutsideError
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
    **dict.fromkeys(("reuse", "merged", "merged_keys", "former_keys"), str),
}
"""What it lists; all but the first three may be absent. `constraints` is a table of texts by metric, `plugins` one of
versions by name, `checksums` one of SHA-256 by the names of kept files; all may be absent. `exhausted` is how many
designs the space has, once all were tried, or null; `in_steps` says whether designs do not all go to their ends at
once, and `ended` whether such a study has ended. `skips` is whether designs that are known to miss a constraint are
left out; of results of before, they are not."""
PAUSED = "paused"
"""The state of a row of a training that has further epochs to go."""
ENDED = 2**31 - 1
"""Where a row of the end stands among those of a training that paused."""
DESCRIPTION, COPY = "study.json", "study.json.copy"
"""What results say of themselves, and the same once more."""
PARTS = "parts.json"
"""The list of the parts: each of them is there, or has been lost."""
READERS = max(2, min(4, os.cpu_count() or 1))
"""Parts that are read at the same time; each takes some 50 MB, and a store that is far away answers several at once."""
BATCH = 500
"""Rows that are in memory where a table is gone through row by row."""
TRIES = 100
"""Times that a reader begins again before it takes a folder for broken."""

P = TypeVar("P")
Places = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]
"""Where rows stand in the table; see `places_of`."""
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
    return _about_of(place, raw_about(place)[0])


def raw_about(place: Place) -> tuple[dict[str, Any], bool]:
    """Return the description of results as it lies there, and whether it is damaged, so that it came from its copy.

    Raises:
        ResultsError: see `read_about`.
    """
    try:
        table, sealed = from_sealed(place.read(DESCRIPTION))
        reason = "" if sealed or _copy(place) is None else "it has no checksum"
    except (FileNotFoundError, NotADirectoryError):
        table, reason = None, "it is missing"
    except OSError as error:
        raise unreachable(place, error) from None
    except DamagedError as error:
        table, reason = None, str(error)
    if table is not None and not reason:
        return table, False
    kept = _copy(place)
    if kept is not None:
        _warn_once(f"{place}/{DESCRIPTION} is damaged: {reason}. Its copy is read instead; `dse resume` mends it")
        return kept, True
    if reason == "it is missing":
        raise ResultsError(f"{place} is no results folder (it has no {DESCRIPTION})")
    raise ResultsError(f"{place}/{DESCRIPTION} is damaged: {reason}")


def _copy(place: Place) -> dict[str, Any] | None:
    """Return the copy of the description, where there is one that is whole."""
    try:
        table, sealed = from_sealed(place.read(COPY))
        _about_of(place, table)
    except (OSError, DamagedError, ResultsError):
        return None
    return table if sealed else None


_warned: set[str] = set()


def _warn_once(text: str) -> None:
    """Warn of what several steps of a command come across."""
    if text not in _warned:
        _warned.add(text)
        log.warning("%s", text)


def _about_of(place: Place, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description as this version reads it.

    Raises:
        ResultsError: it is of another version, or cannot be read.
    """
    table = dict(raw)
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


def keys_of(about: Mapping[str, Any]) -> Keys:
    """Return the keys that rows of results may bear; None where these unite studies and do not say which."""
    if about["merged"] and not about["merged_keys"]:
        return None
    extended = (str(entry.get("study_key")) for entry in about["history"])
    return {about["study_key"], *about["former_keys"], *about["merged_keys"], *extended}


def kept_damages(place: Place, about: Mapping[str, Any]) -> list[Damage]:
    """Return the files that are kept with a table, such as its study file, and are not what was written.

    Files of the user's that designs name are left out: what reads them holds them against their own checksums.

    Raises:
        ResultsError: the place cannot be reached.
    """
    found = ((name, kept_damage(place, about, name)) for name in about["checksums"] if not is_data(about, name))
    return [Damage(name, reason) for name, reason in found if reason]


def kept_damage(place: Place, about: Mapping[str, Any], name: str) -> str:
    """Return what is wrong with a file that is kept with a table; "" where nothing is, or nobody can know.

    Raises:
        ResultsError: the place cannot be reached.
    """
    try:
        content = place.read(name)
    except OutsideError:
        return "it is a link, or no plain file"
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return "it is missing"
    except OSError as error:
        raise unreachable(place, error) from None
    said = about["checksums"].get(name, "")
    return "it does not have the checksum that it had" if said and said != checksum(content) else ""


def checksum(content: bytes) -> str:
    """Return the checksum by which a description knows a file."""
    return hashlib.sha256(content).hexdigest()


def is_data(about: Mapping[str, Any], name: str) -> bool:
    """Return whether a kept file is one of the user's that designs name, or lies in a folder of such."""
    below = name.partition("/")[2]
    return any(below == own or below.startswith(f"{own}/") for own in about["data_files"])


def _wrong(table: dict[str, Any]) -> list[str]:
    """Return the keys of a description whose values are not allowed, after adding what may be absent."""
    wrong = [key for key, kind in ABOUT.items() if not isinstance(table[key], kind) or isinstance(table[key], bool)]
    for key in ("history", "reuse", "merged", "merged_keys", "former_keys"):
        table.setdefault(key, [])
    wrong += [] if isinstance(table.setdefault("skips", False), bool) else ["skips"]
    wrong += [] if isinstance(table.setdefault("exhausted", None), int | None) else ["exhausted"]
    wrong += [key for key in ("in_steps", "ended") if not isinstance(table.setdefault(key, False), bool)]
    wrong += [] if _is_of_tables(table.setdefault("data_files", {})) else ["data_files"]
    for key in ("constraints", "plugins", "checksums"):
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
        return _copy(place) is not None
    except OSError as error:
        raise unreachable(place, error) from None
    return True


def read_table(
    where: Where, *, paused: bool = False, columns: Sequence[str] | None = None, telling: bool = True
) -> pa.Table:
    """Return the rows of results, each (trial, seed) once, in order of trial and seed. Safe while a run writes.

    Damaged files are reported as warnings of the logger "dse.results.reading", and passed over.

    Args:
        where: the results.
        paused: also return the rows of trainings at the epochs where they paused, before that of their end.
        columns: those to read, which is all that is in memory; None for all.
        telling: whether damages are reported; not where others of these columns were read before.

    Raises:
        ResultsError: there are no results, or they cannot be reached.
    """
    place = place_of(where)
    about = read_about(place)
    table, damages = read_rows(place, about, columns if columns is None or paused else [*columns, "state"])
    if telling:
        tell(place, about, damages)
    if not paused:
        table = table.filter(pc.not_equal(table["state"], pa.scalar(PAUSED)))
    return table if columns is None else table.select(columns)


def tell(place: Place, about: Mapping[str, Any], damages: Iterable[Damage]) -> None:
    """Warn of damages of a table and of the files that are kept with it.

    Raises:
        ResultsError: the place cannot be reached.
    """
    for damage in damages:
        log.warning(
            "%s/%s is damaged: %s. Its rows are missing here; `dse resume` sets it aside and simulates them again",
            place,
            damage.name,
            damage.reason,
        )
    for damage in kept_damages(place, about):
        _warn_once(f"{place}/{damage.name} is damaged: {damage.reason}. {REFUSED}")


REFUSED = "What needs it is refused until it is put back as it was"
"""What becomes of a file that is kept with a table and was changed."""


def read_rows(
    place: Place, about: Mapping[str, Any] | None = None, columns: Sequence[str] | None = None
) -> tuple[pa.Table, list[Damage]]:
    """Return all rows, each once and in order, and the files that are damaged.

    Args:
        place: the results.
        about: their description, where it is at hand.
        columns: those to read; None for all. Every byte is held against its checksum in any case.

    Raises:
        ResultsError: the place cannot be reached.
    """
    found = read_pieces(place, _itself, about, columns)
    table = pa.concat_tables(found.made)
    return table if found.order is None else table.take(cast("Any", pa.array(found.order))), found.damages


def _itself(table: pa.Table) -> pa.Table:
    return table


@dataclass(frozen=True)
class Pieces(Generic[P]):
    """What was made of the rows of results, file by file.

    Attributes:
        made: a piece for each file; of one file without rows, where none has any.
        order: the places of the rows that count, in their order, of all pieces one after the other; None where these
            hold each row once and in order.
        damages: the files that are damaged.
    """

    made: list[P]
    order: NDArray[np.int64] | None
    damages: list[Damage]


def read_pieces(
    place: Place,
    make: Callable[[pa.Table], P],
    about: Mapping[str, Any] | None = None,
    columns: Sequence[str] | None = None,
) -> Pieces[P]:
    """Return what is made of the rows of each file, of which only a few are in memory at a time.

    Args:
        place: the results.
        make: makes it, of some columns of a file; asked in several threads.
        about: their description, where it is at hand.
        columns: those to read; None for all. Every byte is held against its checksum in any case.

    Raises:
        ResultsError: the place cannot be reached.
    """
    keys = keys_of(about or read_about(place))
    wanted = None if columns is None else list(dict.fromkeys(columns))
    needed = None if wanted is None else list(dict.fromkeys([*TOLD_APART, *wanted]))

    def piece(table: pa.Table) -> tuple[P, Places]:
        return make(table if wanted is None else table.select(wanted)), places_of(table)

    try:
        logs, damages = _read_logs(place, keys, needed)
        parts, more = _read_parts(place, keys, needed, piece)
    except OSError as error:
        raise unreachable(place, error) from None
    if (damages or more) and about is not None and keys_of(now := read_about(place)) != keys:
        return read_pieces(place, make, now, columns)  # the study was extended meanwhile
    found = [*map(piece, logs), *parts]
    pieces = [own for own in found if len(own[1][0])] or found[:1]
    return Pieces([made for made, _ in pieces], _order([own for _, own in pieces]), [*damages, *more])


def _read_logs(place: Place, keys: Keys, columns: list[str] | None) -> tuple[list[pa.Table], list[Damage]]:
    tables = [SCHEMA.empty_table()]
    damages: list[Damage] = []
    for name in log_names(place):
        try:
            found, reason = log_or_damage(place, name, keys)
        except FileNotFoundError:
            continue  # sealed since the listing; the part has the rows
        tables.append(found)
        damages += [Damage(name, reason)] if reason else []
    return [in_schema(table if columns is None else table.select(columns)) for table in tables], damages


def log_or_damage(place: Place, name: str, keys: Keys) -> tuple[pa.Table, str]:
    """Return the rows of a log, and what is wrong with it, "" where nothing is."""
    try:
        found, damaged = read_lines(place.read(name), keys)
    except IsADirectoryError:
        return SCHEMA.empty_table(), "it is a folder"
    except OutsideError:
        return SCHEMA.empty_table(), "it is a link, or no plain file"
    return found, bad_lines(damaged) if damaged else ""


def _read_parts(
    place: Place, keys: Keys, columns: list[str] | None, piece: Callable[[pa.Table], tuple[P, Places]]
) -> tuple[list[tuple[P, Places]], list[Damage]]:
    def read(name: str) -> tuple[P, Places] | Damage:
        found = part_or_damage(place, name, keys, columns)
        return found if isinstance(found, Damage) else piece(found)

    known: dict[str, tuple[P, Places] | Damage] = {}
    for _ in range(TRIES):
        listed = listed_parts(place)
        names = place.names("trials")
        if names != place.names("trials"):
            continue
        # A part that was united with others was taken off the list before it was removed.
        missing = sorted(set(listed or ()) - set(names))
        if missing and listed_parts(place) != listed:
            continue
        try:
            new = [name for name in names if name not in known]
            with ThreadPoolExecutor(READERS) as pool:
                known.update(zip(new, pool.map(read, new), strict=True))
        except FileNotFoundError:
            continue  # united with others since the listing
        now = [known[name] for name in names]
        damages = [part for part in now if isinstance(part, Damage)]
        whole = [part for part in now if not isinstance(part, Damage)]
        return whole, [*damages, *map(_lost, missing), *_no_list(listed)]
    raise ResultsError(f"the parts of {place} change faster than they can be read; try again")


def listed_parts(place: Place) -> list[str] | None:
    """Return the parts that there should be; None where the list is damaged, none where results never had one."""
    try:
        table, sealed = from_sealed(place.read(PARTS))
    except FileNotFoundError:
        return None if _copy(place) is not None else []
    except (DamagedError, OutsideError, IsADirectoryError):
        return None
    parts = cast("list[Any]", table.get("parts")) if isinstance(table.get("parts"), list) else [None]
    return [f"trials/{part}" for part in parts] if sealed and all(isinstance(part, str) for part in parts) else None


def is_missing(damage: Damage) -> bool:
    """Return whether a damaged file is one that is gone, or a list that is written anew; neither can be set aside."""
    return damage.reason.startswith(MISSING) or damage.name == PARTS


MISSING = "it is missing"


def _lost(name: str) -> Damage:
    return Damage(name, f"{MISSING}, with {rows_of(name.rpartition('/')[2])} rows")


def _no_list(listed: list[str] | None) -> list[Damage]:
    return [Damage(PARTS, "whether parts are missing cannot be told")] if listed is None else []


def part_or_damage(place: Place, name: str, keys: Keys, columns: Sequence[str] | None = None) -> pa.Table | Damage:
    """Return some columns of a part, or all, or what is wrong with it."""
    try:
        with place.open(name) as file:
            return read_part(name.rpartition("/")[2], file, keys, columns)
    except DamagedError as error:
        return Damage(name, str(error))
    except IsADirectoryError:
        return Damage(name, "it is a folder")
    except OutsideError:
        return Damage(name, "it is a link, or no plain file")


def count_rows(place: Place) -> int:
    """Return how many rows there are in parts that are whole, each once, without reading more than their keys."""
    found = [part_or_damage(place, name, None, TOLD_APART) for name in place.names("trials")]
    pieces = [places_of(part) for part in found if isinstance(part, pa.Table)]
    order = _order(pieces) if pieces else None
    return sum(len(own[0]) for own in pieces) if order is None else len(order)


TOLD_APART = ("trial", "seed", "state", "epochs")
"""Columns that tell rows apart: of a (trial, seed), the end and each epoch at which the training paused."""


def each_once(tables: list[pa.Table]) -> pa.Table:
    """Return the rows of tables of the schema, each once, in order of trial and seed, paused ones by their epochs.

    Of several rows of the end of a (trial, seed) it is the first, and of several at an epoch at which that paused.

    Args:
        tables: columns of the schema, `TOLD_APART` among them.
    """
    table = pa.concat_tables(tables)
    order = _order([places_of(table)])
    return table if order is None else table.take(cast("Any", pa.array(order)))


def places_of(table: pa.Table) -> Places:
    """Return where the rows of a table stand: by trial, by seed, and among those of a training that paused."""
    trial, seed = (table[name].to_numpy() for name in ("trial", "seed"))
    paused = pc.equal(table["state"], pa.scalar(PAUSED))
    return trial, seed, pc.if_else(paused, pc.fill_null(table["epochs"], 0), pa.scalar(ENDED, pa.int32())).to_numpy()


def _order(pieces: Sequence[Places]) -> NDArray[np.int64] | None:
    """Return the places of the rows that `each_once` gives, in its order; None where these are all as they stand."""
    by = [np.concatenate(own) for own in zip(*pieces, strict=True)]
    if bool(_follows(by).all()):
        return None
    order = np.lexsort(by[::-1])  # which keeps the order of equal rows
    new = np.ones(len(order), dtype=bool)
    new[1:] = _follows([own[order] for own in by])
    return order[new]


def _follows(by: Sequence[NDArray[Any]]) -> NDArray[np.bool_]:
    """Return for each row but the first whether it stands behind the one before it, and is not the same."""
    behind, same = (np.full(max(len(by[0]) - 1, 0), value) for value in (False, True))
    for own in by:
        behind |= same & (own[1:] > own[:-1])
        same &= own[1:] == own[:-1]
    return behind


def batches_once(place: Place, parts: Mapping[str, pa.Table], ahead: pa.Table | None = None) -> Iterator[pa.Table]:
    """Yield the rows of parts, each once, part by part and some at a time, which is all that is in memory.

    Args:
        place: the results.
        parts: columns `TOLD_APART` of parts that are whole, by name.
        ahead: rows to begin with.

    Raises:
        DamagedError: a part is not whole any more.
        OSError: it cannot be read.
    """
    first = SCHEMA.empty_table() if ahead is None else ahead
    order = _order([places_of(table) for table in (first, *parts.values())])
    kept = np.zeros(first.num_rows + sum(table.num_rows for table in parts.values()), dtype=bool)
    kept[slice(None) if order is None else order] = True
    start = 0
    for batch in chain([first], _batches(place, parts)):
        own, start = kept[start : start + batch.num_rows], start + batch.num_rows
        if own.any():
            yield batch if own.all() else pc.filter(batch, pa.array(own))


def _batches(place: Place, names: Iterable[str]) -> Iterator[pa.Table]:
    for name in names:
        with place.open(name) as file:
            yield from part_batches(name.rpartition("/")[2], file, BATCH)


def read_batches(where: Where) -> Iterator[pa.Table]:
    """Yield all rows of results, each once, those of pauses among them, a few in memory at a time, in no order.

    Only for the run that holds the lock and has told of damages: they are passed over.

    Raises:
        ResultsError: there are no results, they cannot be reached, or a part changes meanwhile.
    """
    place = place_of(where)
    keys = keys_of(read_about(place))
    try:
        logs, _ = _read_logs(place, keys, None)
        found = {name: part_or_damage(place, name, keys, TOLD_APART) for name in place.names("trials")}
        yield from batches_once(
            place, {name: part for name, part in found.items() if isinstance(part, pa.Table)}, each_once(logs)
        )
    except DamagedError as error:
        raise ResultsError(f"a part of {place} has changed while it was read: {error}. Try again") from None
    except OSError as error:
        raise unreachable(place, error) from None


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
