"""Noise-aware training keeps a network accurate on PCM for a year: Joshi et al., Nat. Commun. 11:2473 (2020).

    python -m pipelines.joshi2020_inference --out RESULTS [--scale small|full] [--epochs N] [--seeds N] [--device cuda]

A residual network learns CIFAR-10 in digital floats, plainly and with noise on its weights (deviation 3.8 % of the
largest weight of a layer, drawn for every mini-batch, weights kept within two standard deviations). It is programmed
into cells of the measured array, one device of the right sign for each weight, and read from a second to a year later,
without compensation of drift, with global drift compensation (GDC), with batch-norm statistics re-estimated on 1,300
training images (AdaBS), and with both. Converters are ideal. The study is resumed by the same command.

Published for ResNet-32: 93.7 % after mapping, above 92.6 % after a day, 93.5 % with AdaBS. The scaled version runs on
two cores in half an hour; it shows the order of things, not these figures.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

import dse
from dse.deployment.spec import TIMES_S

from .common import TIMES, Experiment, Scale, Settings, program, run, with_intervals

COMPENSATIONS = ("none", "gdc", "adabs", "gdc_adabs")
LABELS = {"none": "no compensation", "gdc": "GDC", "adabs": "AdaBS", "gdc_adabs": "GDC and AdaBS"}
COLORS = {"none": "#6b7280", "gdc": "#1d4ed8", "adabs": "#c2410c", "gdc_adabs": "#15803d"}


def designs(ramp_epochs: int) -> dict[str, Settings]:
    """Return plain and noise-aware training; the noise grows over some epochs."""
    noise = {"training.weight_noise": 0.038, "training.clip_std": 2.0}
    return {"plain": {}, "noise_aware": {**noise, "training.weight_noise_ramp_epochs": ramp_epochs}}


EXPERIMENT = Experiment(
    name="joshi2020-inference",
    metric="accuracy",
    unit="test accuracy (%), digital",
    base={
        "workload.dataset": "cifar10",
        "workload.validation": 0.0,
        "architecture": "float",
        "deployment.times_s": list(TIMES_S),
        "deployment.compensation": COMPENSATIONS[-1],
        "deployment.compared": list(COMPENSATIONS[:-1]),
        "deployment.dac_bits": "ideal",
        "deployment.adc_bits": "ideal",
    },
    designs=designs(1),
    scales={
        "small": Scale(
            {"network.name": "resnet8", "deployment.repetitions": 3},
            4,
            3,
            "ResNet-8, few epochs; not the published network",
        ),
        "full": Scale({"network.name": "resnet32", "deployment.repetitions": 10}, 200, 3, "ResNet-32", designs(50)),
    },
)


def summary(folder: Path) -> pl.DataFrame:
    """Return for each training, compensation and time the mean test accuracy with its 95 % interval over seeds.

    `deviation` is over the seeds, of means over repetitions; `over_repetitions` is the mean deviation within a seed.
    """
    tables = dse.open(folder)
    trained = tables.trials.select("trial", "seed", "origin", pl.col("accuracy").alias("digital"))
    found = tables.deployments.join(trained, on=["trial", "seed"])
    found = found.rename({"deviation": "over_repetitions"})
    others = pl.col("repetitions").first(), pl.col("digital").mean(), pl.col("over_repetitions").mean()
    return with_intervals(found, ["origin", "compensation", "time_s"], "accuracy", *others).rename(
        {"origin": "training"}
    )


def draw(table: pl.DataFrame, path: Path) -> None:
    """Draw accuracy over time, plain training on the left, noise-aware on the right, a line for each compensation."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(9, 4), layout="constrained")
    both = figure.subplots(1, 2, sharey=True)
    for axes, (name,) in zip(both, table.select("training").unique(maintain_order=True).rows(), strict=True):
        own = table.filter(training=name)
        for how in COMPENSATIONS:
            line = own.filter(compensation=how).sort("time_s")
            accuracy, half = 100 * line["accuracy"], 100 * line["interval_95"].fill_null(0.0)
            axes.errorbar(
                line["time_s"],
                accuracy,
                yerr=half,
                color=COLORS[how],
                # Where batch normalisation follows every layer AdaBS leaves GDC nothing to do, and the lines coincide.
                linestyle="--" if how == "gdc_adabs" else "-",
                label=LABELS[how],
                linewidth=1.2,
                capsize=2,
            )
        digital = 100 * own["digital"][0]
        axes.axhline(digital, color="#111827", linewidth=0.8, linestyle=":")
        axes.annotate(f"digital {digital:.1f} %", (1, digital), xytext=(0, 3), textcoords="offset points", fontsize=7)
        axes.set(title=f"{name.replace('_', '-')} training", xscale="log", xlabel="time since the first read")
        axes.set_xticks(list(TIMES), list(TIMES.values()))
        axes.grid(visible=True, linewidth=0.4, alpha=0.5)
    both[0].set_ylabel("test accuracy (%)")
    both[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=160)


def show(title: str, table: pl.DataFrame) -> None:
    """Print a summary for people."""
    for (name,), own in table.group_by("training", maintain_order=True):
        print(f"\n{title}, {name}: digital {100 * own['digital'][0]:.2f} %, {own['seeds'][0]} seeds")
        print(f"  {'compensation':16}" + "".join(f"{label:>18}" for label in TIMES.values()))
        for how in COMPENSATIONS:
            line = own.filter(compensation=how).sort("time_s")
            print(
                f"  {LABELS[how]:16}" + "".join(f"{cell(*row):>18}" for row in line["accuracy", "interval_95"].rows())
            )


def cell(accuracy: float, half: float | None) -> str:
    """Return an accuracy with its interval as a cell of a table."""
    return f"{100 * accuracy:.2f}" + ("" if half is None else f" +- {100 * half:.2f}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study and write table and picture."""
    options = run(EXPERIMENT, __doc__ or "", arguments)
    table = summary(options.out / "study")
    table.write_parquet(options.out / "accuracies.parquet")
    draw(table, options.out / "accuracies.png")
    show(EXPERIMENT.scales[options.scale].label, table)


if __name__ == "__main__":
    program(main)
