"""Regression: its metrics and its defaults."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from dse.data.base import NumberInfo
from dse.deployment.measure import deployed_metrics
from dse.metric import Metric
from dse.tasks.base import AbstractTask, Learner
from dse.tasks.recognition.spec import RecognitionTraining
from dse.tasks.regression.measure import SquaredError

if TYPE_CHECKING:
    from torch import nn

    from dse.updates.platform import Platform


class Regression(AbstractTask):
    """Numbers for every sample, learned on half the squared error."""

    name = "regression"
    accepts = NumberInfo
    training = RecognitionTraining
    metrics: ClassVar = {
        "squared_error": Metric(
            "minimise",
            "1",
            "mean squared error of the numbers of the test samples, in units of their variance over the training",
            low=0.0,
        ),
        "validation_squared_error": Metric(
            "minimise", "1", "the same of the held-out training samples, for the search", low=0.0
        ),
        **deployed_metrics(SquaredError),
    }
    measures = (SquaredError,)
    # Outputs are linear: the steps that suit a sigmoid or a softmax are too long.
    defaults: ClassVar[Mapping[str, Any]] = {"training.learning_rate": 0.05}

    @classmethod
    def learner(
        cls, networks: "tuple[nn.Module, ...]", data: Any, training: Any, platform: "Platform", *, seed: int
    ) -> Learner:
        """Return what learns; see `AbstractTask`."""
        from dse.tasks.regression.learner import RegressionLearner  # noqa: PLC0415  torch

        return RegressionLearner(networks, data, training, platform, seed=seed, augmentation=training.augmentation)
