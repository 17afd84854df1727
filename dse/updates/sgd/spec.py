"""Stochastic gradient descent in digital floats: what is said of it."""

from typing import TYPE_CHECKING

from dse.updates.base import AbstractUpdate

if TYPE_CHECKING:
    from torch import nn

    from dse.updates.layers import FloatLayer
    from dse.updates.platform import Platform
    from dse.updates.sgd.descent import DigitalDescent
    from dse.updates.training import ModuleTraining


class Sgd(AbstractUpdate):
    """Descent in 32-bit floats, for torch modules with momentum, weight decay and noise on the weights."""

    name = "float"
    about = "digital float32 training, the control"
    on_crossbars = False
    optimised = True
    perceptrons = True
    compiled = True
    accounted = True

    @classmethod
    def descent(
        cls,
        network: "nn.Module",
        training: "ModuleTraining",
        platform: "Platform",  # noqa: ARG003  there is no hardware
        *,
        seed: int,
    ) -> "DigitalDescent":
        """Return what moves the weights; see `AbstractUpdate`."""
        from dse.updates.sgd.descent import DigitalDescent  # noqa: PLC0415  torch

        return DigitalDescent(network, training, seed=seed)

    @classmethod
    def layer(cls, rows: int, cols: int, platform: "Platform", *, seed: int, number: int) -> "FloatLayer":
        """Return a layer of a perceptron; see `AbstractUpdate`."""
        from dse.updates.layers import FloatLayer  # noqa: PLC0415  torch

        return FloatLayer(rows, cols, platform.array, seed=seed, layer=number)
