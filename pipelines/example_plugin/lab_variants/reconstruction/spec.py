"""Reconstruction of images: its metrics."""

from typing import TYPE_CHECKING, Any, ClassVar

from dse.data.base import ImageInfo
from dse.metric import Metric
from dse.tasks.base import AbstractTask, Learner

if TYPE_CHECKING:
    from torch import nn

    from dse.updates.platform import Platform


class Reconstruction(AbstractTask):
    """The pixels of every image, learned on the squared error."""

    name = "reconstruction"
    accepts = ImageInfo
    metrics: ClassVar = {
        "pixel_error": Metric("minimise", "1", "mean squared error of the pixels of the test images"),
        "validation_pixel_error": Metric("minimise", "1", "the same of the held-out training images, for the search"),
    }
    # Nothing says what a deployed network is worth; `measures` would.
    idle: ClassVar = {"deployment": {}}

    @classmethod
    def learner(
        cls, networks: "tuple[nn.Module, ...]", data: Any, training: Any, platform: "Platform", *, seed: int
    ) -> Learner:
        """Return what learns; see `AbstractTask`."""
        from lab_variants.reconstruction.learner import ReconstructionLearner  # noqa: PLC0415  torch

        return ReconstructionLearner(networks, data, training, platform, seed=seed)
