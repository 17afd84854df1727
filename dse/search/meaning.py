"""What a study means: everything that decides its table, whatever its file looks like and wherever that lies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from dse.designs.design import Design, flatten
from dse.designs.settings import CELL, FOUND
from dse.designs.space import CARDS, Parameter
from dse.devices.card import model_of
from dse.files import Seen
from dse.pricing.bounds import Bound
from dse.pricing.card import CONSTANTS, CostCard
from dse.search.first import Designs
from dse.search.learned import Learned
from dse.search.scope import LAST, Scope
from dse.search.spec import StudySpec
from dse.spec import is_added

OF_CODING = ("pulse_step_s", "driver_area_share")
"""Constants that only designs are priced by whose drivers have one bit: for bits, or for the width of pulses."""
_LATER: tuple[tuple[str, str, Any], ...] = (
    ("search", "rungs", []),
    ("search", "keep", []),
    ("budget", "seeds_for", "all"),
    ("budget", "epochs", None),
)
"""Settings that studies of before did not have, with the values that mean what these meant."""
Described = tuple[Mapping[str, Any], dict[str, Any]]
"""Flat settings of a design, and its content."""
MEANINGLESS = {"description", "free", "resources"}
"""Parts of a study file that change nothing in the table."""


class Meant(Protocol):
    """What the meaning is made of; see `dse.search.study.Study`."""

    @property
    def spec(self) -> StudySpec:
        """The tables of the file."""
        ...

    @property
    def fixed(self) -> Mapping[str, Any]:
        """Settings that all designs share, flat."""
        ...

    @property
    def space(self) -> Mapping[str, Parameter]:
        """What varies."""
        ...

    @property
    def scope(self) -> Scope:
        """The designs that there can be."""
        ...

    @property
    def controls(self) -> Mapping[str, Design]:
        """Designs to compare with, by name."""
        ...

    @property
    def card(self) -> CostCard:
        """The cost card."""
        ...

    @property
    def folder(self) -> Path:
        """Where the card files of the study lie."""
        ...

    @property
    def data_files(self) -> Mapping[str, Seen]:
        """Files that settings name, by name."""
        ...

    @property
    def constraints(self) -> Sequence[Bound]:
        """What designs must meet."""
        ...

    @property
    def plugins(self) -> Mapping[str, str]:
        """Versions of the plug-ins that it names."""
        ...

    @property
    def first(self) -> Designs:
        """Values of the designs to try first."""
        ...

    @property
    def learned(self) -> Learned | None:
        """What is learned from earlier results."""
        ...

    def design(self, parameters: Mapping[str, Any]) -> Design:
        """Return the design of values of the space."""
        ...


def meaning_of(study: Meant) -> dict[str, Any]:
    """Return everything that decides the table: settings, cells and prices by value, search and budget.

    Cells stand in designs: the one at the first corner, and one at the last for each card that varies. A card that
    none of them is made of is added, so that keys of studies without such a card stay what they were; likewise the
    checksum of a file that none of them needs.
    """
    elsewhere = MEANINGLESS | {"plugins", "design", "space", "controls", "workload", "constraints", "first"}
    elsewhere |= {"learn_from"}  # what was learned counts, wherever it came from
    first, ends = study.scope.corner(0.0), study.scope.corner(LAST)
    base = _described(study, first)
    cards, programmed = (
        [_described(study, {**ends, path: card}) for card in choices(study, path)]
        for path in ("device.card", "deployment.device.card")
    )
    own = [({**study.fixed, **flatten(study.spec.controls[name])}, d.as_dict()) for name, d in study.controls.items()]
    more: dict[str, Any] = {}
    if programmed:
        more["programmed_cards"] = [content for _, content in programmed]
    if study.constraints:  # only then, so that studies without any keep their keys
        more["constraints"] = {bound.metric: [bound.sign, bound.bound] for bound in study.constraints}
    if study.first:  # likewise
        more["first"] = list(map(dict, study.first))
    if study.learned is not None:  # likewise
        more["learn_from"] = study.learned.sha256
    if study.plugins:  # likewise
        more["plugins"] = dict(sorted(study.plugins.items()))
    other_cards = _cards_beside(study, [base, *cards, *programmed, *own])
    if other_cards:  # likewise
        more["other_cards"] = other_cards
    other_files = _files_beside(study, [study.design(first), *study.controls.values()])
    if other_files:  # likewise
        more["other_files"] = other_files
    said = study.spec.model_dump(mode="json", exclude=elsewhere)
    for table, name, default in _LATER:  # likewise
        if said[table][name] == default:
            del said[table][name]
    return {
        **more,
        **said,
        "space": {path: [type(p).__name__, p.__dict__] for path, p in study.space.items()},
        "base": base[1],
        "cards": [content for _, content in cards],
        "controls": {name: design.as_dict() for name, design in study.controls.items()},
        "fixed": _named_plainly(study.fixed),
        "price_card": _price_card(study),
    }


def _price_card(study: Meant) -> dict[str, Any]:
    """Return what the cost card says, without later constants at their defaults, or that no design is priced by.

    So keys of studies stay what they were before these constants.
    """
    given = (*study.fixed, *study.space, *(path for own in study.spec.controls.values() for path in flatten(own)))
    is_wide = any(path.endswith(".coding") for path in given)
    card = study.card
    later = {
        name
        for name, known in CONSTANTS.items()
        if known.default is not None and (card.values[name] == known.default or (name in OF_CODING and not is_wide))
    }
    values, ranges = ({k: v for k, v in own.items() if k not in later} for own in (card.values, card.ranges))
    return {"name": card.name, "values": values, "ranges": ranges}


def _described(study: Meant, parameters: Mapping[str, Any]) -> Described:
    return {**study.fixed, **parameters}, study.design(parameters).as_dict()


def _cards_beside(study: Meant, designs: Sequence[Described]) -> dict[str, dict[str, Any]]:
    """Return what the cards of cells say that the study names and none of some designs is made of, by setting.

    Such a design is digital, or keeps the cells that it was trained on; other designs of the study use the card.
    """
    found: dict[str, dict[str, Any]] = {}
    for path, read in CARDS.items():
        names = choices(study, path) or [study.fixed[own] for own in (path,) if own in study.fixed]
        used = {settings.get(path) for settings, content in designs if _has_table(content, path)}
        for name in names:
            if name not in used:
                said = read(name, study.folder)
                if path == CELL.card:
                    cell = model_of(name, study.folder)
                    added = {own for own, field in cell.model_fields.items() if is_added(field)}
                    said = {k: v for k, v in said.items() if k not in added or v != cell.model_fields[k].default}
                    said["model"] = cell.model
                found.setdefault(path, {})[name] = said
    return found


def _files_beside(study: Meant, designs: Sequence[Design]) -> dict[str, str]:
    """Return the checksums of the files that designs of the study need, and none of some, by name."""
    held = {sha256 for design in designs for sha256 in design.files}
    return {name: seen.sha256 for name, seen in sorted(study.data_files.items()) if seen.sha256 not in held}


def choices(study: Meant, path: str) -> list[str]:
    """Return the values that a setting of a space can have, as text; none where it does not vary."""
    return [str(value) for value in study.space[path].choices()] if path in study.space else []


def _named_plainly(fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with the names of files without folders: what these hold is part of the designs."""
    found = [path for path in fixed if path.endswith(f".{FOUND}")]
    plain = {path.removesuffix(FOUND) + "file" for path in found}
    return {path: Path(value).name if path in plain else value for path, value in fixed.items() if path not in found}


def _has_table(content: Mapping[str, Any], path: str) -> bool:
    """Return whether the content of a design has the table of a setting."""
    inner: Any = content
    for name in path.split(".")[:-1]:
        inner = inner.get(name, {})
    return bool(inner)
