"""What is said of a study that is valid: what its choices cost in time, or in trials, where nobody would guess."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from dse.designs.settings import CELL, NETWORK, UPDATE, cell_of, network_of, rule_of
from dse.designs.space import Parameter, variants_of
from dse.devices.base import ENDLESS
from dse.networks.base import AbstractNetwork
from dse.pricing.axes import FreeAxes
from dse.pricing.card import unlike
from dse.pricing.wear import lifetimes
from dse.search.spec import StudySpec
from dse.spec import written


class _Study(Protocol):
    @property
    def spec(self) -> StudySpec: ...
    @property
    def fixed(self) -> Mapping[str, Any]: ...
    @property
    def free(self) -> FreeAxes: ...
    @property
    def space(self) -> Mapping[str, Parameter]: ...
    @property
    def folder(self) -> Path: ...
    @property
    def longest(self) -> int: ...


ONE_KNOB = ("accumulator.epsilon", "training.learning_rate")
"""Words of chi count in units of the threshold, so that pulses follow the rate over epsilon alone."""

WEARING = ("device.set_endurance_pulses", "device.reset_endurance_pulses")
"""Settings that let cells wear out while they learn."""


def remarks(study: _Study) -> Sequence[str]:
    """Return a line for each thing that is worth to know of a study."""
    return [
        *_seeds_for_none(study),
        *_one_knob(study),
        *_off_compiled_code(study),
        *_slow_values(study),
        *_on_the_plain_path(study),
        *_two_endurances(study),
        *_on_accelerators(study),
        *unlike(list(study.free.cards.values())),
    ]


def _seeds_for_none(study: _Study) -> Sequence[str]:
    """Return a line where a study asks for further seeds that no design can get."""
    budget = study.spec.budget
    if budget.seeds == 1:
        idle = 'budget.seeds_for = "front" has no effect with one seed; give budget.seeds = 3, or leave seeds_for out'
        return [idle] if budget.seeds_for == "front" else []
    whole = study.longest * budget.seeds
    if budget.epochs is None or budget.epochs >= whole:
        return []
    return [
        f"budget.epochs = {budget.epochs} ends before a design has all of budget.seeds = {budget.seeds}: one that "
        f"trains longest takes {whole} epochs for them; give more epochs, or fewer seeds"
    ]


def _one_knob(study: _Study) -> Sequence[str]:
    """Return a line where a space varies two settings of which only the ratio acts on the cells."""
    if not all(path in study.space for path in ONE_KNOB):
        return []
    return [
        f"{' and '.join(ONE_KNOB)} are one knob: pulses follow their ratio alone, so that the search walks along a "
        f"ridge. Give one of them a value; digital biases have a rate of their own in training.digital_learning_rate"
    ]


def _off_compiled_code(study: _Study) -> Sequence[str]:
    """Return a line for each table of settings that keeps a network of the study off compiled code, and why."""
    given = (*study.fixed, *study.space)
    return [
        f"{path}: {why}"
        for network in networks_of(study)
        for path, why in network.plain_with.items()
        if any(own.startswith(f"{path}.") for own in given)
    ]


def _on_the_plain_path(study: _Study) -> Sequence[str]:
    """Return a line for each rule and each kind of cells of a study without compiled code, and what that costs."""
    lines: list[str] = []
    for held, _ in variants_of(study.fixed, study.space, study.folder):
        network, rule, cell = network_of(held), rule_of(held), cell_of(held)
        wearing = _wearing(study, held)
        if network.plain_rule and not rule.compiled:
            what, costs = f"{UPDATE.path} = {written(rule.name)}", network.plain_rule
        elif rule.on_crossbars and network.plain_cells and (wearing or not cell.compiled):
            card = f"{CELL.card} = {written(held[CELL.card])}" if CELL.card in held else cell.model
            what, costs = wearing[0] if cell.compiled else card, network.plain_cells
        else:
            continue
        lines.append(f"{what}: there is no compiled code for it; {costs}")
    return list(dict.fromkeys(lines))


def _wearing(study: _Study, held: Mapping[str, Any]) -> Sequence[str]:
    """Return the settings by which cells of some designs wear out, those of their card among them."""
    return [path for path in WEARING if path in study.space or held.get(path, ENDLESS) != ENDLESS]


def _two_endurances(study: _Study) -> Sequence[str]:
    """Return a line where cells wear out by the endurance of the design, and lifetimes are read off that of a card."""
    given = [path for held, _ in variants_of(study.fixed, study.space, study.folder) for path in _wearing(study, held)]
    read = [name for name in (*study.spec.objectives, *study.spec.constraints) if name in lifetimes()]
    if not (given and read):
        return []
    return [
        f"{read[0]} follows the endurance on the cost card and not {given[0]}, by which cells wear out here; give the "
        "card the same one, or ask for lifetime_samples"
    ]


def _slow_values(study: _Study) -> Sequence[str]:
    """Return a line for each value of a setting that costs a network of the study much time, and how much."""
    return [
        f"{path} = {written(value)}: {why}"
        for network in networks_of(study)
        for (path, value), why in network.slow_with.items()
        if value in (study.space[path].choices() if path in study.space else [study.fixed.get(path)])
    ]


def _on_accelerators(study: _Study) -> Sequence[str]:
    """Return a line for each network of the study that an accelerator takes another path for, where it asks for one."""
    if not study.spec.resources.gpus:
        return []
    return [f"resources.gpus: {own.on_accelerators}" for own in networks_of(study) if own.on_accelerators]


def networks_of(study: _Study) -> Sequence[type[AbstractNetwork]]:
    """Return the networks of the designs of a study."""
    varied = study.space.get(NETWORK.path)
    choices = [dict(study.fixed)] if varied is None else [{NETWORK.path: name} for name in varied.choices()]
    return list(dict.fromkeys(map(network_of, choices)))
