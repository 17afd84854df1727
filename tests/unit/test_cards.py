"""Cards: every number with its unit and source, or a refusal that names what is wrong."""

import tomllib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from dse.designs.design import compose
from dse.devices.card import KNOBS, knobs_of, library, model_of, read_card, read_cell, read_programmed_cell, unit_of
from dse.devices.spec import CellSpec
from dse.errors import SettingError
from dse.pricing.card import UNITS, read_cost_card

SHIPPED = {"cells": "pcm_gst", "programmed_cells": "pcm_joshi2020", "costs": "bottom_up_28nm"}
READ: dict[str, Callable[[str, Path], object]] = {
    "cells": read_cell,
    "programmed_cells": read_programmed_cell,
    "costs": read_cost_card,
}


@pytest.fixture(params=list(SHIPPED))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def shipped_text(kind: str) -> str:
    return (files("device_library") / kind / f"{SHIPPED[kind]}.toml").read_text(encoding="utf-8")


def entry_of(kind: str) -> tuple[str, str]:
    """Return the name of an entry of the shipped card and its text."""
    name = {"cells": "mean_offset_us", "programmed_cells": "programming_std_us", "costs": "set_pulse_j"}[kind]
    text = shipped_text(kind)
    start = text.index(f"[{name}]")
    return name, text[start : text.index("\n\n", start) + 2]


def without_range(entry: str) -> str:
    return "".join(line for line in entry.splitlines(keepends=True) if not line.startswith(("low", "high")))


def refusal(kind: str, folder: Path, text: str) -> str:
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingError) as caught:
        READ[kind]("mine.toml", folder)
    assert "mine.toml" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", library("cells"))
def test_every_shipped_cell_loads_and_is_valid(name: str) -> None:
    settings = read_cell(name)
    model = model_of(name)
    assert model.parse(settings).card == name
    assert knobs_of(model).keys() <= settings.keys()
    left = {knob: value for knob, value in KNOBS.items() if knob not in read_card("cells", name).entries}
    assert model is not CellSpec or left.items() <= settings.items()
    assert name.endswith("wearing") or left == KNOBS or model is not CellSpec


@pytest.mark.parametrize("name", library("costs"))
def test_every_shipped_cost_card_loads(name: str) -> None:
    card = read_cost_card(name)
    assert card.name == name
    assert card.set_pulse_j > 0.0


def test_the_shipped_cell_holds_the_published_numbers() -> None:
    cell = CellSpec.parse(read_cell("pcm_gst"))
    assert (cell.mean_slope, cell.mean_offset_us, cell.mean_history_us) == (-0.084, 0.88, 1.40)
    assert (cell.std_slope, cell.std_offset_us, cell.std_history_us) == (0.091, 0.26, 2.15)
    assert (cell.history_pulses, cell.drift_exponent, cell.drift_reference_s) == (2.6, 0.04, 38.6)
    assert (cell.read_noise_slope, cell.read_noise_offset_us) == (0.03, 0.13)
    assert (cell.reset_mean_us, cell.reset_std_us, cell.reset_min_us) == (0.1, 0.01, 0.01)
    assert not cell.is_linear


def test_the_ideal_cell_is_linear_and_silent() -> None:
    cell = CellSpec.parse(read_cell("ideal_linear"))
    assert cell.is_linear
    assert (cell.drift_exponent, cell.read_noise_slope, cell.read_noise_offset_us) == (0.0, 0.0, 0.0)


def test_a_card_beside_the_study_reads_like_the_same_card_of_the_library(kind: str, tmp_path: Path) -> None:
    (tmp_path / f"{SHIPPED[kind]}.toml").write_text(shipped_text(kind), encoding="utf-8")
    assert READ[kind](f"{SHIPPED[kind]}.toml", tmp_path) == READ[kind](SHIPPED[kind], tmp_path)


def test_a_card_below_the_folder_of_the_study_is_found(kind: str, tmp_path: Path) -> None:
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "mine.toml").write_text(shipped_text(kind), encoding="utf-8")
    assert read_card(kind, "cards/mine.toml", tmp_path).name == "mine"


@pytest.mark.parametrize("needed", ["value", "unit", "source"])
def test_an_entry_without_value_unit_or_source_is_refused(kind: str, needed: str, tmp_path: Path) -> None:
    name, entry = entry_of(kind)
    poor = "\n".join(line for line in entry.splitlines() if not line.startswith(needed)) + "\n"
    text = refusal(kind, tmp_path, shipped_text(kind).replace(entry, poor))
    assert f"{name} has no {needed}" in text


