"""What there is to choose from: settings, and cards of the device library."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

import polars as pl

from dse import plugins as plugged
from dse.api import given
from dse.designs.reference import reference
from dse.devices.card import library, read_card
from dse.devices.card.file import KINDS


def settings(*paths: str, plugins: Sequence[str] = ()) -> pl.DataFrame:
    """Return the settings of a design: path, meaning, range, unit, default, and under what they have no effect.

    Args:
        paths: tables such as "accumulator", or single settings; all by default.
        plugins: plug-ins whose settings are listed too.

    Raises:
        SettingError: there is nothing at or below a path.
    """
    plugged.load(given.names("plugins", plugins))
    rows = [{**asdict(setting), "idle": "; ".join(setting.idle)} for setting in reference(paths)]
    return pl.DataFrame(rows)


def cards(kind: Literal["cells", "programmed_cells", "costs"]) -> pl.DataFrame:
    """Return the cards of a kind in the device library: name and title."""
    given.one_of("kind", kind, KINDS)
    return pl.DataFrame([{"name": name, "title": read_card(kind, name).title} for name in library(kind)])
