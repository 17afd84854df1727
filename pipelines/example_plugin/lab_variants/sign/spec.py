"""Sign descent: what is said of it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from dse.spec import Condition
from dse.updates.base import AbstractUpdate

if TYPE_CHECKING:
    from torch import nn

    from dse.updates.platform import Platform
    from dse.updates.training import ModuleTraining
    from lab_variants.sign.descent import SignDescent

UNUSED = ("weight_decay", "weight_noise", "weight_noise_ramp_epochs", "clip_std")


class Sign(AbstractUpdate):
    """Every weight moves by the learning rate against the sign of its gradient, in floats."""

    name = "sign"
    about = "digital float32 training by the signs of the gradients"
    on_crossbars = False
    defaults: ClassVar[Mapping[str, Any]] = {"training.learning_rate": 0.01}
    idle: ClassVar[Mapping[str, Condition]] = {f"training.{name}": {} for name in UNUSED}

    @classmethod
    def descent(
        cls,
        network: "nn.Module",
        training: "ModuleTraining",  # noqa: ARG003
        platform: "Platform",  # noqa: ARG003  there is no hardware
        *,
        seed: int,  # noqa: ARG003  nothing is random
    ) -> "SignDescent":
        """Return what moves the weights; see `AbstractUpdate`."""
        from lab_variants.sign.descent import SignDescent  # noqa: PLC0415  torch

        return SignDescent(network)
