"""A plain convolutional network learns CIFAR-10 on PCM: after Nandakumar et al., Front. Neurosci. 14:406 (2020).

    python -m pipelines.nandakumar2020_cifar --out RESULTS [--scale small|full] [--epochs N] [--seeds N] [--device cuda]

Nine layers (six convolutions, three linear layers; 1,464,986 weights at full scale) with and without dropout, in
digital floats and on pairs of PCM cells. The original's constants are not at hand; these are ours. The control learns
by Nesterov's momentum and weight decay, as digital training is done, and once by the plain descent that crossbars
take. Products are exact on `pcm`; converters of 8 bits with read noise and drift act on `pcm_all`. At small scale a
narrow network learns from 10,000 images that are not augmented, so that there is something for dropout, or for the
noise of the devices, to regularise: what to look at is the test accuracy beside the loss in training. That loss is the
mean over the last epoch, each image measured before it is learned, and with dropout where a design has it, which makes
it larger: designs with and without dropout compare by their test accuracy alone.
"""

from .common import IDEAL_PRODUCTS, Experiment, Scale, program, run

PLAIN = {"architecture": "float", "training.learning_rate": 0.5, "training.momentum": 0.0, "training.weight_decay": 0.0}
EXPERIMENT = Experiment(
    name="nandakumar2020-cifar",
    metric="accuracy",
    unit="test accuracy (%)",
    base={
        "workload.dataset": "cifar10",
        "workload.validation": 0.0,
        "network.name": "cnn9",
        "training.batch_size": 100,
    },
    designs={
        "digital_float": {"architecture": "float"},
        "digital_float_dropout": {"architecture": "float", "training.dropout": 0.2},
        "digital_plain_descent": PLAIN,
        "pcm": IDEAL_PRODUCTS,
        "pcm_dropout": {**IDEAL_PRODUCTS, "training.dropout": 0.2},
        "pcm_all": {"accumulator.bits": "float", "array.read_noise_per": "mini_batch"},
    },
    scales={
        "small": Scale(
            {"network.width": 0.25, "workload.images": 10_000, "training.augmentation": "none"},
            15,
            3,
            "width 0.25, a sixteenth of the weights, 10,000 images; not the published size",
        ),
        "full": Scale({}, 100, 3, "full width, 1,464,986 weights, 50,000 images"),
    },
)

if __name__ == "__main__":
    program(lambda: run(EXPERIMENT, __doc__ or ""))
