"""Recognition of images: its settings and its metrics."""

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dse.data.base import ImageInfo
from dse.metric import Metric
from dse.tasks.base import AbstractTask, Learner
from dse.updates.training import ModuleTraining

if TYPE_CHECKING:
    from torch import nn

    from dse.updates.platform import Platform

_accuracy = partial(Metric, "maximise", "1", low=0.0, high=1.0)
_deployed = partial(Metric, deployed=True, low=0.0)


class RecognitionTraining(ModuleTraining):
    """Training on the cross-entropy of the classes."""

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
        "programmed_accuracy": _deployed("maximise", "1", "accuracy at the first time of the deployment", high=1.0),
        "accuracy_1d": _deployed("maximise", "1", "accuracy after a day of deployment", high=1.0),
        "retained_accuracy": _deployed("maximise", "1", "accuracy at the last time of the deployment", high=1.0),
        "validation_retained_accuracy": _deployed(
            "maximise", "1", "the same on the held-out training images, for the search", high=1.0
        ),
        "retention_s": _deployed(
            "maximise",
            "s",
            "time until deployment.tolerated_loss of accuracy is lost, at most the last time; on held-out images, if "
            "any",
        ),
    }

    @classmethod
    def learner(
        cls, networks: "tuple[nn.Module, ...]", data: Any, training: Any, platform: "Platform", *, seed: int
    ) -> Learner:
        """Return what learns; see `AbstractTask`."""
        from dse.tasks.recognition.learner import RecognitionLearner  # noqa: PLC0415  torch

        return RecognitionLearner(networks, data, training, platform, seed=seed, augmentation=training.augmentation)
