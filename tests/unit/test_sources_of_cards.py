"""Cost cards from other people's models: what they said once, what is made of it, and what the command refuses."""

import json
import os
import sys
from pathlib import Path

import pytest

from dse.devices.card import library
from dse.errors import SettingError
from dse.pricing.card import CostCard, card_entries, read_cost_card, unlike
from dse.pricing.sources import SOURCES
from dse.pricing.sources.base import Converter, converter_entries, root_of_size, write
from dse.pricing.sources.hwcomponents import Hwcomponents
from dse.pricing.sources.zigzag import ZigZag

SAID = Path(__file__).with_name("said_by")
"""What the packages said, by their scripts: hwcomponents-adc 1.0.21 and others, zigzag-dse 3.9.1."""
BASES = {28: "bottom_up_28nm", 14: "hwcomponents_28nm", 45: "hwcomponents_28nm"}
PYTHON_312 = "DSE_HWCOMPONENTS_PYTHON"
"""Environment variable that names an interpreter with hwcomponents."""


def said(name, node):
    return json.loads((SAID / f"{name}_{node}.json").read_text())


def conversion(card: CostCard, bits: int) -> float:
    return card.adc_fixed_j + card.adc_per_bit_j * bits + card.adc_per_code_j * 2**bits + card.adc_per_code2_j * 4**bits


def area(card: CostCard, bits: int) -> float:
    return card.adc_area_fixed_m2 + card.adc_area_scale_m2 * 2 ** (card.adc_area_exponent * bits)


@pytest.mark.parametrize("node", BASES)
def test_a_card_of_the_library_is_what_the_command_writes(node: int) -> None:
    text, made = write(Hwcomponents, said("hwcomponents", node), node, BASES[node])
    name = f"hwcomponents_{node}nm"
    assert name in library("costs")
    kept, _ = card_entries(name)
    assert set(kept.entries) == set(made.entries)
    root = Path(__file__).parents[2] / "device_library" / "costs" / f"{name}.toml"
    assert root.read_text() == text
    assert made.left == []


@pytest.mark.parametrize("node", BASES)
def test_a_card_says_of_components_what_the_package_says(node: int) -> None:
    card, of = read_cost_card(f"hwcomponents_{node}nm"), said("hwcomponents", node)
    for bits, energy, m2, _ in of["adc"]:
        if bits <= card.adc_bits_max:
            assert conversion(card, bits) == pytest.approx(energy, rel=0.1), bits
            assert area(card, bits) == pytest.approx(m2, rel=0.1), bits
    assert 10 <= card.adc_bits_max < 12  # where its energies jump
    assert card.gate_j * card.gates_per_adder_bit * 32 == pytest.approx(of["adder"][0], rel=1e-3)
    assert card.gate_j * card.gates_per_multiplier_cell * 32**2 == pytest.approx(of["multiplier"][0], rel=1e-3)
    for bits, read, write_j, *_ in of["sram"]:
        assert card.chi_memory_per_root_bit_j * bits**0.5 == pytest.approx((read + write_j) / 2, rel=0.2)
    low, high = card.ranges["leakage_w_per_m2"]
    assert low * 0.999 <= of["adc"][4][3] / of["adc"][4][2] <= high * 1.001


def test_cards_of_one_source_are_a_step_of_technology_and_beside_others_they_are_not() -> None:
    family = [read_cost_card(f"hwcomponents_{node}nm") for node in BASES]
    assert unlike(family) == []
    lines = unlike([family[1], read_cost_card("bottom_up_28nm")])
    assert len(lines) == 1
    assert "hwcomponents at 28 nm" in lines[0]
    assert "no step of technology" in lines[0]
    fourteen, forty_five = family[1], family[2]
    assert 2.0 < conversion(family[0], 8) / conversion(fourteen, 8) < 4.0
    assert fourteen.gate_j < family[0].gate_j < forty_five.gate_j


def test_zigzag_gives_the_converters_and_drivers_that_bottom_up_28nm_has_by_hand(tmp_path: Path) -> None:
    text, made = write(ZigZag, said("zigzag", 28), 28.0, "bottom_up_28nm")
    (tmp_path / "zz.toml").write_text(text)
    card, own = read_cost_card("zz.toml", tmp_path), read_cost_card("bottom_up_28nm")
    for bits in range(2, 13):
        assert conversion(card, bits) == pytest.approx(conversion(own, bits), rel=2e-3)
        assert area(card, bits) == pytest.approx(area(own, bits), rel=0.02)
    for name in ("adc_per_bit_s", "adc_per_bit_line_s", "dac_per_bit_j", "gate_j", "gate_area_m2"):
        assert card.values[name] == pytest.approx(own.values[name], rel=2e-3), name
    assert "leakage_w_per_m2" not in made.entries
    assert any("memories" in line for line in made.left)


