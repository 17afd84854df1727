"""What the experiments of this folder share: studies of named designs, their summary, curves and command line."""

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

import dse
from dse.analysis.intervals import half_width
from dse.deployment.spec import DAY_S, HOUR_S, MONTH_S, YEAR_S

Settings = Mapping[str, Any]
"""Settings of a design by their paths."""
Kind = Literal["ray", "local"]
"""Who simulates."""
COLOURS = ("#1d4ed8", "#c2410c", "#15803d", "#7e22ce", "#be123c", "#0e7490", "#a16207", "#334155")
TIMES = {1.0: "1 s", HOUR_S: "1 hour", DAY_S: "1 day", MONTH_S: "1 month", YEAR_S: "1 year"}
"""Times of a deployment, s, and their names."""
IDEAL_PRODUCTS: Settings = {
    "device.read_noise_scale": 0.0,
    "device.drift_exponent": 0.0,
    "dac.bits": "ideal",
    "adc.bits": "ideal",
    "accumulator.bits": "float",
}
"""Cells with their pulses, their noise in writing and their refresh; exact products; chi in floats."""

EIGHT_PAIRS: Settings = {"array.pairs_per_weight": 8, "array.initial_mean_us": 4.0}
"""Eight pairs hold a weight, their cells half open at first, where pulses are even."""


@dataclass(frozen=True)
class Scale:
    """How much of an experiment is simulated.

    Attributes:
        settings: what it changes in all designs.
        epochs: passes over what is learned.
        seeds: simulations of each design.
        label: what it is, for tables and pictures.
        designs: its own designs; None for those of the experiment.
    """

    settings: Settings
    epochs: int
    seeds: int
    label: str
    designs: Mapping[str, Settings] | None = None


@dataclass(frozen=True)
class Experiment:
    """Named designs that are simulated and compared.

    Attributes:
        name: name of the study.
        metric: what is compared; see `dse.designs.outcome.METRICS`.
        unit: its name in a picture.
        base: settings of all designs, those of the workload included.
        designs: name -> what a design has of its own.
        scales: name -> how much is simulated; the first is the default.
    """

    name: str
    metric: str
    unit: str
    base: Settings
    designs: Mapping[str, Settings]
    scales: Mapping[str, Scale]


def over_time(deployments: pl.DataFrame) -> list[str]:
    """Return accuracies of a deployment in percent, by time, each with its standard deviation where it has one."""
    return [
        f"{100 * row['accuracy']:.1f}" + ("" if row["deviation"] is None else f" +- {100 * row['deviation']:.1f}")
        for row in deployments.sort("time_s").iter_rows(named=True)
    ]


def save_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays into an NPZ file, completely or not at all: who goes on takes what lies there."""
    beside = path.with_suffix(".part")
    with beside.open("wb") as file:
        np.savez(file, **arrays)
    beside.replace(path)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown, without a line feed at its end."""
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def program(main: Callable[[], object]) -> None:
    """Run a program; end it with one message where the user can do something about what went wrong."""
    try:
        main()
    except dse.DseError as error:
        sys.exit(f"error: {error}")


def study_of(
    name: str,
    metric: str,
    base: Settings,
    designs: Mapping[str, Settings],
    seeds: int,
    folder: Path | str = ".",
) -> dse.Study:
    """Return a study that simulates named designs and searches nothing.

    Args:
        name: its name.
        metric: what the designs are compared by.
        base: settings of all designs, those of the workload included.
        designs: name -> what a design has of its own.
        seeds: simulations of each design.
        folder: where data files of the study lie.
    """
    return dse.Study(
        name=name,
        objectives=[metric, "worst_writes"],
        workload={path.removeprefix("workload."): v for path, v in base.items() if path.startswith("workload.")},
        design={path: value for path, value in base.items() if not path.startswith("workload.")},
        controls=designs,
        trials=0,
        seeds=seeds,
        folder=folder,
    )


def simulate(study: dse.Study, folder: Path, executor: Kind, metric: str, device: str = "cpu") -> pl.DataFrame:
    """Run a study into a folder, or go on with it, and return its summary: see `summary`.

    More seeds than the folder has are simulated; any other change of the study is refused.
    """
    return summary(dse.run(study, folder, executor=executor, device=device), metric)


def with_intervals(table: pl.DataFrame, by: Sequence[str], metric: str = "accuracy", *others: pl.Expr) -> pl.DataFrame:
    """Return for each group of rows, one a seed, the mean of a metric with half of its 95 % interval over seeds.

    Seeds whose simulation failed are counted apart, as `failed`: the mean is of those that did not.

    Args:
        table: rows of simulations.
        by: columns that name a group.
        metric: column of the metric.
        others: what else to aggregate.
    """
    found = table.group_by(by, maintain_order=True).agg(
        pl.col(metric).count().alias("seeds"),
        pl.col(metric).null_count().alias("failed"),
        pl.col(metric).mean(),
        pl.col(metric).std().alias("deviation"),
        *others,
    )
    return found.with_columns(half_width(pl.col("deviation"), pl.col("seeds")).alias("interval_95"))


def summary(results: dse.Results, metric: str = "accuracy") -> pl.DataFrame:
    """Return for each design the mean of a metric with its 95 % interval over seeds, the loss, pulses, worst writes."""
    trials = results.trials
    losses = with_intervals(trials, ["origin"], "loss").select("origin", "loss", loss_interval_95="interval_95")
    means = [pl.col(name).mean() for name in ("set_pulses", "reset_pulses", "wall_s")]
    table = with_intervals(trials, ["origin"], metric, *means, pl.col("worst_writes").max())
    return table.join(losses, on="origin", maintain_order="left").rename({"origin": "design"})


