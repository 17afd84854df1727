"""What an update rule is: what turns the gradients of a mini-batch into changes of the weights.

A rule is a final class below `AbstractUpdate` in a folder of its own, with what is said of it in `spec.py`, which loads
without torch, and its mechanism, a `dse.updates.descent.Descent`, beside it. It stands in `dse.updates.UPDATES`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from dse.spec import Condition, Spec

if TYPE_CHECKING:
    from torch import nn

    from dse.updates.descent import Descent
    from dse.updates.layers import Layer
    from dse.updates.platform import Platform
    from dse.updates.training import ModuleTraining


class AbstractUpdate:
    """An update rule. Its classes are never made instances of."""

    name: ClassVar[str]
    """Its name in a study file, a value of `architecture`."""
    about: ClassVar[str]
    """What it does, in a line."""
    on_crossbars: ClassVar[bool]
    """Whether weights are in cells on crossbars; cells, converters, refresh and clock act on them alone."""
    optimised: ClassVar[bool] = False
    """Whether gradients pass through the optimisers of `training` (`dse.updates.optimisers`), so that momentum acts."""
    tables: ClassVar[Mapping[str, type[Spec]]] = {}
    """Tables of a design that it has beside those that all designs have, or all on crossbars, by name."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Defaults that it brings for settings of other tables, by their paths."""
    idle: ClassVar[Mapping[str, Condition]] = {}
    """Settings of other tables that have no effect on it, by their paths, and under which further condition."""
    perceptrons: ClassVar[bool] = False
    """Whether it makes layers of a perceptron, which learns without torch's gradients; see `layer`."""

    compiled: ClassVar[bool] = False
    """Whether these layers learn in compiled code, on cells that have some; others take the plain path."""

    accounted: ClassVar[bool] = False
    """Whether it drives a layer by the products of its network alone, and holds weights in pairs or words as
    `dse.updates.usage` has them: then sizes and numbers of products are known before training; see
    `dse.pricing.known`."""

    @classmethod
    def check(cls, tables: Mapping[str, Spec], updates: int) -> None:
        """Check its tables against the rest of a design.

        Args:
            tables: its tables, by name.
            updates: updates, or mini-batches, of the training.

        Raises:
            ValueError: they contradict it.
        """

    @classmethod
    def descent(cls, network: "nn.Module", training: "ModuleTraining", platform: "Platform", *, seed: int) -> "Descent":
        """Return what moves the weights of a network.

        Args:
            network: torch modules whose layers are on the crossbars of the platform, ideal ones for digital weights.
            training: the schedule.
            platform: the hardware, and `tables`.
            seed: seed of the network.
        """
        raise NotImplementedError

    @classmethod
    def layer(cls, rows: int, cols: int, platform: "Platform", *, seed: int, number: int) -> "Layer":
        """Return a layer of a perceptron with initial weights, where `perceptrons` says that it can.

        Args:
            rows: inputs, bias row included.
            cols: outputs.
            platform: as for `descent`.
            seed: seed of the trial.
            number: number of the layer.
        """
        raise NotImplementedError
