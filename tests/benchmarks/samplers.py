"""Samplers on problems with known fronts: hypervolume after so many trials, and what a proposal costs.

python -m tests.benchmarks.samplers [--seeds 5] [--trials 100]

Eight trials are in flight, as in a study. The problems are ZDT1 and ZDT2 (Zitzler, Deb and Thiele, 2000) with noise,
and DTLZ2 with three objectives (Deb, Thiele, Laumanns and Zitzler, 2002), on a space with a choice and an integer.
Volumes are of true values, as a share of that of the front.
"""

import argparse
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import moocore
import numpy as np

from dse.designs.space import Choice, FloatRange, IntRange, Parameter
from dse.search.samplers.base import Problem
from dse.search.spec import sampler_named

SAMPLERS = ("quasi_random", "tpe", "nsga2", "auto", "model")
IN_FLIGHT = 8
SPACE: dict[str, Parameter] = {
    **{f"x{k}": FloatRange(0.0, 1.0) for k in range(4)},
    "x4": IntRange(0, 10),
    "x5": Choice((0.0, 0.25, 0.5, 0.75, 1.0)),
}


class Case(NamedTuple):
    """A problem.

    Attributes:
        measured: the true objectives of a point, to be minimised.
        noise: standard deviation of what a search sees.
        reference: from where volumes are measured.
        front: points of the front.
    """

    measured: Callable[[np.ndarray], list[float]]
    noise: float
    reference: tuple[float, ...]
    front: np.ndarray


def point(design: Mapping[str, Any]) -> np.ndarray:
    """Return a design as a point of the unit cube."""
    return np.array([design[f"x{k}"] / (10.0 if k == 4 else 1.0) for k in range(6)])


def zdt(x: np.ndarray, *, concave: bool) -> list[float]:
    """Return the objectives of ZDT1, or ZDT2."""
    g = 1.0 + 9.0 * float(x[1:].mean())
    ratio = float(x[0]) / g
    return [float(x[0]), g * (1.0 - (ratio**2 if concave else math.sqrt(ratio)))]


def dtlz2(x: np.ndarray) -> list[float]:
    """Return the three objectives of DTLZ2."""
    r = 1.0 + float(((x[2:] - 0.5) ** 2).sum())
    a, b = (0.5 * math.pi * float(v) for v in x[:2])
    return [r * math.cos(a) * math.cos(b), r * math.cos(a) * math.sin(b), r * math.sin(a)]


def cases() -> dict[str, Case]:
    """Return the problems by name."""
    t = np.linspace(0.0, 1.0, 500)
    grid = np.array([dtlz2(np.array([u, v, 0.5, 0.5, 0.5, 0.5])) for u in t[::12] for v in t[::12]])
    return {
        "ZDT1": Case(lambda x: zdt(x, concave=False), 0.01, (1.1, 5.0), np.stack([t, 1.0 - np.sqrt(t)], axis=1)),
        "ZDT2": Case(lambda x: zdt(x, concave=True), 0.01, (1.1, 5.0), np.stack([t, 1.0 - t**2], axis=1)),
        "DTLZ2": Case(dtlz2, 0.0, (1.5, 1.5, 1.5), grid),
    }


def searched(sampler: str, case: Case, seed: int, trials: int) -> tuple[list[float], float]:
    """Return the share of the volume after each trial, and the seconds of processor of a proposal."""
    goals = ["minimise"] * len(case.reference)
    proposer = sampler_named(sampler).proposer(Problem(SPACE, goals, seed, startup=16, trials=trials))  # pyright: ignore[reportArgumentType]
    draws, reference = np.random.Generator(np.random.PCG64(seed)), np.array(case.reference)
    best, true, told, spent, shares = float(moocore.hypervolume(case.front, ref=reference)), [], 0, 0.0, []
    for number in range(trials):
        while told <= number - IN_FLIGHT:
            proposer.tell(told, [v + case.noise * draws.standard_normal() for v in true[told]])
            told += 1
        begin = time.process_time()
        design = proposer.ask()
        spent += time.process_time() - begin
        true.append(case.measured(point(design)))
        shares.append(float(moocore.hypervolume(np.array(true), ref=reference)) / best)
    assert shares[-1] <= 1.0 + 1e-3, "a search cannot dominate more than the front"
    return shares, spent / trials


def main() -> None:
    """Print a line for each problem and sampler."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=100)
    options = parser.parse_args()
    marks = [m for m in (25, 50, 100, 200, 500) if m <= options.trials]
    print(f"{'problem':8} {'sampler':13}" + "".join(f"{f'after {m}':>16}" for m in marks) + "   s/proposal")
    for name, case in cases().items():
        for sampler in SAMPLERS:
            runs = [searched(sampler, case, seed, options.trials) for seed in range(options.seeds)]
            shares = np.array([[shares[m - 1] for m in marks] for shares, _ in runs])
            halves = 1.96 * shares.std(axis=0, ddof=1) / math.sqrt(len(runs)) if len(runs) > 1 else 0.0 * shares[0]
            cells = "".join(f"{f'{m:.3f} +- {h:.3f}':>16}" for m, h in zip(shares.mean(axis=0), halves, strict=True))
            print(f"{name:8} {sampler:13}{cells}   {np.mean([s for _, s in runs]):.3f}", flush=True)


if __name__ == "__main__":
    main()
