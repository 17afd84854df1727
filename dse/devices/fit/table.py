"""A table of cells, pulses and conductances from a text file, as spreadsheets and instruments write them.

Comments (`#`, `%`, `//`) and empty lines are passed over. Numbers may have decimal commas, unless commas separate them;
a line of units may follow the header, and a conductance may be in S, mS, uS, nS or pS where its column or that line
says so. What was found stands in `Table.form`; what cannot be told is refused with the line.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from dse.devices.fit.header import (
    COLUMNS,
    MICROSIEMENS,
    SEPARATORS,
    Header,
    fields_of,
    find_header,
    is_comment,
    unit_in,
)
from dse.errors import DataError


@dataclass(frozen=True)
class Table:
    """Columns of text.

    Attributes:
        columns: the three columns by name, numbers with decimal points.
        lines: the line of each row in the file, counted as an editor does.
        unit_us: what the unit of conductance is worth, uS.
        form: what the file looked like, in words.
    """

    columns: dict[str, list[str]]
    lines: list[int]
    unit_us: float
    form: str


def read_table(path: Path) -> Table:
    """Read a table.

    Raises:
        DataError: the file cannot be read, is no text, has no header, or a line does not fit the header.
    """
    numbered = [(n, line) for n, line in enumerate(re.split(r"\r\n|\n|\r", _text(path)), start=1) if line.strip()]
    header = find_header(str(path), numbered)
    rows = [
        (n, _row(f"{path}, line {n}", line, header)) for n, line in numbered if n > header.line and not is_comment(line)
    ]
    unit = header.unit
    if rows and unit_in(rows[0][1][2]):
        unit, rows = unit_in(rows[0][1][2]), rows[1:]
    lines = [n for n, _ in rows]
    columns = {name: [row[i] for _, row in rows] for i, name in enumerate(COLUMNS)}
    commas = [_point(path, name, columns[name], lines) for name in COLUMNS[1:]]
    words = [f"separated by {SEPARATORS[header.separator]}"]
    words += ["decimal commas"] * any(commas)
    words += [f"conductances in {unit[:-1]}{unit[-1:].upper()}"] * (unit not in {"", "us"})
    words += [f"{header.before} lines before the header passed over"] * (header.before > 0)
    return Table(columns, lines, MICROSIEMENS[unit or "us"], ", ".join(words))


def _text(path: Path) -> str:
    if path.exists() and not path.is_file():  # a pipe would be waited for, and a device may have no end
        raise DataError(f"{path} is no file")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    if raw.startswith(b"PK\x03\x04"):
        raise DataError(f"{path} is not a CSV file but a spreadsheet or an archive; export the sheet as CSV")
    # Instruments under Windows write its code page, in which one byte is the micro of uS.
    codes = ("utf-16",) if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else ("utf-8-sig", "cp1252")
    for code in codes:
        try:
            text = raw.decode(code)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise DataError(f"{path} is not a CSV file: it is no text in UTF-8, UTF-16 or Windows-1252")


def _row(where: str, line: str, header: Header) -> list[str]:
    """Return the three fields of a line."""
    fields = fields_of(line, header.separator)
    beyond = [field for field in fields[header.fields :] if field]
    if beyond or len(fields) <= max(header.places.values()):
        word = SEPARATORS[header.separator]
        why = (
            "; numbers with decimal commas cannot be told apart in it: export with semicolons or tabs, or with decimal "
            "points"
            if header.separator == "," and beyond
            else ""
        )
        raise DataError(f"{where}: {len(fields)} fields separated by {word}, where the header has {header.fields}{why}")
    return [fields[header.places[name]] for name in COLUMNS]


def _point(path: Path, name: str, column: list[str], lines: list[int]) -> bool:
    """Write the numbers of a column with decimal points, in place; return whether they had commas."""
    column[:] = [text.replace("\N{MINUS SIGN}", "-") for text in column]
    commas = [row for row, text in enumerate(column) if "," in text]
    if not commas:
        return False
    points = [row for row, text in enumerate(column) if "." in text]
    if points:
        raise DataError(
            f"{path}: {name} has decimal commas ({column[commas[0]]!r} in line {lines[commas[0]]}) and decimal points "
            f"({column[points[0]]!r} in line {lines[points[0]]}); write all with one of them, without thousands"
        )
    column[:] = [text.replace(",", ".") for text in column]
    return True
