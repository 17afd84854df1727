"""The tables of a study file: what can be written in each, with ranges and defaults."""

import re
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, MinLen, Predicate
from pydantic import AfterValidator, Field, Strict, model_validator

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


class SearchSpec(Spec):
    """How designs are proposed."""

    sampler: Annotated[str, AfterValidator(_known_sampler)] = Auto.name
    """A name in `dse.search.samplers.SAMPLERS`; the default: quasi-random start, TPE while it is fast, then NSGA-II."""
    seed: Annotated[int, Ge(0), Le(2**31 - 1)] = 0
    """Seed of the proposals."""
    startup: Annotated[int, Ge(0), Le(1_000_000)] = 16
    """Quasi-random trials before a model proposes; not used by samplers that see no results."""
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
    first: Annotated[tuple[dict[str, Any], ...], Strict(strict=False)] = ()
    """Designs to try first: each [[first]] gives values of the space; see `dse.search.first`."""
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
