"""A generator of digits and its discriminator learn on PCM: after Nandakumar et al., Front. Neurosci. 14:406 (2020).

    python -m pipelines.nandakumar2020_gan --out RESULTS [--scale small|full] [--epochs N] [--seeds N] [--device cuda]

Two perceptrons (64-128-256-784 and 784-256-128-1) with a descent of their own each, in digital floats and on pairs of
PCM cells. What is compared is the Frechet distance of generated from test images, on features of a small classifier
that learns MNIST here (not those of the Inception network: the figures compare with each other and with no published
one). The original's constants are not at hand; these are ours: the non-saturating loss, plain descent for both, on
crossbars and in the control `digital_plain_descent`; `digital_float` takes momentum. Products are exact on `pcm` and
where 8, 16 or 32 pairs hold a weight, which makes its steps that much finer (`pcm_8_pairs_fresh` starts with nearly
empty cells, the others half open); converters of 8 bits with read noise and drift act on `pcm_all`, which has eight
pairs. `samples_*.png` shows what seed 0 generates, of some designs.
"""

from pathlib import Path
from typing import cast

from dse.data.images import Dataset
from dse.data.mnist import Mnist
from dse.designs.design import compose
from dse.designs.hardware import platform_of
from dse.search.executor import one_thread
from dse.tasks.generation.frechet import scorer_of
from dse.tasks.generation.learner import GenerationLearner
from dse.tasks.train import train

from .common import EIGHT_PAIRS, IDEAL_PRODUCTS, Experiment, Scale, base_of, program, run

MOMENTUM = {"architecture": "float", "training.momentum": 0.5, "training.learning_rate": 0.1}
EXPERIMENT = Experiment(
    name="nandakumar2020-gan",
    metric="frechet_distance",
    unit="Frechet distance, features of our own",
    base={
        "workload.dataset": "mnist",
        "workload.validation": 0.0,
        "network.name": "gan",
        "training.batch_size": 50,
        "training.learning_rate": 0.2,
    },
    designs={
        "digital_float": MOMENTUM,
        "digital_plain_descent": {"architecture": "float"},
        "pcm": IDEAL_PRODUCTS,
        "pcm_8_pairs": {**IDEAL_PRODUCTS, **EIGHT_PAIRS},
        "pcm_8_pairs_fresh": {**IDEAL_PRODUCTS, "array.pairs_per_weight": 8},
        "pcm_16_pairs": {**IDEAL_PRODUCTS, **EIGHT_PAIRS, "array.pairs_per_weight": 16},
        "pcm_32_pairs": {**IDEAL_PRODUCTS, **EIGHT_PAIRS, "array.pairs_per_weight": 32},
        "pcm_all": {"accumulator.bits": "float", **EIGHT_PAIRS},
    },
    scales={
        "small": Scale({}, 4, 3, "all 60,000 images, few epochs"),
        "full": Scale({}, 50, 5, "all 60,000 images"),
    },
)
DRAWN = ("digital_plain_descent", "pcm", "pcm_8_pairs", "pcm_32_pairs")
"""Designs whose samples are drawn, of those that are run."""
SIDE = 8
"""Images along each side of a picture."""


def draw_samples(design: str, scale: str, epochs: int, data: Dataset, path: Path) -> None:
    """Train a design again under seed 0, and draw what it generates; the training is the same to the last bit."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    composed = compose({**base_of(EXPERIMENT, scale, epochs), **EXPERIMENT.designs[design]})
    platform = platform_of(composed)
    with one_thread():
        learner = cast("GenerationLearner", composed.network.learner(data, composed.training, platform, seed=0))
        curve = train(learner, epochs, sample_time_s=platform.sample_time_s)
        with learner.measuring(epochs * learner.samples * platform.sample_time_s):
            images = learner.images(SIDE * SIDE)
    distance = curve[-1].metrics["frechet_distance"]
    rows, columns = (data.shape or (1, 28, 28))[1:]
    grid = images.view(SIDE, SIDE, rows, columns).permute(0, 2, 1, 3).reshape(SIDE * rows, SIDE * columns)
    figure = Figure(figsize=(4, 4.3), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(grid.numpy(), cmap="gray_r", vmin=0.0, vmax=1.0, interpolation="nearest")
    axes.set_title(f"{design.replace('_', ' ')}, {epochs} epochs, distance {distance:.1f}", fontsize=9)
    axes.set_axis_off()
    figure.savefig(path, dpi=160)


def main() -> None:
    """Run the study, then draw samples of a digital design and one on PCM."""
    options = run(EXPERIMENT, __doc__ or "")
    data = Mnist(validation=0.0).load()
    with one_thread():  # the scorer that measured the study, to the last bit
        print(f"  training from test images, what a perfect generator would reach: {scorer_of(data).floor():.2f}")
    chosen = options.designs.split(",") if options.designs else list(EXPERIMENT.designs)
    for design in (own for own in DRAWN if own in chosen):
        draw_samples(design, options.scale, options.epochs, data, options.out / f"samples_{design}.png")


if __name__ == "__main__":
    program(main)
