"""The tables of a study file: what can be written in each, with ranges and defaults."""

import re
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, MinLen, Predicate
from pydantic import AfterValidator, BeforeValidator, Field, Strict, model_validator

from dse.errors import did_you_mean
from dse.pricing.card import DEFAULT_CARD
from dse.search.samplers import SAMPLERS
from dse.search.samplers.auto import Auto
from dse.search.samplers.base import AbstractSampler
from dse.spec import Spec


def is_plain_name(name: str) -> bool:
    """Return whether a name can stand in the path of a folder: letters, digits, "-", "_", "."; a letter first."""
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]{0,99}", name) is not None


def sampler_named(name: str) -> AbstractSampler:
    """Return a sampler by its name.

    Raises:
        ValueError: no sampler has it; which there are.
    """
    known = {sampler.name: sampler for sampler in SAMPLERS}
    if name not in known:
        raise ValueError(f"unknown sampler {name!r}{did_you_mean(name, known)} (known: {', '.join(known)})")
    return known[name]()


def _known_sampler(name: str) -> str:
    return sampler_named(name).name


def _no_single_table(given: object) -> object:
    if isinstance(given, dict):
        msg = "one table is no list; write [[first]], in double brackets, above each design"
        raise ValueError(msg)  # noqa: TRY004  what pydantic takes for a mistake of the user's
    return given


class SearchSpec(Spec):
    """How designs are proposed."""

    sampler: Annotated[str, AfterValidator(_known_sampler)] = Auto.name
    """A name in `dse.search.samplers.SAMPLERS`; the default: a quasi-random start, the model, at last NSGA-II."""
    seed: Annotated[int, Ge(0), Le(2**31 - 1)] = 0
    """Seed of the proposals."""
    startup: Annotated[int, Ge(0), Le(1_000_000)] = 16
    """Quasi-random trials before a model proposes; not used by samplers that see no results."""
    lookahead: Annotated[int, Ge(1), Le(100_000)] = 8
    """Trial n is proposed from the results of trials up to n - lookahead, so that no more than this many run at once.
    Random and quasi-random proposals, those of the start too, see no results and do not wait for any."""

    rungs: Annotated[tuple[Annotated[int, Ge(1), Le(10_000_000)], ...], Strict(strict=False)] = ()
    """Epochs, ascending, at which trainings pause. Those go on first whose ends are expected to gain most."""
    keep: Annotated[tuple[Annotated[float, Gt(0), Le(1)], ...], Strict(strict=False)] = ()
    """Share of the designs that go on from each rung; by default half of them."""

    @model_validator(mode="after")
    def _one_share_a_rung(self) -> "SearchSpec":
        if list(self.rungs) != sorted(set(self.rungs)):
            msg = f"rungs = {list(self.rungs)} do not ascend; give each epoch once, the least first"
            raise ValueError(msg)
        if self.keep and len(self.keep) != len(self.rungs):
            msg = (
                f"keep = {list(self.keep)} has {len(self.keep)} shares for {len(self.rungs)} rungs; give one a rung, "
                "or leave it out"
            )
            raise ValueError(msg)
        return self

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of the designs that go on from each rung."""
        return self.keep or (0.5,) * len(self.rungs)


class BudgetSpec(Spec):
    """How much is simulated."""

    trials: Annotated[int, Ge(0), Le(10_000_000)] | None = None
    """Designs that the search proposes at most; controls come on top. 0 simulates the controls alone. It may be left
    out where there is a budget of epochs."""
    seeds: Annotated[int, Ge(1), Le(1000)] = 1
    """Simulations of each design, under the seeds 0, 1, ...; objectives are their means."""
    seeds_for: Literal["all", "front"] = "all"
    """Which designs get all seeds: all that end, or those that change the front or how sure it is. The others are
    simulated under the first seed alone."""
    epochs: Annotated[int, Ge(1), Le(10**12)] | None = None
    """Epochs of all simulations of the search together; the last 15 % go to further seeds of designs on the front.
    Controls come on top."""

    @model_validator(mode="after")
    def _some_budget(self) -> "BudgetSpec":
        if self.trials is None and self.epochs is None:
            msg = "give budget.trials, budget.epochs, or both"
            raise ValueError(msg)
        return self


class PriceSpec(Spec):
    """What events cost."""

    card: str = DEFAULT_CARD
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
    plugins: Annotated[tuple[str, ...], Strict(strict=False)] = ()
    """Installed plug-ins whose variants the study uses; see `dse.plugins`."""
    objectives: Annotated[tuple[str, ...], MinLen(1), Strict(strict=False)]
    """Metrics to optimise; each knows which way is up."""
    workload: dict[str, Any] = Field(default_factory=dict)
    """The data set and how much of it is used; see `dse.data`."""
    design: dict[str, Any] = Field(default_factory=dict)
    """Settings that all designs share."""
    space: dict[str, Any] = Field(default_factory=dict)
    """Settings that vary."""
    first: Annotated[tuple[dict[str, Any], ...], Strict(strict=False), BeforeValidator(_no_single_table)] = ()
    """Designs to try first: each [[first]] gives values of the space; see `dse.search.first`."""
    learn_from: Annotated[tuple[Annotated[str, MinLen(1)], ...], Strict(strict=False)] = ()
    """Earlier results, by path or address, whose designs the search learns from, whatever their space; the samplers
    "auto" and "model" do. See `dse.search.learning`."""
    constraints: dict[str, Any] = Field(default_factory=dict)
    """What designs must meet: bounds such as ">= 0.95" and "<= 1e-6" on metrics that could be objectives."""
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
