"""Designs from settings: the only place where defaults, cards and conditions meet.

Settings are flat while they are gathered, {"accumulator.bits": 8}, and become a `Design` in `compose`. What has no
effect is no part of a design: with digital weights there is no accumulator, with ideal converters no range. So equal
hardware has an equal key.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from dse import renamed
from dse.crossbar.error_spec import ConverterErrorSpec
from dse.crossbar.significance_spec import SignificanceSpec
from dse.crossbar.wire_spec import WireSpec
from dse.designs.named_files import with_files
from dse.designs.settings import (
    CELL,
    FAMILIES,
    FOUND,
    Family,
    active,
    class_of,
    data_of,
    decided,
    default_of,
    field_of,
    flatten,
    nest,
    rule_of,
    task_of,
)
from dse.designs.tables import HARDWARE, LACKING, Design, tables_of
from dse.devices.base import AbstractCell
from dse.devices.card import card_text, model_of, read_cell, read_programmed_cell
from dse.errors import SettingError
from dse.files import FileSpec
from dse.spec import is_added, shown
from dse.updates.base import AbstractUpdate
from dse.variants import kept_for_variants

DEFAULT_CARD = "pcm_gst"
DEFAULT_PROGRAMMED_CARD = "pcm_joshi2020"
T = TypeVar("T")


def compose(settings: Mapping[str, Any], folder: Path | None = None, where: str = "") -> Design:
    """Return the design for flat settings; what is not given takes its default.

    Settings that other settings switch off are left out, so that designs that differ in them alone are equal.

    Args:
        settings: {dotted path: value}.
        folder: where card files are looked for; the current folder by default.
        where: what to call the origin of the settings in an error.

    Raises:
        SettingError: naming every wrong setting, what came and what is allowed.
    """
    given = renamed.settings(settings)
    for path in given:
        if not path.endswith(f".{FOUND}"):
            field_of(path)
    given = with_model(given, folder)
    acting = {**active(given), **decided(given)}
    tables = nest(acting)
    rule = rule_of(acting)
    if is_deployed(acting) or task_of(acting).deploys_always:
        _complete(tables.setdefault("deployment", {}), rule, folder)
    for table in tables_of(rule):
        tables.setdefault(table, {})
    for table in ("array", "deployment"):
        _drop_ideal_wires(tables.get(table, {}))
    _drop_equal_significance(tables.get("array", {}))
    _drop_no_errors(tables.get("deployment", {}))
    if rule.on_crossbars:
        cell = _cell(_card(tables["device"].get("card", DEFAULT_CARD)), folder)
        tables["device"] = {**cell, **tables["device"], "card": cell["card"]}
        _drop_no_errors(tables["adc"])
        for table in ("dac", "adc"):
            _drop_redundant_backward_bits(tables[table], default_of(f"{table}.bits"))
        _fit_default_calibration(tables, given)
    return parse_design(tables, where)


def with_model(given: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """Return flat settings with what stands in the files that they name.

    That is the model of the cell that their card describes, where it is not the default, what its card says that would
    otherwise switch other settings off, such as an endurance, and what is found in other files
    (`dse.designs.named_files`).

    Args:
        given: the settings.
        folder: where the files are looked for.

    Raises:
        SettingError: there is no such card, it names no model that there is, or no file is named where one is needed.
        DataError: another file is missing or not what it should be.
    """
    given = with_files(given, folder)
    if CELL.card not in given or not rule_of(given).on_crossbars:
        return dict(given)
    card = _card(given[CELL.card])
    model, cell = _model(card, folder), _cell(card, folder)
    added = {name: cell[name] for name, field in model.model_fields.items() if is_added(field) and name in cell}
    said = {f"{CELL.table}.{name}": own for name, own in added.items() if own != model.model_fields[name].default}
    return {**said, **given, **({} if model is CELL.variants[0] else {CELL.path: model.model})}


def _card(name: object) -> str:
    if not isinstance(name, str):
        raise SettingError(f"{CELL.card} = {name!r} is not allowed; give the name of a card, as a string")
    return name


def _fit_default_calibration(tables: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Calibrate once an epoch where a training is too short for the default pace, which nobody asked for, in place."""
    path = "adc.calibrate_every_samples"
    data, training = (tables.get(name, {}) for name in ("workload", "training"))
    workload, _ = data_of(given).checked(data)
    epochs = training.get("epochs", default_of("training.epochs"))
    if path in given or workload is None or not isinstance(epochs, int):
        return
    pace = tables["adc"].get("calibrate_every_samples", default_of(path))
    if tables["adc"].get("ranging") == "calibrated" and pace > epochs * workload.info.samples:
        tables["adc"]["calibrate_every_samples"] = workload.info.samples


