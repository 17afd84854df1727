"""Designs where the update rules of the example plug-in and another one have been added."""

import pickle
import re
from collections.abc import Generator
from typing import Any

import pytest

from dse import plugins, variants
from dse.designs.design import active, compose, parse_design
from dse.designs.hardware import platform_of
from dse.designs.reference import reference
from dse.designs.settings import settings
from dse.designs.space import check_acting, parse_space
from dse.designs.tables import HARDWARE
from dse.errors import SettingError
from dse.search.study import parse_study
from dse.updates import update_named
from tests.contract.pulsed import Pulsed
from tests.lab import lab
from tests.studies import ROOT

STUDY = """
name = "signs"
plugins = ["lab_variants"]
objectives = ["validation_accuracy", "years_to_first_cell"]
[workload]
dataset = "digits"
[design]
network.name = "cnn"
[space]
architecture = ["sign", "float"]
"training.learning_rate" = { low = 0.005, high = 0.02, log = true }
[budget]
trials = 4
"""
SIGN: dict[str, Any] = {"architecture": "sign", "network.name": "cnn"}
FLOAT = {**SIGN, "architecture": "float"}
PULSED = {**SIGN, "architecture": "pulsed"}


@pytest.fixture(scope="module", autouse=True)
def added() -> Generator[None]:
    with lab():
        variants.add("UPDATES", [Pulsed], "one more")
        yield
        variants.remove("one more")


def test_a_digital_rule_has_the_settings_of_digital_training() -> None:
    own, control = compose(SIGN), compose(FLOAT)
    assert all(getattr(own, table) is None for table in (*HARDWARE, "accumulator"))
    assert (own.training.learning_rate, control.training.learning_rate) == (0.01, 0.1)
    same = {"training": None, "architecture": None}
    assert {**own.as_dict(), **same} == {**control.as_dict(), **same}
    for idle in ({"dac.bits": 3}, {"accumulator.bits": 3}, {"training.momentum": 0.3}, {"array.tile_rows": 9}):
        assert compose({**SIGN, **idle}).key == own.key
        assert not active({**SIGN, **idle}).keys() & idle.keys()
    deployed = compose({**SIGN, "deployment.times_s": [1.0], "deployment.adc_bits": 5})
    assert deployed.programs
    assert deployed.deployment is not None
    assert deployed.deployment.adc_bits == 5


def test_a_rule_on_crossbars_has_hardware_and_its_own_table_and_no_accumulator() -> None:
    own = compose({**PULSED, "pulses.share": 0.5})
    assert all(getattr(own, table) is not None for table in HARDWARE)
    assert own.accumulator is None
    assert own.as_dict()["pulses"] == {"share": 0.5}
    assert platform_of(own).tables == own.own_tables
    assert parse_design(own.as_dict()) == own == pickle.loads(pickle.dumps(own))
    for idle in ({"accumulator.bits": 3}, {"training.momentum": 0.3}, {"deployment.adc_bits": 5}):
        on = {**PULSED, **({"deployment.times_s": [1.0]} if "deployment.adc_bits" in idle else {})}
        assert compose({**on, **idle}).key == compose(on).key
    assert compose({**PULSED, "array.pairs_per_weight": 2}).key != compose(PULSED).key


def test_what_a_rule_cannot_do_is_refused_by_itself() -> None:
    with pytest.raises(SettingError, match=r"pulses\.share = 0 lets no weight learn in"):
        compose({**PULSED, "pulses.share": 0.0})
    content = compose(PULSED).as_dict()
    with pytest.raises(SettingError, match="a design on crossbars needs pulses"):
        parse_design({name: table for name, table in content.items() if name != "pulses"})
    with pytest.raises(SettingError, match='accumulator cannot act where architecture = "pulsed"'):
        parse_design({**content, "accumulator": {}})


@pytest.mark.parametrize("rule", ["sign", "pulsed"])
def test_a_perceptron_takes_rules_that_make_its_layers(rule: str) -> None:
    able = (own for own in plugins.variants_of("NETWORKS") if own.learns_by(update_named(rule)))
    modules = ", ".join(f'"{plugins.name_of("NETWORKS", own)}"' for own in able)
    assert '"vit"' in modules
    expected = (
        f'network.name = "perceptron" cannot learn where architecture = "{rule}", which moves the weights of torch '
        f"modules alone; give another architecture, or one of {modules}"
    )
    with pytest.raises(SettingError, match=re.escape(expected)):
        compose({"architecture": rule})


@pytest.mark.slow
def test_conditions_speak_of_all_rules_that_they_hold_for() -> None:
    by_path = {setting.path: setting for setting in reference()}
    assert "pulses.share" in settings()
    assert by_path["pulses.share"].belongs_to == "architecture = pulsed"
    assert by_path["dac.bits"].idle == ('architecture = "float"', 'architecture = "sign"')
    assert set(by_path["accumulator.bits"].idle) == {
        f'architecture = "{name}"' for name in ("float", "sign", "pulsed", "manhattan", "pulse_trains")
    }
    momentum = {f'architecture = "{name}"' for name in ("pulsed", "sign", "manhattan", "pulse_trains", "tiki_taka")}
    assert set(by_path["training.momentum"].idle) == momentum
    with pytest.raises(SettingError, match=r"dac\.bits has no effect where architecture = "):
        check_acting({"dac.bits": 4}, parse_space({"architecture": ["sign", "float"]}), "study")
    check_acting({"dac.bits": 4}, parse_space({"architecture": ["sign", "pulsed"]}), "study")


def test_a_lifetime_needs_rules_on_crossbars() -> None:
    with pytest.raises(SettingError, match='no value where architecture = "sign"'):
        parse_study(STUDY, ROOT)
