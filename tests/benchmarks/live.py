"""Epochs that live searches need for the same front: studies are simulated, nothing is replayed.

    python -m tests.benchmarks.live quickstart|cnn [--repetitions 3] [--epochs 3000]

A study is searched as it was by default before there was a model (TPE, all seeds for every design, to the end), with
the model, and with the model, rungs and seeds for the front. A design counts with its means under all three seeds, once
it has them. Volumes are measured in one box, from the best to the worst values that any of the searches found, on
logarithmic axes for energy and writes. What is printed: the volume after shares of the epochs, and the share of the
epochs after which the baseline's last volume is reached.
"""

import argparse
import json
import tempfile
from pathlib import Path

import moocore
import numpy as np

from dse.results.store import read_table
from dse.search.executor import LocalExecutor
from dse.search.runs import start
from dse.search.study import parse_study

SPACES = Path(__file__).parents[2] / "search_spaces"
SEEDS = 3
STUDIES = {
    "quickstart": ("quickstart.toml", {}, [3, 10], 30),
    "cnn": (
        "cnn_cifar10.toml",
        {
            "validation = 0.1": "validation = 0.1\nimages = 400",
            "epochs = 4, batch_size = 100": "epochs = 9, batch_size = 20",
        },
        [1, 3],
        9,
    ),
}
"""File, changes that scale it down, rungs, and epochs of a training."""
SHARES = (0.25, 0.5, 0.75, 1.0)


def texts(name, epochs, seed):
    """Return the study file of each search."""
    file, changes, rungs, longest = STUDIES[name]
    text = (SPACES / file).read_text()
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    lines = text.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("[controls"))
    last = next(n for n, line in enumerate(lines) if line.startswith("[search"))
    head = "\n".join(lines[:first])
    price = "\n".join(lines[last:])
    price = price[price.index("[price]") :] if "[price]" in price else ""
    whole = f"trials = {epochs // (SEEDS * longest)}\nseeds = {SEEDS}"
    spare = f'epochs = {epochs}\nseeds = {SEEDS}\nseeds_for = "front"'
    searches = {
        "tpe, all seeds": ('sampler = "tpe"', whole),
        "model, all seeds": ('sampler = "model"', whole),
        "model, rungs, seeds for the front": (f'sampler = "model"\nrungs = {rungs}', spare),
    }
    common = f"seed = {seed}\nstartup = 16\nlookahead = 6"
    return {
        own: f"{head}\n[search]\n{search}\n{common}\n[budget]\n{budget}\n{price}\n"
        for own, (search, budget) in searches.items()
    }


def trace(folder, objectives):
    """Return, for each design under all seeds in the order in which they were asked for, the epochs paid by then."""
    rows = read_table(folder, paused=True).to_pylist()
    rows = sorted(rows, key=lambda row: (row["trial"] if row["step"] is None else row["step"], row["seed"]))
    reached, ends, paid, found = {}, {}, 0, []
    for row in rows:
        of = row["trial"], row["seed"]
        paid += (row["epochs"] or 0) - reached.get(of, 0)
        reached[of] = row["epochs"] or 0
        if row["state"] == "complete":
            own = ends.setdefault(row["trial"], [])
            own.append([row[name] for name in objectives])
            if len(own) == SEEDS:
                found.append((paid, np.mean(own, axis=0)))
    return found, paid


def costs(values):
    """Return accuracy, energy and writes as error, log10 energy and log10(1 + writes)."""
    values = np.atleast_2d(values)
    return np.stack([1.0 - values[:, 0], np.log10(values[:, 1]), np.log10(1.0 + values[:, 2])], axis=1)


def volume(points, best, worst):
    """Return the share of a box that points dominate."""
    inside = (points - best) / (worst - best)
    inside = inside[(inside < 1.0).all(axis=1)]
    return float(moocore.hypervolume(inside, ref=np.ones(3))) if len(inside) else 0.0


def main():
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=list(STUDIES))
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3000)
    given = parser.parse_args()
    runs = {}
    for seed in range(given.repetitions):
        for name, text in texts(given.study, given.epochs, seed).items():
            with tempfile.TemporaryDirectory() as place:
                study = parse_study(text, SPACES)
                start(study, Path(place) / "r", LocalExecutor)
                runs[name, seed] = trace(Path(place) / "r", study.spec.objectives)
            print(f"{name}, repetition {seed}: {len(runs[name, seed][0])} designs under all seeds", flush=True)
    everything = np.concatenate([costs([own for _, own in found]) for found, _ in runs.values() if found])
    best, worst = everything.min(axis=0), everything.max(axis=0)
    names = list(dict.fromkeys(name for name, _ in runs))
    table = {}
    for name in names:
        rows = []
        for seed in range(given.repetitions):
            found, _ = runs[name, seed]
            at = [np.array([own for paid, own in found if paid <= share * given.epochs]) for share in SHARES]
            rows.append([volume(costs(own), best, worst) if len(own) else 0.0 for own in at])
        table[name] = np.array(rows)
        print(f"{name:36} {' '.join(f'{value:.3f}' for value in table[name].mean(axis=0))}")
    for name in names[1:]:
        ratios = []
        for seed in range(given.repetitions):
            goal = table[names[0]][seed, -1]
            found, _ = runs[name, seed]
            reached = [
                paid
                for n, (paid, _) in enumerate(found)
                if volume(costs([own for _, own in found[: n + 1]]), best, worst) >= goal
            ]
            ratios.append(reached[0] / given.epochs if reached else float("inf"))
        print(f"{name}: the last volume of {names[0]} after {json.dumps([round(r, 2) for r in ratios])} of the epochs")


if __name__ == "__main__":
    main()
