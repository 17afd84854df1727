"""What a study must hold as a whole, beyond what each of its tables allows: checked before anything runs."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from dse.deployment.measure import after_a_day
from dse.deployment.spec import DAY_S, TIMES_S
from dse.designs.design import Design, compose, with_model
from dse.designs.report import LIFETIME
from dse.designs.settings import CELL, NETWORK, UPDATE, completed, data_of, default_of
from dse.errors import QueryError, SettingError
from dse.pricing.bounds import Bound, check_possible, parse_constraints
from dse.pricing.card import CostCard
from dse.pricing.quantities import QUANTITIES, quantity
from dse.search.price_checks import Wanted, check_prices
from dse.search.scope import LAST, Scope
from dse.search.spec import StudySpec
from dse.spec import shown

EPOCHS = "training.epochs"
TIMING = {"clock.sample_time_s": max, "device.drift_reference_s": min}
"""Settings of time, and which of their values lets cells drift in the shortest training."""


def check_names(objectives: Sequence[str]) -> None:
    """Check that objectives are quantities, each named once.

    Raises:
        SettingError: one that is none, and the nearest.
    """
    for name in objectives:
        try:
            quantity(name)
        except QueryError as error:
            raise SettingError(str(error)) from None
    if len(set(objectives)) < len(objectives):
        raise SettingError(f"an objective is named twice: {', '.join(objectives)}")


def checked_constraints(given: Mapping[str, object], objectives: Sequence[str]) -> list[Bound]:
    """Return the constraints of a study.

    Args:
        given: bounds by the names of quantities.
        objectives: names of quantities.

    Raises:
        SettingError: a bound that cannot be read, that no value meets, or that keeps an objective from
            getting better.
    """
    try:
        bounds = parse_constraints(given)
        for bound in bounds:
            check_possible(bound, "constraint")
    except QueryError as error:
        raise SettingError(str(error)) from None
    for bound in bounds:
        goal = quantity(bound.metric).goal
        wanted = ">=" if goal == "maximise" else "<="
        if bound.metric in objectives and bound.sign != wanted:
            raise SettingError(
                f'constraints.{bound.metric} = "{bound.sign} {bound.bound:g}" excludes the best of an objective to '
                f'{goal}; give "{wanted} {bound.bound:g}", or take {bound.metric} out of the objectives'
            )
    return bounds


def check_time(scope: Scope) -> None:
    """Check that settings of time act in the longest training of a study at least.

    Raises:
        SettingError: it ends before drift begins, or before the first refresh.
    """
    last = compose({**scope.fixed, **scope.corner(LAST)}, scope.folder)
    epochs = most_epochs(scope)
    _check_pace(scope.fixed, epochs * last.workload.info.samples)
    named = [path for path in (*scope.fixed, *scope.space) if path in ("clock.sample_time_s", "device.drift_exponent")]
    if not named or scope.is_deployed:
        return  # cells that are kept for a deployment drift on after the longest training
    found = _longest_and_drift(scope, epochs)
    if found is not None and found[0] <= found[1]:
        longest, begins = found
        raise SettingError(
            f"{', '.join(named)} has no effect: the longest training takes {longest:g} s of simulated time, and drift "
            f"begins {begins:g} s after a pulse. Train longer, raise clock.sample_time_s, or remove the setting"
        )


def most_epochs(scope: Scope) -> int:
    """Return the most epochs that a design of a study can train for."""
    if EPOCHS in scope.fixed or EPOCHS in scope.space:
        return max(scope.values(EPOCHS))
    variants = itertools.product(scope.values(NETWORK.path), scope.values(UPDATE.path))
    given = [{**scope.settled, NETWORK.path: network, UPDATE.path: rule} for network, rule in variants]
    whole = [completed(with_model(own, scope.folder)) for own in given]
    return max(own.get(EPOCHS, default_of(EPOCHS, own)) for own in whole)


def _longest_and_drift(scope: Scope, epochs: int) -> tuple[float, float] | None:
    """Return the longest training and the earliest drift of a study, s; None where designs keep no time.

    None also where settings at these ends contradict each other, since other designs may train longer then.

    Args:
        scope: the designs that the study can have.
        epochs: the most that one trains for.
    """
    ends = {path: end(scope.values(path)) for path, end in TIMING.items() if path in scope.space}
    settings = {**scope.fixed, **scope.corner(LAST), EPOCHS: epochs, **ends}
    cards = scope.values(CELL.card) if CELL.card in scope.space else [None]
    longest, begins = 0.0, math.inf
    for rule, card in itertools.product(scope.rules(on_crossbars=True), cards):
        own = {UPDATE.path: rule} if card is None else {UPDATE.path: rule, CELL.card: card}
        try:
            design = compose({**settings, **own}, scope.folder)
        except SettingError:
            return None
        if design.clock is None or design.device is None:
            continue
        longest = max(longest, design.train_samples * design.clock.sample_time_s)
        begins = min(begins, design.device.drift_begins_s)
    return None if math.isinf(begins) else (longest, begins)


def _check_pace(fixed: Mapping[str, Any], longest: int) -> None:
    """Refuse what would happen after more images than the longest training of a study has."""
    for path in ("refresh.every_samples", "clock.drift_every_samples"):
        if fixed.get(path, 0) > longest:
            raise SettingError(
                f"{path} = {fixed[path]} has no effect: the longest training has {longest} images. Lower it, or train "
                "longer"
            )


def check_steps(spec: StudySpec, scope: Scope) -> None:
    """Check that trainings can pause where a study lets them, and that its epochs are enough for a design.

    Raises:
        SettingError: a rung at or beyond the end of the longest training, or too few epochs.
    """
    search, budget = spec.search, spec.budget
    if not search.rungs and budget.epochs is None:
        return
    longest = most_epochs(scope)
    beyond = [rung for rung in search.rungs if rung >= longest]
    if beyond:
        allowed = f"give epochs from 1 to {longest - 1}" if longest > 1 else "train for more epochs"
        raise SettingError(
            f"search.rungs = {list(search.rungs)}: no training pauses at {', '.join(map(str, beyond))}, since the "
            f"longest has {longest} epochs; {allowed}, or leave the rung out"
        )
    deployed = [name for name in (*spec.objectives, *spec.constraints) if search.rungs and quantity(name).deployed]
    if deployed:
        raise SettingError(
            f"search.rungs: {', '.join(deployed)} is measured on a deployment, at the end of a training alone, and "
            "says nothing at a rung; leave the rungs out, or judge designs by what is measured after each epoch"
        )
    whole = longest * (budget.seeds if budget.seeds_for == "all" and not search.rungs else 1)
    if budget.epochs is not None and budget.epochs < whole:
        raise SettingError(
            f"budget.epochs = {budget.epochs} is too small for one design, which takes {whole} epochs to its end; give "
            f"{whole} at least, or train for fewer epochs"
        )


def check_wanted(wanted: Wanted, scope: Scope, controls: Mapping[str, Design], card: CostCard) -> None:
    """Check that every design of a study can have what the study asks for.

    Args:
        wanted: the quantities.
        scope: the designs that the study can have.
        controls: designs to compare with, by name.
        card: the cost card.

    Raises:
        SettingError: a quantity that some design could not have, and why.
    """
    _check_deployment(wanted, scope)
    _check_endurance(wanted, scope)
    _check_tasks(wanted, scope, controls)
    _check_validation(wanted, scope)
    check_prices(wanted, scope, card)


def _check_deployment(wanted: Wanted, scope: Scope) -> None:
    """Refuse quantities of a deployment that there is not, or that does not come to their time."""
    deployed = [name for name in wanted if quantity(name).deployed or name.startswith("deployment_")]
    if deployed and not scope.is_deployed:
        raise SettingError(
            f"{wanted[deployed[0]]} needs a deployment; give [design] one of its settings, such as "
            f"deployment.times_s = {list(TIMES_S)}"
        )
    after_days = {name for task in scope.tasks for name in after_a_day(task.measures)}
    for name in [name for name in wanted if name in after_days]:
        for times in scope.values("deployment.times_s"):
            if DAY_S not in times:
                raise SettingError(f"{wanted[name]} needs {DAY_S:g} among deployment.times_s = {list(times)}")


def _check_endurance(wanted: Wanted, scope: Scope) -> None:
    """Refuse the lifetime of a training whose cells nothing wears out."""
    if LIFETIME not in wanted:
        return
    ends = [compose({**scope.fixed, **scope.corner(u)}, scope.folder) for u in (0.0, LAST)]
    if not all(design.device is not None and design.device.wears_out for design in ends):
        raise SettingError(
            f"{wanted[LIFETIME]} has no value where cells do not wear out; give all designs cells that do, by "
            'device.set_endurance_pulses = 1e4, or by a card, such as device.card = "pcm_gst_wearing"'
        )


def _check_tasks(wanted: Wanted, scope: Scope, controls: Mapping[str, Design]) -> None:
    """Refuse what is not measured on the task of the networks, and networks of different tasks."""
    tasks = {**scope.tasks, **{control.task: str(control.network.name) for control in controls.values()}}
    if len(tasks) > 1:
        raise SettingError(
            f"networks of different tasks do not compare: {', '.join(tasks.values())}; give each a study"
        )
    for task in tasks:
        for name in [name for name in wanted if name in task.misleading]:
            known = " or ".join(other for other, metric in task.metrics.items() if not metric.deployed)
            raise SettingError(f"{wanted[name]} misleads here: {task.misleading[name]}; give {known}")
    ((task, network),) = tasks.items()
    for name, what in wanted.items():
        if quantity(name).tasks and task.name not in quantity(name).tasks:
            known = [other for other, metric in QUANTITIES.items() if task.name in metric.tasks]
            raise SettingError(f"{what} is not measured on network.name = {shown(network)}; it has {', '.join(known)}")


def _check_validation(wanted: Wanted, scope: Scope) -> None:
    given = with_model(scope.settled, scope.folder)
    settings = {path.removeprefix("workload."): v for path, v in given.items() if path.startswith("workload.")}
    held_out = data_of(given).parse(settings, "workload").held_out
    for name, what in wanted.items():
        if name.startswith("validation_") and not held_out:
            raise SettingError(f"{what} needs workload.validation above 0")
