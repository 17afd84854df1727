"""Samplers on public test problems: the volume that they reach, and what a proposal costs.

python -m tests.benchmarks.samplers [--samplers model,tpe] [--problems ZDT1,DTLZ2] [--seeds 3] [--trials 100]

The 38 problems are those of `problems`; eight trials are in flight, as in a study. Volumes are of true values, as a
share of that of the front. A ratio is that of the means over seeds, to the last sampler that is named. With the model
and TPE, three seeds and a hundred trials a run takes 15 minutes of one core; `--processes` spreads it. Samplers of
other libraries can be named where they are installed (`others`).
"""

import argparse
import math
import os
import time
from collections.abc import Sequence
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np

import tests.benchmarks.others  # noqa: F401  samplers of other libraries, by name
from dse.search.samplers.base import Problem
from dse.search.spec import sampler_named
from tests.benchmarks.problems import Case, cases

IN_FLIGHT = 8
STARTUP = 16
SURE = 1.01
"""Share of the volume of the front beyond which no search can be; some fronts are known to a hundredth."""


class Run(NamedTuple):
    """A search.

    Attributes:
        sampler: its name.
        problem: the name of the problem.
        seed: of the search.
        trials: how many.
    """

    sampler: str
    problem: str
    seed: int
    trials: int


def searched(run: Run) -> tuple[float, float]:
    """Return the share of the volume at the end, and the seconds of processor of a proposal."""
    case, draws = cases()[run.problem], np.random.Generator(np.random.PCG64(run.seed))
    goals = ["minimise"] * len(case.reference)
    problem = Problem(case.space, goals, run.seed, startup=STARTUP, trials=run.trials)  # pyright: ignore[reportArgumentType]
    proposer = sampler_named(run.sampler).proposer(problem)
    deviation = case.noise * (np.array(case.reference) - np.array(case.ideal))
    points, told, spent = [], 0, 0.0
    for number in range(run.trials):
        while told <= number - IN_FLIGHT:
            seen = case.objectives(points[told])[0] + deviation * draws.standard_normal(len(goals))
            limits = () if case.limits is None else case.limits(points[told])[0].tolist()
            proposer.tell(told, seen.tolist(), limits)
            told += 1
        begin = time.process_time()
        design = proposer.ask()
        spent += time.process_time() - begin
        points.append(case.variables(design))
    return reached(case, np.concatenate(points)), spent / run.trials


def reached(case: Case, x: np.ndarray) -> float:
    """Return the share of the volume of the front that the feasible ones of some designs dominate."""
    share = case.share(case.objectives(x)[case.is_feasible(x)])
    assert share <= SURE, "a search cannot dominate more than the front"
    return share


def compared(samplers: Sequence[str], found: np.ndarray) -> str:
    """Return means over seeds of each sampler, their half widths of 95 %, and ratios to the last, as a line.

    Args:
        samplers: their names.
        found: shares, shape (samplers, seeds).
    """
    means = found.mean(axis=1)
    halves = 1.96 * found.std(axis=1, ddof=1) / math.sqrt(found.shape[1]) if found.shape[1] > 1 else 0.0 * means
    cells = [f"{m:.3f} +- {h:.3f}" for m, h in zip(means, halves, strict=True)]
    return "".join(f"{c:>17}" for c in [*cells, *(f"{r:.3f}" for r in ratios(found))])


def ratios(found: np.ndarray) -> np.ndarray:
    """Return the mean share of each sampler but the last to that of the last; 1 where both are 0."""
    means = found.mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(means[:-1] == means[-1], 1.0, means[:-1] / means[-1])


def main() -> None:
    """Print a line for each problem."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--samplers", default="model,tpe")
    parser.add_argument("--problems", default="")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    names, samplers = options.problems.split(",") if options.problems else list(cases()), options.samplers.split(",")
    runs = [Run(s, n, seed, options.trials) for n in names for s in samplers for seed in range(options.seeds)]
    # Set before the workers load numpy: one thread each.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    print(f"{'problem':22}" + "".join(f"{s:>17}" for s in samplers) + "".join(f"{s:>17}" for s in samplers[:-1]))
    every, seconds = [], []
    with get_context("spawn").Pool(options.processes) as pool:
        results = pool.imap(searched, runs)
        for name in names:
            own = [[next(results) for _ in range(options.seeds)] for _ in samplers]
            found = np.array([[share for share, _ in of_sampler] for of_sampler in own])
            every.append(ratios(found))
            seconds.append([[spent for _, spent in of_sampler] for of_sampler in own])
            print(f"{name:22}{compared(samplers, found)}", flush=True)
    for k, name in enumerate(samplers[:-1]):
        own = np.array(every)[:, k]
        print(f"{name} to {samplers[-1]}: median {np.median(own):.3f}, least {own.min():.3f}; worse by over 5 %: "
              f"{int((own < 0.95).sum())} of {len(own)}; ahead: {int((own > 1.0).sum())}")  # fmt: skip
    print("seconds of processor a proposal: " + ", ".join(
        f"{name} {s:.4f}" for name, s in zip(samplers, np.mean(seconds, axis=(0, 2)), strict=True)))  # fmt: skip


if __name__ == "__main__":
    main()