def test_an_entry_with_an_empty_source_is_refused(kind: str, tmp_path: Path) -> None:
    name, entry = entry_of(kind)
    poor = f'[{name}]\nvalue = 1.0\nunit = "{UNITS.get(name, "uS")}"\nsource = ""\n'
    assert f"{name} has no source" in refusal(kind, tmp_path, shipped_text(kind).replace(entry, poor))


@pytest.mark.parametrize(("kind", "right", "wrong"), [("cells", "uS", "nS"), ("costs", "J", "pJ")])
def test_an_entry_in_another_unit_is_refused(kind: str, right: str, wrong: str, tmp_path: Path) -> None:
    name, entry = entry_of(kind)
    changed = entry.replace(f'unit = "{right}"', f'unit = "{wrong}"')
    assert changed != entry
    text = refusal(kind, tmp_path, shipped_text(kind).replace(entry, changed))
    assert f"{name} is in '{wrong}'; it must be in '{right}'" in text


def test_an_unknown_entry_is_refused_with_the_nearest(kind: str, tmp_path: Path) -> None:
    name, entry = entry_of(kind)
    text = refusal(kind, tmp_path, shipped_text(kind) + "\n" + entry.replace(f"[{name}]", f"[{name}x]"))
    assert f"{name}x" in text
    assert f"did you mean {name!r}?" in text


def test_a_missing_entry_is_named(kind: str, tmp_path: Path) -> None:
    name, entry = entry_of(kind)
    assert f"missing {name}" in refusal(kind, tmp_path, shipped_text(kind).replace(entry, ""))


def test_an_entry_with_an_unknown_key_is_refused(kind: str, tmp_path: Path) -> None:
    name, entry = entry_of(kind)
    text = refusal(kind, tmp_path, shipped_text(kind).replace(entry, entry.rstrip() + "\nsauce = 1\n\n"))
    assert f"{name} has unknown keys sauce" in text


@pytest.mark.parametrize("value", ["true", '"0.88"', "[1.0]"])
def test_an_entry_whose_value_is_no_number_is_refused(kind: str, value: str, tmp_path: Path) -> None:
    name, entry = entry_of(kind)
    lines = [f"value = {value}" if line.startswith("value") else line for line in entry.splitlines()]
    text = refusal(kind, tmp_path, shipped_text(kind).replace(entry, "\n".join(lines) + "\n\n"))
    assert f"{name}.value = " in text


def test_a_bare_number_is_refused(kind: str, tmp_path: Path) -> None:
    assert "mean must be a table with value, unit and source" in refusal(kind, tmp_path, "mean = 0.88\n")


def test_a_file_that_is_not_toml_is_refused(kind: str, tmp_path: Path) -> None:
    assert "is not valid TOML" in refusal(kind, tmp_path, "mean = = 1\n")


def test_a_file_that_is_not_text_is_refused(kind: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingError, match=r"mine\.toml is not UTF-8 text"):
        READ[kind]("mine.toml", tmp_path)


def test_a_file_that_is_not_there_is_named(kind: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"cannot read the card none\.toml"):
        READ[kind]("none.toml", tmp_path)


@pytest.mark.parametrize("name", ["../mine.toml", "below/../../mine.toml"])
def test_a_path_that_leaves_the_folder_is_refused(kind: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "mine.toml").write_text(shipped_text(kind), encoding="utf-8")
    with pytest.raises(SettingError, match="must lie in or below the folder of the study file") as caught:
        READ[kind](name, tmp_path / "study")
    assert name in str(caught.value)


def test_an_absolute_path_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(shipped_text(kind), encoding="utf-8")
    with pytest.raises(SettingError, match="must lie in or below"):
        READ[kind](str(path), tmp_path)


def test_a_link_that_leaves_the_folder_is_refused(kind: str, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "mine.toml").write_text(shipped_text(kind), encoding="utf-8")
    (tmp_path / "study" / "mine.toml").symlink_to(tmp_path / "mine.toml")
    with pytest.raises(SettingError, match="must lie in or below"):
        READ[kind]("mine.toml", tmp_path / "study")


def test_an_unknown_name_is_answered_with_the_library(kind: str) -> None:
    name = SHIPPED[kind]
    with pytest.raises(SettingError, match=f"did you mean '{name}'") as caught:
        READ[kind](name[:-1], Path())
    for known in library(kind):
        assert known in str(caught.value)


def test_a_negative_cost_is_refused(tmp_path: Path) -> None:
    name, entry = entry_of("costs")
    changed = without_range(entry).replace("value = ", "value = -")
    text = refusal("costs", tmp_path, shipped_text("costs").replace(entry, changed))
    assert f"{name} = -4.1e-13 must be a number from 0 to 1e-06 J" in text


