"""Trainings that are saved by what is known of designs before they are simulated.

    python -m tests.benchmarks.known [SEEDS]

A perceptron on 400 digits: accuracy against area, with a bound on the area that a good half of the space meets. Each
sampler searches with what is known and without it, under the same seeds. Printed are trainings of infeasible designs,
and after how many trainings the search with it has the volume that the other has at the end.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dse.analysis.fronts.quality import hypervolume
from dse.designs.evaluate import evaluate
from dse.results.rows import result_fields
from dse.search.study import Study, parse_study

TRIALS = 60
REFERENCE = np.array([0.0, 1.5e-7])
TEXT = f"""
name = "known"
objectives = ["validation_accuracy", "area_m2"]
[workload]
images = 400
[design]
training.epochs = 3
[space]
"accumulator.bits" = [2, 4, 6, 8, 12, 16, 32]
"accumulator.epsilon" = {{ low = 0.5, high = 4.0, log = true }}
"adc.bits" = {{ low = 4, high = 10 }}
"device.write_noise_scale" = {{ low = 0.0, high = 2.0 }}
"network.width" = {{ low = 0.1, high = 4.0, log = true }}
"training.learning_rate" = {{ low = 0.5, high = 4.0, log = true }}
[constraints]
area_m2 = "<= 1.5e-7"
[search]
sampler = "SAMPLER"
seed = SEED
lookahead = 1
[budget]
trials = {TRIALS}
"""


def searched(study: Study, kept: dict[str, Sequence[float]]) -> np.ndarray:
    """Return the values of the trials of a study, NaN where infeasible, shape (trials, objectives)."""
    proposer, found = study.proposer(), list[Sequence[float]]()
    data = None
    for number in range(TRIALS):
        design = study.design(proposer.ask())
        if design.key not in kept:
            data = data or design.workload.load()
            (kept[design.key],) = study.criteria.of([result_fields(evaluate(design, 0, data))])
        verdict = study.criteria.verdict([kept[design.key]])
        proposer.tell(number, verdict.values, verdict.margins)
        found.append(verdict.values if verdict.is_feasible else [np.nan, np.nan])
    return np.array(found)


def volumes(values: np.ndarray) -> list[float]:
    """Return the volume of the front after each trial."""
    feasible = [values[: n + 1][~np.isnan(values[: n + 1, 0])] for n in range(len(values))]
    return [hypervolume(own, ["maximise", "minimise"], REFERENCE) if len(own) else 0.0 for own in feasible]


def main(seeds: int) -> None:
    """Print a line for each sampler."""
    kept: dict[str, Sequence[float]] = {}
    for sampler in ("model", "tpe", "nsga2", "quasi_random"):
        infeasible, ratios, until = list[int](), list[float](), list[int]()
        for seed in range(seeds):
            text = TEXT.replace("SAMPLER", sampler).replace("SEED", str(seed))
            study = parse_study(text, Path())
            plain, informed = searched(replace(study, skips=False), kept), searched(study, kept)
            before, after = volumes(plain), volumes(informed)
            infeasible.append(int(np.isnan(plain[:, 0]).sum()))
            ratios.append(after[-1] / before[-1])
            until.append(next((n + 1 for n, v in enumerate(after) if v >= before[-1]), TRIALS + 1))
        saved = f"infeasible without {np.mean(infeasible):.1f} of {TRIALS}, with 0"
        gain = f"volume x{np.mean(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f})"
        same = f"the same after {np.median(until):.0f} ({min(until)}-{max(until)})"
        print(f"{sampler}: {saved}; {gain}; {same}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
