"""A character LSTM learns the Penn Treebank on PCM: after Nandakumar et al., Front. Neurosci. 14:406 (2020).

    python -m pipelines.nandakumar2020_ptb --out RESULTS [--scale small|full] [--epochs N] [--seeds N] [--device cuda]

Two LSTM layers and a linear read-out predict the next of 50 characters; all matrices lie on crossbars, and errors pass
back through them over 32 characters. What is compared is bits per character of the test text. The original's constants
are not at hand; these are ours. The control learns by Nesterov's momentum, and once by plain descent. Products are
exact on `pcm`, which takes plain descent, and on `pcm_8_pairs`, where eight pairs hold a weight, which makes its steps
that much finer; converters of 8 bits with read noise and drift act on `pcm_all`. `pcm_recipe` has momentum before chi,
biases in plain descent, and 16 pairs with a quarter of the conductance, so that weights have room to grow and steps are
fine; `digital_recipe` is the same rule in floats, the best one that was found for them.
"""

from .common import EIGHT_PAIRS, IDEAL_PRODUCTS, Experiment, Scale, Settings, program, run

MOMENTUM = {"architecture": "float", "training.momentum": 0.9, "training.learning_rate": 2.0}
RECIPE = {"training.momentum": 0.9, "training.digital_momentum": 0.0, "training.learning_rate": 4.0}
"""Momentum for weights alone: biases that have it, too, run away from cells that follow in steps."""
ONE_PAIR_RECIPE = {**IDEAL_PRODUCTS, **RECIPE}
EIGHT_PAIRS_RECIPE = {**ONE_PAIR_RECIPE, "array.pairs_per_weight": 8, "array.initial_mean_us": 1.6}
SIXTEEN_PAIRS = {"array.pairs_per_weight": 16, "array.initial_mean_us": 1.6, "array.conductance_per_std_us": 0.125}
WHOLE_TEXT: Settings = {**ONE_PAIR_RECIPE, **SIXTEEN_PAIRS}
SLOW = {"training.momentum": 0.95, "training.learning_rate": 2.0}
SLOWER = {"training.momentum": 0.98, "training.learning_rate": 0.8}
SLOWEST = {"training.momentum": 0.99, "training.learning_rate": 0.4}
"""Momenta that average more updates, at rates that move weights as far in the end."""
HALF = {"array.conductance_per_std_us": 0.0625}
EXPERIMENT = Experiment(
    name="nandakumar2020-ptb",
    metric="bits_per_character",
    unit="bits per character, test text",
    base={"workload.dataset": "ptb", "network.name": "lstm"},
    designs={
        "digital_float": MOMENTUM,
        "digital_recipe": {"architecture": "float", **RECIPE},
        "digital_plain_descent": {"architecture": "float"},
        "pcm": IDEAL_PRODUCTS,
        "pcm_recipe": {**IDEAL_PRODUCTS, **RECIPE, **SIXTEEN_PAIRS},
        "pcm_recipe_verified": {**IDEAL_PRODUCTS, **RECIPE, **SIXTEEN_PAIRS, "refresh.verify_rounds": 5},
        "pcm_8_pairs": {**IDEAL_PRODUCTS, **EIGHT_PAIRS},
        "pcm_no_write_noise": {**IDEAL_PRODUCTS, "device.write_noise_scale": 0.0},
        "linear_cell": {**IDEAL_PRODUCTS, "device.card": "ideal_linear", "refresh.every_samples": 0},
        "pcm_all": {"accumulator.bits": "float", "array.read_noise_per": "mini_batch"},
    },
    scales={
        "small": Scale(
            {
                "workload.train_characters": 500_000,
                "workload.evaluation_characters": 100_000,
                "network.hidden": [128, 128],
            },
            5,
            3,
            "the first 500,000 of 5,017,482 characters, measured on 100,000, 2 x 128 units; not the published size",
        ),
        "trial": Scale(
            {
                "workload.train_characters": 200_000,
                "workload.evaluation_characters": 20_000,
                "network.hidden": [80, 80],
            },
            4,
            1,
            "the first 200,000 characters, 2 x 80 units: to look for causes",
        ),
        "short": Scale(
            {
                "workload.train_characters": 100_000,
                "workload.evaluation_characters": 20_000,
                "network.hidden": [64, 64],
            },
            4,
            3,
            "the first 100,000 characters, measured on 20,000, 2 x 64 units: recipes side by side",
            designs={
                "digital_recipe": {"architecture": "float", **RECIPE},
                "pcm_recipe_8_pairs": EIGHT_PAIRS_RECIPE,
                "pcm": IDEAL_PRODUCTS,
                "pcm_recipe_1_pair": ONE_PAIR_RECIPE,
                "pcm_recipe": {**ONE_PAIR_RECIPE, **SIXTEEN_PAIRS},
            },
        ),
        "text": Scale(
            {"workload.evaluation_characters": 100_000, "network.hidden": [128, 128]},
            3,
            3,
            "all 5,017,482 characters, measured on 100,000, 2 x 128 units; not the published epochs",
            designs={
                "pcm_recipe": WHOLE_TEXT,
                "digital_recipe": {"architecture": "float", **RECIPE},
                "pcm_long": {**WHOLE_TEXT, **SLOW, **HALF, "training.digital_learning_rate": 4.0},
            },
        ),
        "epoch": Scale(
            {"workload.evaluation_characters": 100_000, "network.hidden": [128, 128]},
            1,
            1,
            "all 5,017,482 characters once, measured on 100,000, 2 x 128 units: what closes the gap",
            designs={
                "digital_recipe": {"architecture": "float", **RECIPE},
                "digital_momentum_98": {"architecture": "float", **RECIPE, **SLOWER},
                "pcm_recipe": WHOLE_TEXT,
                "half_rate": {**WHOLE_TEXT, "training.learning_rate": 2.0},
                "half_conductance": {**WHOLE_TEXT, **HALF},
                "column_scales": {**WHOLE_TEXT, "array.output_scale": "column"},
                "kept_misses": {**WHOLE_TEXT, "accumulator.refresh_misses": "kept"},
                "no_write_noise": {**WHOLE_TEXT, "device.write_noise_scale": 0.0},
                "momentum_98": {**WHOLE_TEXT, **SLOWER},
                "momentum_95_half": {**WHOLE_TEXT, **SLOW, **HALF},
                "momentum_98_half": {**WHOLE_TEXT, **SLOWER, **HALF},
                "momentum_99_half": {**WHOLE_TEXT, **SLOWEST, **HALF},
            },
        ),
        "full": Scale({"network.hidden": [512, 512]}, 20, 3, "all 5,017,482 characters, 2 x 512 units"),
    },
)

if __name__ == "__main__":
    program(lambda: run(EXPERIMENT, __doc__ or ""))
