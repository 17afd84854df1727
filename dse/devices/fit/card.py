"""From the file with the trains to the file with the card: the command `dse device fit`."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from dse.devices import CELLS
from dse.devices.base import AbstractCell
from dse.devices.card import knobs_of, read_cell, unit_of
from dse.devices.fit.cell import CellFit, FittedEntry, fit_cell, granularity
from dse.devices.fit.checks import beyond_cards, entries_beyond_cards, falls, share_explained
from dse.devices.fit.likelihood import Given
from dse.devices.fit.outliers import without_outliers
from dse.devices.fit.picture import draw_fit
from dse.devices.fit.response import find_window
from dse.devices.fit.trains import Trains, read_trains
from dse.devices.fit.two_way import GivenEnds, fit_two_way
from dse.devices.two_way.settings import TwoWayCell
from dse.errors import DataError, SettingError, did_you_mean

NOT_MEASURED = ("read_noise_slope", "read_noise_offset_us", "drift_exponent", "drift_reference_s")
DEFAULT_CARD = "pcm_gst"


def fit_file(
    pulses: Path,
    out: Path,
    title: str | None = None,
    *,
    model: str | None = None,
    reads_averaged: int = 1,
    g_min_us: float | None = None,
    g_max_us: float | None = None,
    resamples: int = 200,
    seed: int = 0,
    accept: bool = False,
    keep_all_cells: bool = False,
    **others: float | None,
) -> CellFit:
    """Fit a cell to the trains in a file and write its card, and a picture beside it; the command `dse device fit`.

    Args:
        pulses: the file; see `dse.devices.fit.table`.
        out: the card, a new .toml file; the picture has its name and the ending .fit.png, and is replaced.
        title: title of the card.
        model: model of the cell, one that is pulsed both ways, or PCM by default.
        reads_averaged: see `Given`.
        g_min_us: see `Given`.
        g_max_us: see `Given`.
        resamples: bootstrap resamples over cells.
        seed: seed of the resamples.
        accept: write the card of a fit that does not describe the trains, too.
        keep_all_cells: leave no cell out; see `dse.devices.fit.outliers`.
        others: what trains do not tell, `NOT_MEASURED`; None takes the value of the card pcm_gst.

    Raises:
        DataError: the file, or what it holds, does not allow a fit, or the fit does not describe it.
        SettingError: the card cannot go there, or a value that was given is not allowed.
    """
    check_target(out)
    chosen = _model(model)
    given = Given(0.0, 0.0, reads_averaged, g_min_us, g_max_us)
    fit_one = _fit_up if chosen is CELLS[0] else partial(_fit_both_ways, model=chosen)
    fit = fit_one(pulses, given, others, resamples=resamples, seed=seed, accept=accept, keep_all_cells=keep_all_cells)
    title = title or f"Fit to {pulses.name}"
    draw_fit(fit.trains.g_us, fit.goodness, title, fit.faults, picture_of(out))
    values = {name: float(_number(entry.value)) for name, entry in fit.entries.items()}
    if fit.faults and not accept:
        raise DataError(_no_fit(pulses, out, fit.faults, "--accept writes the card all the same."))
    if beyond := entries_beyond_cards(values, chosen):
        raise DataError(_no_fit(pulses, out, beyond, "No card can hold it: is it such a cell, and in that unit?"))
    chosen.parse({"card": out.stem, **knobs_of(chosen), **values}, where=f"the fit to {pulses}")
    _write(out, card_text(fit, title, None if chosen is CELLS[0] else chosen.model))
    return fit


def _model(name: str | None) -> type[AbstractCell]:
    known = {cell.model: cell for cell in CELLS if cell is CELLS[0] or issubclass(cell, TwoWayCell)}
    if name is not None and name not in known:
        raise SettingError(
            f"--model {name}: no model that can be fitted{did_you_mean(name, known)} ({', '.join(known)})"
        )
    return CELLS[0] if name is None else known[name]


def _fit_up(
    pulses: Path,
    given: Given,
    others: Mapping[str, float | None],
    *,
    resamples: int,
    seed: int,
    accept: bool,
    keep_all_cells: bool,
) -> CellFit:
    """Fit a PCM cell to trains of SET pulses."""
    told = {name: _told(name, others.get(name)) for name in NOT_MEASURED}
    slope, offset = told["read_noise_slope"].value, told["read_noise_offset_us"].value
    trains = read_trains(pulses, offset / math.sqrt(given.reads_averaged))
    trains = trains if keep_all_cells else without_outliers(trains, path=str(pulses))
    given = replace(given, read_noise_slope=slope, read_noise_offset_us=offset)
    _check_before(pulses, trains, given, accept=accept)
    return fit_cell(trains, given, told, resamples, seed)


def _fit_both_ways(
    pulses: Path,
    given: Given,
    others: Mapping[str, float | None],
    *,
    model: type[AbstractCell],
    resamples: int,
    seed: int,
    accept: bool,  # noqa: ARG001  nothing is refused before the work that could be accepted
    keep_all_cells: bool,
) -> CellFit:
    """Fit a cell that is pulsed both ways to trains of pulses up and down."""
    idle = [name for name in NOT_MEASURED if name != "read_noise_offset_us" and others.get(name) is not None]
    if idle:
        raise SettingError(
            f"--{idle[0].replace('_', '-')} has no effect on cells of the model {model.model}; leave it out"
        )
    noise = (others.get("read_noise_offset_us") or 0.0) / math.sqrt(given.reads_averaged)
    trains = read_trains(pulses, noise)
    trains = trains if keep_all_cells else without_outliers(trains, path=str(pulses))
    return fit_two_way(trains, model, GivenEnds(given.g_min_us, given.g_max_us, noise), resamples, seed)


def picture_of(out: Path) -> Path:
    """Return the file of the picture that belongs to a card."""
    return out.with_suffix(".fit.png")


def _check_before(pulses: Path, trains: Trains, given: Given, *, accept: bool) -> None:
    """Check before the work that a PCM cell can be fitted, and that a card can hold it."""
    find_window(trains.g_us, given)
    curve = np.nanmean(trains.g_us, axis=0)
    if beyond := beyond_cards(granularity(curve)[0], trains.g_us):
        raise DataError(f"{pulses}: {beyond}")
    if not accept and (fall := falls(trains.g_us)):
        raise DataError(f"{pulses}: {fall}; or fit them all the same with --accept")


def _no_fit(pulses: Path, out: Path, faults: list[str], way_out: str) -> str:
    lines = "".join(f"\n  {fault}" for fault in faults)
    return f"the fit does not describe {pulses}:{lines}\nSee {picture_of(out)}. {way_out}"


def _write(out: Path, text: str) -> None:
    """Write a new file; a link in its place is not followed."""
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise SettingError(f"cannot write {out}: {error.strerror}") from None


def _told(name: str, value: float | None) -> FittedEntry:
    if value is not None:
        return FittedEntry(value, f"given with --{name.replace('_', '-')}")
    return FittedEntry(read_cell(DEFAULT_CARD)[name], f"not measured here; taken from card {DEFAULT_CARD}")


def card_text(fit: CellFit, title: str, model: str | None = None) -> str:
    """Return the card as TOML; a model is named where it is not the default."""
    about = (
        f"Fitted with `dse device fit` to {fit.trains.cells} cells and up to {fit.trains.pulses} pulses each. "
        f"The mean curve of the model is within {_worst(fit):.2g} uS of the measured one. "
        f"Valid up to the largest mean conductance of the trains, {max(r['mean_us'] for r in fit.goodness):.3g} uS."
    ) + "".join(f" No good fit: {fault}." for fault in fit.faults)
    model_line = [] if model is None else [f"model = {_quoted(model)}"]
    lines = [f"title = {_quoted(title)}", f"about = {_quoted(about)}", *model_line, *_fit_lines(fit)]
    for name, entry in fit.entries.items():
        lines += ["", f"[{name}]", f"value = {_number(entry.value)}", f'unit = "{unit_of(name)}"']
        lines.append(f"source = {_quoted(entry.source)}")
        if entry.low is not None and entry.high is not None:
            lines += [f"low = {_number(entry.low)}", f"high = {_number(entry.high)}"]
        if entry.note:
            lines.append(f"note = {_quoted(entry.note)}")
    return "\n".join(lines) + "\n"


def _worst(fit: CellFit) -> float:
    return max(abs(row["model_mean_us"] - row["mean_us"]) for row in fit.goodness)


def _fit_lines(fit: CellFit) -> list[str]:
    """Return how good the fit is, as a table of the card."""
    left_out = [f"{name}: {reason}" for name, reason in fit.trains.left_out.items()]
    rows = {
        "cells": str(fit.trains.cells),
        "cells_left_out": str(len(left_out)),
        "pulses": str(fit.trains.pulses),
        "r_squared": _number(share_explained(fit.goodness)),
        "largest_miss_us": _number(_worst(fit)),
        "faults": str(len(fit.faults)),
        "file": _quoted(f"{fit.trains.name}, {fit.trains.form}" if fit.trains.form else fit.trains.name),
    }
    if left_out:
        rows["left_out"] = _quoted("; ".join(left_out[:20]))
    return ["", "[fit]", *(f"{name} = {value}" for name, value in rows.items())]


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
