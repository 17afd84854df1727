"""The header of a table in a text file: its separator, where the columns are, the unit of the conductances.

The separator is the one under which a line names all three columns: tab, semicolon, comma, bar or spaces. What stands
before that line is passed over. A header may be a comment itself, as numpy writes it.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dse.errors import DataError, did_you_mean

COLUMNS = ("cell", "pulse", "conductance")
NEEDED = "it needs cell, pulse, conductance (uS)"
NAMES = {
    "cell": "cell cells device devices dut cell_id cellid device_id cell_no cell_nr cell_number cell_name",
    "pulse": "pulse pulses n pulse_no pulse_nr pulse_number pulse_index pulse_count n_pulse n_pulses number_of_pulses",
    "conductance": "conductance conductances g cond",
}
"""Names of each column, in small letters, other characters than letters and digits as underscores."""
MICROSIEMENS = {
    "s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3, "ps": 1e-6, "siemens": 1e6, "millisiemens": 1e3,
    "microsiemens": 1.0, "nanosiemens": 1e-3, "picosiemens": 1e-6,
}  # fmt: skip
"""What a unit is worth, uS."""
SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "bars", " ": "spaces"}
COMMENTS = ("#", "%", "//")
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
HEADER_LINES = 200
"""Lines in which a header is looked for."""
_BRACKETS = re.compile(r"\s*[(\[{/]\s*([^)\]}]*?)\s*[)\]}]?\s*$")

Line = tuple[int, str]
"""Number of a line, as an editor counts, and its text."""


@dataclass(frozen=True)
class Header:
    """A header.

    Attributes:
        separator: what separates the fields.
        line: number of its line.
        fields: number of fields.
        places: place of each column.
        unit: unit of the conductances, in small letters; "" where it says none.
        before: lines before it that are no comments.
    """

    separator: str
    line: int
    fields: int
    places: Mapping[str, int]
    unit: str
    before: int = 0


def fields_of(line: str, separator: str) -> list[str]:
    """Return the fields of a line without the spaces around them; quotes may hold a separator."""
    if separator == " ":
        joined = re.sub(r"\s+([(\[])", r"\1", line)  # a name and its unit are one field
        return [field.strip("\"'") for field in joined.split()]
    rows = list(csv.reader([line], delimiter=separator, skipinitialspace=True))
    return [field.strip() for field in rows[0]] if rows else []


def unit_in(text: str) -> str:
    """Return the unit that a text is, in brackets or bare, in small letters; "" where it is none."""
    word = text.strip(" ()[]{}").lower().replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u")
    return word if word in MICROSIEMENS else ""


def find_header(name: str, lines: Sequence[Line]) -> Header:
    """Return the header of a file.

    Args:
        name: what to call the file.
        lines: its lines, empty ones left out.

    Raises:
        DataError: there is none; the message says what was found.
    """
    plain = [(n, line) for n, line in lines if not is_comment(line)]
    hidden = [(n, line.lstrip(" \t#%/")) for n, line in lines if is_comment(line)]
    for among in (plain, hidden):
        for before, (n, line) in enumerate(among[:HEADER_LINES]):
            for separator in SEPARATORS:
                fields = fields_of(line, separator)
                places = _places(f"{name}, line {n}", fields)
                if len(places) == len(COLUMNS):
                    unit = _split(fields[places["conductance"]])[1]
                    passed = before - among[0][1].startswith("sep=") if among is plain else 0
                    return Header(separator, n, len(fields), places, unit, max(passed, 0))
    raise DataError(f"{name} {_found_instead(plain)}")


def is_comment(line: str) -> bool:
    """Return whether a line is a comment."""
    return line.lstrip().startswith(COMMENTS)


def _places(where: str, fields: Sequence[str]) -> dict[str, int]:
    """Return where the columns are that a line names; a name that is exact goes before one that is like it."""
    names = [_split(field)[0] for field in fields]
    places: dict[str, int] = {}
    for column, known in NAMES.items():
        like = [place for place, name in enumerate(names) if name in known.split()]
        like = [place for place in like if names[place] == column] or like
        if len(like) > 1:
            both = " and ".join(repr(fields[place]) for place in like[:2])
            raise DataError(f"{where}: {both} could both be the column {column!r}; rename one of them")
        if like:
            places[column] = like[0]
    return places


def _split(field: str) -> tuple[str, str]:
    """Return the name in a field of a header, as `NAMES` has it, and its unit."""
    bracket = _BRACKETS.search(field)
    unit = unit_in(bracket[1]) if bracket else ""
    name = re.sub(r"[^a-z0-9]+", "_", (field[: bracket.start()] if bracket and unit else field).lower()).strip("_")
    stem, _, end = name.rpartition("_")
    if not unit and stem in NAMES["conductance"].split() and end in MICROSIEMENS:
        return stem, end
    return name, unit


def _found_instead(lines: Sequence[Line]) -> str:
    """Say what a file without a header begins with."""
    if not lines:
        return f"is not a CSV file: it is empty; {NEEDED}"
    first = lines[0][1].strip()
    separator = max(SEPARATORS, key=lambda s: len(fields_of(first, s)))
    if all(NUMBER.fullmatch(field) for field in fields_of(first, separator)):
        head = separator.join(COLUMNS) if len(fields_of(first, separator)) > 1 else ",".join(COLUMNS)
        return f"has no header; first line is {first[:60]!r}: put a line such as {head!r} above it, in its order"
    splits = [fields_of(line, s) for _, line in lines[:HEADER_LINES] for s in SEPARATORS]
    best = max(splits, key=lambda fields: (len(_places("", fields)), fields is splits[0]))
    missing = next(column for column in COLUMNS if column not in _places("", best))
    if any(_split(field)[0].startswith(("resistance", "r_ohm")) for field in best):
        return f"has resistances and no column {missing!r}; {NEEDED}: 1e6 / R for R in ohm"
    hint = did_you_mean(missing, best).replace("did you mean", "rename")
    return f"has no column {missing!r} in {', '.join(best)[:80]!r}; {NEEDED}{hint}"
