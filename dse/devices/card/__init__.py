"""Cards: TOML files in which every number stands beside its unit and its source, and the cells that they describe."""

from dse.devices.card.cells import KNOBS, knobs_of, model_of, read_cell, read_programmed_cell
from dse.devices.card.file import (
    Card,
    Entry,
    card_file,
    card_text,
    device_library,
    library,
    owner_of_card,
    read_card,
    unit_of,
)

__all__ = [
    "KNOBS",
    "Card",
    "Entry",
    "card_file",
    "card_text",
    "device_library",
    "knobs_of",
    "library",
    "model_of",
    "owner_of_card",
    "read_card",
    "read_cell",
    "read_programmed_cell",
    "unit_of",
]
