"""Generation of images against a discriminator: its settings and its metrics."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Gt, Le

from dse.data.base import DataInfo, ImageInfo
from dse.metric import Metric
from dse.tasks.base import AbstractTask, Learner
from dse.updates.training import ModuleTraining

if TYPE_CHECKING:
    from torch import nn

    from dse.updates.platform import Platform


class GenerationTraining(ModuleTraining):
    """Training of a generator against its discriminator."""

    adversarial_loss: Literal["hinge", "least_squares", "non_saturating"] = "non_saturating"
    """What generator and discriminator minimise; see `dse.tasks.generation.losses`."""
    discriminator_rate: Annotated[float, Gt(0.0), Le(1e6)] = 1.0
    """Learning rate of the discriminator in units of `learning_rate`, which is the generator's."""


class Generation(AbstractTask):
    """Images that look like those of the data set."""

    name = "generation"
    accepts = ImageInfo
    training = GenerationTraining
    metrics: ClassVar = {
        "frechet_distance": Metric(
            "minimise", "1", "Frechet distance of generated from test images, on features of our own", low=0.0
        ),
        "validation_frechet_distance": Metric(
            "minimise", "1", "the same from the held-out training images, for the search", low=0.0
        ),
    }
    misleading: ClassVar = {
        "loss": "it is the discriminator's where images are generated, and smallest where the generator fails",
    }
    infers_whole = False  # the discriminator only teaches
    # Nothing says yet what a deployed network is worth.
    idle: ClassVar = {"deployment": {}}

    @classmethod
    def check(cls, training: GenerationTraining, info: DataInfo) -> None:
        """Check that no mini-batch has a single image, which cannot be normalised."""
        images, together = info.samples, training.batch_size
        if images % together == 1 % together:
            msg = (
                f"training.batch_size = {together} leaves a mini-batch of one of {images} images, and normalisation "
                "needs two; give another"
            )
            raise ValueError(msg)

    @classmethod
    def learner(
        cls, networks: "tuple[nn.Module, ...]", data: Any, training: Any, platform: "Platform", *, seed: int
    ) -> Learner:
        """Return what learns; see `AbstractTask`."""
        from dse.tasks.generation.learner import GenerationLearner  # noqa: PLC0415  torch

        return GenerationLearner(
            networks,
            data,
            training,
            platform,
            seed=seed,
            loss=training.adversarial_loss,
            discriminator_rate=training.discriminator_rate,
        )
