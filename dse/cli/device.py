"""The commands `dse device list` and `dse device fit`: the cells of the device library, and PCM cells of your own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from dse.cli.options import Group, echo, plugin_option


@click.group(cls=Group)
def device() -> None:
    """List the cells of the device library, or fit a PCM cell to your own measurement."""


@device.command("list")
@plugin_option
def list_devices(plugins: tuple[str, ...]) -> None:  # noqa: ARG001  loaded by the option
    """List the cells of the device library."""
    from dse.devices.card import library, read_card  # noqa: PLC0415

    kinds = {
        "cells": "pulsed in training (device.card)",
        "programmed_cells": "programmed once (deployment.device.card)",
    }
    width = max(len(name) for kind in kinds for name in library(kind))
    for kind, use in kinds.items():
        echo(f"{use}:")
        for name in library(kind):
            card = read_card(kind, name)
            echo(f"  {name:{width}}  {card.title}{f' (model {card.model})' if card.model else ''}")


def _number(name: str, text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(name, type=click.FloatRange(min=0.0), help=text)


@device.command()
@click.argument("pulses", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The card to write, a new .toml file.")
@click.option("--title", help="Title of the card.")
@click.option("--model", help="Model of a cell that is pulsed both ways (dse settings device); by default PCM.")
@_number("--read-noise-slope", "Standard deviation of a read in proportion to conductance; by default that of pcm_gst.")
@_number("--read-noise-offset-us", "Standard deviation of a read at G = 0, uS; by default that of pcm_gst.")
@click.option(
    "--reads-averaged",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Reads that each measured conductance is the mean of; the noise in the data is smaller by the root.",
)
@_number("--g-min-us", "Lowest conductance that a SET pulse can leave, uS; by default from the data.")
@_number("--g-max-us", "Highest conductance that a SET pulse can leave, uS; by default from the data.")
@_number("--drift-exponent", "Exponent of the drift; by default that of pcm_gst.")
@_number("--drift-reference-s", "Time between pulse and read, s; by default that of pcm_gst.")
@click.option("--resamples", type=click.IntRange(20, 100_000), default=200, show_default=True, help="For intervals.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the resamples.")
@click.option("--accept", is_flag=True, help="Write the card of a fit that does not describe the trains, too.")
@click.option("--keep-all-cells", is_flag=True, help="Leave no cell out that is not like the others.")
def fit(pulses: Path, out: Path, title: str | None, **options: Any) -> None:
    """Fit a cell to the measured pulse trains in the CSV file PULSES; write its card, and a picture beside it.

    By default a PCM cell and SET pulses alone; with --model, pulses up and then down, as often as may be.

    Columns: cell (any name), pulse (0 after RESET, then 1, 2, ...), conductance (uS, or as its header says).
    """
    import polars as pl  # noqa: PLC0415

    from dse.analysis.tables.render import render  # noqa: PLC0415
    from dse.devices.fit.card import fit_file, picture_of  # noqa: PLC0415

    fitted = fit_file(pulses, out, title, **options)
    echo(render(pl.DataFrame(fitted.table()), title=f"{pulses}: {fitted.trains.cells} cells, 95 % intervals"))
    echo(render(pl.DataFrame(fitted.goodness), title="\nmeasured and model, after each pulse"))
    trains = fitted.trains
    echo(f"\nread: {trains.form}")
    for name, reason in trains.left_out.items():
        echo(f"left out, cell {name}: {reason}")
    for fault in fitted.faults:
        echo(f"accepted: {fault}")
    echo(f"\nwritten: {out}, with the picture {picture_of(out)}")
    echo(f'use it in a study file in the same folder: device.card = "{out.name}"')
