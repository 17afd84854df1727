"""Which network needs the longest accumulators? Bits of chi against three networks of equal size, on PCM.

    python -m pipelines.nandakumar2020_accumulators --out RESULTS [--epochs N] [--seeds 1] [--networks cnn,lstm,gan]

A convolutional network on CIFAR-10, an LSTM on the characters of the Penn Treebank and a generator with its
discriminator on MNIST (with eight pairs a weight: with one it hardly learns), all with about 100,000 weights, learn
with accumulators of 2 to 16 bits and of floats, products exact, updates rounded to the word stochastically or to the
nearest. These are small, scaled experiments on purpose: one size for all three, fewer epochs and less text than the
networks are made for. The table gives each network's figure for each length of word, and the shortest word that comes
within a tenth of the way from an untrained network to what floats reach; for the generator, within a tenth of the
distance that floats reach.
"""

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from .common import EIGHT_PAIRS, IDEAL_PRODUCTS, Settings, chosen, program, show, simulate, study_of
from .nandakumar2020_cifar import EXPERIMENT as CIFAR
from .nandakumar2020_gan import EXPERIMENT as GAN
from .nandakumar2020_ptb import EXPERIMENT as PTB

BITS = (2, 4, 6, 8, 12, 16)
ROUNDINGS = ("nearest", "stochastic")
TOLERATED = 0.1
"""Share of what floats gain over an untrained network that a short word may lose."""
NETWORKS: Mapping[str, tuple[str, Settings, float | None]] = {
    "cnn": ("accuracy", {**CIFAR.base, **CIFAR.scales["small"].settings, "training.epochs": 6}, 0.1),
    "lstm": (
        "bits_per_character",
        {
            **PTB.base,
            "network.hidden": [80, 80],
            "workload.train_characters": 300_000,
            "workload.evaluation_characters": 50_000,
            "training.epochs": 2,
        },
        math.log2(50),
    ),
    "gan": ("frechet_distance", {**GAN.base, "network.hidden": [32, 64], **EIGHT_PAIRS, "training.epochs": 4}, None),
}
"""Network -> its metric, its settings, and the metric of a network that has learned nothing, where that is known.

Chance is one class of ten, and a uniform guess among fifty symbols. For the generator the words compare by ratio.
"""


def designs() -> dict[str, Settings]:
    """Return the designs that every network is simulated as."""
    table: dict[str, Settings] = {"chi_float": IDEAL_PRODUCTS}
    for rounding in ROUNDINGS:
        for bits in BITS:
            own = {"accumulator.bits": bits, "accumulator.rounding": rounding}
            table[f"chi_{bits}_bits_{rounding}"] = {**IDEAL_PRODUCTS, **own}
    return table


def shortest(
    values: Mapping[str, float | None], rounding: str, untrained: float | None, *, maximise: bool = False
) -> int | None:
    """Return the fewest bits from which on every longer word is good enough, or None where none is.

    Args:
        values: the metric of each design.
        rounding: how words are rounded.
        untrained: the metric of a network that has learned nothing; None where short words compare by ratio.
        maximise: whether more is better.
    """
    reached, found = values["chi_float"], None
    if reached is None:
        return None
    sign = -1.0 if maximise else 1.0
    gain = reached if untrained is None else sign * (untrained - reached)
    if gain <= 0.0 or (untrained is not None and gain < TOLERATED * untrained):
        return None  # what learns next to nothing in floats tells nothing of words
    for bits in reversed(BITS):
        value = values[f"chi_{bits}_bits_{rounding}"]
        if value is None:
            break
        if not sign * (value - reached) <= TOLERATED * gain:
            break
        found = bits
    return found


def main() -> None:
    """Run a study for each network, and show what they need."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the studies and tables")
    parser.add_argument(
        "--epochs", type=int, help="of all networks; 6 of the CNN, 2 of the LSTM, 4 of the GAN by default"
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--networks", help=f"some of {', '.join(NETWORKS)}; all by default")
    parser.add_argument("--executor", choices=["ray", "local"], default="ray")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    needs: list[dict[str, Any]] = []
    for network in chosen(parser, "--networks", options.networks, NETWORKS):
        metric, settings, untrained = NETWORKS[network]
        base = {**settings, **({"training.epochs": options.epochs} if options.epochs else {})}
        study = study_of(f"accumulators-{network}", metric, base, designs(), options.seeds)
        table = simulate(study, options.out / network, options.executor, metric)
        table.write_parquet(options.out / f"{network}.parquet")
        show(f"{network}: about 100,000 weights, {base['training.epochs']} epochs, a scaled experiment", table, metric)
        values = dict(table.select("design", metric).rows())
        needs += [
            {"network": network, "metric": metric, "chi_float": values["chi_float"], "rounding": rounding}
            | {f"{bits}_bits": values[f"chi_{bits}_bits_{rounding}"] for bits in BITS}
            | {"bits_needed": shortest(values, rounding, untrained, maximise=metric == "accuracy")}
            for rounding in ROUNDINGS
        ]
    frame = pl.DataFrame(needs, infer_schema_length=None)
    frame.write_parquet(options.out / "accumulators.parquet")
    with pl.Config(tbl_cols=-1, tbl_hide_dataframe_shape=True, float_precision=3):
        print(frame)


if __name__ == "__main__":
    program(main)
