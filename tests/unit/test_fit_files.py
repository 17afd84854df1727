"""Files of `dse device fit` as spreadsheets and instruments write them: read alike, or refused with what was found."""

from pathlib import Path

import numpy as np
import pytest

from dse.devices.fit.trains import read_trains
from dse.errors import DataError

G = np.round(0.1 + np.arange(6.0) + 0.01 * np.arange(11.0)[:, None], 3)
HEAD = ("cell", "pulse", "conductance")


def text(separator: str = ",", head: tuple[str, ...] = HEAD, factor: float = 1.0, *, comma: bool = False) -> str:
    """Return eleven cells of five pulses."""
    rows = [(f"c{cell:02}", str(n), f"{g * factor:.9g}") for cell, train in enumerate(G) for n, g in enumerate(train)]
    numbers = [(cell, n, g.replace(".", ",") if comma else g) for cell, n, g in rows]
    return "\n".join(separator.join(row) for row in [head, *numbers]) + "\n"


def spoilt(old: str, new: str, of: str | None = None) -> str:
    whole = text() if of is None else of
    assert old in whole
    return whole.replace(old, new, 1)


READ = {
    "tabs": (text("\t"), "separated by tabs"),
    "semicolons and decimal commas": (text(";", comma=True), "semicolons, decimal commas"),
    "semicolons and points": (text(";"), "separated by semicolons"),
    "spaces": (text("   "), "separated by spaces"),
    "bars": (text(" | "), "separated by bars"),
    "tabs and decimal commas": (text("\t", comma=True), "tabs, decimal commas"),
    "carriage returns": (text().replace("\n", "\r\n"), "commas"),
    "old line ends": (text().replace("\n", "\r"), "commas"),
    "a mark of the encoding": ("\ufeff" + text(), "commas"),
    "comments and empty lines": ("# measured in May\n\n" + spoilt("\nc05,0", "\n% pause\n\nc05,0"), "commas"),
    "a header in a comment": ("# " + text(), "commas"),
    "lines of an instrument": (
        "Analyser;X\nDate;2026-05-01\n\n" + text(";"),
        "2 lines before the header passed over",
    ),
    "a spreadsheet's hint": ("sep=;\n" + text(";"), "separated by semicolons"),
    "capitals and units": (text(head=("Device", "Pulse #", "Conductance (\N{MICRO SIGN}S)")), "commas"),
    "names with numbers": (text(head=("DUT", "pulse_number", "G_uS")), "commas"),
    "siemens": (text(head=("cell", "n", "G [S]"), factor=1e-6), "conductances in S"),
    "nanosiemens and spaces": (text(" ", ("cell", "pulse", "conductance (nS)"), 1e3), "spaces, conductances in nS"),
    "a line of units": (spoilt("\n", "\n,1,mS\n", text(factor=1e-3)), "conductances in mS"),
    "trailing separators": (text(";").replace("\n", ";\n"), "semicolons"),
    "a minus from typesetting": (spoilt("c03,0,", "c03,\N{MINUS SIGN}0,"), "commas"),
}


@pytest.mark.parametrize("form", READ)
def test_a_file_is_read_in_any_form_that_can_be_told(form: str, tmp_path: Path) -> None:
    whole, said = READ[form]
    path = tmp_path / "pulses.csv"
    path.write_bytes(whole.encode())
    trains = read_trains(path)
    assert trains.g_us == pytest.approx(G, rel=1e-6)
    assert trains.names == tuple(f"c{n:02}" for n in range(11))
    assert said in trains.form


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_encodings_are_told_apart(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "pulses.csv"
    path.write_bytes(text(head=("cell", "pulse", "conductance (\N{MICRO SIGN}S)")).encode(encoding))
    assert read_trains(path).g_us == pytest.approx(G)


def test_decimal_commas_in_quotes_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "pulses.csv"
    rows = [f'c{cell:02},{n},"{g:.3f}"'.replace(".", ",") for cell, train in enumerate(G) for n, g in enumerate(train)]
    path.write_text("\n".join([",".join(HEAD), *rows]))
    assert read_trains(path).g_us == pytest.approx(G)


@pytest.mark.parametrize(
    ("whole", "said"),
    [
        (text().split("\n", 1)[1].replace("c", ""), r"has no header; first line is '00,0,0\.1'.*'cell,pulse,conduct"),
        (text("\t").split("\n", 1)[1].replace("c", ""), r"has no header; first line is '00\\t0\\t0\.1'"),
        (text(comma=True), r"line 2: 3 fields|line 2: 4 fields separated by commas.*decimal commas"),
        (spoilt("c03,2,2.13", "c03,2"), "line 22: 2 fields separated by commas, where the header has 3"),
        (spoilt("c03,2,2.13", "c03,2,2.13,9"), "line 22: 4 fields"),
        (spoilt("2.13", "1.002,13", text(";")), r"conductance has decimal commas \('1\.002,13' in line 22\)"),
        (text(head=("cell", "pulse", "resistance (kohm)")), "has resistances and no column 'conductance'"),
        (text(head=("cell", "device", "G")), "has no column 'pulse'"),
        (
            text(head=("dut", "device", "G")).replace("dut,device", "dut,device,pulse"),
            "could both be the column 'cell'",
        ),
        (spoilt("5.1\n", '"5,1"\n'), r"decimal commas \('5,1' in line 7\) and decimal points"),
        ("PK\x03\x04rest", "a spreadsheet or an archive; export the sheet as CSV"),
        ("# only words\n", "is empty"),
        (spoilt("c03,2,2.13", "c03,2,1_0"), "line 22: conductance = '1_0' must be a number"),
    ],
)
def test_what_cannot_be_told_is_refused_with_what_was_found(whole: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "pulses.csv"
    path.write_text(whole)
    with pytest.raises(DataError, match=said):
        read_trains(path)
