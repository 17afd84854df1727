"""A study: what a study file says, checked as a whole before anything runs.

name = "quickstart"
objectives = ["validation_accuracy", "energy_per_sample_j", "worst_writes"]

[workload]                      the task, the same for all designs
[design]                        settings that all designs share; the rest takes its default
[space]                         settings that vary; see `dse.design.space`
[controls.digital_float]        further designs to compare with, outside the search
[search]                        how designs are proposed
[budget]                        how many
[price]                         the cost card
[free]                          choices that only prices depend on; see `dse.pricing.axes`
[resources]                     what a simulation may use of a cluster; no part of the study's meaning
"""

import hashlib
import itertools
import json
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, MinLen, Predicate
from pydantic import Field, Strict, model_validator

from dse.deployment.spec import DAY_S, TIMES_S
from dse.design.design import Design, active, compose, default_of, flatten, is_deployed
from dse.design.outcome import METRICS, task_of
from dse.design.space import Parameter, check_acting, check_corners, parse_space
from dse.devices.card import card_file
from dse.errors import SettingError, did_you_mean
from dse.metric import Goal
from dse.pricing.axes import STORAGE, FreeAxes, parse_axes
from dse.pricing.card import CostCard, read_cost_card
from dse.spec import Spec, field_at, shown

MEANINGLESS = {"description", "free", "resources"}
"""Parts of a study file that change nothing in the table."""


def is_plain_name(name: str) -> bool:
    """Return whether a name can stand in the path of a folder: letters, digits, "-", "_", "."; a letter first."""
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]{0,99}", name) is not None


class SearchSpec(Spec):
    """How designs are proposed."""

    sampler: Literal["auto", "random", "quasi_random", "tpe", "nsga2"] = "auto"
    """"auto": quasi-random start, then TPE while it is fast and good, then NSGA-II."""
    seed: Annotated[int, Ge(0), Le(2**31 - 1)] = 0
    """Seed of the proposals."""
    startup: Annotated[int, Ge(0), Le(1_000_000)] = 16
    """Quasi-random trials before a model proposes; not used by "random" and "quasi_random"."""
    lookahead: Annotated[int, Ge(1), Le(100_000)] = 8
    """Trial n is proposed from the results of trials up to n - lookahead, so that no more than this many run at once.
    Random and quasi-random proposals, those of the start too, see no results and do not wait for any."""


class BudgetSpec(Spec):
    """How much is simulated."""

    trials: Annotated[int, Ge(0), Le(10_000_000)]
    """Designs that the search proposes; controls come on top. 0 simulates the controls alone."""
    seeds: Annotated[int, Ge(1), Le(1000)] = 1
    """Simulations of each design, under the seeds 0, 1, ...; objectives are their means."""


class PriceSpec(Spec):
    """What events cost."""

    card: str = "bottom_up_28nm"
    """A cost card of the device library, or a file that ends in .toml beside the study file."""


class ResourcesSpec(Spec):
    """What one Ray actor reserves, and when a trial is given up. The values of a table do not depend on it."""

    cpus: Annotated[float, Gt(0), Le(1024)] = 1.0
    """Cores that each actor reserves; a simulation runs on one thread."""
    gpus: Annotated[float, Ge(0), Le(64)] = 0.0
    """Accelerators that each actor reserves: a whole number, or a fraction below 1 that actors share one by."""
    time_limit_s: Annotated[float, Gt(0)] | None = None
    """Time after which a trial is ended and recorded as failed, s; by default none."""
    attempts: Annotated[int, Ge(1), Le(100)] = 3
    """Times that a trial is started whose process dies or runs out of memory, before it is recorded as failed."""

    @model_validator(mode="after")
    def _whole_or_shared(self) -> "ResourcesSpec":
        for name, value in (("cpus", self.cpus), ("gpus", self.gpus)):
            if value > 1 and value != int(value):
                msg = f"{name} = {value} is not allowed; give a whole number, or a fraction below 1"
                raise ValueError(msg)
        return self


