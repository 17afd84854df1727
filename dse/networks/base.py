"""What a network is: its settings, what it brings to the rest of a design, and how it is built.

A network is a final class below `AbstractNetwork` in a folder of its own, with its settings in `spec.py`, which loads
without torch, and its modules in `module.py`. It stands in `dse.networks.NETWORKS`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import Strict

from dse.data.base import Data, DataInfo
from dse.errors import SettingError
from dse.networks.products import Products
from dse.spec import Condition, Spec
from dse.tasks.base import AbstractTask, Learner
from dse.updates.base import AbstractUpdate
from dse.updates.training import AbstractTraining

if TYPE_CHECKING:
    from torch import nn

    from dse.updates.platform import Platform

Units = Annotated[tuple[Annotated[int, Ge(1), Le(65536)], ...], MinLen(1), Strict(strict=False)]
"""Units of each hidden layer."""


class AbstractNetwork(Spec):
    """The network that learns. Its settings stand in the table `network` of a design."""

    name: Any
    """Name of the network: one string, a literal of its own in each."""
    width: Annotated[float, Gt(0.0), Le(64.0)] = 1.0
    """Width multiplier: a hidden layer has max(1, round(width * units)) units, or as many channels."""

    task: ClassVar[type[AbstractTask]]
    """What it is for."""
    tasks: ClassVar[tuple[type[AbstractTask], ...]] = ()
    """All that it is for, where that is more than `task`, which is the first of them then. The samples decide: a
    design has the first task that accepts them. All share the table `training` of the first."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Defaults that it brings for settings of other tables, by their paths."""
    digital_defaults: ClassVar[Mapping[str, Any]] = {}
    """Further ones where its weights are digital."""
    idle: ClassVar[Mapping[str, Condition]] = {}
    """Settings of other tables that have no effect on it, by their paths, and under which further condition."""

    plain_with: ClassVar[Mapping[str, str]] = {}
    """Tables of settings with which it learns on the plain path alone, where it has a compiled one, and why."""
    plain_rule: ClassVar[str] = ""
    """What it costs to learn by a rule without compiled code, where others have some."""
    plain_cells: ClassVar[str] = ""
    """What it costs to learn on cells without compiled code."""
    slow_with: ClassVar[Mapping[tuple[str, Any], str]] = {}
    """Paths of settings, each with a value that costs it much time, and how much."""
    on_accelerators: ClassVar[str] = ""
    """Which other path an accelerator takes for it, and how much slower it is, where it does."""

    batch_norm: ClassVar[bool] = False
    """Whether it has batch normalisation, whose statistics a deployment can estimate anew."""

    @classmethod
    def training(cls) -> type[AbstractTraining]:
        """Return what the table `training` holds."""
        return cls.task.training

    @classmethod
    def task_for(cls, kind: type[DataInfo]) -> type[AbstractTask]:
        """Return the task for a kind of samples: the first that accepts them, else the first."""
        return next((own for own in cls.tasks if issubclass(kind, own.accepts)), cls.task)

    learns_not: ClassVar[str] = "which moves the weights of torch modules alone"
    """Why it cannot learn by an update rule where it cannot, in an error."""

    @classmethod
    def learns_by(cls, rule: type[AbstractUpdate]) -> bool:  # noqa: ARG003
        """Return whether it can learn by an update rule: torch modules can by any."""
        return True

    @property
    def has_batch_norm(self) -> bool:
        """Whether it has batch normalisation, in an instance whose file decides it."""
        return self.batch_norm

    def check(self, info: Any) -> None:
        """Check that the network fits the samples; `dse check` asks without building it.

        Args:
            info: what the samples are, of the kind that its task accepts.

        Raises:
            ValueError: it does not; what came, what is allowed and what to do.
        """

    def learner(self, data: Data, training: Any, platform: "Platform", *, seed: int) -> Learner:
        """Return the network, ready to learn a data set on the hardware of a platform.

        Args:
            data: the data set, of the kind that its task accepts.
            training: the table `training` of its design.
            platform: the hardware.
            seed: seed of the trial.
        """
        from dse.tasks.modules import own_generator  # noqa: PLC0415  torch

        with own_generator(seed, "initial weights of modules"):
            networks = self.build(data.info, training, seed=seed)
        if not isinstance(networks, tuple):  # pyright: ignore[reportUnnecessaryIsInstance]  a plug-in may
            raise SettingError(
                f"network.name = {self.name!r}: build() of {type(self).__name__} returns {type(networks).__name__}; "
                "let it return a tuple of modules, (module,) for one"
            )
        return self.task_for(type(data.info)).learner(networks, data, training, platform, seed=seed)

    joins: ClassVar[bool] = False
    """Whether designs of it can learn together on an accelerator; see `can_join` and `join`."""

    @classmethod
    def can_join(cls, platform: "Platform") -> bool:  # noqa: ARG003
        """Return whether a design whose network would learn on a platform can learn together with others."""
        return False

    @classmethod
    def join(cls, learners: Sequence[Any], seen: int, device: str) -> None:
        """Let learners of designs learn together on an accelerator, in place, as far as they can.

        Args:
            learners: what `learner` returned for each, of designs alike in `dse.designs.generation.shape_of`.
            seen: samples that each has learned.
            device: where they learn.
        """

    def build(self, info: Any, training: Any, *, seed: int) -> "tuple[nn.Module, ...]":
        """Return the torch modules of the network with initial weights; two for a generator and its discriminator.

        Args:
            info: what the samples are; see `dse.data.base.DataInfo`.
            training: the table `training` of its design.
            seed: seed of the trial; every random number comes from streams of it.
        """
        raise NotImplementedError

    def products(self, info: Any, training: Any) -> Products | None:  # noqa: ARG002
        """Return what a sample takes of each layer; None where it depends on the sample, or nobody has looked.

        A network that goes through its layers once for every sample may return `dse.networks.traced.traced`.

        Args:
            info: what the samples are; see `dse.data.base.DataInfo`.
            training: the table `training` of its design.
        """
        return None

    def widened(self, units: int) -> int:
        """Return how many units or channels there are for a number before the multiplier."""
        return max(1, round(self.width * units))


