"""What can be chosen about a training: how long, in what mini-batches, at what rate.

`TrainingSpec` is what every training has, and `NoTraining` says that there is none. A task, or a network, extends the
former by what it alone can use, so that the table `training` of a design holds just the settings of its network.
"""

import math
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import model_validator

from dse.spec import ActsUnless, Spec

ONLY_DIGITAL = ActsUnless(on_crossbars=True)
"""On crossbars the memory of a descent is the accumulator, and noise is that of the cells."""


class AbstractTraining(Spec):
    """What the table `training` of any network is."""

    @property
    def passes(self) -> int:
        """Passes over the training samples."""
        raise NotImplementedError

    def updates_of(self, samples: int) -> int:
        """Return the number of updates of the training for so many training samples."""
        raise NotImplementedError

    @property
    def shorter_are_prefixes(self) -> bool:
        """Whether the same training with fewer epochs is the beginning of this one: nothing looks at its length.

        Shorter trainings are then answered from longer ones. Say False where a schedule, or anything else, does look.
        """
        return False


class NoTraining(AbstractTraining):
    """No training, of a network that is trained already. It has no settings."""

    @property
    def passes(self) -> int:
        """None."""
        return 0

    def updates_of(self, samples: int) -> int:  # noqa: ARG002
        """Return 0."""
        return 0


class TrainingSpec(AbstractTraining):
    """Stochastic gradient descent, samples in an order shuffled for every epoch where they have none of their own."""

    epochs: Annotated[int, Ge(1), Le(10_000)] = 30
    """Passes over the training samples."""
    batch_size: Annotated[int, Ge(1), Le(65536)] = 10
    """Samples between two updates; streams of text side by side where a network reads text."""
    learning_rate: Annotated[float, Gt(0.0), Le(1e30)] = 2.0
    """Factor of the gradient, averaged over the mini-batch."""

    @property
    def passes(self) -> int:
        """The epochs."""
        return self.epochs

    def updates_of(self, samples: int) -> int:
        """Return the number of updates of the training for so many training samples."""
        return self.epochs * math.ceil(samples / self.batch_size)

    @property
    def shorter_are_prefixes(self) -> bool:
        """Yes: an epoch follows from those before."""
        return True


class ModuleTraining(TrainingSpec):
    """Training of torch modules, on crossbars or digitally.

    On crossbars they learn by plain descent, whose memory is the accumulator; digitally also with momentum, weight
    decay, and noise on the weights.
    """

    schedule: Literal["constant", "cosine", "step"] = "constant"
    """Learning rate over the training: constant; falling to 0 along half a cosine; or a tenth after half of the epochs
    and a hundredth after three quarters."""
    momentum: Annotated[float, Ge(0.0), Lt(1.0), ONLY_DIGITAL] = 0.0
    """Nesterov momentum of digital training."""
    weight_decay: Annotated[float, Ge(0.0), Le(1.0), ONLY_DIGITAL] = 0.0
    """Added to the gradient in units of the weight, in digital training and for matrices of weights alone."""
    weight_noise: Annotated[float, Ge(0.0), Le(1.0), ONLY_DIGITAL] = 0.0
    """Noise-aware digital training: standard deviation of the noise on the weights in units of a layer's largest
    weight, drawn for every mini-batch; gradients go to the clean weights (eta_tr of Joshi et al. 2020, 0.038 there)."""
    weight_noise_ramp_epochs: Annotated[int, Ge(0), Le(10_000), ONLY_DIGITAL, ActsUnless(weight_noise=0.0)] = 0
    """Epochs over which this noise grows linearly to its full size."""
    clip_std: Annotated[Annotated[float, Gt(0.0), Le(100.0)] | Literal["none"], ONLY_DIGITAL] = "none"
    """Digital weights are kept within so many of a layer's standard deviations after every update (alpha of Joshi et
    al. 2020, 2 there)."""

    @property
    def shorter_are_prefixes(self) -> bool:
        """Only at a constant rate; the other schedules follow the share of the training that is over."""
        return self.schedule == "constant"

    @model_validator(mode="after")
    def _noise_reaches_its_size(self) -> "ModuleTraining":
        if self.weight_noise_ramp_epochs > self.epochs:
            msg = (
                f"weight_noise_ramp_epochs = {self.weight_noise_ramp_epochs} exceeds the {self.epochs} epochs of the "
                "training"
            )
            raise ValueError(msg)
        return self
