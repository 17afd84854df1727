"""Cards of cells: from the file to the settings of a cell of the model that it names."""

from pathlib import Path
from typing import Any

from dse.devices import CELLS
from dse.devices.base import AbstractCell
from dse.devices.card.file import Card, read_card, unit_of
from dse.devices.spec import CellSpec, ProgrammedCellSpec
from dse.errors import SettingError, did_you_mean
from dse.spec import Spec


def knobs_of(model: type[Spec]) -> dict[str, Any]:
    """Return the settings of a cell that most measurements do not give; a card may leave them out."""
    return {name: field.default for name, field in model.model_fields.items() if not field.is_required()}


KNOBS = knobs_of(CellSpec)
"""Those of a PCM cell that is pulsed in training."""


def model_of(name: str, folder: Path | None = None) -> type[AbstractCell]:
    """Return the model of the cell that a card describes; that of a card which names none is PCM.

    Args:
        name: as for `read_card`.
        folder: as for `read_card`.

    Raises:
        SettingError: as `read_card`, or there is no such model.
    """
    return _model_of(read_card("cells", name, folder), name)


def _model_of(card: Card, name: str) -> type[AbstractCell]:
    known = {cell.model: cell for cell in CELLS}
    if card.model is not None and card.model not in known:
        hint = did_you_mean(card.model, known)
        raise SettingError(
            f"card {name}: there is no model of cells {card.model!r}{hint} (known: {', '.join(known)}); a card without "
            "`model` is one of PCM"
        )
    return CELLS[0] if card.model is None else known[card.model]


def read_cell(name: str, folder: Path | None = None) -> dict[str, Any]:
    """Return the settings of a cell as its card gives them, ready to be overridden and checked by its model.

    Args:
        name: as for `read_card`.
        folder: as for `read_card`.

    Raises:
        SettingError: an entry that is unknown, missing or in another unit than its name says.
    """
    card = read_card("cells", name, folder)
    return _settings(_model_of(card, name), card, name)


def read_programmed_cell(name: str, folder: Path | None = None) -> dict[str, Any]:
    """Return the settings of a programmed cell, to be checked by `ProgrammedCellSpec`; see `read_cell`."""
    return _settings(ProgrammedCellSpec, read_card("programmed_cells", name, folder), name)


def _settings(model: type[Spec], card: Card, name: str) -> dict[str, Any]:
    known = [field for field in model.model_fields if field != "card"]
    settings: dict[str, Any] = {"card": card.name, **knobs_of(model)}
    for key, entry in card.entries.items():
        if key not in known:
            raise SettingError(f"card {name}: unknown entry {key!r}{did_you_mean(key, known)}")
        if entry.unit != unit_of(key):
            raise SettingError(f"card {name}: {key} is in {entry.unit!r}; it must be in {unit_of(key)!r}")
        whole = model.model_fields[key].annotation is int and entry.value.is_integer()
        settings[key] = int(entry.value) if whole else entry.value
    missing = [field for field in known if field not in settings]
    if missing:
        raise SettingError(f"card {name}: missing {', '.join(missing)}")
    model.parse(settings, where=f"card {name}")
    return settings
