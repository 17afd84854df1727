"""How fast stored designs are re-priced: 1,000 trials times 1,000 cost variants, and the front of them all.

    python -m tests.benchmarks.price_million [--trials 1000] [--cards 1000] [--columns energy_per_sample_j]

Trials are made up from the simulated events of an anchor, two layers each; variants are cards whose constants are drawn
from half to twice their value. The last line is a question as `dse front` answers it: a study of 1,000 trials, free
axes of 1,000 choices, and the front of the million designs in three objectives. The benchmark prices some variants one
by one as well, and stops if a single bit differs; so a fast wrong answer is no answer. Two threads.
"""

import argparse
import os
import random
import time

os.environ.setdefault("POLARS_MAX_THREADS", "2")

import numpy as np
import polars as pl

from dse.analysis.costs.priced import priced
from dse.analysis.fronts.pareto import is_on_front
from dse.analysis.fronts.table import front_table
from dse.analysis.tables.nested import Nested
from dse.analysis.tables.tables import Tables
from dse.designs.outcome import METRICS
from dse.pricing.anchors import read_anchors
from dse.pricing.axes import parse_axes
from dse.pricing.card import CONSTANTS, CostCard, read_cost_card
from dse.pricing.energy import PHASES
from dse.pricing.price import COLUMNS, price, price_cards

ENERGY = ["energy_per_sample_j", *(f"{phase}_per_sample_j" for phase in PHASES)]
CHOICES = {
    "energy": ENERGY,
    "design": [*ENERGY, "energy_per_inference_j", "latency_per_sample_s", "area_m2", "years_to_first_cell"],
    "everything": list(COLUMNS),
}


def layers(number: int, dice: random.Random) -> pl.DataFrame:
    """Return the layers of `number` trials, in Float64 and Int64 as a stored table has them."""
    pattern = read_anchors()[0].layers
    events = ("adc_forward", "chi_reads", "chi_writes", "set_pulses_update", "refresh_reads", "drive_time_forward")
    frames: list[pl.DataFrame] = []
    for trial in range(number):
        scales = {name: dice.uniform(0.2, 1.0) for name in events}
        scaled = [(pl.col(n) * s).cast(pattern.schema[n]).alias(n) for n, s in scales.items()]
        bits = pl.lit(dice.randint(4, 9), pl.Int32).alias("adc_bits")
        frames.append(pattern.with_columns(pl.lit(trial, pl.Int64).alias("trial"), bits, *scaled))
    return pl.concat(frames)


def variants(number: int, dice: random.Random) -> list[CostCard]:
    """Return cards around bottom_up_28nm."""
    base = read_cost_card("bottom_up_28nm")
    cards: list[CostCard] = []
    for n in range(number):
        drawn = {key: min(base.values[key] * 2 ** dice.uniform(-1, 1), CONSTANTS[key].largest) for key in CONSTANTS}
        cards.append(base.with_values(drawn, f"variant {n}"))
    return cards


def check(layers: pl.DataFrame, cards: list[CostCard], table: pl.DataFrame, columns: list[str]) -> None:
    """Stop unless the table has every price, and those of some cards are what `price` gives for each alone."""
    if len(table) != len(cards) * layers["trial"].n_unique():
        raise SystemExit(f"{len(table)} prices are not {len(cards)} cards times {layers['trial'].n_unique()} trials")
    for card in random.Random(3).sample(cards, min(10, len(cards))):
        own = table.filter(pl.col("card") == card.name).drop("card")
        if not own.equals(price(layers, card, columns)):
            raise SystemExit(f"{card.name}: priced among others it differs from priced alone")


def front_of_a_million(trials: int, variants: int) -> None:
    """Answer `dse front` on a study with free axes; stop unless its front is that of a table written out."""
    dice = random.Random(2)
    events = layers(trials, dice)
    costs = [1e-13 + 1e-15 * n for n in range(variants)]
    axes = parse_axes({"adc_per_bit_j": costs})
    rows = [
        {
            "trial": n,
            "seed": 0,
            "origin": "search",
            "state": "complete",
            "failure": None,
            "same_as": None,
            "design_key": str(n),
            "design": "{}",
            **dict.fromkeys(METRICS),
            "accuracy": dice.uniform(0.9, 0.98),
            "worst_writes": dice.randint(10, 10_000),
        }
        for n in range(trials)
    ]
    tables = Tables(
        about={"name": "made up", "seeds": 1, "trials": trials},
        trials=pl.DataFrame(rows, schema_overrides={"failure": pl.String, ENERGY[0]: pl.Float64}),
        nested=Nested(given={"layers": events}),
        parameters=[],
        objectives=["accuracy", ENERGY[0], "worst_writes"],
    )
    card = read_cost_card("bottom_up_28nm")
    start = time.perf_counter()
    found = front_table(priced(tables, card, axes, ENERGY[:1], idle=False), tables.objectives)
    taken = time.perf_counter() - start
    # Every energy grows with the constant that is free: the front is that of its least value.
    cheapest = price(events, card.with_values({"adc_per_bit_j": costs[0]}), ENERGY[:1])
    points = np.stack(
        [tables.trials["accuracy"].to_numpy(), cheapest[ENERGY[0]].to_numpy(), tables.trials["worst_writes"].to_numpy()]
    ).T
    expected = np.flatnonzero(is_on_front(points, ["maximise", "minimise", "minimise"]))
    if sorted(found["trial"].to_list()) != expected.tolist() or found["adc_per_bit_j"].unique().to_list() != costs[:1]:
        raise SystemExit("the front of all variants is not that of the cheapest")
    print(f"front of {trials * variants:,} priced designs, three objectives: {taken:.2f} s, {len(found)} on it")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--cards", type=int, default=1000)
    parser.add_argument("--columns", choices=[*CHOICES, "all"], default="all", help="which quantities; all: one by one")
    options = parser.parse_args()
    dice = random.Random(1)
    events, cards = layers(options.trials, dice), variants(options.cards, dice)
    price(events, cards[0], ENERGY)  # the first query starts the engine's threads
    names = ["energy", "design"] if options.columns == "all" else [options.columns]
    print(f"{options.trials} trials x {options.cards} cards, polars {pl.__version__}, {pl.thread_pool_size()} threads")
    for name in names:
        start = time.perf_counter()
        table = price_cards(events, cards, CHOICES[name])
        taken = time.perf_counter() - start
        check(events, cards, table, CHOICES[name])
        print(f"{name:12} {len(CHOICES[name]):3} quantities {taken:6.2f} s  {len(table) / taken:12,.0f} designs/s")
    front_of_a_million(options.trials, options.cards)


if __name__ == "__main__":
    main()
