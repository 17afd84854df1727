"""The perceptron of the MNIST experiment on harder images of the same shape: CIFAR-10 in grey.

    python -m pipelines.perceptron_grey --out RESULTS [--epochs 15] [--seeds 3] [--trials 8] [--search-epochs 3]

784-250-10 units, one image at a time, as `pipelines.nandakumar2020_mnist` has it after Nandakumar et al. (2020), but
nothing is taken from there that a task decides: rate and initial weights are searched, for floats and for PCM alike,
in the same space, with as many trials of as many epochs, on 5,000 training images that are held out
(`RESULTS/search_*`), first with those of the MNIST experiment. `RESULTS/main` trains on all 50,000 images what each of
them found. The same command goes on with all of them.

The images (`RESULTS/grey.npz`) are the luma of Rec. ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, of the middle 28x28
pixels.
"""

from pathlib import Path

import numpy as np

from dse.data.base import data_folder
from dse.data.cifar10 import SHAPE, Cifar10

from .common import Settings, program, save_arrays
from .nandakumar2020_mnist import PCM
from .tuned import Comparison, Rule, run

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (Rec. ITU-R BT.601-7, section 2.5.1)."""
SIDE = 28
FILE = "grey.npz"
PUBLISHED: Settings = {"training.learning_rate": 0.4, "array.conductance_per_weight_us": 8.0}
"""What the MNIST experiment takes."""
SPACE: Settings = {
    "training.learning_rate": {"low": 0.01, "high": 1.0, "log": True},
    "array.conductance_per_weight_us": {"low": 2.0, "high": 32.0, "log": True},
}
"""What is searched; the conductance of a weight also says how large initial weights are, of floats, too."""


def grey(images: np.ndarray) -> np.ndarray:
    """Return the luma of the middle of images.

    Args:
        images: bytes of shape (images, 3 * 32 * 32), red, green, blue, each row by row.

    Returns:
        Bytes of shape (images, 28, 28).
    """
    edge = (SHAPE[1] - SIDE) // 2
    middle = images.reshape(-1, *SHAPE)[:, :, edge : edge + SIDE, edge : edge + SIDE]
    return np.rint(np.einsum("nchw,c->nhw", middle.astype(np.float64), LUMA)).astype(np.uint8)


def write_images(folder: Path) -> None:
    """Write the data set into a folder, if it is not there.

    Raises:
        DataError: CIFAR-10 is missing or unreadable.
    """
    if not (folder / FILE).exists():
        raw = Cifar10().read(data_folder())
        train, test = grey(raw.train), grey(raw.test)
        save_arrays(folder / FILE, x_train=train, y_train=raw.train_labels, x_test=test, y_test=raw.test_labels)


COMPARISON = Comparison(
    name="perceptron-grey",
    metric="accuracy",
    unit="test accuracy (%)",
    base={
        "workload.dataset": "arrays",
        "workload.file": FILE,
        "workload.validation": 0.0,
        "network.name": "perceptron",
        "network.hidden": [250],
        "training.batch_size": 1,
    },
    held_out={"workload.validation": 0.1},
    rules={
        "digital_float": Rule({"architecture": "float"}, SPACE, [PUBLISHED]),
        "pcm": Rule(PCM, SPACE, [PUBLISHED]),
    },
    trials=8,
    search_epochs=3,
    epochs=15,
    seeds=3,
    prepare=write_images,
)

if __name__ == "__main__":
    program(lambda: run(COMPARISON, __doc__ or ""))