class StudySpec(Spec):
    """The tables of a study file."""

    name: Annotated[str, MinLen(1), Predicate(is_plain_name)]
    """Name of the study, of letters, digits, "-", "_" and "."; the default results folder starts with it."""
    description: str = ""
    """For the reader."""
    objectives: Annotated[tuple[str, ...], MinLen(1), Strict(strict=False)]
    """Metrics to optimise; each knows which way is up."""
    workload: dict[str, Any] = Field(default_factory=dict)
    """See `WorkloadSpec`."""
    design: dict[str, Any] = Field(default_factory=dict)
    """Settings that all designs share."""
    space: dict[str, Any] = Field(default_factory=dict)
    """Settings that vary."""
    controls: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Designs to compare with: [controls.NAME] overrides settings of [design]."""
    search: SearchSpec = SearchSpec()
    """How designs are proposed."""
    budget: BudgetSpec
    """How much is simulated."""
    price: PriceSpec = PriceSpec()
    """What events cost."""
    free: dict[str, Any] = Field(default_factory=dict)
    """Free axes: choices that multiply the designs when they are priced; see `dse.pricing.axes`."""
    resources: ResourcesSpec = ResourcesSpec()
    """What a simulation may use."""


@dataclass(frozen=True)
class Study:
    """A checked study.

    Attributes:
        spec: the tables of the file.
        fixed: settings that all designs share, flat.
        space: what varies.
        controls: designs to compare with, by name.
        card: the cost card.
        free: the free axes.
        folder: where the card files of the study lie.
        text: the study file as it was given.
    """

    spec: StudySpec
    fixed: Mapping[str, Any]
    space: Mapping[str, Parameter]
    controls: Mapping[str, Design]
    card: CostCard
    free: FreeAxes
    folder: Path
    text: str

    def design(self, parameters: Mapping[str, Any]) -> Design:
        """Return the design for values of the space.

        Raises:
            SettingError: settings that contradict each other.
        """
        return compose({**self.fixed, **parameters}, self.folder)

    @property
    def goals(self) -> list[Goal]:
        """Which way is better, for each objective."""
        return [METRICS[name].goal for name in self.spec.objectives]

    @property
    def meaning(self) -> dict[str, Any]:
        """Everything that decides the table: settings, cells and prices by value, search and budget."""
        elsewhere = MEANINGLESS | {"design", "space", "controls", "workload"}
        programmed = [{**self._ends, "deployment.device.card": c} for c in self._choices("deployment.device.card")]
        more = {"programmed_cards": [self.design(s).as_dict() for s in programmed]} if programmed else {}
        return {
            **more,
            **self.spec.model_dump(mode="json", exclude=elsewhere),
            "space": {path: [type(p).__name__, p.__dict__] for path, p in self.space.items()},
            "base": self.design({path: p.at(0.0) for path, p in self.space.items()}).as_dict(),
            "cards": [self.design({**self._ends, "device.card": c}).as_dict() for c in self._choices("device.card")],
            "controls": {name: design.as_dict() for name, design in self.controls.items()},
            "fixed": dict(self.fixed),
            "price_card": self.card.__dict__,
        }

    @cached_property
    def key(self) -> str:
        """A hash of the meaning."""
        text = json.dumps(self.meaning, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    @property
    def _ends(self) -> dict[str, Any]:
        return {path: p.at(1.0 - 1e-12) for path, p in self.space.items()}

    def _choices(self, path: str) -> list[str]:
        return [str(v) for v in getattr(self.space.get(path), "values", ())]

    def files(self) -> dict[str, bytes]:
        """Return the files that a results folder keeps, by relative path: the study file and the cards beside it."""
        names = [self.spec.price.card]
        for path in ("device.card", "deployment.device.card"):
            tables = (self.fixed, *map(flatten, self.spec.controls.values()))
            names += [*self._choices(path), *(str(table.get(path, "")) for table in tables)]
        names += list(self.free.cards)
        cards = {name: card_file(name, self.folder).read_bytes() for name in names if name.endswith(".toml")}
        if "study.toml" in cards:
            raise SettingError("a card cannot be called study.toml; that is the study file's name in the results")
        return {**cards, "study.toml": self.text.encode()}


def read_study(path: Path) -> Study:
    """Read and check a study file.

    Raises:
        SettingError: everything that is wrong with it, as far as it can be told at once.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark of its encoding
    except OSError as error:
        raise SettingError(f"cannot read the study file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingError(f"the study file {path} is not UTF-8 text") from None
    return parse_study(text, path.parent, str(path))


def parse_study(text: str, folder: Path, where: str = "study") -> Study:
    """Check the text of a study file; `folder` is where its card files lie.

    Raises:
        SettingError: see `read_study`.
    """
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingError(f"{where} is not valid TOML: {error}") from None
    spec = StudySpec.parse(tables, where)
    try:
        return _check(spec, folder, text)
    except SettingError as error:
        raise SettingError(f"{where}: {error}") from None


def _check(spec: StudySpec, folder: Path, text: str) -> Study:
    for name in spec.objectives:
        if name not in METRICS:
            raise SettingError(f"unknown objective {name!r}{did_you_mean(name, METRICS)} (known: {', '.join(METRICS)})")
    if len(set(spec.objectives)) < len(spec.objectives):
        raise SettingError(f"an objective is named twice: {', '.join(spec.objectives)}")
    if spec.design.get("deployment") == {}:
        raise SettingError("design.deployment is empty; give one of its settings, such as deployment.times_s")
    design = flatten(spec.design)
    if any(path.split(".")[0] == "workload" for path in design):
        raise SettingError("the workload has a table of its own, [workload], outside [design]")
    fixed = {**flatten({"workload": spec.workload}), **design}
    for path in fixed:
        field_at(Design, path)
    if spec.budget.trials == 0 and not spec.controls:
        raise SettingError("budget.trials = 0 and no controls: there is nothing to simulate")
    space = parse_space(spec.space, folder) if spec.space or spec.budget.trials else {}
    both = sorted(fixed.keys() & space.keys())
    if both:
        raise SettingError(f"{', '.join(both)}: fixed in [design] and varied in [space]; remove one of them")
    check_acting(fixed, space, "design and space")
    compose(fixed if "architecture" not in space else {**fixed, "architecture": "mixed_precision"}, folder, "design")
    check_corners(fixed, space, folder)
    _check_time(fixed, space, folder)
    controls = {name: _control(name, table, fixed, folder) for name, table in spec.controls.items()}
    study = Study(
        spec=spec,
        fixed=fixed,
        space=space,
        controls=controls,
        card=read_cost_card(spec.price.card, folder),
        free=_free_axes(spec, space, folder),
        folder=folder,
        text=text,
    )
    _check_objectives(study)
    return study


def _free_axes(spec: StudySpec, space: Mapping[str, Parameter], folder: Path) -> FreeAxes:
    axes = parse_axes(spec.free, folder)
    if STORAGE in axes.axes and STORAGE in space:
        raise SettingError(f"{STORAGE} is varied in [space] and in [free]; remove one of them")
    return axes


def _control(name: str, table: Mapping[str, Any], fixed: Mapping[str, Any], folder: Path) -> Design:
    if name == "search":
        raise SettingError('a control cannot be called "search"; that is the origin of the other trials')
    own = flatten(table)
    if any(path.split(".")[0] == "workload" for path in own):
        raise SettingError(f"controls.{name}: a control shares the workload of its study")
    for path in own:
        field_at(Design, path)
    settings = {**fixed, **own}
    idle = own.keys() - active({"architecture": default_of("architecture"), **settings}).keys()
    if idle:
        raise SettingError(f"controls.{name}: {', '.join(sorted(idle))} has no effect here; remove it")
    return compose(settings, folder, f"controls.{name}")


def _check_time(fixed: Mapping[str, Any], space: Mapping[str, Parameter], folder: Path) -> None:
    """Refuse settings of time where even the longest training of the study ends before drift begins."""
    ends = [{path: p.at(u) for path, p in space.items()} for u in (0.0, 1.0 - 1e-12)]
    last = compose({**fixed, **ends[1]}, folder)
    _check_pace(fixed, last.train_samples)
    named = [path for path in (*fixed, *space) if path in ("clock.sample_time_s", "device.drift_exponent")]
    if not named or is_deployed((*fixed, *space)):
        return  # cells that are kept for a deployment drift on after the longest training
    longest, begins = 0.0, math.inf
    for combination in itertools.product((0, 1), repeat=3):
        timing = ("training.epochs", "clock.sample_time_s", "device.drift_reference_s")
        own = {path: ends[i][path] for i, path in zip(combination, timing, strict=True) if path in space}
        design = compose({**fixed, **ends[1], "architecture": "mixed_precision", **own}, folder)
        if design.clock is None or design.device is None:
            return
        longest = max(longest, design.train_samples * design.clock.sample_time_s)
        begins = min(begins, design.device.drift_reference_s)
    if longest <= begins:
        raise SettingError(
            f"{', '.join(named)} has no effect: the longest training takes {longest:g} s of simulated time, and drift "
            f"begins {begins:g} s after a pulse. Train longer, raise clock.sample_time_s, or remove the setting"
        )


def _check_pace(fixed: Mapping[str, Any], longest: int) -> None:
    """Refuse what would happen after more images than the longest training of a study has."""
    for path in ("refresh.every_samples", "clock.drift_every_samples"):
        if fixed.get(path, 0) > longest:
            raise SettingError(
                f"{path} = {fixed[path]} has no effect: the longest training has {longest} images. Lower it, or train "
                "longer"
            )


def _check_deployment(study: Study) -> None:
    """Refuse objectives of a deployment that there is not, or that does not come to their time."""
    wanted = [name for name in study.spec.objectives if METRICS[name].deployed]
    if wanted and not is_deployed((*study.fixed, *study.space)):
        raise SettingError(
            f"the objective {wanted[0]} needs a deployment; give [design] one of its settings, such as "
            f"deployment.times_s = {list(TIMES_S)}"
        )
    times = getattr(study.space.get("deployment.times_s"), "values", None) or (
        study.fixed.get("deployment.times_s", TIMES_S),
    )
    for own in times:
        if "accuracy_1d" in wanted and DAY_S not in own:
            raise SettingError(f"the objective accuracy_1d needs {DAY_S:g} among deployment.times_s = {list(own)}")


def _check_tasks(study: Study) -> None:
    """Refuse objectives that are not measured on the task of the networks, and networks of different tasks."""
    fixed = study.fixed.get("network.name", default_of("network.name"))
    names = [str(name) for name in getattr(study.space.get("network.name"), "values", (fixed,))]
    names += [control.network.name for control in study.controls.values()]
    tasks = {task_of(name): name for name in names}
    if len(tasks) > 1:
        raise SettingError(
            f"networks of different tasks do not compare: {', '.join(tasks.values())}; give each a study"
        )
    if "loss" in study.spec.objectives and "generation" in tasks:
        raise SettingError(
            "the objective loss is the discriminator's where images are generated, and smallest where the generator "
            "fails; give frechet_distance or validation_frechet_distance"
        )
    for name in study.spec.objectives:
        if METRICS[name].task not in (None, *tasks):
            known = [other for other, metric in METRICS.items() if metric.task in tasks]
            raise SettingError(
                f"the objective {name} is not measured on network.name = {shown(names[0])}; it has {', '.join(known)}"
            )


def _check_objectives(study: Study) -> None:
    """Refuse objectives that some design of the space could not have."""
    _check_deployment(study)
    _check_tasks(study)
    validation = study.fixed.get("workload.validation", default_of("workload.validation"))
    for name in ("validation_accuracy", "validation_retained_accuracy", "validation_frechet_distance"):
        if name in study.spec.objectives and validation == 0:
            raise SettingError(f"the objective {name} needs workload.validation above 0")
    if not any(METRICS[name].priced for name in study.spec.objectives):
        return
    longest = study.card.adc_bits_max
    limits = {"adc.bits": longest, "adc.backward_bits": longest, "dac.bits": None, "dac.backward_bits": None}
    floats = {study.fixed.get("architecture"), *getattr(study.space.get("architecture"), "values", ())}
    if is_deployed((*study.fixed, *study.space)) and "float" in floats:
        limits |= {"deployment.adc_bits": longest, "deployment.dac_bits": None}
    for path, limit in limits.items():
        given = study.space.get(path)
        values = [study.fixed.get(path, default_of(path))] if given is None else getattr(given, "values", None)
        if values is None:
            values = [getattr(given, "high", 0)]
        for value in values:
            if value == "ideal" or (limit is not None and isinstance(value, int) and value > limit):
                raise SettingError(
                    f"{path} = {shown(value)} has no price on card {study.card.name}"
                    + (f" (its converters end at {limit:g} bits)" if limit is not None and value != "ideal" else "")
                    + "; choose other bits, or leave energy out of the objectives"
                )
