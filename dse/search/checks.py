"""What a study must hold as a whole, beyond what each of its tables allows: checked before anything runs."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dse.deployment.spec import DAY_S, TIMES_S
from dse.design.design import Design, compose, is_deployed
from dse.design.outcome import METRICS, task_of
from dse.design.settings import data_of, default_of
from dse.design.space import Parameter
from dse.errors import SettingError, did_you_mean
from dse.pricing.card import CostCard
from dse.spec import shown
from dse.tasks import TASKS

LAST = 1.0 - 1e-12
"""The last position on an axis."""


@dataclass(frozen=True)
class Scope:
    """The designs that a study can have.

    Attributes:
        fixed: settings that all designs share, flat.
        space: what varies, by path.
        folder: where the card files of the study lie.
    """

    fixed: Mapping[str, Any]
    space: Mapping[str, Parameter]
    folder: Path

    def values(self, path: str) -> tuple[Any, ...]:
        """Return what a setting can be: each choice, both ends of a range, or the one value that all designs have."""
        if path in self.space:
            return self.space[path].extremes()
        return (self.fixed.get(path, default_of(path, self.fixed)),)

    def corner(self, u: float) -> dict[str, Any]:
        """Return the parameters at a position in [0, 1) on every axis."""
        return {path: parameter.at(u) for path, parameter in self.space.items()}

    @property
    def is_deployed(self) -> bool:
        """Whether the designs have a deployment."""
        return is_deployed((*self.fixed, *self.space))


def check_names(objectives: Sequence[str]) -> None:
    """Check that objectives are metrics, each named once.

    Raises:
        SettingError: one that is none, and the nearest.
    """
    for name in objectives:
        if name not in METRICS:
            raise SettingError(f"unknown objective {name!r}{did_you_mean(name, METRICS)} (known: {', '.join(METRICS)})")
    if len(set(objectives)) < len(objectives):
        raise SettingError(f"an objective is named twice: {', '.join(objectives)}")


def check_time(scope: Scope) -> None:
    """Check that settings of time act in the longest training of a study at least.

    Raises:
        SettingError: it ends before drift begins, or before the first refresh.
    """
    last = compose({**scope.fixed, **scope.corner(LAST)}, scope.folder)
    _check_pace(scope.fixed, last.train_samples)
    named = [path for path in (*scope.fixed, *scope.space) if path in ("clock.sample_time_s", "device.drift_exponent")]
    if not named or scope.is_deployed:
        return  # cells that are kept for a deployment drift on after the longest training
    found = _longest_and_drift(scope)
    if found is not None and found[0] <= found[1]:
        longest, begins = found
        raise SettingError(
            f"{', '.join(named)} has no effect: the longest training takes {longest:g} s of simulated time, and drift "
            f"begins {begins:g} s after a pulse. Train longer, raise clock.sample_time_s, or remove the setting"
        )


def _longest_and_drift(scope: Scope) -> tuple[float, float] | None:
    """Return the longest training and the earliest drift of a study, s; None where designs keep no time."""
    ends = [scope.corner(u) for u in (0.0, LAST)]
    longest, begins = 0.0, math.inf
    for combination in itertools.product((0, 1), repeat=3):
        timing = ("training.epochs", "clock.sample_time_s", "device.drift_reference_s")
        own = {path: ends[i][path] for i, path in zip(combination, timing, strict=True) if path in scope.space}
        settings = {**scope.fixed, **ends[1], "architecture": "mixed_precision", **own}
        design = compose(settings, scope.folder)
        if design.clock is None or design.device is None:
            return None
        longest = max(longest, design.train_samples * design.clock.sample_time_s)
        begins = min(begins, design.device.drift_reference_s)
    return longest, begins


def _check_pace(fixed: Mapping[str, Any], longest: int) -> None:
    """Refuse what would happen after more images than the longest training of a study has."""
    for path in ("refresh.every_samples", "clock.drift_every_samples"):
        if fixed.get(path, 0) > longest:
            raise SettingError(
                f"{path} = {fixed[path]} has no effect: the longest training has {longest} images. Lower it, or train "
                "longer"
            )


def check_objectives(objectives: Sequence[str], scope: Scope, controls: Mapping[str, Design], card: CostCard) -> None:
    """Check that every design of a study can have its objectives.

    Args:
        objectives: names of metrics.
        scope: the designs that the study can have.
        controls: designs to compare with, by name.
        card: the cost card.

    Raises:
        SettingError: an objective that some design could not have, and why.
    """
    _check_deployment(objectives, scope)
    _check_tasks(objectives, scope, controls)
    _check_validation(objectives, scope)
    if any(METRICS[name].priced for name in objectives):
        _check_prices(scope, card)


def _check_deployment(objectives: Sequence[str], scope: Scope) -> None:
    """Refuse objectives of a deployment that there is not, or that does not come to their time."""
    wanted = [name for name in objectives if METRICS[name].deployed]
    if wanted and not scope.is_deployed:
        raise SettingError(
            f"the objective {wanted[0]} needs a deployment; give [design] one of its settings, such as "
            f"deployment.times_s = {list(TIMES_S)}"
        )
    if "accuracy_1d" not in wanted:
        return
    for times in scope.values("deployment.times_s"):
        if DAY_S not in times:
            raise SettingError(f"the objective accuracy_1d needs {DAY_S:g} among deployment.times_s = {list(times)}")


def _check_tasks(objectives: Sequence[str], scope: Scope, controls: Mapping[str, Design]) -> None:
    """Refuse objectives that are not measured on the task of the networks, and networks of different tasks."""
    names = [*map(str, scope.values("network.name")), *(control.network.name for control in controls.values())]
    tasks = {task_of(name): name for name in names}
    if len(tasks) > 1:
        raise SettingError(
            f"networks of different tasks do not compare: {', '.join(tasks.values())}; give each a study"
        )
    for task in (own for own in TASKS if own.name in tasks):
        for name in [name for name in objectives if name in task.misleading]:
            known = " or ".join(other for other, metric in task.metrics.items() if not metric.deployed)
            raise SettingError(f"the objective {name} misleads here: {task.misleading[name]}; give {known}")
    for name in objectives:
        if METRICS[name].task not in (None, *tasks):
            known = [other for other, metric in METRICS.items() if metric.task in tasks]
            raise SettingError(
                f"the objective {name} is not measured on network.name = {shown(names[0])}; it has {', '.join(known)}"
            )


def _check_validation(objectives: Sequence[str], scope: Scope) -> None:
    settings = {path.removeprefix("workload."): v for path, v in scope.fixed.items() if path.startswith("workload.")}
    held_out = data_of(scope.fixed).parse(settings, "workload").held_out
    for name in objectives:
        if name.startswith("validation_") and not held_out:
            raise SettingError(f"the objective {name} needs workload.validation above 0")


def _check_prices(scope: Scope, card: CostCard) -> None:
    """Refuse converters that have no price."""
    longest = card.adc_bits_max
    limits = {"adc.bits": longest, "adc.backward_bits": longest, "dac.bits": None, "dac.backward_bits": None}
    if scope.is_deployed and "float" in scope.values("architecture"):
        limits |= {"deployment.adc_bits": longest, "deployment.dac_bits": None}
    for path, limit in limits.items():
        for value in scope.values(path):
            if value == "ideal" or (limit is not None and isinstance(value, int) and value > limit):
                raise SettingError(
                    f"{path} = {shown(value)} has no price on card {card.name}"
                    + (f" (its converters end at {limit:g} bits)" if limit is not None and value != "ideal" else "")
                    + "; choose other bits, or leave energy out of the objectives"
                )
