"""Recipes for a convolutional network on PCM, each searched, beside floats that are searched as long.

    python -m pipelines.tuned_cnn --out RESULTS [--epochs 15] [--seeds 3] [--trials 6] [--search-epochs 5]

The network and the data of `pipelines.nandakumar2020_cifar` at its small scale: nine layers at a quarter of the width,
10,000 images of CIFAR-10 that are not augmented. Floats search rate, momentum and dropout; PCM (write noise, history
and refresh, exact products, float chi) rate, momentum, dropout, pairs a weight, conductance and output scales.
"""

from .common import IDEAL_PRODUCTS, program
from .tuned import Comparison, Rule, run

RATE = {"low": 0.02, "high": 1.0, "log": True}
DIGITAL = {"training.learning_rate": RATE, "training.momentum": [0.0, 0.9], "training.dropout": [0.0, 0.1, 0.2]}
COMPARISON = Comparison(
    name="tuned-cnn",
    metric="accuracy",
    unit="test accuracy (%)",
    base={
        "workload.dataset": "cifar10",
        "workload.validation": 0.0,
        "workload.images": 10_000,
        "network.name": "cnn9",
        "network.width": 0.25,
        "training.batch_size": 100,
        "training.augmentation": "none",
    },
    held_out={"workload.validation": 0.05},
    rules={
        "digital_float": Rule(
            {"architecture": "float"},
            DIGITAL,
            [
                {"training.learning_rate": 0.1, "training.momentum": 0.9, "training.dropout": 0.0},
                {"training.learning_rate": 0.5, "training.momentum": 0.0, "training.dropout": 0.0},
            ],
        ),
        "pcm": Rule(
            IDEAL_PRODUCTS,
            {
                **DIGITAL,
                "array.pairs_per_weight": [1, 4, 8],
                "array.conductance_per_std_us": {"low": 0.25, "high": 4.0, "log": True},
                "array.output_scale": ["none", "column"],
            },
            [
                {
                    "training.learning_rate": 0.5,
                    "training.momentum": 0.0,
                    "training.dropout": 0.0,
                    "array.pairs_per_weight": 4,
                    "array.conductance_per_std_us": 2.0,
                    "array.output_scale": "column",
                },
                {
                    "training.learning_rate": 0.1,
                    "training.momentum": 0.9,
                    "training.dropout": 0.0,
                    "array.pairs_per_weight": 8,
                    "array.conductance_per_std_us": 0.5,
                    "array.output_scale": "none",
                },
                {
                    "training.learning_rate": 0.1,
                    "training.momentum": 0.9,
                    "training.dropout": 0.0,
                    "array.pairs_per_weight": 8,
                    "array.conductance_per_std_us": 1.0,
                    "array.output_scale": "column",
                },
            ],
        ),
    },
    trials=6,
    search_epochs=5,
    epochs=15,
    seeds=3,
)

if __name__ == "__main__":
    program(lambda: run(COMPARISON, __doc__ or ""))
