"""What a task is: what its networks learn from, what they are measured by, and how they learn.

A task is a final class below `AbstractTask` in a folder of its own, with its settings and metrics in `spec.py`, which
loads without torch, and its learner in `learner.py`. It stands in `dse.tasks.TASKS`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from dse.data.base import DataInfo
from dse.deployment.measure import AbstractMeasure
from dse.metric import Metric
from dse.spec import Condition
from dse.updates.training import AbstractTraining, ModuleTraining

if TYPE_CHECKING:
    from torch import nn

    from dse.crossbar.usage import LayerUsage
    from dse.deployment.network import AbstractDeployedNetwork
    from dse.deployment.spec import DeploymentSpec
    from dse.updates.platform import Platform


class Learner(Protocol):
    """A network that learns a data set on the hardware of a design.

    One that is `dse.pausing.Pausable` too, which has the methods `state` and `restore`, lets a training pause after any
    epoch and go on elsewhere. Without them trainings run to their end, and start from the beginning where one that
    paused would go on.

    Attributes:
        samples: samples of an epoch.
    """

    samples: int

    def learn(self, seen: int) -> float:
        """Learn for an epoch, having seen some samples, and return the sum of their losses.

        Raises:
            DivergedError: the training left the range of numbers.
        """
        ...

    def measure(self, now_s: float) -> Mapping[str, float]:
        """Return the metrics of the network as inference sees it at a time, in s, by name."""
        ...

    def usage(self) -> "list[LayerUsage]":
        """Return what happened in the layers, first layer first."""
        ...

    def deployed(self, spec: "DeploymentSpec", trained_until_s: float) -> "AbstractDeployedNetwork[Any] | None":
        """Return the trained network on the cells of its deployment; None where the task has none."""
        ...


class AbstractTask:
    """What a network is for. Its classes are never made instances of: all that they say belongs to the class."""

    name: ClassVar[str]
    """Its name."""
    accepts: ClassVar[type[DataInfo]]
    """What its networks learn from."""
    metrics: ClassVar[Mapping[str, Metric]]
    """What is measured on its networks, by name; those of every network apart."""
    measures: ClassVar[tuple[type[AbstractMeasure], ...]] = ()
    """What is measured on a deployed network, the first to say how long it lasts; `metrics` holds the metrics of them
    (`dse.deployment.measure.deployed_metrics`). Empty for a task without deployment, whose `idle` says so."""
    training: ClassVar[type[AbstractTraining]] = ModuleTraining
    """What the table `training` holds."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Defaults that it brings for settings of other tables, by their paths, before those of the update rule."""
    misleading: ClassVar[Mapping[str, str]] = {}
    """Metrics of every network that say nothing good of these, and why."""
    deploys_always: ClassVar[bool] = False
    """Whether every design of it has a deployment, also where no setting of that is given: nothing else is asked."""
    infers_whole: ClassVar[bool] = True
    """Whether inference uses every layer that learns; where it does not, an inference has no price of its own."""
    idle: ClassVar[Mapping[str, Condition]] = {}
    """Settings, or tables, without effect here, and under which further condition."""

    @classmethod
    def check(cls, training: Any, info: DataInfo) -> None:
        """Check that a training fits the samples.

        Raises:
            ValueError: it does not; what came, what is allowed and what to do.
        """

    @classmethod
    def learner(
        cls, networks: "tuple[nn.Module, ...]", data: Any, training: Any, platform: "Platform", *, seed: int
    ) -> Learner:
        """Return what learns a data set with networks, whose layers it puts on the hardware of a platform."""
        raise NotImplementedError
