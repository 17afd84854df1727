"""How large should an array be? Accuracy, energy and area of an inference against the rows of an array, with wires.

    python -m pipelines.array_size --out RESULTS        runs search_spaces/array_size.toml, prints the table, draws it
    python -m pipelines.array_size --network            makes the network of that study anew

The network is a perceptron of 64, 256, 256 and 10 units that was trained on 8x8 digits in digital floats, without a
thought of arrays. It is programmed on PCM cells, whose arrays have 64 or 256 columns (two bit lines each) and 16 to 256
rows. More rows mean fewer converters, conversions and additions for the same products, and longer bit lines; more
columns mean fewer drivers, and longer rows. All designs are simulated, each under all seeds: programming noise, drift
and reads differ.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional

import dse
from dse.data.digits import Digits
from dse.data.images import Dataset

from .common import COLOURS, markdown, program, with_intervals
from .questions import Shown, study_parser

STUDY = Path(__file__).parents[1] / "search_spaces" / "array_size.toml"
NETWORK = STUDY.with_suffix(".onnx")
UNITS = (64, 256, 256, 10)
EPOCHS, BATCH, RATE = 30, 32, 1e-3
ROWS, COLUMNS, OHM = "deployment.tile_rows", "deployment.tile_columns", "deployment.wires.row_ohm"
ACCURACY, PRICED = "retained_accuracy", ("energy_per_inference_j", "crossbar_m2")
PANELS = {
    "retained_accuracy": ("accuracy after a day (%)", 100.0),
    "energy_per_inference_j": ("energy of an inference (nJ)", 1e9),
    "crossbar_m2": ("cells and converters (mm2)", 1e6),
}
"""What is drawn: its label, and in what unit."""


def trained(data: Dataset) -> nn.Sequential:
    """Return the network, trained on the training images of a data set."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [nn.Linear(a, b) for a, b in pairwise(UNITS)]
    network = nn.Sequential(nn.Flatten(), layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    descent, order = torch.optim.Adam(network.parameters(), lr=RATE), torch.Generator().manual_seed(0)
    for _ in range(EPOCHS):
        for chosen in torch.split(torch.randperm(len(data.train), generator=order), BATCH):
            descent.zero_grad()
            x = data.train.floats(chosen).reshape(len(chosen), *data.info.shape)
            functional.cross_entropy(network(x), data.train.labels[chosen].long()).backward()
            descent.step()
    return network


def write(network: nn.Sequential, path: Path) -> None:
    """Write a network of linear layers and rectifiers as an ONNX file."""
    import onnx  # noqa: PLC0415  an extra
    from onnx import helper, numpy_helper  # noqa: PLC0415

    nodes: list[Any] = [helper.make_node("Flatten", ["x"], ["y0"])]
    values: list[Any] = []
    at = "y0"
    for number, layer in enumerate(list(network)[1:], 1):
        if isinstance(layer, nn.Linear):
            names = [f"weight{number}", f"bias{number}"]
            values += [
                numpy_helper.from_array(own.detach().numpy(), name)
                for name, own in zip(names, (layer.weight, layer.bias), strict=True)
            ]
            nodes.append(helper.make_node("Gemm", [at, *names], [f"y{number}"], transB=1))
        else:
            nodes.append(helper.make_node("Relu", [at], [f"y{number}"]))
        at = f"y{number}"
    ports = [helper.make_tensor_value_info(*own) for own in (("x", 1, ["n", 1, 8, 8]), (at, 1, ["n", UNITS[-1]]))]
    graph = helper.make_graph(nodes, "digits", ports[:1], ports[1:], values)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def table(results: dse.Results) -> pl.DataFrame:
    """Return for each size and resistance the mean of a quantity, and half of its 95 % interval over seeds."""
    trials = results.trials.filter((pl.col("state") == "complete") & pl.col("same_as").is_null())
    priced = results.price(columns=["energy_per_inference_j", "crossbar_m2"]).select("trial", *PRICED)
    trials = trials.drop(PRICED, strict=False).join(priced, on="trial")
    whole = with_intervals(trials, [ROWS, COLUMNS, OHM], ACCURACY, *(pl.col(name).mean() for name in PRICED))
    return whole.sort(COLUMNS, OHM, ROWS)


def draw(found: pl.DataFrame, path: Path) -> None:
    """Draw the quantities over the rows of an array, a line a resistance."""
    figure = Figure(figsize=(12.5, 3.6), layout="constrained")
    for axes, (name, (label, unit)) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        for number, ((columns, ohm), own) in enumerate(found.group_by(COLUMNS, OHM, maintain_order=True)):
            spread = unit * own["interval_95"].to_numpy() if name == ACCURACY else None
            colour, style = COLOURS[number % found[OHM].n_unique()], "-" if columns == found[COLUMNS][0] else "--"
            title = f"{columns} columns, {ohm:g} ohm"
            axes.errorbar(
                own[ROWS],
                unit * own[name].to_numpy(),
                spread,
                color=colour,
                linestyle=style,
                marker="o",
                capsize=3,
                label=title,
            )
        rows = found[ROWS].unique().sort().to_list()
        axes.set(xlabel="rows of an array", ylabel=label, xscale="log", xticks=rows)
        axes.set_xticklabels(map(str, rows))
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    lines, titles = figure.axes[0].get_legend_handles_labels()
    figure.legend(lines, titles, loc="outside right center", fontsize="small")
    figure.savefig(path, dpi=130)


def shown(found: pl.DataFrame) -> str:
    """Return the table for a page."""
    head = ("columns", "ohm a cell", "rows", "accuracy after a day", "energy of an inference", "cells and converters")
    rows: list[tuple[str, ...]] = []
    for row in found.iter_rows(named=True):
        accuracy = f"{100 * row[ACCURACY]:.1f} +- {100 * row['interval_95']:.1f} %"
        cost = f"{1e9 * row[PRICED[0]]:.1f} nJ", f"{1e6 * row[PRICED[1]]:.3f} mm2"
        rows.append((f"{row[COLUMNS]}", f"{row[OHM]:g}", f"{row[ROWS]}", accuracy, *cost))
    return markdown(head, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the network, or run the study and draw it."""
    parser = study_parser(__doc__)
    parser.add_argument("--network", action="store_true", help="train and write the network of the study anew")
    options = parser.parse_args(arguments)
    if options.network:
        write(trained(Digits().load()), NETWORK)
    if options.out is not None:
        Shown("array_size", table, draw, shown).run(STUDY, options.out, options.executor)


if __name__ == "__main__":
    program(main)