def test_a_cell_out_of_range_is_refused_when_it_is_read(tmp_path: Path) -> None:
    text = shipped_text("cells").replace("value = 38.6", "value = 0.0")
    assert "drift_reference_s = 0.0 is not allowed" in refusal("cells", tmp_path, text)


def test_a_cell_with_a_closed_window_is_refused_when_it_is_read(tmp_path: Path) -> None:
    text = shipped_text("cells").replace("value = 12.0", "value = 0.05")
    assert "must lie below g_max_us" in refusal("cells", tmp_path, text)


def test_a_card_names_the_model_of_its_cell_which_is_pcm_where_it_names_none(tmp_path: Path) -> None:
    text = shipped_text("cells")
    (tmp_path / "pcm_gst.toml").write_text('model = "pcm"\n' + text)
    assert read_cell("pcm_gst.toml", tmp_path) == read_cell("pcm_gst")
    assert model_of("pcm_gst.toml", tmp_path) is model_of("pcm_gst") is CellSpec
    assert "no model of cells 'pcn'; did you mean 'pcm'" in refusal("cells", tmp_path, 'model = "pcn"\n' + text)
    assert "model = 3 must be the name of a model" in refusal("cells", tmp_path, "model = 3\n" + text)


@pytest.mark.parametrize(
    ("field", "unit"),
    [
        ("g_max_us", "uS"),
        ("mean_slope", "1"),
        ("history_linear_per_us", "1/uS"),
        ("history_quadratic_per_us2", "1/uS^2"),
        ("history_cubic_per_us3", "1/uS^3"),
        ("drift_reference_s", "s"),
        ("history_pulses", "pulses"),
    ],
)
def test_the_unit_of_an_entry_follows_from_its_name(field: str, unit: str) -> None:
    assert field in CellSpec.model_fields
    assert unit_of(field) == unit


def test_a_slip_of_the_unit_is_refused(tmp_path: Path) -> None:
    name, entry = entry_of("costs")
    changed = without_range(entry).replace("e-13", "")
    text = refusal("costs", tmp_path, shipped_text("costs").replace(entry, changed))
    assert f"{name} = 4.1 must be a number from 0 to 1e-06 J" in text


def test_a_card_that_builds_on_another_gives_only_what_differs(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'base = "bottom_up_28nm"\n[set_pulse_j]\nvalue = 5e-12\nunit = "J"\nsource = "measured"\n', encoding="utf-8"
    )
    mine, base = read_cost_card("mine.toml", tmp_path), read_cost_card("bottom_up_28nm")
    assert mine.name == "mine"
    assert mine.set_pulse_j == 5e-12
    assert {key for key in UNITS if mine.values[key] != base.values[key]} == {"set_pulse_j"}
    assert mine.ranges == {key: ends for key, ends in base.ranges.items() if key != "set_pulse_j"}


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ('"bottom_up_28"', "did you mean 'bottom_up_28nm'"),
        ('"other.toml"', "must be a card of the device library"),
        ("7", "base = 7 must be the name of a card"),
    ],
)
def test_a_base_that_is_no_card_of_the_library_is_refused(base: str, message: str, tmp_path: Path) -> None:
    assert message in refusal_of_base(base, tmp_path)


def refusal_of_base(base: str, folder: Path) -> str:
    (folder / "mine.toml").write_text(f"base = {base}\n", encoding="utf-8")
    with pytest.raises(SettingError) as caught:
        read_cost_card("mine.toml", folder)
    return str(caught.value)


def test_a_range_out_of_bounds_is_refused(tmp_path: Path) -> None:
    _, entry = entry_of("costs")
    changed = entry.replace("high = ", "high = 6 #")
    assert changed != entry
    assert "must be a number from 0 to 1e-06 J" in refusal(
        "costs", tmp_path, shipped_text("costs").replace(entry, changed)
    )


@pytest.mark.parametrize("name", library("costs"))
def test_every_number_of_a_shipped_cost_card_names_its_node(name: str) -> None:
    card = tomllib.loads((files("device_library") / "costs" / f"{name}.toml").read_text(encoding="utf-8"))
    assert all(entry["node"] for entry in card.values() if isinstance(entry, dict))


def test_a_card_that_is_edited_within_a_process_is_read_anew(tmp_path):
    text = (files("device_library") / "cells" / "pcm_gst.toml").read_text()
    made = []
    for offset in ("0.88", "0.8"):
        (tmp_path / "mine.toml").write_text(text.replace("value = 0.88", f"value = {offset}"))
        made.append(compose({"device.card": "mine.toml"}, tmp_path))
    assert [design.device.mean_offset_us for design in made] == [0.88, 0.8]
