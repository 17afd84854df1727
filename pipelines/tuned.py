"""What several experiments of this folder share: rules whose settings are searched before they are compared.

Floats and PCM get the same budget: as many trials, of as many epochs, each in a space of its own, on held-out samples.
What each search found is then trained on all samples, under several seeds. The same command goes on with everything.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

import dse
from dse.designs.design import compose
from dse.designs.settings import active

from .common import Kind, Settings, draw_curves, markdown, simulate, study_of

EMPTY: Settings = {}


@dataclass(frozen=True)
class Rule:
    """A rule of learning whose settings are searched.

    Attributes:
        settings: what is not searched.
        space: what is, as `dse.Study` takes it.
        first: what is tried first; the rest of each is quasi-random.
    """

    settings: Settings
    space: Mapping[str, Any]
    first: Sequence[Settings] = ()


@dataclass(frozen=True)
class Comparison:
    """Rules that are searched and then compared.

    Attributes:
        name: name of the studies.
        metric: what is compared; its validation_ form is searched for.
        unit: its name in a picture.
        base: settings of all designs, those of the workload included.
        held_out: settings that hold samples out for the search.
        rules: what is searched.
        designs: what is compared with them, as it is.
        trials: trials of each search.
        search_epochs: epochs of each.
        epochs: epochs of what is compared.
        seeds: simulations of each design.
        prepare: what writes the files that the studies read into a folder.
    """

    name: str
    metric: str
    unit: str
    base: Settings
    held_out: Settings
    rules: Mapping[str, Rule]
    trials: int
    search_epochs: int
    epochs: int
    seeds: int
    designs: Mapping[str, Settings] = field(default_factory=dict[str, Settings])
    prepare: Callable[[Path], None] | None = None


def searched(comparison: Comparison, rule: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that all designs of the search of a rule have."""
    own = comparison.rules[rule].settings
    return {**comparison.base, **own, **comparison.held_out, "training.epochs": options.search_epochs}


def search_of(comparison: Comparison, rule: str, options: argparse.Namespace) -> dse.Study:
    """Return the search for the settings of a rule."""
    own, base = comparison.rules[rule], searched(comparison, rule, options)
    return dse.Study(
        name=f"{comparison.name}-{rule}",
        objectives=[f"validation_{comparison.metric}"],
        workload={path.removeprefix("workload."): v for path, v in base.items() if path.startswith("workload.")},
        design={path: value for path, value in base.items() if not path.startswith("workload.")},
        space=own.space,
        first=own.first[: options.trials],
        trials=options.trials,
        search={"startup": max(1, min(options.trials // 2, 16)), "lookahead": 1, "seed": 1},
        folder=options.out,
    )


def best_of(results: dse.Results, base: Settings, folder: Path) -> dict[str, Any]:
    """Return the searched settings of the best trial of a search, without those that have no effect beside the others.

    Args:
        results: the search.
        base: the settings that all its designs have.
        folder: where its data files lie.

    Raises:
        DseError: no trial came to its end.
    """
    front = results.front().table
    if front.is_empty():
        raise dse.DseError("no trial of the search came to its end; `dse status` of its folder says why")
    trial = int(front["trial"][0])
    study = results.study
    whole = {path: front[path][0] for path in study.space}
    acting = active({**base, **whole})
    chosen = {path: value for path, value in whole.items() if path in acting}
    if _key({**base, **chosen}, folder) != study.design(whole).key:
        raise dse.DseError(f"the settings of trial {trial} do not make its design; remove the folder of the search")
    return chosen


def _key(settings: Settings, folder: Path) -> str:
    try:
        return compose(settings, folder).key
    except dse.DseError:
        return ""


def shown(found: pl.DataFrame, designs: Mapping[str, Settings], comparison: Comparison) -> str:
    """Return the table for a page: what was found of each design, and how it does; accuracies in percent."""
    factor, digits = (100.0, 2) if comparison.metric.endswith("accuracy") else (1.0, 3)
    paths = list(dict.fromkeys(path for rule in comparison.rules.values() for path in rule.space))
    head = ("design", *(f"`{path}`" for path in paths), comparison.unit, "loss", "SET, RESET (million)", "worst writes")
    rows: list[tuple[str, ...]] = []
    for row in found.iter_rows(named=True):
        own = designs[row["design"]]
        half = "" if row["interval_95"] is None else f" +- {factor * row['interval_95']:.{digits}f}"
        value = "failed" if row[comparison.metric] is None else f"{factor * row[comparison.metric]:.{digits}f}{half}"
        pulses = f"{row['set_pulses'] / 1e6:.2f}, {row['reset_pulses'] / 1e6:.2f}" if row["set_pulses"] else ""
        knobs = [f"{own[path]:.3g}" if isinstance(own.get(path), float) else str(own.get(path, "")) for path in paths]
        loss = "" if row["loss"] is None else f"{row['loss']:.3f}"
        rows.append((f"`{row['design']}`", *knobs, value, loss, pulses, str(row["worst_writes"] or "")))
    return markdown(head, rows)


def run(comparison: Comparison, description: str, arguments: Sequence[str] | None = None) -> pl.DataFrame:
    """Run a comparison from the command line: searches, table, curves; return the table.

    The searches lie in `OUT/search_RULE`, what was found in `OUT/main`.
    """
    parser = argparse.ArgumentParser(description=description.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the results; there, go on with them")
    parser.add_argument("--epochs", type=int, default=comparison.epochs, help="epochs of what was found")
    parser.add_argument("--seeds", type=int, default=comparison.seeds, help="seeds of what was found")
    parser.add_argument("--trials", type=int, default=comparison.trials, help="trials of each search")
    parser.add_argument("--search-epochs", type=int, default=comparison.search_epochs, help="epochs of a trial")
    parser.add_argument("--executor", choices=["ray", "local"], default="ray")
    options = parser.parse_args(arguments)
    kind: Kind = options.executor
    options.out.mkdir(parents=True, exist_ok=True)
    if comparison.prepare is not None:
        comparison.prepare(options.out)
    designs: dict[str, Settings] = {}
    for name, rule in comparison.rules.items():
        study = search_of(comparison, name, options)
        base = searched(comparison, name, options)
        results = dse.run(study, options.out / f"search_{name}", executor=kind)
        designs[name] = {**rule.settings, **best_of(results, base, options.out)}
    designs |= comparison.designs
    base = {**comparison.base, "training.epochs": options.epochs}
    study = study_of(comparison.name, comparison.metric, base, designs, options.seeds, options.out)
    found = simulate(study, options.out / "main", kind, comparison.metric)
    found.write_parquet(options.out / "table.parquet")
    draw_curves(options.out / "main", options.out / "curves.png", metric=comparison.metric, unit=comparison.unit)
    print(shown(found, designs, comparison))
    return found
