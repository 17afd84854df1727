"""A study made in Python: the same tables as a study file, checked in the same way, and written as one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import tomli_w

from dse.api.html import pairs, titled
from dse.designs.space import Choice, FloatRange, IntRange
from dse.designs.tables import Design
from dse.errors import SettingError
from dse.search.study import Study as Checked
from dse.search.study import parse_study, read_study

Settings = Mapping[str, Any]
"""Settings by their paths, such as {"accumulator.bits": 8}."""
EMPTY: Settings = {}


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """A study: what varies, what is measured, how many designs are simulated.

        study = dse.Study(
            name="widths",
            objectives=["validation_accuracy", "energy_per_sample_j"],
            space={"network.width": dse.FloatRange(0.5, 2.0), "accumulator.bits": [4, 8]},
            trials=40,
        )
        results = dse.run(study, "results/widths")

    Attributes:
        name: its name, of letters, digits, "-", "_" and ".".
        objectives: metrics to optimise; each knows which way is better.
        space: settings that vary: `Choice`, `FloatRange`, `IntRange`, a list of choices, or a table such as
            {"low": 1, "high": 8, "log": True}.
        trials: designs that the search proposes at most; None where there is a budget of epochs.
        seeds: simulations of each design.
        seeds_for: which designs get all of them: "all", or those that the front needs them of, "front".
        epochs: epochs of all simulations of the search together.
        workload: the data set and how much of it is used, such as {"images": 1000}.
        design: settings that all designs share.
        first: designs to try first, such as [{"accumulator.bits": 8}]; what they leave open is quasi-random.
        constraints: bounds that designs must meet, such as {"accuracy": ">= 0.95"}.
        controls: designs to compare with, by name: settings in which they differ from `design`.
        search: how designs are proposed, such as {"startup": 8, "lookahead": 4}.
        card: the cost card; the default where it is None.
        free: choices that only prices depend on.
        resources: what a simulation may use.
        plugins: plug-ins whose variants it uses.
        learn_from: earlier results, by path or address, that the search learns from, whatever their space.
        description: for the reader.
        folder: where card files and data files of the study lie.

    Raises:
        SettingError: everything that is wrong with it, as soon as it is made.
    """

    name: str
    objectives: Sequence[str]
    space: Mapping[str, Choice | IntRange | FloatRange | Sequence[Any] | Mapping[str, Any]] = field(
        default_factory=dict[str, Any]
    )
    trials: int | None = None
    seeds: int = 1
    workload: Settings = field(default_factory=dict[str, Any])
    design: Settings = field(default_factory=dict[str, Any])
    first: Sequence[Settings] = field(default=(), repr=False)
    seeds_for: str = field(default="all", repr=False)
    epochs: int | None = field(default=None, repr=False)
    constraints: Mapping[str, str] = field(default_factory=dict[str, str])
    controls: Mapping[str, Settings] = field(default_factory=dict[str, Settings])
    search: Settings = field(default_factory=dict[str, Any])
    card: str | None = None
    free: Settings = field(default_factory=dict[str, Any])
    resources: Settings = field(default_factory=dict[str, Any])
    plugins: Sequence[str] = ()
    learn_from: Sequence[Path | str] = field(default=(), repr=False)
    description: str = ""
    folder: Path | str = field(default=".", repr=False)

    def __post_init__(self) -> None:
        self.checked  # noqa: B018  raises where something is wrong

    @cached_property
    def checked(self) -> Checked:
        """The study as `dse.search.study` reads it from its file."""
        return parse_study(self.to_toml(), Path(self.folder), f"study {self.name}")

    def to_toml(self) -> str:
        """Return the study file.

        Raises:
            SettingError: a value that no study file can hold.
        """
        head = {"name": self.name, "description": self.description, "plugins": self.plugins}
        head |= {"learn_from": self.learn_from}
        tables = {
            "objectives": self.objectives,
            **{name: getattr(self, name) for name in ("workload", "design", "space", "first")},
            **{name: getattr(self, name) for name in ("constraints", "controls")},
            "search": self.search,
            "budget": self._budget(),
            "price": {} if self.card is None else {"card": self.card},
            "free": self.free,
            "resources": self.resources,
        }
        given = {name: _plain(name, value) for name, value in {**head, **tables}.items()}
        return tomli_w.dumps({name: value for name, value in given.items() if value not in ("", [], {})})

    def _budget(self) -> dict[str, Any]:
        own = {"trials": self.trials, "seeds": self.seeds, "epochs": self.epochs}
        said = {name: value for name, value in own.items() if value is not None}
        return said if self.seeds_for == "all" else {**said, "seeds_for": self.seeds_for}

    def at(self, parameters: Settings) -> Design:
        """Return the design for values of the space.

        Raises:
            SettingError: settings that are unknown or contradict each other.
        """
        return self.checked.design(parameters)

    def _repr_html_(self) -> str:
        space = self.checked.space.items()
        return titled(
            f"{self.name}: {self.checked.extent} x {self.seeds}, {', '.join(self.objectives)}",
            pairs([(path, str(parameter)) for path, parameter in space]),
        )


def study_of(study: "Study | Checked | Path | str", former: Checked | None = None) -> Checked:
    """Return a checked study: one that was made in Python, or the path of a study file.

    Args:
        study: the study.
        former: the study that is to be gone on with, if any; see `dse.search.study.read_study`.

    Raises:
        SettingError: what is wrong with it.
    """
    if isinstance(study, Study):
        return study.checked
    if not isinstance(study, Checked | Path | str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise SettingError(f"study = {study!r} is not allowed; give the path of a study file, or a dse.Study")
    return study if isinstance(study, Checked) else read_study(Path(study), former=former)


def _range(given: IntRange | FloatRange) -> dict[str, Any]:
    """Return a range as a table."""
    table: dict[str, Any] = {"low": given.low, "high": given.high}
    if given.log:
        table["log"] = True
    if given.step is not None and not (isinstance(given, IntRange) and given.step == 1):
        table["step"] = given.step
    return table


def _plain(path: str, value: Any) -> Any:
    """Return a value as TOML knows it."""
    if isinstance(value, Choice):
        return _plain(path, value.values)
    if isinstance(value, IntRange | FloatRange):
        return _range(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(f"{path}.{key}", inner) for key, inner in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(path, inner) for inner in cast("Sequence[Any]", value)]
    if hasattr(value, "tolist"):  # a number of numpy, or several
        return _plain(path, value.tolist())
    plain = str(value) if isinstance(value, Path) else value
    if isinstance(plain, str | bool | int | float):
        return plain
    raise SettingError(f"{path} = {value!r} is not allowed; give a string, a number, true or false, a list or a table")
