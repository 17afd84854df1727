"""Layers of a perceptron, trained without a design around them."""

from collections.abc import Sequence

from dse.data.images import Dataset
from dse.networks.perceptron.learner import PerceptronLearner
from dse.tasks.curve import Epoch
from dse.tasks.recognition.measure import Accuracy
from dse.tasks.regression.measure import SquaredError
from dse.tasks.train import train as train_learner
from dse.updates.layers import Layer
from dse.updates.pace import Pace
from dse.updates.training import TrainingSpec


def train(
    layers: Sequence[Layer],
    data: Dataset,
    spec: TrainingSpec,
    *,
    sample_time_s: float,
    maintain_every: int,
    seed: int,
    drift_every: int = 1000,
    calibrate_every: int = 0,
    compiled: bool = True,
) -> list[Epoch]:
    """Train layers in place, and return the learning curve."""
    pace = Pace(spec.learning_rate, sample_time_s, drift_every, maintain_every, calibrate_every)
    measure = Accuracy if data.classes else SquaredError
    learner = PerceptronLearner(layers, data, spec.batch_size, pace, measure=measure, seed=seed, compiled=compiled)
    return train_learner(learner, spec.epochs, sample_time_s=sample_time_s)
