"""The tables of a design, and what must hold between them.

A design is one frozen, complete, checked choice of hardware and training, named by its content. Build one with
`dse.designs.design.compose`; a variant is another call of it.
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
from dse.files import FileSpec
from dse.networks import NETWORKS
from dse.networks.base import AbstractNetwork
from dse.spec import ActsUnless, Spec, shown, without_added
from dse.tasks.base import AbstractTask
from dse.updates import UPDATES, update_named
from dse.updates.base import AbstractUpdate
from dse.updates.spec import AccumulatorSpec, ClockSpec
from dse.updates.training import AbstractTraining
from dse.variants import kept_for_variants, owner_of

HARDWARE = ("device", "dac", "adc", "refresh", "clock")
"""Tables of all designs on crossbars, and of no other."""
LACKING = "a design "
"""How the line begins that names tables which an update rule needs."""
FOR_CROSSBARS = ActsUnless(on_crossbars=False)


class Design(Spec):
    """A complete design."""

    architecture: Any
    """The update rule, and with it whether weights are on crossbars: a literal of its own for each."""
    workload: AbstractData
    """The data set, and how much of it is used."""
    network: AbstractNetwork
    """The network."""
    training: AbstractTraining
    """The schedule."""
    device: Annotated[AbstractCell | None, FOR_CROSSBARS] = None
    """The cell; its card names its model."""
    array: ArraySpec = ArraySpec()
    """How pairs of cells hold weights, and the initial weights, of a digital network too."""
    dac: Annotated[DacSpec | None, FOR_CROSSBARS] = None
    """Input converters."""
    adc: Annotated[AdcSpec | None, FOR_CROSSBARS] = None
    """Output converters."""
    accumulator: Annotated[AccumulatorSpec | None, FOR_CROSSBARS] = None
    """The accumulator chi, of update rules that have one."""
    refresh: Annotated[RefreshSpec | None, FOR_CROSSBARS] = None
    """Refresh of pairs near saturation."""
    clock: Annotated[ClockSpec | None, FOR_CROSSBARS] = None
    """Simulated time."""
    deployment: DeploymentSpec | None = None
    """Life after training; absent where no setting of it is given."""

    @model_validator(mode="after")
    def _hardware_matches_architecture(self) -> "Design":
        rule = self.rule
        needed = tables_of(rule)
        given = [table for table in (*HARDWARE, *tables_of_rules()) if getattr(self, table, None) is not None]
        idle = [table for table in given if table not in needed]
        if idle:
            msg = f'{", ".join(idle)} cannot act where architecture = "{rule.name}"'
            raise ValueError(msg)
        if lacking := [table for table in needed if table not in given]:
            msg = f"{LACKING}{'on crossbars ' if rule.on_crossbars else ''}needs {', '.join(lacking)}"
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
    def rule(self) -> type[AbstractUpdate]:
        """The update rule."""
        return update_named(self.architecture)

    @property
    def task(self) -> type[AbstractTask]:
        """What the network learns on these samples."""
        return self.network.task_for(type(self.workload.info))

    @property
    def own_tables(self) -> dict[str, Spec]:
        """The tables that the update rule has of its own, by name."""
        return {name: getattr(self, name) for name in self.rule.tables}

    @property
    def plugins(self) -> tuple[str, ...]:
        """Names of the plug-ins that its variants come from, in alphabetical order."""
        used: list[object] = [type(self.network), self.task, type(self.workload), type(self.device), self.rule]
        if self.deployment is not None:
            used += map(compensation_named, self.deployment.compensations)
        return tuple(sorted({owner for variant in used if (owner := owner_of(variant))}))

    @property
    def files(self) -> dict[str, str]:
        """Names of the files that it needs, by their checksums."""
        tables = (self.workload, self.network)
        return {own.facts.sha256: own.file for own in tables if isinstance(own, FileSpec)}

    @property
    def train_samples(self) -> int:
        """Samples that the training sees, repeats counted."""
        return self.training.passes * self.workload.info.samples

    @property
    def programs(self) -> bool:
        """Whether fresh cells are programmed after the training."""
        return self.deployment is not None and (not self.rule.on_crossbars or self.deployment.reprogram)

    @model_validator(mode="after")
    def _deployment_fits(self) -> "Design":
        if self.deployment is None:
            return self
        if self.programs != (self.deployment.device is not None):
            msg = "deployment.device belongs to a deployment that programs cells, and to no other"
            raise ValueError(msg)
        wires = self.array.wires if self.rule.on_crossbars else self.deployment.wires
        if self.programs and self.deployment.reference == "column" and wires is not None:
            msg = 'deployment.reference = "column" is not worked out with wires; give "pair", or leave the wires out'
            raise ValueError(msg)
        estimated = [how for how in self.deployment.compensations if compensation_named(how).needs_batch_norm]
        if estimated and not self.network.has_batch_norm:
            raise ValueError(no_batch_norm(estimated[-1]))
        return self

    @model_validator(mode="after")
    def _network_fits_the_data(self) -> "Design":
        info, task = self.workload.info, self.task
        if not isinstance(info, task.accepts):
            msg = (
                f'network.name = "{self.network.name}" cannot learn workload.dataset = "{self.workload.dataset}": '
                f"it reads {task.accepts.reads}, and this is {info.reads}. {_what_to_give(task, info)}"
            )
            raise ValueError(msg)  # noqa: TRY004  pydantic reports it as a wrong setting
        task.check(self.training, info)
        self.network.check(info)
        if not self.network.learns_by(self.rule):
            names = [shown(own.model_fields["name"].default) for own in NETWORKS if own.learns_by(self.rule)]
            msg = (
                f'network.name = "{self.network.name}" cannot learn where architecture = "{self.rule.name}", '
                f"{self.network.learns_not}; give another architecture, or one of {', '.join(names)}"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _intervals_fit_the_training(self) -> "Design":
        samples = self.train_samples
        self.rule.check(self.own_tables, self.training.updates_of(self.workload.info.samples))
        if self.adc is not None and self.adc.ranging == "calibrated" and self.adc.calibrate_every_samples > samples:
            msg = (
                f"adc.calibrate_every_samples = {self.adc.calibrate_every_samples} exceeds the {samples} samples of "
                f"the training; give at most that, such as adc.calibrate_every_samples = {max(1, samples // 10)}"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _spare_rows_fit(self) -> "Design":
        if not self.array.spare_rows or self.device is None:
            return self
        if self.device.directions == "both":
            msg = "array.spare_rows are written by a refresh, and cells that go both ways have none; leave them out"
            raise ValueError(msg)
        layers = self.network.products(self.workload.info, self.training) or ()
        rows = (layer.rows if not layer.tiled else self.array.smallest_rows(layer.rows) for layer in layers)
        least = min(rows, default=self.array.spare_rows)
        if self.array.spare_rows > least:
            msg = (
                f"array.spare_rows = {self.array.spare_rows} exceed the {least} rows of the smallest array; give at "
                "most as many"
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
        content = _without_negative_zero(without_added(self, self.model_dump(mode="json", exclude_none=True)))
        if not isinstance(self.device, (CELLS[0], NoneType)):
            content["device"]["model"] = self.device.model
        return content

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes an equal design elsewhere: classes of variants are made as they are needed."""
        cell = CELLS[0] if self.device is None else type(self.device)
        return _again, (type(self.network), type(self.workload), cell, self.rule, self.as_dict())