def test_a_formula_stops_at_the_bits_that_it_describes() -> None:
    found = [Converter(bits, 1e-13 * bits, 1e-10 * 2 ** (0.5 * bits), 1e-8) for bits in range(4, 10)]
    entries = converter_entries(found, "made up")
    assert entries["adc_per_bit_j"].value == pytest.approx(1e-13, rel=1e-6)
    assert entries["adc_fixed_j"].value == pytest.approx(0.0, abs=1e-19)
    assert entries["adc_area_exponent"].value == pytest.approx(0.5, abs=2e-3)
    assert (entries["adc_bits_min"].value, entries["adc_bits_max"].value) == (4, 9)
    jump = converter_entries([*found, Converter(10, 1e-11, 1e-8, 1e-8), Converter(11, 2e-13, 1e-10, 1e-8)], "made up")
    assert jump["adc_bits_max"].value == 9


def test_a_root_of_size_is_the_mean_of_its_logarithm() -> None:
    assert root_of_size([(100.0, 20.0), (400.0, 80.0)]) == pytest.approx((2.0 * 4.0) ** 0.5)


def test_without_cacti_memories_stay_those_of_the_base_and_the_card_says_so(tmp_path: Path) -> None:
    text, made = write(Hwcomponents, {**said("hwcomponents", 28), "sram": "cacti did not run there"}, 28, BASES[28])
    (tmp_path / "own.toml").write_text(text)
    card, base = read_cost_card("own.toml", tmp_path), read_cost_card(BASES[28])
    assert card.chi_memory_per_bit_j == base.chi_memory_per_bit_j
    assert card.chi_memory_per_root_bit_j == 0.0
    assert len(made.left) == 1
    assert made.left[0] in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hwcomponent", "--out", "x.toml"], "did you mean 'hwcomponents'"),
        (["zigzag", "--node", "14", "--out", "x.toml"], "28 nm alone"),
        (["hwcomponents", "--node", "90", "--out", "x.toml"], "7 to 65 nm"),
        (["hwcomponents", "--out", "x.json"], "must end in .toml"),
        (["hwcomponents", "--out", "there.toml"], "there.toml exists"),
        (["hwcomponents", "--out", "x.toml", "--python", "no/python"], "No such file"),
        (
            ["hwcomponents", "--out", "no/x.toml", "--base", "x.toml"],
            "--base x.toml must be a card of the device library",
        ),
    ],
)
def test_a_mistake_is_one_message(arguments, message, ask, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.toml").write_text("")
    for source in SOURCES:
        if "--base" in arguments:
            monkeypatch.setattr(source, "ask", lambda *_: said("hwcomponents", 28))
    done = ask("card", "from", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.toml"]


def answering(tmp_path: Path, body: str) -> str:
    """Return an interpreter that answers with a script of its own."""
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_an_interpreter_without_the_package_is_told_with_what_to_do(tmp_path: Path) -> None:
    python = answering(tmp_path, "echo \"ModuleNotFoundError: No module named 'zigzag'\" >&2; exit 1")
    with pytest.raises(SettingError, match="pip install zigzag-dse, or name an interpreter that has it, --python PATH"):
        ZigZag.ask(28.0, python)
    with pytest.raises(SettingError, match=r"zigzag failed in .*: ValueError: nothing"):
        ZigZag.ask(28.0, answering(tmp_path, "echo 'ValueError: nothing' >&2; exit 1"))


def test_a_card_is_written_from_what_an_interpreter_says(ask, tmp_path: Path) -> None:
    python = answering(tmp_path, f"echo chatter; cat {SAID / 'zigzag_28.json'}")
    out = tmp_path / "zz.toml"
    done = ask("card", "from", "zigzag", "--python", python, "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "left as in bottom_up_28nm: memories" in done.stdout
    assert out.read_text() == write(ZigZag, said("zigzag", 28), 28.0, "bottom_up_28nm")[0]


@pytest.mark.reference
def test_hwcomponents_says_today_what_it_said() -> None:
    now, then = Hwcomponents.ask(28.0, os.environ.get(PYTHON_312, sys.executable)), said("hwcomponents", 28)
    assert [own[1] for own in now["adc"]] == pytest.approx([own[1] for own in then["adc"]], rel=1e-6)
    for name in ("adder", "multiplier", "dac_8_bits", "driver", "edram"):
        assert now[name] == pytest.approx(then[name], rel=1e-6), name


@pytest.mark.reference
def test_zigzag_says_today_what_it_said() -> None:
    now, then = ZigZag.ask(28.0, os.environ.get("DSE_ZIGZAG_PYTHON", sys.executable)), said("zigzag", 28)
    assert [own[1] for own in now["adc"]] == pytest.approx([own[1] for own in then["adc"]], rel=1e-6)
    assert now["adder_bit"] == pytest.approx(then["adder_bit"], rel=1e-6)
