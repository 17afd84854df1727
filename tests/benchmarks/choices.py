"""What choices of a training on PCM do to the bits per character of an LSTM, on a short text.

    python -m tests.benchmarks.choices [--characters 50000] [--epochs 3] [--seeds 1] [--only NAME]

LSTM of 64 + 64 units on the first characters of the Penn Treebank, exact products, float chi, no drift; one line a
choice as it ends: bits on validation text, SET and RESET pulses, processor seconds. Rates are those of the
benchmark of rates (`tests.benchmarks.recurrent`), and not tuned for each choice.
"""

import argparse
import time
from typing import Any, cast

from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.outcome import Outcome
from tests.benchmarks.kept import processor
from tests.benchmarks.recurrent import EXACT, MOMENTUM

BASE: dict[str, Any] = {
    "network.name": "lstm",
    "network.hidden": [64, 64],
    "workload.dataset": "ptb",
    "accumulator.bits": "float",
    "array.initial_mean_us": 1.6,
    "device.drift_exponent": 0.0,
    **EXACT,
    **MOMENTUM,
    "training.learning_rate": 4.0,
}
COLUMNS: dict[str, Any] = {"array.output_scale": "column"}
FINE: dict[str, Any] = {
    "array.pairs_per_weight": 2,
    "array.significance.ratio": 8.0,
    "array.significance.every_samples": 5_000,
}
CHOICES: dict[str, dict[str, Any]] = {
    "one pair": {},
    "learned scales of columns": COLUMNS,
    "fixed scales of columns": {**COLUMNS, "array.output_scale_kind": "fixed"},
    "learned scales of tiles": {"array.output_scale": "tile"},
    "two equal pairs": {"array.pairs_per_weight": 2},
    "a fine pair beside a coarse one": FINE,
    "the same, 0.125 uS a deviation": {**FINE, "array.conductance_per_std_us": 0.125},
    "eight equal pairs": {"array.pairs_per_weight": 8},
}


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    for name, value in (("characters", 50_000), ("epochs", 3), ("seeds", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--only", default="", help="choices whose name holds this")
    options = parser.parse_args()
    print(f"{processor()}, one thread; 64 + 64 units, {options.characters} characters, {options.epochs} epochs")
    size = {
        "workload.train_characters": options.characters,
        "workload.evaluation_characters": 10_000,
        "training.epochs": options.epochs,
    }
    for what, settings in CHOICES.items():
        for seed in range(1, options.seeds + 1) if options.only in what else ():
            design = compose({**BASE, **size, **settings})
            began = time.process_time()
            outcome = evaluate(design, seed, cast("Any", design.workload).load())
            if not isinstance(outcome, Outcome):
                print(f"  {what:40} seed {seed}  {outcome}", flush=True)
                continue
            counts = [
                sum(layer.events[name] for layer in outcome.layers)
                for name in ("set_pulses_update", "set_pulses_refresh", "resets")
            ]
            bits, spent = outcome.metrics["validation_bits_per_character"], time.process_time() - began
            pulses = f"SET {counts[0] + counts[1]:,}, RESET {counts[2]:,}"
            print(f"  {what:40} seed {seed}  {bits:.3f} bits  {pulses}  {spent:.0f} s", flush=True)


if __name__ == "__main__":
    main()
