"""Recognition of images: its settings and its metrics."""

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dse.data.base import ImageInfo
from dse.deployment.measure import deployed_metrics
from dse.metric import Metric
from dse.tasks.base import AbstractTask, Learner
from dse.tasks.recognition.measure import Accuracy
from dse.updates.training import ModuleTraining

if TYPE_CHECKING:
    from torch import nn

    from dse.updates.platform import Platform

_accuracy = partial(Metric, "maximise", "1", low=0.0, high=1.0)


class RecognitionTraining(ModuleTraining):
    """Training on images and their answers."""

    augmentation: Literal["none", "crop_flip"] = "none"
    """"crop_flip" moves every training image by up to 4 pixels in both directions and mirrors half of them."""


class Recognition(AbstractTask):
    """A class for every image, learned on the cross-entropy."""

    name = "recognition"
    accepts = ImageInfo
    training = RecognitionTraining
    metrics: ClassVar = {
        "accuracy": _accuracy("share of the test images recognised after the last epoch"),
        "validation_accuracy": _accuracy("share of the held-out training images recognised, for the search"),
        **deployed_metrics(Accuracy),
    }
    measures = (Accuracy,)

    @classmethod
    def learner(
        cls, networks: "tuple[nn.Module, ...]", data: Any, training: Any, platform: "Platform", *, seed: int
    ) -> Learner:
        """Return what learns; see `AbstractTask`."""
        from dse.tasks.recognition.learner import RecognitionLearner  # noqa: PLC0415  torch

        return RecognitionLearner(networks, data, training, platform, seed=seed, augmentation=training.augmentation)