@lru_cache(maxsize=1024)
def design_class(
    network: type[AbstractNetwork],
    data: type[AbstractData],
    cell: type[AbstractCell] = CELLS[0],
    rule: type[AbstractUpdate] = UPDATES[0],
) -> type[Design]:
    """Return the class of the designs of some variants: its tables hold the settings of these alone."""
    tables: dict[str, type[Spec]] = {"workload": data, "network": network, "training": network.training()}
    fields = Design.model_fields
    own: dict[str, Any] = {
        name: (table, Field(table(), description=fields[name].description)) for name, table in tables.items()
    }
    device: Any = Annotated[cell | None, *fields["device"].metadata]
    own["device"] = device, Field(None, description=fields["device"].description)
    name: Any = Literal[rule.name]
    own["architecture"] = name, Field(rule.name, description=fields["architecture"].description)
    for table, spec in rule.tables.items():
        if table not in fields:
            about = (spec.__doc__ or "").partition("\n")[0]
            own[table] = Annotated[spec | None, Field(description=about)], None
    return create_model("Design", __base__=Design, __module__=__name__, __doc__=Design.__doc__, **own)


def _what_to_give(task: type[AbstractTask], info: DataInfo) -> str:
    """Return which data sets the networks of a task can learn, and which networks can learn some data."""
    data = [shown(own.model_fields["dataset"].default) for own in DATA if issubclass(own.kind({}), task.accepts)]
    able = (own for own in NETWORKS if isinstance(info, own.task_for(type(info)).accepts))
    names = [shown(own.model_fields["name"].default) for own in able]
    first = f"{'one of ' if len(data) > 1 else ''}workload.dataset = {', '.join(data)}"
    second = f"a network that reads {info.reads}: {'one of ' if len(names) > 1 else ''}{', '.join(names)}"
    return f"Give {', or '.join(part for part, known in ((first, data), (second, names)) if known)}"


def _again(
    network: type[AbstractNetwork],
    data: type[AbstractData],
    cell: type[AbstractCell],
    rule: type[AbstractUpdate],
    content: dict[str, Any],
) -> Design:
    return design_class(network, data, cell, rule).parse(content)


@kept_for_variants
def tables_of_rules() -> tuple[str, ...]:
    """Return the tables that some update rule has of its own."""
    return tuple(dict.fromkeys(table for rule in UPDATES for table in rule.tables))


def tables_of(rule: type[AbstractUpdate]) -> tuple[str, ...]:
    """Return the tables that a design has because of its update rule."""
    return (*(HARDWARE if rule.on_crossbars else ()), *rule.tables)


def _without_negative_zero(value: Any) -> Any:
    """Return nested tables with 0.0 for -0.0: the two are equal and must be spelt alike in a key."""
    if isinstance(value, dict):
        return {key: _without_negative_zero(inner) for key, inner in cast("dict[str, Any]", value).items()}
    return value + 0.0 if isinstance(value, float) else value
