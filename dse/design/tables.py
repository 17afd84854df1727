"""The tables of a design, and what must hold between them.

A design is one frozen, complete, checked choice of hardware and training, named by its content. Build one with
`dse.design.design.compose`; a variant is another call of it.
"""

import hashlib
import json
from functools import cached_property, lru_cache
from types import NoneType
from typing import Annotated, Any, Literal, cast

from pydantic import Field, create_model, model_validator

from dse.crossbar.spec import AdcSpec, ArraySpec, DacSpec, RefreshSpec
from dse.data import DATA
from dse.data.base import AbstractData, DataInfo
from dse.deployment.compensation import compensation_named
from dse.deployment.spec import DeploymentSpec, no_batch_norm
from dse.devices import CELLS
from dse.devices.base import AbstractCell
from dse.networks import NETWORKS
from dse.networks.base import AbstractNetwork
from dse.spec import ActsUnless, Spec, shown
from dse.tasks.base import AbstractTask
from dse.updates.spec import AccumulatorSpec, ClockSpec
from dse.updates.training import TrainingSpec

HARDWARE = ("device", "dac", "adc", "accumulator", "refresh", "clock")
ON_CROSSBARS = ActsUnless(architecture="float")


class Design(Spec):
    """A complete design."""

    architecture: Literal["mixed_precision", "float"] = "mixed_precision"
    """"mixed_precision": PCM pairs with a digital accumulator; "float": digital float32 training, the control."""
    workload: AbstractData
    """The data set, and how much of it is used."""
    network: AbstractNetwork
    """The network."""
    training: TrainingSpec
    """The schedule."""
    device: Annotated[AbstractCell | None, ON_CROSSBARS] = None
    """The cell; its card names its model."""
    array: ArraySpec = ArraySpec()
    """How pairs of cells hold weights, and the initial weights, of a digital network too."""
    dac: Annotated[DacSpec | None, ON_CROSSBARS] = None
    """Input converters."""
    adc: Annotated[AdcSpec | None, ON_CROSSBARS] = None
    """Output converters."""
    accumulator: Annotated[AccumulatorSpec | None, ON_CROSSBARS] = None
    """The accumulator chi."""
    refresh: Annotated[RefreshSpec | None, ON_CROSSBARS] = None
    """Refresh of pairs near saturation."""
    clock: Annotated[ClockSpec | None, ON_CROSSBARS] = None
    """Simulated time."""
    deployment: DeploymentSpec | None = None
    """Life after training; absent where no setting of it is given."""

    @model_validator(mode="after")
    def _hardware_matches_architecture(self) -> "Design":
        given = [table for table in HARDWARE if getattr(self, table) is not None]
        if self.architecture == "float" and given:
            msg = f'{", ".join(given)} cannot act where architecture = "float"'
            raise ValueError(msg)
        if self.architecture != "float" and len(given) < len(HARDWARE):
            msg = f"a design on crossbars needs {', '.join(t for t in HARDWARE if t not in given)}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _cell_decides(self) -> "Design":
        if self.device is None:
            return self
        for path, value in self.device.decided().items():
            table, _, name = path.partition(".")
            given = getattr(getattr(self, table), name)
            if given != value:
                msg = (
                    f'{path} = {shown(given)} cannot act on cells of the model "{self.device.model}"; '
                    f"give {shown(value)}, or leave it out"
                )
                raise ValueError(msg)
        return self

    @property
    def train_samples(self) -> int:
        """Samples that the training sees, repeats counted."""
        return self.training.epochs * self.workload.info.samples

    @property
    def programs(self) -> bool:
        """Whether fresh cells are programmed after the training."""
        return self.deployment is not None and (self.architecture == "float" or self.deployment.reprogram)

    @model_validator(mode="after")
    def _deployment_fits(self) -> "Design":
        if self.deployment is None:
            return self
        if self.programs != (self.deployment.device is not None):
            msg = "deployment.device belongs to a deployment that programs cells, and to no other"
            raise ValueError(msg)
        estimated = [how for how in self.deployment.compensations if compensation_named(how).needs_batch_norm]
        if estimated and not self.network.batch_norm:
            raise ValueError(no_batch_norm(estimated[-1]))
        return self

    @model_validator(mode="after")
    def _network_fits_the_data(self) -> "Design":
        info, task = self.workload.info, self.network.task
        if not isinstance(info, task.accepts):
            msg = (
                f'network.name = "{self.network.name}" cannot learn workload.dataset = "{self.workload.dataset}": '
                f"it reads {task.accepts.reads}, and this is {info.reads}. {_what_to_give(task, info)}"
            )
            raise ValueError(msg)  # noqa: TRY004  pydantic reports it as a wrong setting
        task.check(self.training, info)
        return self

    @model_validator(mode="after")
    def _intervals_fit_the_training(self) -> "Design":
        samples = self.train_samples
        updates = self.training.updates_of(self.workload.info.samples)
        if self.accumulator is not None and self.accumulator.transfer_every > updates:
            msg = (
                f"accumulator.transfer_every = {self.accumulator.transfer_every} exceeds the {updates} updates of the "
                "training, so that no pulse would reach a cell"
            )
            raise ValueError(msg)
        if self.adc is not None and self.adc.ranging == "calibrated" and self.adc.calibrate_every_samples > samples:
            msg = (
                f"adc.calibrate_every_samples = {self.adc.calibrate_every_samples} exceeds the {samples} samples of "
                f"the training; give at most that, such as adc.calibrate_every_samples = {max(1, samples // 10)}"
            )
            raise ValueError(msg)
        return self

    @cached_property
    def key(self) -> str:
        """A hash of the content, 20 hexadecimal digits, the same on every machine."""
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def as_dict(self) -> dict[str, Any]:
        """Return the content as nested tables, without what is absent."""
        content = _without_negative_zero(self.model_dump(mode="json", exclude_none=True))
        if not isinstance(self.device, (CELLS[0], NoneType)):
            content["device"]["model"] = self.device.model
        return content

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes an equal design elsewhere: classes of variants are made as they are needed."""
        cell = CELLS[0] if self.device is None else type(self.device)
        return _again, (type(self.network), type(self.workload), cell, self.as_dict())


@lru_cache(maxsize=1024)
def design_class(
    network: type[AbstractNetwork], data: type[AbstractData], cell: type[AbstractCell] = CELLS[0]
) -> type[Design]:
    """Return the class of the designs of some variants: its tables hold the settings of these alone."""
    tables: dict[str, type[Spec]] = {"workload": data, "network": network, "training": network.training()}
    fields = Design.model_fields
    own: dict[str, Any] = {
        name: (table, Field(table(), description=fields[name].description)) for name, table in tables.items()
    }
    device: Any = Annotated[cell | None, *fields["device"].metadata]
    own["device"] = device, Field(None, description=fields["device"].description)
    return create_model("Design", __base__=Design, __module__=__name__, __doc__=Design.__doc__, **own)


def _what_to_give(task: type[AbstractTask], info: DataInfo) -> str:
    """Return which data sets the networks of a task can learn, and which networks can learn some data."""
    data = [
        shown(own.model_fields["dataset"].default)
        for own in DATA
        if isinstance(own.model_validate({}).info, task.accepts)
    ]
    names = [shown(own.model_fields["name"].default) for own in NETWORKS if isinstance(info, own.task.accepts)]
    first = f"{'one of ' if len(data) > 1 else ''}workload.dataset = {', '.join(data)}"
    second = f"a network that reads {info.reads}: {'one of ' if len(names) > 1 else ''}{', '.join(names)}"
    return f"Give {', or '.join(part for part, known in ((first, data), (second, names)) if known)}"


def _again(
    network: type[AbstractNetwork], data: type[AbstractData], cell: type[AbstractCell], content: dict[str, Any]
) -> Design:
    return design_class(network, data, cell).parse(content)


def _without_negative_zero(value: Any) -> Any:
    """Return nested tables with 0.0 for -0.0: the two are equal and must be spelt alike in a key."""
    if isinstance(value, dict):
        return {key: _without_negative_zero(inner) for key, inner in cast("dict[str, Any]", value).items()}
    return value + 0.0 if isinstance(value, float) else value
