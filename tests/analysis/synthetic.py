"""Studies whose answer is known in closed form: tables as a results folder would give them."""

import json

import numpy as np
import polars as pl

from dse.analysis.tables.nested import Nested
from dse.analysis.tables.tables import Tables
from dse.designs.outcome import METRICS

PARAMETERS = ("training.learning_rate", "accumulator.epsilon", "adc.bits", "accumulator.rounding")


def choices(random, count):
    """Designs drawn evenly: two continuous parameters, one of integers, one of words."""
    return [
        {
            "training.learning_rate": float(random.uniform(0.0, 1.0)),
            "accumulator.epsilon": float(0.5 * 8 ** random.random()),
            "adc.bits": int(random.integers(4, 11)),
            "accumulator.rounding": str(random.choice(["nearest", "stochastic", "zero"])),
        }
        for _ in range(count)
    ]


def study(metrics, count=400, seeds=1, noise=0.0, seed=0, idle=None, constraints=()):
    """Return the tables of a study in which `metrics(parameters)` gives the metrics, with noise on each.

    `idle(parameters)` names the parameters that do not act in a design.
    """
    random = np.random.default_rng(seed)
    rows = []
    for trial, chosen in enumerate(choices(random, count)):
        acting = {k: v for k, v in chosen.items() if idle is None or k not in idle(chosen)}
        for replicate in range(seeds):
            values = {name: value + noise * random.normal() for name, value in metrics(chosen).items()}
            rows.append(
                {
                    "trial": trial,
                    "seed": replicate,
                    "origin": "search",
                    "state": "complete",
                    "failure": None,
                    "same_as": None,
                    "design_key": f"{seed}-{trial}",
                    "design": json.dumps(acting),
                    **chosen,
                    **{name: float(values[name]) if name in values else None for name in METRICS},
                }
            )
    schema = dict.fromkeys(METRICS, pl.Float64) | {"failure": pl.String, "same_as": pl.Int64}
    return Tables(
        about={"name": "synthetic", "seeds": seeds, "trials": count, "objectives": [], "parameters": []},
        trials=pl.DataFrame(rows, schema_overrides=schema),
        nested=Nested(),
        parameters=list(PARAMETERS),
        objectives=["accuracy", "energy_per_sample_j"],
        constraints=constraints,
    )
