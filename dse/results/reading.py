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
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as typed_compute

from dse.errors import ResultsError
from dse.results.address import place_of
from dse.results.encoding import DamagedError, Keys, from_sealed, read_keys, read_lines, read_part, rows_of
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
    about = read_about(place)
    table, damages = read_rows(place, about)
    for damage in damages:
        log.warning(
            "%s/%s is damaged: %s. Its rows are missing here; `dse resume` sets it aside and simulates them again",
            place,
            damage.name,
            damage.reason,
        )
    for damage in kept_damages(place, about):
        _warn_once(f"{place}/{damage.name} is damaged: {damage.reason}. {REFUSED}")
    return table if paused else table.filter(pc.not_equal(table["state"], pa.scalar(PAUSED)))


REFUSED = "What needs it is refused until it is put back as it was"
"""What becomes of a file that is kept with a table and was changed."""


def read_rows(place: Place, about: Mapping[str, Any] | None = None) -> tuple[pa.Table, list[Damage]]:
    """Return all rows, each once and in order, and the files that are damaged.

    Args:
        place: the results.
        about: their description, where it is at hand.

    Raises:
        ResultsError: the place cannot be reached.
    """
    keys = keys_of(about or read_about(place))
    try:
        tables, damages = _read_logs(place, keys)
        parts, more = _read_parts(place, keys)
    except OSError as error:
        raise unreachable(place, error) from None
    if (damages or more) and about is not None and keys_of(now := read_about(place)) != keys:
        return read_rows(place, now)  # the study was extended meanwhile
    return each_once([*tables, *parts]), damages + more


def _read_logs(place: Place, keys: Keys) -> tuple[list[pa.Table], list[Damage]]:
    tables = [SCHEMA.empty_table()]
    damages: list[Damage] = []
    for name in log_names(place):
        try:
            found, reason = log_or_damage(place, name, keys)
        except FileNotFoundError:
            continue  # sealed since the listing; the part has the rows
        tables.append(found)
        damages += [Damage(name, reason)] if reason else []
    return tables, damages


def log_or_damage(place: Place, name: str, keys: Keys) -> tuple[pa.Table, str]:
    """Return the rows of a log, and what is wrong with it, "" where nothing is."""
    try:
        found, damaged = read_lines(place.read(name), keys)
    except IsADirectoryError:
        return SCHEMA.empty_table(), "it is a folder"
    except OutsideError:
        return SCHEMA.empty_table(), "it is a link, or no plain file"
    return found, bad_lines(damaged) if damaged else ""


def _read_parts(place: Place, keys: Keys) -> tuple[list[pa.Table], list[Damage]]:
    known: dict[str, pa.Table | Damage] = {}
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
            for name in names:
                if name not in known:
                    known[name] = part_or_damage(place, name, keys)
        except FileNotFoundError:
            continue  # united with others since the listing
        now = [known[name] for name in names]
        damages = [part for part in now if isinstance(part, Damage)]
        return [part for part in now if isinstance(part, pa.Table)], [*damages, *map(_lost, missing), *_no_list(listed)]
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


def part_or_damage(place: Place, name: str, keys: Keys) -> pa.Table | Damage:
    """Return the table of a part, or what is wrong with it."""
    try:
        return read_part(name.rpartition("/")[2], place.read(name), keys)
    except DamagedError as error:
        return Damage(name, str(error))
    except IsADirectoryError:
        return Damage(name, "it is a folder")
    except OutsideError:
        return Damage(name, "it is a link, or no plain file")


def count_rows(place: Place) -> int:
    """Return how many rows there are in parts that are whole, each once, without reading more than their keys."""
    tables: list[pa.Table] = []
    for name in place.names("trials"):
        try:
            tables.append(_keys(read_keys(name.rpartition("/")[2], place.read(name))))
        except (DamagedError, IsADirectoryError, OutsideError):
            continue
    return pa.concat_tables(tables).group_by(KEYS).aggregate([]).num_rows if tables else 0


KEYS = ["trial", "seed", "until"]
"""What tells rows apart: of a (trial, seed), the end and each epoch at which the training paused."""


def _keys(table: pa.Table) -> pa.Table:
    epochs = pc.if_else(pc.equal(table["state"], pa.scalar(PAUSED)), table["epochs"], pa.scalar(ENDED, pa.int32()))
    return table.select(["trial", "seed"]).append_column("until", epochs)


def each_once(tables: list[pa.Table]) -> pa.Table:
    """Return the rows of tables of the schema, each once, in order of trial and seed, paused ones by their epochs.

    Of several rows of the end of a (trial, seed) it is the first, and of several at an epoch at which that paused.
    """
    table = pa.concat_tables(tables)
    keys = _keys(table).append_column("at", pa.array(range(table.num_rows), pa.int64()))
    first = keys.group_by(KEYS, use_threads=False).aggregate([("at", "min")])
    order = pc.sort_indices(first, sort_keys=[(name, "ascending") for name in KEYS])
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