def show(title: str, table: pl.DataFrame, metric: str = "accuracy") -> None:
    """Print a summary for people; accuracies in percent."""
    factor, sign = (100.0, " %") if metric.endswith("accuracy") else (1.0, "")
    print(f"\n{title}\n  {'design':28} seeds  {metric[:17]:17} loss     SET pulses  RESETs   worst writes  s/training")
    for row in table.iter_rows(named=True):
        half, mean = row["interval_95"], row[metric]
        failed = f"  {row['failed']} more failed" if row["failed"] else ""
        interval = "" if half is None else f"+- {factor * half:.2f}"
        value = "failed" if mean is None else f"{factor * mean:6.2f}{sign}"
        print(
            f"  {row['design']:28} {row['seeds']:5}  {value} {interval:8} {row['loss'] or math.nan:6.3f} "
            f"{row['set_pulses'] or 0:12.0f} {row['reset_pulses'] or 0:8.0f} {row['worst_writes'] or 0:10} "
            f"{row['wall_s']:12.1f}{failed}"
        )


def draw_curves(
    folder: Path,
    path: Path,
    *,
    metric: str = "accuracy",
    unit: str = "test accuracy (%)",
    limits: tuple[float, float] | None = None,
    mark: tuple[float, str] | None = None,
) -> None:
    """Draw a metric over epochs, every seed a line; accuracies in percent.

    Args:
        folder: the results.
        path: the picture.
        metric: the metric.
        unit: what to write at its axis.
        limits: ends of its axis.
        mark: a value to compare with, and what it is.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    results = dse.open(folder)
    curves = results.curves.join(results.trials.select("trial", "seed", "origin"), on=["trial", "seed"])
    factor = 100.0 if metric.endswith("accuracy") else 1.0
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    for number, (name,) in enumerate(curves.select("origin").unique(maintain_order=True).rows()):
        of_design = curves.filter(pl.col("origin") == name).group_by("seed", maintain_order=True)
        for line, (_, curve) in enumerate(of_design):
            label = name.replace("_", " ") if line == 0 else None
            colour = COLOURS[number % len(COLOURS)]
            axes.plot(curve["epoch"], factor * curve[metric], color=colour, linewidth=0.9, alpha=0.8, label=label)
    axes.set(xlabel="epoch", ylabel=unit)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if limits:
        axes.set_ylim(*limits)
    if mark:
        axes.axhline(mark[0], color="#666", linewidth=0.8, linestyle=":")
        axes.annotate(mark[1], (1, mark[0] + 0.03), fontsize=7, color="#666")
    axes.grid(visible=True, linewidth=0.4, alpha=0.5)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=160)


def run(experiment: Experiment, description: str, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Run an experiment from the command line: study, table, curves; return the options.

    The study lies in `OUT/study`; the same command goes on with it.
    """
    first = next(iter(experiment.scales))
    parser = argparse.ArgumentParser(description=description.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the study, the table and the pictures")
    parser.add_argument("--scale", choices=list(experiment.scales), default=first, help=f"how much; {first} by default")
    parser.add_argument("--epochs", type=int, help="epochs; those of the scale by default")
    parser.add_argument("--seeds", type=int, help="seeds; those of the scale by default")
    parser.add_argument("--executor", choices=["ray", "local"], default="ray")
    parser.add_argument("--device", default="cpu", help='where torch computes; other than "cpu" in this process alone')
    parser.add_argument("--designs", help="some of its designs, separated by commas; all by default")
    options = parser.parse_args(arguments)
    scale = experiment.scales[options.scale]
    options.epochs = scale.epochs if options.epochs is None else options.epochs
    options.seeds = scale.seeds if options.seeds is None else options.seeds
    designs = scale.designs or experiment.designs
    designs = {name: designs[name] for name in chosen(parser, "--designs", options.designs, designs)}
    options.out.mkdir(parents=True, exist_ok=True)
    base = base_of(experiment, options.scale, options.epochs)
    study = study_of(f"{experiment.name}-{options.scale}", experiment.metric, base, designs, options.seeds)
    executor = options.executor if options.device == "cpu" else "local"
    table = simulate(study, options.out / "study", executor, experiment.metric, options.device)
    table.write_parquet(options.out / "table.parquet")
    draw_curves(options.out / "study", options.out / "curves.png", metric=experiment.metric, unit=experiment.unit)
    show(f"{experiment.name}: {scale.label}; {options.epochs} epochs", table, experiment.metric)
    return options


def chosen(parser: argparse.ArgumentParser, option: str, given: str | None, known: Iterable[str]) -> list[str]:
    """Return the names that an option gives, separated by commas, or all; end the program where one is unknown."""
    names = list(known)
    wanted = names if given is None else given.split(",")
    if unknown := [name for name in wanted if name not in names]:
        parser.error(f"{option} has {', '.join(unknown)}; give some of {', '.join(names)}")
    return wanted


def base_of(experiment: Experiment, scale: str, epochs: int) -> dict[str, Any]:
    """Return the settings that all designs of an experiment share at a scale."""
    return {**experiment.base, **experiment.scales[scale].settings, "training.epochs": epochs}
