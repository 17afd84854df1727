"""Tiny studies of every kind of network, on crossbars and in digital floats: seconds each."""

from dataclasses import dataclass

IMAGES = {"workload.dataset": "digits", "workload.images": 90}
CONVOLUTIONAL = {
    **IMAGES,
    "network.width": 0.1,
    "training.batch_size": 20,
    "adc.calibrate_every_samples": 30,
    "clock.drift_every_samples": 30,
    "refresh.every_samples": 30,
}


@dataclass(frozen=True)
class Case:
    """A kind of network on its data, and how many designs of it are quick to simulate.

    Attributes:
        objective: what the search optimises, beside the energy of crossbars.
        other: what it optimises beside it in digital floats.
        settings: of the workload and the design; those of cells are left out for digital floats.
        trials: how many designs; ten suffice for forests and regions.
    """

    objective: str
    other: str
    settings: dict[str, object]
    trials: int


CASES = {
    "perceptron": Case("validation_accuracy", "loss", {**IMAGES, "network.hidden": [6]}, 12),
    "cnn": Case("validation_accuracy", "loss", {**CONVOLUTIONAL, "network.name": "cnn"}, 3),
    "resnet8": Case("validation_accuracy", "loss", {**CONVOLUTIONAL, "network.name": "resnet8"}, 2),
    "lstm": Case(
        "validation_bits_per_character",
        "loss",
        {
            "workload.dataset": "ptb",
            "workload.train_characters": 3000,
            "workload.evaluation_characters": 500,
            "network.name": "lstm",
            "network.hidden": [6],
            "adc.calibrate_every_samples": 1000,
            "clock.drift_every_samples": 1000,
            "refresh.every_samples": 1000,
        },
        3,
    ),
    "gan": Case(
        "validation_frechet_distance",
        "frechet_distance",
        {**IMAGES, "network.name": "gan", "network.hidden": [5, 6], "network.latent": 4, "training.batch_size": 20},
        3,
    ),
    "deployed": Case(
        "validation_retained_accuracy",
        "loss",
        {
            **IMAGES,
            "network.hidden": [6],
            "deployment.times_s": [1.0, 86_400.0],
            "deployment.repetitions": 2,
            "deployment.compensation": "gdc",
        },
        12,
    ),
}
ARCHITECTURES = ("float", "mixed_precision")
OF_CELLS = ("adc.", "clock.", "refresh.")


def study_text(kind: str, architecture: str) -> str:
    """Return the study file of a kind of network on an architecture, with a control on the other."""
    case, on_cells = CASES[kind], architecture == "mixed_precision"
    settings = {name: value for name, value in case.settings.items() if on_cells or not name.startswith(OF_CELLS)}
    lines = [f"{name} = {written(value)}" for name, value in settings.items() if not name.startswith("workload.")]
    workload = [
        f"{name.removeprefix('workload.')} = {written(value)}"
        for name, value in settings.items()
        if name.startswith("workload.")
    ]
    space = ['"training.learning_rate" = { low = 0.2, high = 2.0, log = true }']
    space += ['"accumulator.bits" = [4, 8]'] if on_cells else []
    other = "float" if on_cells else "mixed_precision"
    return "\n".join([
        f'name = "{kind}-{architecture}"',
        f'objectives = ["{case.objective}", "{"energy_per_sample_j" if on_cells else case.other}"]',
        "[workload]", *workload,
        "[design]", f'architecture = "{architecture}"', "training.epochs = 1", *lines,
        "[space]", *space,
        "[controls.other]", f'architecture = "{other}"',
        "[search]", 'sampler = "random"',
        "[budget]", f"trials = {case.trials}",
    ])  # fmt: skip


def written(value: object) -> str:
    """Return a value as TOML spells it."""
    return f'"{value}"' if isinstance(value, str) else str(value)
