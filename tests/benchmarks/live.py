"""Epochs that live searches need for the same front: studies are simulated, nothing is replayed.

    python -m tests.benchmarks.live quickstart|cnn|cnn_longer [--repetitions 3] [--epochs 3000] [--only NAME] [--out F]

A study is searched as it was by default before there was a model (TPE, all seeds for every design, to the end), with
the model, and with the model, rungs and seeds for the front. A design counts with its means under all three seeds, once
it has them. Volumes are measured in one box, from the best to the worst values that any of the searches found, on
logarithmic axes for energy and writes. What is printed: the volume after shares of the epochs, and the share of the
epochs after which the baseline's last volume is reached.

Each search is written to the file when it ends, and one that stands there is not simulated again: a benchmark that was
stopped goes on, and one that ended prints its tables anew. The convolutional network is scaled down as `scaled` says;
`cnn_longer` has half as many images again and half as many epochs again, to leave more to be learned (432 epochs: 24
designs of six epochs and three seeds).
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import moocore
import numpy as np

from dse.data.base import data_folder
from dse.data.cifar10 import Cifar10
from dse.results.store import read_table
from dse.search.executor import LocalExecutor
from dse.search.runs import start
from dse.search.study import parse_study

SPACES = Path(__file__).parents[2] / "search_spaces"
SEEDS = 3
IMAGES, TESTS, BIN = {"cnn": 400, "cnn_longer": 600}, 200, 2
"""Images of CIFAR-10 to learn from and to choose by, those of the test, and pixels that one of the scaled image is the
mean of, along each side."""
SCALED = {
    'dataset = "cifar10"\nvalidation = 0.1': 'dataset = "arrays"\nfile = "cifar.npz"\nvalidation = 0.25',
    'name = "cnn9", width = 0.25': 'name = "cnn", width = 0.5',
    "low = 0.02, high = 0.5, log": "low = 0.05, high = 1.0, log",
    '"training.dropout" = [0.0, 0.1, 0.2]\n': "",
}
TRAINING = "epochs = 4, batch_size = 100"
STUDIES = {
    "quickstart": ("quickstart.toml", {}, [3, 10], 30, 16),
    "cnn": ("cnn_cifar10.toml", {**SCALED, TRAINING: "epochs = 4, batch_size = 20"}, [1, 2], 4, 9),
    "cnn_longer": ("cnn_cifar10.toml", {**SCALED, TRAINING: "epochs = 6, batch_size = 20"}, [1, 3], 6, 9),
}
"""File, changes that scale it down, rungs, epochs of a training, and designs that are drawn blindly."""
SHARES = (0.25, 0.5, 0.75, 1.0)


def scaled(file, images):
    """Write the first images of each class of CIFAR-10, as many of each, with sides divided by `BIN`."""
    raw, parts = Cifar10().read(data_folder()), {}
    each = {"train": (raw.train, raw.train_labels, images), "test": (raw.test, raw.test_labels, TESTS)}
    for part, (pixels, labels, count) in each.items():
        own = np.concatenate([np.flatnonzero(labels == k)[: count // Cifar10.classes] for k in range(Cifar10.classes)])
        channels, height, width = Cifar10.shape
        means = pixels[own].reshape(len(own), channels, height // BIN, BIN, width // BIN, BIN).mean(axis=(3, 5))
        parts |= {f"x_{part}": means.round().astype(np.uint8), f"y_{part}": labels[own]}
    np.savez(file, **parts)


def texts(name, epochs, seed):
    """Return the study file of each search."""
    file, changes, rungs, longest, startup = STUDIES[name]
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
    common = f"seed = {seed}\nstartup = {startup}\nlookahead = 6"
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


def searched(name, text, kept):
    """Return what `trace` does of a search that is simulated now; from the file of those that were, where it is there.

    Args:
        name: of the study, which says how many images it has.
        text: the study file.
        kept: the file, or None.
    """
    before = [json.loads(line) for line in kept.read_text().splitlines()] if kept and kept.exists() else []
    found = next((own for own in before if own["study"] == text), None)
    if found is None:
        with tempfile.TemporaryDirectory() as place:
            if "cifar.npz" in text:
                scaled(Path(place) / "cifar.npz", IMAGES[name])
            study, begin = parse_study(text, Path(place)), time.process_time()
            start(study, Path(place) / "r", LocalExecutor)
            ends, paid = trace(Path(place) / "r", study.spec.objectives)
        ends = [[epochs, values.tolist()] for epochs, values in ends]
        found = {"study": text, "paid": paid, "seconds": time.process_time() - begin, "ends": ends}
        if kept:
            with kept.open("a") as file:
                file.write(json.dumps(found) + "\n")
    return [(epochs, np.array(values)) for epochs, values in found["ends"]], found["paid"], found["seconds"]


def main():
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=list(STUDIES))
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3000)
    parser.add_argument("--only", default="", help="parts of the names of the searches beside the baseline")
    parser.add_argument("--out", type=Path, help="the file of searches that ended")
    given = parser.parse_args()
    runs = {}
    for seed in range(given.repetitions):
        for n, (name, text) in enumerate(texts(given.study, given.epochs, seed).items()):
            if n and not any(part in name for part in given.only.split(";")):
                continue
            found, paid, seconds = searched(given.study, text, given.out)
            runs[name, seed] = found, paid
            whole = f"{paid} epochs, {seconds:.0f} s of processor"
            print(f"{name}, repetition {seed}: {len(found)} designs under all seeds, {whole}", flush=True)
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
