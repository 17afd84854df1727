"""What can be chosen about a training: how long, in what mini-batches, at what rate.

`TrainingSpec` is what every training has, and `NoTraining` says that there is none. A task, or a network, extends the
former by what it alone can use, so that the table `training` of a design holds just the settings of its network.
"""

import math
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import model_validator

from dse.spec import ActsUnless, ActsUnlessAny, Added, OneOf, Spec
from dse.updates.optimisers import OPTIMISERS, AbstractOptimiser, optimiser_named

ONLY_DIGITAL = ActsUnless(on_crossbars=True)
"""On crossbars noise is that of the cells."""
OPTIMISED = ActsUnless(optimised=False)
"""Rules that turn gradients into pulses or steps of their own have no optimiser."""
SAME = "same"


def _names() -> list[str]:
    return [own.name for own in OPTIMISERS]


def _abouts() -> str:
    return "; ".join(f'"{own.name}": {own.about}' for own in OPTIMISERS) + "."


def _names_or_same() -> list[str]:
    return [SAME, *_names()]


def _used(setting: str) -> ActsUnlessAny:
    """Return where no optimiser of a training uses a setting."""

    def without() -> list[ActsUnless]:
        names = [own.name for own in OPTIMISERS if setting not in own.uses]
        return [ActsUnless(optimiser=own, digital_optimiser=other) for own in names for other in (SAME, *names)]

    return ActsUnlessAny(without)


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

    The optimiser turns gradients into what moves digital weights, or enters the accumulators of crossbars. Biases,
    scales and normalisation are digital everywhere, and may have an optimiser and a rate of their own. Weight decay,
    bounds and noise on the weights are for digital weights.
    """

    schedule: Literal["constant", "cosine", "step"] = "constant"
    """Learning rate over the training: constant; falling to 0 along half a cosine; or a tenth after half of the epochs
    and a hundredth after three quarters."""
    optimiser: Annotated[str, OneOf(_names, _abouts), OPTIMISED, Added()] = OPTIMISERS[0].name
    """What turns gradients into the direction of an update. On crossbars its words are digital memory beside the
    accumulator, counted and priced. One of"""
    momentum: Annotated[float, Ge(0.0), Lt(1.0), OPTIMISED] = 0.0
    """Share of the mean gradient that remains after an update: Nesterov's momentum, or that of Adam. On crossbars the
    direction enters the accumulator in place of the gradient. 0.9 by default for digital networks of convolutions."""
    squared_momentum: Annotated[float, Ge(0.0), Lt(1.0), OPTIMISED, _used("squared_momentum"), Added()] = 0.999
    """Share of the mean square of the gradient that remains after an update (beta 2 of Kingma and Ba 2015)."""
    digital_optimiser: Annotated[str, OneOf(_names_or_same), OPTIMISED, Added()] = SAME
    """Optimiser of digital parameters: biases, scales and normalisation; "same" as `optimiser`."""
    digital_momentum: Annotated[Annotated[float, Ge(0.0), Lt(1.0)] | Literal["same"], OPTIMISED, Added()] = SAME
    """Momentum of digital parameters; "same" as `momentum`."""
    digital_learning_rate: Annotated[Annotated[float, Gt(0.0), Le(1e30)] | Literal["same"], OPTIMISED, Added()] = SAME
    """Learning rate of digital parameters, which follows the same schedule; "same" as `learning_rate`."""
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
    def of_weights(self) -> AbstractOptimiser:
        """The optimiser of matrices of weights."""
        return optimiser_named(self.optimiser)(self.momentum, self.squared_momentum)

    @property
    def of_digital(self) -> AbstractOptimiser:
        """The optimiser of digital parameters beside them."""
        name = self.optimiser if self.digital_optimiser == SAME else self.digital_optimiser
        momentum = self.digital_momentum if isinstance(self.digital_momentum, float) else self.momentum
        return optimiser_named(name)(momentum, self.squared_momentum)

    @property
    def digital_share(self) -> float:
        """Learning rate of digital parameters in units of that of the weights."""
        rate = self.digital_learning_rate
        return rate / self.learning_rate if isinstance(rate, float) else 1.0

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
