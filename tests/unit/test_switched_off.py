"""Every imperfection of arrays, converters and cells is off by default, and off by name is the same design."""

from typing import Any

import pytest

from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.outcome import Outcome
from dse.designs.space import check_acting
from dse.errors import SettingError
from tests.choices import Settings
from tests.data import load

PERCEPTRON: Settings = {"workload.dataset": "digits", "network.hidden": (8,), "training.epochs": 1}
CNN: Settings = {"workload.dataset": "digits", "network.name": "cnn"}
DEPLOYED: Settings = {**CNN, "architecture": "float", "deployment.repetitions": 2}
LEARNING: Settings = {
    "array.wires.row_ohm": 0.0,
    "array.wires.column_ohm": 0.0,
    "array.wires.source_ohm": 0.0,
    "array.wires.sense_ohm": 0.0,
    "array.pairs_per_weight": 1,
    "array.spare_rows": 0,
    "adc.errors.offset_std": 0.0,
    "adc.errors.gain_std": 0.0,
    "adc.errors.inl_std": 0.0,
    "adc.errors.noise_std": 0.0,
    "adc.columns_per_converter": "card",
    "dac.coding": "levels",
    "device.set_endurance_pulses": "endless",
    "device.reset_endurance_pulses": "endless",
    "refresh.verify_rounds": 0,
    "accumulator.max_pulses": "unlimited",
    "accumulator.refresh_misses": "lost",
}
"""What is said of cells that learn, switched off."""
DEEP: Settings = {
    "array.output_scale": "none",
    "array.output_scale_kind": "learned",
    "array.mapping": "deviation",
    "array.unused_lines": "absent",
    "array.packing": "apart",
}
PROGRAMMED: Settings = {
    "deployment.wires.row_ohm": 0.0,
    "deployment.wires.source_ohm": 0.0,
    "deployment.errors.offset_std": 0.0,
    "deployment.errors.noise_std": 0.0,
    "deployment.columns_per_converter": "card",
    "deployment.coding": "levels",
    "deployment.unused_lines": "absent",
    "deployment.packing": "apart",
    "deployment.weight_bits": "analog",
    "deployment.slices": 1,
    "deployment.reference": "pair",
}
"""What is said of cells that are programmed, switched off."""
CASES = [
    *((PERCEPTRON, path, value) for path, value in LEARNING.items()),
    *((CNN, path, value) for path, value in {**LEARNING, **DEEP}.items()),
    *((DEPLOYED, path, value) for path, value in PROGRAMMED.items()),
]


def test_what_is_switched_off_by_name_is_the_design_that_says_nothing_of_it() -> None:
    for given, path, value in CASES:
        assert compose({**given, path: value}) == compose(given), path
        assert compose({**given, path: value}).key == compose(given).key, path


def test_an_endurance_that_a_card_gives_lets_settings_act_as_one_that_is_given_does() -> None:
    own = {"device.set_endurance_spread": 0.5, "array.spare_rows": 2}
    given = {**PERCEPTRON, "device.card": "pcm_gst_wearing", **own}
    endured = compose({**PERCEPTRON, "device.card": "pcm_gst_wearing"}).as_dict()["device"]["set_endurance_pulses"]
    design = compose(given)
    assert design.key == compose({**given, "device.set_endurance_pulses": endured}).key
    assert design.as_dict()["array"]["spare_rows"] == 2
    check_acting(given, {}, "study")
    endless = {f"device.{kind}_endurance_pulses": "endless" for kind in ("set", "reset")}
    assert "spare_rows" not in compose({**given, **endless}).as_dict()["array"]


def test_with_everything_off_by_name_a_training_is_what_it_was_to_the_last_bit() -> None:
    data = load("digits", 0.25, 100)
    plain = evaluate(compose(PERCEPTRON), 0, data)
    assert isinstance(plain, Outcome)
    # Cells of a card that wears out, made endless, are the measured ones.
    for off in (LEARNING, {**LEARNING, "device.card": "pcm_gst_wearing"}):
        assert evaluate(compose({**PERCEPTRON, **off}), 0, data) == plain


@pytest.mark.parametrize("value", [float("nan"), -1.0, float("inf")])
def test_no_imperfection_is_negative_or_no_number(value: Any) -> None:
    numbers = [(given, path) for given, path, off in CASES if isinstance(off, float)]
    wearing = {**PERCEPTRON, "device.card": "pcm_gst_wearing"}
    kinds = [(kind, what) for kind in ("set", "reset") for what in ("pulses", "spread")]
    endurance = [(wearing, f"device.{kind}_endurance_{what}") for kind, what in kinds]
    for given, path in numbers + endurance:
        refused = _refused({**given, path: value})
        assert [line for line in refused if line.startswith(f"{path} = ")], (path, refused)
        assert len(refused) == 1, (path, refused)


def _refused(given: Settings) -> list[str]:
    with pytest.raises(SettingError) as caught:
        compose(given)
    return str(caught.value).splitlines()
