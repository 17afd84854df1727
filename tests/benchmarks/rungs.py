"""Epochs that searches need for the same front, replayed with the plans of the framework on recorded trainings.

    python -m tests.benchmarks.rungs [--repetitions 10] [--only PATTERN;PATTERN] [--trials N] [--out FILE]

A search pays for every epoch of every simulation that it asks for, once. A design counts when it was trained to the end
under all seeds ("certified") or under one. Volumes are of true means, as shares of the best (`recorded`). For each
search and budget: the mean over repetitions, the epochs to the baseline's mean volume, and the ratio with an interval
of 95 % from bootstrap samples of both. Samplers of other libraries are slow: with --trials, searches end after so many
designs, and the volumes at their end are printed, too.
"""

import argparse
import json
import re
import time
from pathlib import Path

import numpy as np

import tests.benchmarks.others  # noqa: F401  samplers of other libraries, by name
from dse.search.plans import plan_of
from tests.benchmarks.recorded import EPOCHS, SEEDS, World, study_of

STEPS = 'sampler = "model"\nrungs = [3, 10]\nlookahead = 8'
SEARCHES = {
    "nsga2, all seeds": ('sampler = "nsga2"', "trials = 100\nseeds = 3"),
    "tpe, all seeds": ('sampler = "tpe"', "trials = 100\nseeds = 3"),
    "auto, all seeds": ('sampler = "auto"', "trials = 100\nseeds = 3"),
    "model, all seeds": ('sampler = "model"', "trials = 60\nseeds = 3"),
    "nsga2, one seed": ('sampler = "nsga2"', "trials = 100"),
    "tpe, one seed": ('sampler = "tpe"', "trials = 100"),
    "model, one seed": ('sampler = "model"', "trials = 80"),
    "gp, one seed": ('sampler = "gp"', "trials = 80"),
    "rustuna, one seed": ('sampler = "rustuna"', "trials = 100"),
    "botorch, one seed": ('sampler = "botorch"', "trials = 80"),
    "model, seeds for the front": ('sampler = "model"', 'seeds = 3\nseeds_for = "front"\nepochs = 3000'),
    "model, rungs": (STEPS, 'seeds = 3\nseeds_for = "front"\nepochs = 3000'),
    "model, rungs, one seed": (STEPS, "epochs = 2000"),
}
BASELINES = (
    (
        "nsga2, all seeds",
        9000,
        "certified",
        ("model, rungs", "model, seeds for the front", "model, all seeds", "tpe, all seeds"),
    ),
    ("tpe, one seed", 3000, "one", ("model, rungs", "model, rungs, one seed", "model, one seed", "nsga2, one seed")),
)
"""Baseline, its epochs, which designs count, and the searches that are held against it."""
BOOTSTRAP = 2000


def replay(world, search, budget, seed):
    """Return what `replayed` does of a search, with the volumes of certified designs and of those under one seed."""
    return replayed(world, study_of(search, budget, seed))


def replayed(world, study):
    """Return the epochs paid after each step, with the volumes of certified designs and of those under one seed."""
    plan = plan_of(study)
    known, ended, paid, waiting, trace = {}, {}, 0, [], []
    certified, single = [], []
    while True:
        while not plan.is_next_ready() and waiting:
            step, values = waiting.pop(0)
            plan.settle(step, values)
        if not plan.is_next_ready():
            break
        step = plan.ask()
        own = known.setdefault(step.trial, {"curves": world.curves(step.parameters), "at": [0] * SEEDS})
        until = EPOCHS if step.until is None else step.until
        for s in step.seeds:
            paid += until - own["at"][s]
            own["at"][s] = until
        waiting.append((step.number, {s: own["curves"][s, until - 1].tolist() for s in step.seeds}))
        done = sum(at == EPOCHS for at in own["at"])
        if done and step.trial not in ended:
            ended[step.trial] = world.means([step.parameters])[0, -1]
            single.append(ended[step.trial])
        if done == SEEDS:
            certified.append(ended[step.trial])
        trace.append((paid, world.volume(certified) if certified else 0.0, world.volume(single) if single else 0.0))
    return {"trace": trace, "designs": len(known), "certified": len(certified), "ended": len(ended)}


def volumes_at(runs, column, epochs):
    """Return the volume of each repetition after some epochs."""
    found = []
    for run in runs:
        reached = [row[column] for row in run["trace"] if row[0] <= epochs]
        found.append(reached[-1] if reached else 0.0)
    return np.array(found)


def epochs_to(runs, column, volume, grid):
    """Return the first epochs of a grid after which the mean volume is reached; infinity where it is not."""
    for epochs in grid:
        if volumes_at(runs, column, epochs).mean() >= volume:
            return epochs
    return np.inf


def ratio(base, runs, column, epochs, random):
    """Return epochs of the baseline over epochs to its volume, with the ends of its interval."""
    ends = max(run["trace"][-1][0] for run in runs)
    grid = np.arange(60, ends + 30, 30)
    found = [epochs / epochs_to(runs, column, volumes_at(base, column, epochs).mean(), grid)]
    table = np.array([volumes_at(runs, column, own) for own in grid])
    held = volumes_at(base, column, epochs)
    for _ in range(BOOTSTRAP):
        mine, theirs = (random.integers(len(own), size=len(own)) for own in (runs, base))
        enough = np.flatnonzero(table[:, mine].mean(axis=1) >= held[theirs].mean())
        found.append(epochs / grid[enough[0]] if len(enough) else 0.0)
    return found[0], *np.percentile(found[1:], [2.5, 97.5])


def options(about, **numbers):
    """Return what the command line asks of a benchmark: repetitions, which searches, and a file for their traces.

    Args:
        about: the benchmark.
        **numbers: further integers by name, with what they are.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path)
    for name, what in numbers.items():
        parser.add_argument(f"--{name}", type=int, help=what)
    return parser.parse_args()


def main():
    """Replay and print."""
    given = options(__doc__, trials="designs of each search, in place of its own")
    world = World()
    runs, seconds = {}, {}
    for name, (search, budget) in SEARCHES.items():
        if given.only and not any(re.search(part, name) for part in given.only.split(";")):
            continue
        shortened = re.sub(r"trials = \d+", f"trials = {given.trials}", budget) if given.trials else budget
        start = time.process_time()
        runs[name] = [replay(world, search, shortened, seed) for seed in range(given.repetitions)]
        seconds[name] = (time.process_time() - start) / sum(run["designs"] for run in runs[name])
        row = [f"{volumes_at(runs[name], k, e).mean():.3f}" for k in (1, 2) for e in (900, 1800, 2700, 3000, 9000)]
        print(
            f"{name:28} certified {' '.join(row[:5])}  one {' '.join(row[5:])}  {seconds[name]:.3f} s a design",
            flush=True,
        )
        if given.trials:
            ends = [", ".join(f"{run['trace'][-1][k]:.3f}" for run in runs[name]) for k in (1, 2)]
            print(f"{'at the end':28} certified {ends[0]}; one {ends[1]}", flush=True)
        if given.out:
            given.out.write_text(json.dumps(runs))
    random = np.random.default_rng(0)
    for base, epochs, what, others in BASELINES:
        for name in others:
            if base in runs and name in runs:
                column = {"certified": 1, "one": 2}[what]
                value, low, high = ratio(runs[base], runs[name], column, epochs, random)
                print(
                    f"{name} against {base} after {epochs} epochs ({what}): {value:.2f} times fewer "
                    f"({low:.2f} to {high:.2f})"
                )


if __name__ == "__main__":
    main()
