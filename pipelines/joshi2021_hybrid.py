"""Wide networks of few-bit weights with accumulators in binary PCM: Joshi, He, Seo, Rajendran, arXiv 2102.05271 (2021).

    python -m pipelines.joshi2021_hybrid --out RESULTS [--scale small|full] [--epochs N] [--seeds N] [--device cuda]

A weight is a differential pair of multi-level cells, some 5 bits, above an accumulator of 7 bits in binary PCM; updates
are rounded to it stochastically, and what overflows leaves as SET pulses. Inference reads the pairs alone. Residual
networks learn CIFAR-10 so at several widths; beside each stands a digital float network of the same width, six times as
large a model, and one of the same size, narrower. Shorter accumulators are tried with both roundings. After training,
the cells drift on for a year, without compensation and with global drift compensation (GDC). Read noise, drift and
wear of both kinds of cells are on, converters are ideal.

Published for ResNet-32: above the float baseline at equal model size, half of its size at equal accuracy, negligible
loss over a year, and writes that are a small fraction of the endurance. The small scale shows the order of things, not
these figures.
"""

import bisect
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

import dse
from dse.data.cifar10 import Cifar10
from dse.deployment.spec import DAY_S, MONTH_S, YEAR_S
from dse.designs.design import compose
from dse.networks.parts import weights_of
from dse.pricing.card import read_cost_card

from .common import COLOURS, TIMES, Experiment, Scale, Settings, program, run, with_intervals

WIDTHS, SHORT_WIDTH = (0.25, 0.5), 0.25
"""Widths of the hybrid networks, and of those with short accumulators, at small scale."""
FULL_WIDTHS, FULL_SHORT_WIDTH = (0.5, 0.7, 1.0, 1.4), 1.0
FLOAT_BITS, CELL_BITS = 32.0, 5.0
"""Bits of a digital weight, and of one on a pair, rounded; see `dse.updates.usage.bits_of_weight`."""
SHORT_BITS = (2, 4)
HYBRID: Settings = {
    "training.learning_rate": 2.0,
    "accumulator.bits": 7,
    "accumulator.rounding": "stochastic",
    "accumulator.storage": "pcm",
    "dac.bits": "ideal",
    "adc.bits": "ideal",
}
YEAR: Settings = {
    "deployment.times_s": [1.0, DAY_S, MONTH_S, YEAR_S],
    "deployment.repetitions": 2,
    "deployment.compensation": "gdc",
    "deployment.compared": ["none"],
}
ENDURED = {"set": "set_endurance_pulses", "reset": "reset_endurance_cycles", "flip": "binary_endurance_cycles"}
"""What wears a cell -> the constant of a cost card that it is compared with."""
KINDS = {"hybrid": ("hybrid: 5-bit pairs, 7-bit chi in binary PCM", "#1d4ed8"), "float": ("32-bit floats", "#111827")}
ROUNDINGS = {"stochastic": "#15803d", "nearest": "#c2410c"}


def name_of(kind: str, width: float) -> str:
    """Return the name of a design; a study file takes no dots there."""
    return f"{kind}_{width:g}".replace(".", "_")


def narrower(network: str, width: float) -> float:
    """Return the width, in hundredths, at which a float network is nearest in size to a hybrid one of a width."""

    def weights(width: float) -> int:
        design = compose({"network.name": network, "network.width": width})
        return weights_of(design.network.build(Cifar10().info, design.training, seed=0)[0])

    wanted = weights(width) * CELL_BITS / FLOAT_BITS
    above = bisect.bisect_left(range(round(100 * width)), wanted, lo=2, key=lambda n: weights(n / 100))
    return min((above / 100, (above - 1) / 100), key=lambda narrow: abs(math.log(weights(narrow) / wanted)))


def designs(network: str, widths: Sequence[float], short_width: float) -> dict[str, Settings]:
    """Return hybrid networks, float ones of equal width and of equal size, and short accumulators."""
    table: dict[str, Settings] = {
        name_of("hybrid", width): {"network.width": width, **HYBRID, **YEAR} for width in widths
    }
    for width in sorted({*widths, *(narrower(network, width) for width in widths)}):
        table[name_of("float", width)] = {"network.width": width, "architecture": "float"}
    short: Settings = {"network.width": short_width, **HYBRID}
    for bits in SHORT_BITS:
        for rounding in ROUNDINGS:
            table[f"chi_{bits}_bits_{rounding}"] = {
                **short,
                "accumulator.bits": bits,
                "accumulator.rounding": rounding,
            }
    return table


EXPERIMENT = Experiment(
    name="joshi2021-hybrid",
    metric="accuracy",
    unit="test accuracy (%)",
    base={"workload.dataset": "cifar10", "workload.validation": 0.0},
    designs=designs("resnet8", WIDTHS, SHORT_WIDTH),
    scales={
        "small": Scale({"network.name": "resnet8"}, 3, 3, "ResNet-8, few epochs; not the published network"),
        "full": Scale(
            {"network.name": "resnet32"},
            200,
            3,
            "ResNet-32",
            designs=designs("resnet32", FULL_WIDTHS, FULL_SHORT_WIDTH),
        ),
    },
)


