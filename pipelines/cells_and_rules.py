"""Which cell with which update rule? One perceptron on PCM, ReRAM and ECRAM: accuracy, energy and wear.

    python -m pipelines.cells_and_rules --out RESULTS      runs search_spaces/cells_and_rules.toml, prints and draws it

A scaled comparison: 64, 32 and 10 units on 8x8 digits, five epochs, for 784, 250 and 10 on MNIST. Every design has the
same images, one at a time, at the same rate, each under the same seeds; beside the share of a reading that Tiki-Taka
takes nothing was tuned. Energies are those of the card of the cell: pulses of ReRAM and ECRAM have prices of their own
(`reram_28nm`, `ecram_28nm`), all else is `bottom_up_28nm`. Wear is that of the most pulsed cell, arrays of gradients
included.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from matplotlib.figure import Figure

import dse

from .common import COLOURS, markdown, program, with_intervals
from .questions import Shown, study_parser

STUDY = Path(__file__).parents[1] / "search_spaces" / "cells_and_rules.toml"
CARDS = {"reram": "reram_28nm", "ecram": "ecram_28nm"}
"""Cost cards by the first word of the name of a design; the others are priced on the card of the study."""
OF_THE_STUDY = "bottom_up_28nm"
ENERGIES = ("energy_per_sample_j", "set_pulses_per_sample_j", "adc_per_sample_j", "chi_memory_per_sample_j")


def table(results: dse.Results) -> pl.DataFrame:
    """Return for each design its accuracy with half of its 95 % interval over seeds, pulses, energies and wear."""
    writes = (pl.col("worst_writes").mean(), pl.col("set_pulses").mean())
    found = with_intervals(results.trials, ["origin"], "accuracy", *writes)
    wanted = pl.col("origin").str.split("_").list.first().replace_strict(CARDS, default=OF_THE_STUDY)
    prices = results.price(OF_THE_STUDY, *CARDS.values(), columns=list(ENERGIES))
    prices = prices.filter(pl.col("card") == wanted).select("origin", "card", *ENERGIES)
    return found.join(prices, on="origin", maintain_order="left").rename({"origin": "design"})


def draw(found: pl.DataFrame, path: Path) -> None:
    """Draw accuracy over energy, and over the pulses of the most pulsed cell; a colour a design."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    places = (
        ("energy_per_sample_j", "energy of a training image (nJ)", 1e9),
        ("worst_writes", "pulses of the most pulsed cell", 1.0),
    )
    for own, (name, label, unit) in zip(axes, places, strict=True):
        for number, row in enumerate(found.iter_rows(named=True)):
            if not row[name]:
                continue  # a digital network has no cells
            spread = None if row["interval_95"] is None else 100.0 * row["interval_95"]
            title, colour = row["design"].replace("_", " "), COLOURS[number % len(COLOURS)]
            own.errorbar(
                unit * row[name], 100.0 * row["accuracy"], spread, color=colour, marker="o", capsize=3, label=title
            )
        own.set(xlabel=label, xscale="log")
        own.grid(alpha=0.3)
    axes[0].set_ylabel("test accuracy (%)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize="small")
    figure.savefig(path, dpi=130)


def shown(found: pl.DataFrame) -> str:
    """Return the table for a page."""
    head = ("design", "accuracy", "energy of a training image", "of it pulses", "most pulsed cell", "card")
    rows: list[tuple[str, ...]] = []
    for row in found.iter_rows(named=True):
        half = "" if row["interval_95"] is None else f" +- {100 * row['interval_95']:.1f}"
        accuracy = f"{100 * row['accuracy']:.1f}{half} %"
        energies = [f"{1e9 * row[name]:.3g} nJ" for name in ENERGIES[:2]]
        rows.append((row["design"], accuracy, *energies, f"{row['worst_writes']:.0f}", row["card"]))
    return markdown(head, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study and draw it."""
    parser = study_parser(__doc__)
    options = parser.parse_args(arguments)
    if options.out is None:
        parser.error("give --out, a folder for the results")
    Shown("cells_and_rules", table, draw, shown).run(STUDY, options.out, options.executor)


if __name__ == "__main__":
    program(main)
