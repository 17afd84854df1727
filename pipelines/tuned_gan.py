"""How few pairs does a generator of digits on PCM need, with a rate and a mapping that were searched?

    python -m pipelines.tuned_gan --out RESULTS [--epochs 4] [--seeds 3] [--trials 4] [--search-epochs 2]

The networks and the data of `pipelines.nandakumar2020_gan`. Plain descent in floats searches its rate; PCM (write
noise, history and refresh, exact products, float chi) rate and conductance, with one pair a weight and with four. What
is compared is the Frechet distance on features of our own classifier.
"""

from .common import IDEAL_PRODUCTS, program
from .tuned import Comparison, Rule, run

RATES = {"training.learning_rate": {"low": 0.05, "high": 0.8, "log": True}}
MAPPED = {**RATES, "array.conductance_per_std_us": {"low": 0.5, "high": 8.0, "log": True}}
FIRST = [
    {"training.learning_rate": 0.2, "array.conductance_per_std_us": 4.0},
    {"training.learning_rate": 0.2, "array.conductance_per_std_us": 2.0},
]
COMPARISON = Comparison(
    name="tuned-gan",
    metric="frechet_distance",
    unit="Frechet distance, features of our own",
    base={
        "workload.dataset": "mnist",
        "workload.validation": 0.0,
        "network.name": "gan",
        "training.batch_size": 50,
    },
    held_out={"workload.validation": 0.1},
    rules={
        "digital_plain_descent": Rule({"architecture": "float"}, RATES, [{"training.learning_rate": 0.2}]),
        "pcm_1_pair": Rule(IDEAL_PRODUCTS, MAPPED, FIRST),
        "pcm_4_pairs": Rule({**IDEAL_PRODUCTS, "array.pairs_per_weight": 4}, MAPPED, FIRST),
    },
    trials=4,
    search_epochs=2,
    epochs=4,
    seeds=3,
)

if __name__ == "__main__":
    program(lambda: run(COMPARISON, __doc__ or ""))
