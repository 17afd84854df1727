"""Everything about one trial: its design, metrics, events, wear, learning curve and deployment."""

import json
from dataclasses import replace
from typing import Any

import polars as pl

from dse.analysis.tables.epochs import curves_of
from dse.analysis.tables.tables import Tables, one_trial
from dse.designs.design import flatten
from dse.pricing.quantities import QUANTITIES, meaning_of
from dse.pricing.text import cell
from dse.results.rows import object_of
from dse.results.schema import EVENT_COLUMNS, LAYER_COLUMNS, WEAR_COLUMNS
from dse.spec import written


def as_dict(tables: Tables, trial: int) -> dict[str, Any]:
    """Return everything the tables hold about a trial.

    Raises:
        QueryError: no such trial.
    """
    rows = one_trial(tables, trial)
    first, own = rows.row(0, named=True), pl.col("trial") == trial
    kept = {name: getattr(tables, name).filter(own) for name in ("layers", "curves", "trails")}
    curves = curves_of(replace(tables, trials=tables.trials.filter(own)).with_nested(**kept))
    runs = [
        {
            **{key: value for key, value in row.items() if key not in ("design", "parameters", *tables.parameters)},
            "layers": _of(tables.layers, trial, row["seed"]),
            "curve": _of(curves, trial, row["seed"]),
            "deployments": _of(tables.deployments, trial, row["seed"]),
        }
        for row in rows.iter_rows(named=True)
    ]
    return {
        "trial": trial,
        "origin": first["origin"],
        "parameters": object_of(first["parameters"], f"what trial {trial} holds of its parameters"),
        "design": None if first["design"] is None else object_of(first["design"], f"the design of trial {trial}"),
        "runs": runs,
    }


def as_json(tables: Tables, trial: int) -> str:
    """Return a trial as JSON; see `as_dict`."""
    return json.dumps(as_dict(tables, trial), indent=2)


def as_text(tables: Tables, trial: int) -> str:
    """Return a trial for people; see `as_dict`."""
    whole = as_dict(tables, trial)
    lines = [f"trial {trial} ({whole['origin']}) of {tables.about['name']}"]
    lines += ["", "design"]
    lines += [f"  {path} = {written(value)}" for path, value in flatten(whole["design"] or {}).items()]
    for run in whole["runs"]:
        lines += ["", f"seed {run['seed']}: {run['state']}"]
        if run["failure"]:
            lines.append(f"  {run['failure_kind']}: {run['failure']}")
            continue
        if run["same_as"] is not None:
            lines.append(f"  the design of trial {run['same_as']}, simulated there")
        names = [name for name in tables.metrics if _belongs(name, run)]
        lines += [f"  {name} = {cell(name, run[name])}    {meaning_of(name)}" for name in names]
        lines += ["", "  events and wear by layer"]
        lines += _by_layer(run["layers"])
        lines += _aligned(run["curve"])
        lines += _aligned(run["deployments"], left=("compensation",))
        made = ("code", "host", "started_at", "wall_s", "packages", "data_checksum", "cost_card")
        lines += ["", "  made by"] + [f"    {name} = {run[name]}" for name in made]
    return "\n".join(lines)


def _belongs(metric: str, run: dict[str, Any]) -> bool:
    """Return whether a metric belongs to a run: it has it, or could not be priced."""
    return run[metric] is not None or (metric in QUANTITIES and QUANTITIES[metric].priced)


def _by_layer(layers: list[dict[str, Any]]) -> list[str]:
    deployed = [f"deployed_{name}" for name in ("cells", "dac_bits", "adc_bits", "conductance_us")]
    names = [
        "rows",
        "bias_rows",
        "cols",
        "cells",
        "mean_conductance_us",
        *deployed,
        *EVENT_COLUMNS,
        *WEAR_COLUMNS,
        *(name for name in (layers[0] if layers else ()) if name not in LAYER_COLUMNS),
    ]
    lines: list[str] = []
    for name in names:
        values = [layer[name] for layer in layers]
        if any(value not in (None, 0, 0.0) for value in values):
            shown = "".join(f"{'-' if v is None else f'{v:.6g}' if isinstance(v, float) else v:>14}" for v in values)
            lines.append(f"    {name:24}{shown}")
    return lines


def _aligned(points: list[dict[str, Any]], left: tuple[str, ...] = ()) -> list[str]:
    """Return points as the lines of a table, with the columns in which some have a value."""
    if not points:
        return []
    names = [name for name in points[0] if any(point[name] is not None for point in points)]
    columns = [_column(name, [point[name] for point in points], left=name in left) for name in names]
    return ["", *("  " + "  ".join(row).rstrip() for row in zip(*columns, strict=True))]


def _column(name: str, values: list[Any], *, left: bool) -> list[str]:
    """Return a name and the values below it as texts of one width."""
    texts = [name, *(f"{value:.6g}" if name == "time_s" else cell(name, value) for value in values)]
    width = max(map(len, texts))
    return [text.ljust(width) if left else text.rjust(width) for text in texts]


def _of(table: pl.DataFrame, trial: int, seed: int) -> list[dict[str, Any]]:
    rows = table.filter((pl.col("trial") == trial) & (pl.col("seed") == seed)).drop("trial", "seed", "train_samples")
    return rows.to_dicts()
