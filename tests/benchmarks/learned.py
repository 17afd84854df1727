"""Epochs that a search saves that learns from earlier results, replayed on recorded trainings.

    python -m tests.benchmarks.learned [--repetitions 10] [--only NAME] [--out FILE]

The earlier results are quasi-random designs under one seed: of a narrower space, to the end; of the space as it is, to
a third of the epochs, which is another kind of design; or both. See `rungs` for what is paid and counted. What the
earlier results cost is not paid again.
"""

import json
from dataclasses import replace

import numpy as np

from dse.designs.space import Choice, FloatRange, IntRange
from dse.search.beside import beside
from dse.search.learned import Learned, LearnedDesign
from dse.search.samplers.base import Problem
from dse.search.samplers.quasi_random import QuasiRandom
from tests.benchmarks.recorded import EPOCHS, METRICS, World, study_of
from tests.benchmarks.rungs import options, ratio, replayed, volumes_at

DESIGNS, SHORT = 40, 10
SEARCHES = {
    "model, all seeds": ('sampler = "model"', "trials = 30\nseeds = 3", 1),
    "model, rungs": (
        'sampler = "model"\nrungs = [3, 10]\nlookahead = 8',
        'seeds = 3\nseeds_for = "front"\nepochs = 1800',
        1,
    ),
}
"""Tables of a study, and which column of a trace counts: certified designs."""
EARLIER = {"nothing": (), "narrow": ("narrow",), "short": ("short",), "narrow and short": ("narrow", "short")}
AFTER = 1800
"""Epochs of the search that learns from nothing, to whose volume the others are held."""


def narrower(space):
    """Return a space within another: fewer choices, shorter ranges."""
    changes = {
        "accumulator.bits": Choice((4, 8, 16)),
        "network.width": FloatRange(0.5, 1.0, step=0.25),
        "adc.bits": IntRange(6, 10),
        "training.learning_rate": FloatRange(0.5, 2.0, log=True),
    }
    return {path: changes.get(path, own) for path, own in space.items()}


def learned(world, kinds, seed):
    """Return what designs of earlier results of some kinds say."""
    designs, differences = [], []
    for kind in kinds:
        space = narrower(world.space) if kind == "narrow" else world.space
        epochs = EPOCHS if kind == "narrow" else SHORT
        proposer = QuasiRandom().proposer(Problem(space, ("minimise",), 1000 + seed, startup=0, trials=DESIGNS))
        for _ in range(DESIGNS):
            designs.append((own := proposer.ask(), world.curves(own)[0, epochs - 1].tolist()))
            differences.append({} if epochs == EPOCHS else {"training.epochs": (epochs, EPOCHS)})
    found = beside(differences)
    rows = [LearnedDesign(list(own.values()), at, v, 1) for (own, v), at in zip(designs, found.places, strict=True)]
    return Learned(list(world.space), METRICS, found.axes, found.kinds, len(rows), rows) if rows else None


def main():
    """Replay and print."""
    given = options(__doc__)
    world, random, runs = World(), np.random.default_rng(0), {}
    for name, (search, budget, column) in SEARCHES.items():
        for what, kinds in EARLIER.items() if given.only in name else ():
            studies = [study_of(search, budget, seed) for seed in range(given.repetitions)]
            studies = [replace(own, learned=learned(world, kinds, seed)) for seed, own in enumerate(studies)]
            runs[f"{name}: {what}"] = [replayed(world, own) for own in studies]
            mine = runs[f"{name}: {what}"]
            row = [f"{volumes_at(mine, column, own).mean():.3f}" for own in (450, 900, 1350, 1800, 2700)]
            value, low, high = ratio(runs[f"{name}: nothing"], mine, column, AFTER, random)
            print(
                f"{name}, learning from {what}: {' '.join(row)}; to the volume of nothing after {AFTER} epochs "
                f"{value:.2f} times fewer ({low:.2f} to {high:.2f})",
                flush=True,
            )
            if given.out:
                given.out.write_text(json.dumps(runs))


if __name__ == "__main__":
    main()
