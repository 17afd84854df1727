"""Layers of every kind that a price tells apart, for each trial and seed of a table: made up, with a fixed seed."""

import random
from typing import Any

import polars as pl

from dse.crossbar.events import EVENT_NAMES, REAL_EVENTS
from tests.unit.test_price import CROSSBAR, DEPLOYED, DIGITAL, KEPT, SCHEMA

DICE = 11
NAMES = tuple(EVENT_NAMES)
KINDS: tuple[dict[str, Any], ...] = (
    CROSSBAR,
    {**CROSSBAR, "bias_rows": 0, "row_tiles": 3, "column_tiles": 2},
    {**CROSSBAR, "chi_storage": "dram"},
    {**CROSSBAR, "chi_storage": "pcm", "chi_flips": 3_000, "wear_flip_max": 12.0},
    {**CROSSBAR, "chi_bits": None, "operand_bits": None},
    {**CROSSBAR, "adc_bits": 14},
    {**CROSSBAR, "adc_bits": None},
    {**CROSSBAR, "infers": False},
    {**KEPT, "wear_set_max": 900.0, "wear_reset_max": 3.0},
    DIGITAL,
    {**DIGITAL, "places": 16},
    DEPLOYED,
)


def layers_of_all_kinds(trials: pl.DataFrame) -> pl.DataFrame:
    """Return two layers for each row of `trials`, of one kind or of two; counts are drawn around those of the kind."""
    dice, rows = random.Random(DICE), []
    for place, (trial, seed) in enumerate(trials.select("trial", "seed").iter_rows()):
        for layer in range(2):
            kind = KINDS[(place + layer * (place % 3)) % len(KINDS)]
            drawn = {name: kind[name] * dice.uniform(0.2, 3.0) for name in NAMES if kind[name]}
            counts = {name: value if name in REAL_EVENTS else round(value) for name, value in drawn.items()}
            rows.append({**kind, **counts, "trial": trial, "seed": seed, "layer": layer})
    return pl.DataFrame([{name: row[name] for name in SCHEMA} for row in rows], schema=SCHEMA)