def sizes(folder: Path) -> pl.DataFrame:
    """Return the size of the model in bits and the accuracy of each design, with its 95 % interval over seeds."""
    trials = dse.open(folder).trials
    return with_intervals(trials, ["origin", "inference_bits"]).sort("inference_bits")


def over_time(folder: Path) -> pl.DataFrame:
    """Return what trained cells recognise at each time of their life, by design and compensation."""
    tables = dse.open(folder)
    found = tables.deployments.join(tables.trials.select("trial", "seed", "origin"), on=["trial", "seed"])
    return with_intervals(found, ["origin", "compensation", "time_s"])


def wear(folder: Path) -> pl.DataFrame:
    """Return the worst writes of a cell of each kind in a training, and their share of the endurance.

    The share is of the card `bottom_up_28nm`, at what is asked of storage-class memory (1e9) and at the low end of the
    surveyed range (1e5).
    """
    tables, card = dse.open(folder), read_cost_card("bottom_up_28nm")
    worst = tables.layers.join(tables.trials.select("trial", "seed", "origin"), on=["trial", "seed"])
    table = worst.group_by("origin", maintain_order=True).agg(
        pl.col("cells").sum(), *(pl.col(f"wear_{kind}_max").max().alias(kind) for kind in ENDURED)
    )
    shares = [
        (pl.col(kind) / endurance).alias(f"{kind}_of_{end}")
        for kind, constant in ENDURED.items()
        for end, endurance in (("card", card.values[constant]), ("lowest", card.ranges[constant][0]))
    ]
    return table.filter(pl.col("cells") > 0).drop("cells").with_columns(shares)


def draw(folder: Path, path: Path, short_width: float) -> None:
    """Draw accuracy over size, over the length of chi at a width, and over the year after training."""
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import NullFormatter  # noqa: PLC0415

    figure = Figure(figsize=(13, 4), layout="constrained")
    by_size, by_bits, by_time = figure.subplots(1, 3)
    table = sizes(folder)
    for kind, (label, colour) in KINDS.items():
        own = table.filter(pl.col("origin").str.starts_with(kind))
        _line(by_size, own, "inference_bits", label, colour)
    by_size.set(xscale="log", xlabel="size of the model that inference reads (bits)", ylabel="test accuracy (%)")
    by_size.xaxis.set_minor_formatter(NullFormatter())
    short = table.filter(origin=name_of("hybrid", short_width)).with_columns(bits=pl.lit(7))
    words = table.filter(pl.col("origin").str.starts_with("chi")).with_columns(
        bits=pl.col("origin").str.extract(r"(\d+)").cast(pl.Int32)
    )
    for rounding, colour in ROUNDINGS.items():
        own = words.filter(pl.col("origin").str.ends_with(rounding))
        # The hybrid network itself rounds its 7 bits stochastically.
        own = pl.concat([own, short]) if rounding == "stochastic" else own
        _line(by_bits, own.sort("bits"), "bits", f"rounded {rounding}", colour)
    by_bits.set(xlabel=f"bits of chi, width {short_width:g}", xticks=[*SHORT_BITS, 7])
    life = over_time(folder)
    for (name,), colour in zip(life.select("origin").unique(maintain_order=True).rows(), COLOURS, strict=False):
        for how, style in (("gdc", "-"), ("none", ":")):
            own = life.filter(origin=name, compensation=how).sort("time_s")
            width = name.removeprefix("hybrid_").replace("_", ".")
            label = f"width {width}, {'GDC' if how == 'gdc' else 'no compensation'}"
            _line(by_time, own, "time_s", label, colour, style)
    by_time.set(xscale="log", xlabel="time since the end of the training")
    shown = life["time_s"].unique().sort().to_list()
    by_time.set_xticks(shown, [TIMES.get(time_s, f"{time_s:g} s") for time_s in shown], fontsize=8)
    for axes in (by_size, by_bits, by_time):
        axes.grid(visible=True, linewidth=0.4, alpha=0.5)
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=160)


def _line(axes: Any, table: pl.DataFrame, x: str, label: str, colour: str, style: str = "-") -> None:
    mean, half = 100 * table["accuracy"], 100 * table["interval_95"].fill_null(0.0)
    axes.errorbar(table[x], mean, yerr=half, color=colour, linestyle=style, label=label, marker="o", capsize=2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study; print tables; write them and the picture."""
    options = run(EXPERIMENT, __doc__ or "", arguments)
    folder = options.out / "study"
    for name, table in (("sizes", sizes(folder)), ("over_time", over_time(folder)), ("wear", wear(folder))):
        table.write_parquet(options.out / f"{name}.parquet")
        print(f"\n{name.replace('_', ' ')}")
        with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_width_chars=200):
            print(table)
    draw(folder, options.out / "hybrid.png", FULL_SHORT_WIDTH if options.scale == "full" else SHORT_WIDTH)


if __name__ == "__main__":
    program(main)