WITHOUT_WIRES: Condition = {
    "deployment.wires.row_ohm": 0.0,
    "deployment.wires.column_ohm": "same",
    "deployment.wires.source_ohm": 0.0,
    "deployment.wires.sense_ohm": 0.0,
}
"""A deployment on arrays whose wires take nothing."""


class ModuleNetwork(AbstractNetwork):
    """A network of torch modules, whose layers go on crossbars through `dse.crossbar.analog`.

    What a weight is worth in conductance follows the standard deviation of a layer's initial weights.
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "training.schedule": "cosine",
        "array.tile_rows": 256,
        "array.tile_columns": 256,
        "adc.ranging": "calibrated",
    }
    plain_with: ClassVar[Mapping[str, str]] = {
        "array.significance": "transfers between pairs of a weight are not compiled, and cells and accumulators step "
        "in tensor operations; a step of a small convolutional network took 1.2 to 1.4 times as long "
        "(findings/benchmarks.md)",
    }
    plain_cells = (
        "they step in tensor operations there; a step of a small convolutional network took 1.2 to 1.4 times as long "
        "(findings/benchmarks.md)"
    )
    idle: ClassVar[Mapping[str, Condition]] = {
        "array.conductance_per_weight_us": {},
        "array.initial_mean_us": {"on_crossbars": False},
        **{f"array.initial_{what}_us": {} for what in ("std", "min", "max")},
        "deployment.packing": {},  # areas are those of the training
        "deployment.unused_lines": WITHOUT_WIRES,  # likewise, and only wires cross lines that nothing uses
    }
