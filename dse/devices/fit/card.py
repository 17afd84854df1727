"""From the file with the trains to the file with the card: the command `dse device fit`."""

import json
import math
from pathlib import Path

from dse.devices.card import KNOBS, read_cell, unit_of
from dse.devices.fit.cell import CellFit, FittedEntry, fit_cell
from dse.devices.fit.likelihood import Given
from dse.devices.fit.trains import read_trains
from dse.devices.spec import CellSpec
from dse.errors import SettingError

NOT_MEASURED = ("read_noise_slope", "read_noise_offset_us", "drift_exponent", "drift_reference_s")
DEFAULT_CARD = "pcm_gst"


def fit_file(
    pulses: Path,
    out: Path,
    title: str | None = None,
    *,
    reads_averaged: int = 1,
    g_min_us: float | None = None,
    g_max_us: float | None = None,
    resamples: int = 200,
    seed: int = 0,
    **others: float | None,
) -> CellFit:
    """Fit a cell to the trains in a CSV file and write its card; the command `dse device fit`.

    Args:
        pulses: the CSV file; see `dse.devices.fit.trains`.
        out: the card, a new .toml file.
        title: title of the card.
        reads_averaged: see `Given`.
        g_min_us: see `Given`.
        g_max_us: see `Given`.
        resamples: bootstrap resamples over cells.
        seed: seed of the resamples.
        others: what trains do not tell, `NOT_MEASURED`; None takes the value of the card pcm_gst.

    Raises:
        DataError: the file, or what it holds, does not allow a fit.
        SettingError: the card cannot go there, or a value that was given is not allowed.
    """
    check_target(out)
    told = {name: _told(name, others.get(name)) for name in NOT_MEASURED}
    slope, offset = told["read_noise_slope"].value, told["read_noise_offset_us"].value
    trains = read_trains(pulses, offset / math.sqrt(reads_averaged))
    given = Given(slope, offset, reads_averaged, g_min_us, g_max_us)
    fit = fit_cell(trains, given, told, resamples, seed)
    values = {name: float(_number(entry.value)) for name, entry in fit.entries.items()}
    CellSpec.parse({"card": out.stem, **KNOBS, **values}, where=f"the fit to {pulses}")
    try:
        out.write_text(card_text(fit, title or f"Fit to {pulses.name}"), encoding="utf-8")
    except OSError as error:
        raise SettingError(f"cannot write {out}: {error.strerror}") from None
    return fit


def _told(name: str, value: float | None) -> FittedEntry:
    if value is not None:
        return FittedEntry(value, f"given with --{name.replace('_', '-')}")
    return FittedEntry(read_cell(DEFAULT_CARD)[name], f"not measured here; taken from card {DEFAULT_CARD}")


def card_text(fit: CellFit, title: str) -> str:
    """Return the card as TOML."""
    worst = max(abs(row["model_mean_us"] - row["mean_us"]) for row in fit.goodness)
    about = (
        f"Fitted with `dse device fit` to {fit.trains.cells} cells and up to {fit.trains.pulses} SET pulses each. "
        f"The mean curve of the model is within {worst:.2g} uS of the measured one. "
        f"Valid up to the largest mean conductance of the trains, {max(r['mean_us'] for r in fit.goodness):.3g} uS."
    )
    lines = [f"title = {_quoted(title)}", f"about = {_quoted(about)}"]
    for name, entry in fit.entries.items():
        lines += ["", f"[{name}]", f"value = {_number(entry.value)}", f'unit = "{unit_of(name)}"']
        lines.append(f"source = {_quoted(entry.source)}")
        if entry.low is not None and entry.high is not None:
            lines += [f"low = {_number(entry.low)}", f"high = {_number(entry.high)}"]
        if entry.note:
            lines.append(f"note = {_quoted(entry.note)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _number(value: float) -> str:
    return repr(float(f"{value:.6g}"))


def check_target(path: Path) -> None:
    """Check where a card shall go, before the work.

    Raises:
        SettingError: not a .toml file, there already, or without a folder.
    """
    if path.suffix != ".toml":
        raise SettingError(f"--out {path}: a card's name ends in .toml, so that a study file can name it")
    if path.exists():
        raise SettingError(f"{path} exists; name another file, or remove it")
    if not path.parent.is_dir():
        raise SettingError(f"--out {path}: there is no folder {path.parent}")