def parse_design(tables: Mapping[str, Any], where: str = "") -> Design:
    """Return the design whose content is given, complete, as nested tables; see `Design.as_dict`.

    Raises:
        SettingError: naming every wrong setting, what came and what is allowed.
    """
    unknown, known = _unknown_variants(tables)
    design, wrong = class_of(_named_variants(known)).checked(known)
    # What a variant that is not here may hold is not known, nor what an update rule needs that is not here.
    moot = tuple(f"'{table}." if table else LACKING for table in unknown)
    lines = [*unknown.values(), *(line for line in wrong if not line.startswith(moot))]
    if design is None or lines:
        head = f"{where}: " if where else ""
        raise SettingError(head + ("\n".join(["", *lines]) if len(lines) > 1 else lines[0]))
    return design


def _named_variants(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of nested tables that name variants, flat."""
    inner = {family.path: tables.get(family.table) if family.table else tables for family in FAMILIES}
    return {
        path: cast("Mapping[str, Any]", table)[path.rpartition(".")[2]]
        for path, table in inner.items()
        if isinstance(table, Mapping) and path.rpartition(".")[2] in table
    }


def _of_own_file(family: Family, value: Any) -> str:
    """Return where a file is named that was given as the name of a variant; "" for what looks like none."""
    takes_files = [name for name, own in family.names.items() if issubclass(own, FileSpec)]
    if not takes_files or not isinstance(value, str) or not (Path(value).suffix or "/" in value):
        return ""
    own = f"{family.key} = {shown(takes_files[0])} and file = {shown(value)}"
    return f". For a file of your own write {own} in [{family.table}]"


def _unknown_variants(tables: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return a line for each variant that there is not, by its table, and the tables without it."""
    lines: dict[str, str] = {}
    known = dict(tables)
    given = _named_variants(tables)
    for family in FAMILIES:
        if family.path in given and given[family.path] not in list(family.names):
            choices = ", ".join(map(shown, family.names))
            lines[family.table] = (
                f"{family.path} = {shown(given[family.path])} is not allowed; give one of {choices}"
                f"{_of_own_file(family, given[family.path])}"
            )
            if family.table:
                known[family.table] = {}
            else:
                del known[family.key]
    return lines, known


def is_deployed(settings: Iterable[str]) -> bool:
    """Return whether some of the settings, given by their paths, are those of a deployment."""
    return any(path.startswith("deployment.") for path in settings)


def _complete(deployment: dict[str, Any], rule: type[AbstractUpdate], folder: Path | None) -> None:
    """Add the cell of a deployment that programs cells, in place."""
    if not rule.on_crossbars or deployment.get("reprogram", default_of("deployment.reprogram")):
        given = deployment.get("device", {})
        card = given.get("card", DEFAULT_PROGRAMMED_CARD)
        if not isinstance(card, str):
            raise SettingError(
                f"deployment.device.card = {card!r} is not allowed; give the name of a card, as a string"
            )
        cell = _programmed_cell(card, folder)
        deployment["device"] = {**cell, **given, "card": cell["card"]}


def _drop_redundant_backward_bits(converter: dict[str, Any], default: Any) -> None:
    """Leave out the resolution of backward converters that is spelt out and the same: equal hardware has one key."""
    if converter.get("backward_bits") == converter.get("bits", default):
        del converter["backward_bits"]


def _drop_equal_significance(table: dict[str, Any]) -> None:
    """Leave out a significance of pairs that is the same for all, in place."""
    own = table.get("significance")
    spec, _ = (None, None) if own is None else SignificanceSpec.checked(own)
    if spec is not None and spec.ratio == 1.0:
        del table["significance"]


def _drop_ideal_wires(table: dict[str, Any]) -> None:
    """Leave out wires without resistance, and a resistance that is spelt out and the same, in place."""
    wires = table.get("wires")
    spec, _ = (None, None) if wires is None else WireSpec.checked(wires)
    if wires is None or spec is None:
        return  # what is wrong is said where all of a design is checked
    if spec.are_ideal:
        del table["wires"]
    elif spec.column_ohm == spec.row_ohm:
        del wires["column_ohm"]


def _drop_no_errors(table: dict[str, Any]) -> None:
    """Leave out converters that do not err, in place."""
    errors = table.get("errors")
    spec, _ = (None, None) if errors is None else ConverterErrorSpec.checked(errors)
    if spec is not None and spec.are_none:
        del table["errors"]


def _programmed_cell(card: str, folder: Path | None) -> dict[str, Any]:
    return _read(read_programmed_cell, card, folder, card_text("programmed_cells", card, folder))


def _model(card: str, folder: Path | None) -> type[AbstractCell]:
    return _read(model_of, card, folder, card_text("cells", card, folder))


def _cell(card: str, folder: Path | None) -> dict[str, Any]:
    return _read(read_cell, card, folder, card_text("cells", card, folder))


@kept_for_variants
def _read(read: Callable[[str, Path | None], T], card: str, folder: Path | None, content: str) -> T:  # noqa: ARG001
    """Return what a card says; the content is part of the key, because the file may be edited within a session."""
    return read(card, folder)


__all__ = ["HARDWARE", "Design", "active", "compose", "flatten", "is_deployed", "nest", "parse_design", "with_model"]
