"""A world to replay searches in: trainings that were recorded, and trees that were fitted to them.

A search asks for any design of the space of `data/trainings_960.toml`; extra trees give its mean learning curve, and
the noise of a seed is that of the same seed of the nearest recorded design. Volumes are of true means.
"""

import json
from pathlib import Path

import moocore
import numpy as np
import polars as pl
from sklearn.ensemble import ExtraTreesRegressor

from dse.search.samplers.model.encoding import Encoding
from dse.search.study import parse_study

DATA = Path(__file__).parent / "data"
METRICS = ("validation_accuracy", "energy_per_sample_j", "worst_writes")
SEEDS, EPOCHS = 3, 30
WORST_ERROR = 0.5
"""Where the box of volumes ends in error; in the others it ends at the worst values of the space."""
TRUTH = 20_000
"""Designs drawn for the best volume and the ends of the box."""


def costs(values):
    """Return accuracy, energy and writes, last axis, as error, log10 energy and log10(1 + writes)."""
    return np.stack([1.0 - values[..., 0], np.log10(values[..., 1]), np.log10(1.0 + values[..., 2])], axis=-1)


def natural(values):
    """Return what `costs` was made of."""
    return np.stack([1.0 - values[..., 0], 10.0 ** values[..., 1], 10.0 ** values[..., 2] - 1.0], axis=-1)


def study_of(search, budget, seed):
    """Return a study of the recorded space with other tables [search] and [budget]."""
    text = (DATA / "trainings_960.toml").read_text()
    head, _, rest = text.partition("[search]")
    price = rest[rest.index("[price]") :]
    return parse_study(f"{head}[search]\nseed = {seed}\n{search}\n[budget]\n{budget}\n{price}", DATA)


class World:
    """Learning curves of any design of the recorded space."""

    def __init__(self):
        table = pl.read_parquet(DATA / "trainings_960.parquet").sort("trial", "seed")
        study = study_of('sampler = "random"', "trials = 1", 0)
        self.space = study.space
        self.encoding = Encoding(study.space)
        designs = [json.loads(text) for text in table["parameters"].to_list()[::SEEDS]]
        self.points = self.encoding.points(designs)
        raw = np.stack([np.array(table[name].to_list(), np.float64) for name in METRICS], axis=-1)
        curves = costs(raw.reshape(len(designs), SEEDS, EPOCHS, len(METRICS)))
        mean = curves.mean(axis=1)
        # Seeds are seen with less noise than they have, as their own mean is taken off.
        self.noise = (curves - mean[:, None]) * np.sqrt(SEEDS / (SEEDS - 1))
        self.noise[..., 1] = 0.0
        self.forest = ExtraTreesRegressor(100, max_features=0.7, random_state=0, n_jobs=1)
        self.forest.fit(self.points, mean.reshape(len(designs), -1))
        draws = np.random.default_rng(12345).random((TRUTH, len(study.space)))
        everywhere = [
            {path: p.at(float(u)) for (path, p), u in zip(self.space.items(), own, strict=True)} for own in draws
        ]
        finals = self.means(everywhere)[:, -1]
        self.best, self.worst = finals.min(axis=0), finals.max(axis=0)
        self.worst[0] = WORST_ERROR
        self.best_volume = 1.0
        self.best_volume = self.volume(finals)

    def means(self, designs):
        """Return mean curves, shape (designs, epochs, 3)."""
        flat = self.forest.predict(self.encoding.points(designs))
        return flat.reshape(len(designs), EPOCHS, len(METRICS))

    def curves(self, design):
        """Return the curves of a design under each seed, accuracy, energy and writes, shape (seeds, epochs, 3)."""
        (mean,) = self.means([design])
        point = self.encoding.points([design])[0]
        near = ((self.points - point) ** 2).sum(axis=1).argmin()
        seen = mean[None] + self.noise[near]
        seen[..., 0] = np.clip(seen[..., 0], 0.0, 1.0)
        seen[..., 2] = np.maximum(seen[..., 2], 0.0)
        return natural(seen)

    def volume(self, finals):
        """Return the share of the best volume that designs have, by their true means at the end."""
        inside = (np.atleast_2d(finals) - self.best) / (self.worst - self.best)
        inside = inside[(inside < 1.0).all(axis=1)]
        if len(inside) == 0:
            return 0.0
        return float(moocore.hypervolume(np.maximum(inside, -0.5), ref=np.ones(len(METRICS)))) / self.best_volume
