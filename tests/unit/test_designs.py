"""Designs: defaults, the key that names their content, and settings that cannot act."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.design.design import HARDWARE, Design, active, compose, flatten, nest
from dse.devices.card import read_cell, read_programmed_cell
from dse.errors import SettingError
from dse.spec import leaf_paths

PROGRAMMED = {name: value for name, value in read_programmed_cell("pcm_joshi2020").items() if name != "card"}
OTHER: dict[str, Any] = {
    "architecture": "float",
    "workload.dataset": "mnist",
    "workload.validation": 0.0,
    "workload.images": 1000,
    "network.name": "resnet8",
    "workload.train_characters": 5000,
    "workload.evaluation_characters": 4000,
    "network.hidden": [64, 64],
    "network.latent": 7,
    "network.width": 1.5,
    "training.epochs": 31,
    "training.batch_size": 1,
    "training.learning_rate": 2.0000000001,
    "training.schedule": "step",
    "training.momentum": 0.5,
    "training.weight_decay": 1e-3,
    "training.augmentation": "crop_flip",
    "training.dropout": 0.2,
    "training.sequence_length": 16,
    "training.gradient_clip": 0.5,
    "training.adversarial_loss": "hinge",
    "training.discriminator_rate": 0.5,
    "training.weight_noise": 0.038,
    "training.weight_noise_ramp_epochs": 3,
    "training.clip_std": 2.0,
    "device.card": "ideal_linear",
    "device.g_min_us": 0.2,
    "device.g_max_us": 20.0,
    "device.granularity_us": 0.78,
    "device.mean_slope": 0.0,
    "device.mean_offset_us": 0.89,
    "device.mean_history_us": 1.5,
    "device.std_slope": 0.0,
    "device.std_offset_us": 0.0,
    "device.std_history_us": 0.0,
    "device.history_pulses": 2.7,
    "device.history_linear_per_us": 0.0,
    "device.history_quadratic_per_us2": 0.0,
    "device.history_cubic_per_us3": 0.0,
    "device.nonlinearity": 0.9,
    "device.response_spread": 0.1,
    "device.stuck_set_fraction": 0.01,
    "device.stuck_reset_fraction": 0.01,
    "device.drift_exponent_spread": 0.01,
    "device.write_noise_scale": 0.5,
    "device.read_noise_slope": 0.0,
    "device.read_noise_offset_us": 0.0,
    "device.read_noise_scale": 0.5,
    "device.drift_exponent": 0.05,
    "device.drift_reference_s": 1.0,
    "device.reset_mean_us": 0.2,
    "device.reset_std_us": 0.0,
    "device.reset_min_us": 0.0,
    "array.conductance_per_weight_us": 9.0,
    "array.pairs_per_weight": 2,
    "array.conductance_per_std_us": 3.0,
    "array.tile_rows": 64,
    "array.tile_columns": 64,
    "array.read_noise_per": "mini_batch",
    "array.initial_mean_us": 1.7,
    "array.initial_std_us": 0.84,
    "array.initial_min_us": 0.2,
    "array.initial_max_us": 9.0,
    "dac.bits": "ideal",
    "dac.backward_bits": 7,
    "adc.bits": 7,
    "adc.backward_bits": 6,
    "adc.range": 9.0,
    "adc.backward_range": 5.0,
    "adc.ranging": "calibrated",
    "adc.calibrate_every_samples": 1001,
    "adc.headroom": 1.1,
    "accumulator.bits": 31,
    "accumulator.rounding": "stochastic",
    "accumulator.operand_bits": 8,
    "accumulator.epsilon": 0.5,
    "accumulator.transfer_every": 2,
    "accumulator.headroom_bits": 3,
    "accumulator.storage": "pcm",
    "accumulator.inference": "cells_and_accumulator",
    "refresh.every_samples": 101,
    "refresh.threshold_us": 9.0,
    "refresh.difference_us": 5.0,
    "refresh.max_pulses": 9,
    "clock.sample_time_s": 2e-3,
    "clock.drift_every_samples": 7,
    "deployment.times_s": [1.0, 2.0],
    "deployment.repetitions": 6,
    "deployment.compensation": "gdc_columns",
    "deployment.compared": ["gdc_columns"],
    "deployment.gdc_vectors": 33,
    "deployment.tolerated_loss": 0.02,
    "deployment.reprogram": True,
    "deployment.samples_per_read": 99,
    "deployment.dac_bits": 7,
    "deployment.adc_bits": 7,
    "deployment.tile_rows": 128,
    "deployment.tile_columns": "whole",
    "deployment.calibration_samples": 1200,
    "deployment.device.card": "ideal_programmed",
    **{f"deployment.device.{name}": 1.07 * value for name, value in PROGRAMMED.items()},
}
"""Setting -> a value other than that of the default design."""
DEEP: dict[str, Any] = {"network.name": "resnet8"}
DIGITAL_DEEP: dict[str, Any] = {**DEEP, "architecture": "float"}
READS: dict[str, Any] = {"network.name": "lstm", "workload.dataset": "ptb", "adc.calibrate_every_samples": 100}
GENERATES: dict[str, Any] = {"network.name": "gan"}
READING = (
    "workload.train_characters",
    "workload.evaluation_characters",
    "training.sequence_length",
    "training.gradient_clip",
)
GENERATING = ("network.latent", "training.adversarial_loss", "training.discriminator_rate")
DEEP_ON_CROSSBARS = (
    "array.conductance_per_std_us",
    "array.tile_rows",
    "array.tile_columns",
    "array.read_noise_per",
    "accumulator.inference",
)
DEEP_DIGITAL = ("momentum", "weight_decay", "weight_noise", "clip_std")
SWITCHED_ON: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("training.schedule", "training.augmentation", *DEEP_ON_CROSSBARS), DEEP),
    **{f"training.{what}": DIGITAL_DEEP for what in DEEP_DIGITAL},
    **dict.fromkeys(READING, READS),
    **dict.fromkeys(GENERATING, GENERATES),
    "training.dropout": {"network.name": "cnn9"},
    "training.weight_noise_ramp_epochs": {**DIGITAL_DEEP, "training.weight_noise": 0.01},
    "adc.calibrate_every_samples": {"adc.ranging": "calibrated"},
    "adc.headroom": {"adc.ranging": "calibrated"},
    "accumulator.headroom_bits": {"accumulator.transfer_every": 2},
    "deployment.samples_per_read": {"deployment.reprogram": True},
    **{f"deployment.{way}_bits": {"architecture": "float"} for way in ("dac", "adc")},
    **{
        f"deployment.tile_{lines}": {"network.name": "resnet8", "architecture": "float"}
        for lines in ("rows", "columns")
    },
    "deployment.calibration_samples": {"network.name": "resnet8", "deployment.compensation": "adabs"},
    **{f"deployment.device.{name}": {"deployment.reprogram": True} for name in ("card", *PROGRAMMED)},
}
"""Setting that cannot act in the default design -> what makes it act."""
IDEAL_BOTH_WAYS: tuple[dict[str, Any], ...] = (
    {"adc.bits": "ideal"},
    {"adc.bits": "ideal", "adc.backward_bits": "same"},
    {"adc.bits": "ideal", "adc.backward_bits": "ideal"},
)


def refusal(given: dict[str, Any]) -> str:
    with pytest.raises(SettingError) as caught:
        compose(given)
    return str(caught.value)


def test_nothing_given_is_the_default_design_on_the_measured_cell() -> None:
    design = compose({})
    assert design.architecture == "mixed_precision"
    assert design.device is not None
    assert design.device.model_dump() == read_cell("pcm_gst")
    assert all(getattr(design, table) is not None for table in HARDWARE)
    assert design.training.epochs == 30


def test_what_is_given_takes_precedence_over_the_card() -> None:
    device = compose({"device.card": "ideal_linear", "device.drift_exponent": 0.1}).device
    assert device is not None
    assert device.model_dump() == {**read_cell("ideal_linear"), "drift_exponent": 0.1}


def test_a_digital_design_has_no_hardware() -> None:
    design = compose({"architecture": "float"})
    assert all(getattr(design, table) is None for table in HARDWARE)
    assert set(design.as_dict()) == {"architecture", "workload", "network", "training", "array"}


def test_hardware_given_to_a_digital_design_directly_is_refused() -> None:
    with pytest.raises(SettingError, match='dac cannot act where architecture = "float"'):
        Design.parse({"architecture": "float", "dac": {"bits": 8}})


def test_a_crossbar_design_without_hardware_is_refused() -> None:
    with pytest.raises(SettingError, match="a design on crossbars needs device, dac"):
        Design.parse({})


def test_equal_content_has_an_equal_key_in_any_order() -> None:
    given = {"training.epochs": 3, "adc.bits": 6, "device.drift_exponent": 0.0, "network.hidden": [8]}
    assert compose(given).key == compose(dict(reversed(given.items()))).key


def test_a_default_that_is_spelt_out_changes_no_key() -> None:
    assert compose({"accumulator.bits": 32, "device.card": "pcm_gst", "training.epochs": 30}).key == compose({}).key
    assert compose({"device.g_max_us": 12.0}).key == compose({}).key


@pytest.mark.parametrize(
    ("path", "spellings"),
    [
        ("array.conductance_per_weight_us", (8, 8.0)),
        ("training.learning_rate", (1, 1.0, 1e0)),
        ("network.hidden", ([16, 8], (16, 8))),
        ("device.g_max_us", (20, 20.0, 2e1)),
    ],
)
def test_the_spelling_of_a_value_changes_no_key(path: str, spellings: tuple[Any, ...]) -> None:
    designs = [compose({path: value}) for value in spellings]
    assert len({design.key for design in designs}) == 1
    assert all(design == designs[0] for design in designs)


def test_the_key_is_short_and_hexadecimal() -> None:
    key = compose({}).key
    assert len(key) == 20
    assert set(key) <= set("0123456789abcdef")


def test_every_setting_has_another_value_in_this_file() -> None:
    assert set(OTHER) == set(leaf_paths(Design))


def test_every_single_setting_changes_the_key() -> None:
    keys = {"": compose({}).key}
    for path, value in OTHER.items():
        switch = SWITCHED_ON.get(path, {})
        keys[path] = compose({**switch, path: value}).key
        assert keys[path] != compose(switch).key
    assert len(set(keys.values())) == len(keys)


def test_networks_of_convolutions_have_defaults_of_their_own() -> None:
    digital = compose({**DIGITAL_DEEP, "workload.dataset": "cifar10"})
    assert (digital.training.batch_size, digital.training.learning_rate, digital.training.momentum) == (128, 0.1, 0.9)
    assert (digital.training.schedule, digital.training.augmentation) == ("cosine", "crop_flip")
    assert compose(DEEP).training.augmentation == "none"
    assert (compose(DEEP).training.learning_rate, compose(DEEP).training.momentum) == (0.5, 0.0)
    assert compose(DEEP).array.tile_rows == 256
    assert compose({**DEEP, "array.tile_rows": "whole"}).array.tile_rows == "whole"
    assert compose({}).training.schedule == "constant"
    assert compose({}).training.batch_size == 10


def test_an_lstm_and_a_gan_have_defaults_of_their_own() -> None:
    reads, generates = compose(READS), compose(GENERATES)
    assert (reads.network.hidden, reads.training.sequence_length, reads.training.gradient_clip) == (
        (128, 128),
        32,
        0.25,
    )
    assert (generates.network.hidden, generates.network.latent, generates.array.tile_rows) == ((128, 256), 64, 256)
    assert compose({**READS, "network.hidden": [8]}).network.hidden == (8,)
    assert compose(READS).workload.train_samples == 5_017_482
    assert compose({**READS, "workload.train_characters": 5000}).training.updates_of(5000) == 30 * 10


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"network.name": "lstm"}, 'cannot learn workload.dataset = "digits": an lstm reads text; give "ptb"'),
        (
            {**DEEP, "workload.dataset": "ptb"},
            '"resnet8" cannot learn workload.dataset = "ptb": it is text; give "lstm"',
        ),
        ({"workload.dataset": "ptb"}, '"perceptron" cannot learn workload.dataset = "ptb"'),
        ({"network.name": "gan", "workload.dataset": "ptb"}, 'it is text; give "lstm"'),
    ],
)
def test_a_network_for_images_reads_no_text(given: dict[str, Any], expected: str) -> None:
    assert expected in refusal(given)


def test_noise_that_never_reaches_its_full_size_is_refused() -> None:
    given = {"training.weight_noise": 0.1, "training.weight_noise_ramp_epochs": 9, "training.epochs": 8}
    assert "weight_noise_ramp_epochs = 9 exceeds the 8 epochs" in refusal({**DIGITAL_DEEP, **given})


@pytest.mark.parametrize(
    ("switch", "idle"),
    [
        ({"accumulator.bits": "float"}, {"accumulator.rounding": "stochastic"}),
        ({"adc.bits": "ideal"}, {"adc.range": 3.0}),
        ({"adc.bits": "ideal", "adc.backward_bits": 5}, {"adc.range": 3.0}),
        ({"adc.backward_bits": "ideal"}, {"adc.backward_range": 3.0}),
        *((ideal, {"adc.backward_range": 3.0}) for ideal in IDEAL_BOTH_WAYS),
        *((ideal, {"adc.ranging": "calibrated"}) for ideal in IDEAL_BOTH_WAYS),
        *((ideal, {"adc.headroom": 0.5}) for ideal in IDEAL_BOTH_WAYS),
        *((ideal, {"adc.calibrate_every_samples": 5}) for ideal in IDEAL_BOTH_WAYS),
        ({"adc.ranging": "fixed"}, {"adc.headroom": 0.5}),
        ({"adc.ranging": "fixed"}, {"adc.calibrate_every_samples": 5}),
        ({"accumulator.transfer_every": 1}, {"accumulator.headroom_bits": 3}),
        ({"accumulator.transfer_every": 1, "accumulator.bits": 2}, {"accumulator.headroom_bits": 31}),
        ({"architecture": "float"}, {"array.pairs_per_weight": 3}),
        *(({"network.name": "perceptron"}, {path: OTHER[path]}) for path in (*DEEP_ON_CROSSBARS, "training.schedule")),
        *(({"network.name": "perceptron"}, {f"training.{what}": 0.5}) for what in DEEP_DIGITAL),
        *((DEEP, {f"training.{what}": 0.5}) for what in DEEP_DIGITAL),
        (DEEP, {"network.hidden": [3]}),
        *((DEEP, {path: OTHER[path]}) for path in (*READING, *GENERATING, "training.dropout")),
        *((GENERATES, {path: OTHER[path]}) for path in (*READING, "training.dropout", "training.augmentation")),
        *(
            (READS, {path: OTHER[path]})
            for path in (*GENERATING, "training.dropout", "workload.validation", "workload.images")
        ),
        *((own, {"deployment.repetitions": 3}) for own in (READS, GENERATES)),
        (DEEP, {"array.conductance_per_weight_us": 3.0}),
        (DEEP, {"array.initial_std_us": 0.3}),
        *((DIGITAL_DEEP, {f"array.{what}": 2}) for what in ("initial_mean_us", "tile_rows", "pairs_per_weight")),
        (DIGITAL_DEEP, {"training.weight_noise_ramp_epochs": 2}),
        *(({"refresh.every_samples": 0}, {f"device.reset_{what}_us": 0.3}) for what in ("mean", "std", "min")),
        *(
            ({"device.write_noise_scale": 0.0}, {f"device.std_{what}": 0.3})
            for what in ("slope", "offset_us", "history_us")
        ),
        *(({"device.read_noise_scale": 0.0}, {f"device.read_noise_{what}": 0.3}) for what in ("slope", "offset_us")),
        ({"refresh.every_samples": 0}, {"refresh.threshold_us": 3.0}),
        ({"refresh.every_samples": 0}, {"refresh.difference_us": 3.0}),
        ({"refresh.every_samples": 0}, {"refresh.max_pulses": 3}),
        *(({"architecture": "float"}, {path: OTHER[path]}) for path in OTHER if path.split(".")[0] in HARDWARE),
    ],
)
def test_a_setting_that_cannot_act_changes_no_key(switch: dict[str, Any], idle: dict[str, Any]) -> None:
    assert compose({**switch, **idle}) == compose(switch)
    assert compose({**idle, **switch}).key == compose(switch).key
    assert active({**switch, **idle}) == active(switch)
    assert not active({**switch, **idle}).keys() & (idle.keys() - switch.keys())
    on: dict[str, Any] = {}
    for path in idle:
        on |= SWITCHED_ON.get(path, {})
    assert compose({**on, **idle}).key != compose(on).key


@pytest.mark.parametrize(
    ("switch", "acting"),
    [
        ({"adc.bits": "ideal", "adc.backward_bits": 5}, {"adc.backward_range": 3.0}),
        ({"adc.bits": "ideal", "adc.backward_bits": 5}, {"adc.ranging": "calibrated"}),
        ({"adc.backward_bits": "ideal"}, {"adc.range": 3.0}),
        ({"adc.backward_bits": "ideal"}, {"adc.ranging": "calibrated"}),
        ({"adc.backward_bits": "ideal", "adc.ranging": "calibrated"}, {"adc.headroom": 0.5}),
        ({"adc.backward_bits": "ideal", "adc.ranging": "calibrated"}, {"adc.calibrate_every_samples": 5}),
        ({"adc.bits": "ideal", "adc.backward_bits": 5, "adc.ranging": "calibrated"}, {"adc.headroom": 0.5}),
        ({"adc.ranging": "calibrated"}, {"adc.range": 3.0}),  # until the first calibration
        ({"accumulator.bits": "float", "accumulator.transfer_every": 3}, {"accumulator.headroom_bits": 0}),
        ({"architecture": "float"}, {"array.conductance_per_weight_us": 3.0}),
        ({"architecture": "float"}, {"array.initial_std_us": 0.1}),
    ],
)
def test_a_setting_that_still_acts_changes_the_key(switch: dict[str, Any], acting: dict[str, Any]) -> None:
    assert compose({**switch, **acting}).key != compose(switch).key
    assert active({**switch, **acting}) == {**switch, **acting}


def test_equal_hardware_has_an_equal_key_whatever_cannot_act() -> None:
    idle = {"adc.headroom": 0.5, "adc.calibrate_every_samples": 7, "accumulator.headroom_bits": 5}
    assert compose(idle) == compose({})
    ideal = {"adc.bits": "ideal", "adc.range": 2.0, "adc.backward_range": 1.0, "adc.ranging": "calibrated"}
    assert compose({**ideal, "adc.headroom": 0.5}).key == compose({"adc.bits": "ideal"}).key
    digital = {"architecture": "float", "array.pairs_per_weight": 4, "accumulator.storage": "pcm", "dac.bits": 3}
    assert compose(digital).key == compose({"architecture": "float"}).key


def test_headroom_that_leaves_no_place_is_refused_where_it_acts() -> None:
    every = {"accumulator.transfer_every": 2}
    text = refusal({**every, "accumulator.bits": 4, "accumulator.headroom_bits": 4})
    assert "headroom_bits = 4 must be below bits = 4; lengthen the word" in text
    assert "headroom_bits = 2 must be below bits = 2" in refusal({**every, "accumulator.bits": 2})
    assert compose({**every, "accumulator.bits": 5, "accumulator.headroom_bits": 4}).accumulator is not None
    assert compose({**every, "accumulator.bits": "float", "accumulator.headroom_bits": 31}).accumulator is not None
    assert compose({"accumulator.bits": 1}).accumulator is not None


def test_a_setting_is_active_where_its_switch_is_not_given() -> None:
    assert active({"adc.range": 3.0, "dac.bits": 4}) == {"adc.range": 3.0, "dac.bits": 4}


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("training.epoch", "did you mean 'training.epochs'?"),
        ("acumulator.bits", "did you mean 'accumulator.bits'?"),
        ("device.gmax_us", "did you mean 'device.g_max_us'?"),
        ("dac", "it is a table: name one of dac.bits"),
    ],
)
def test_an_unknown_path_is_named_with_the_nearest(path: str, hint: str) -> None:
    text = refusal({path: 1})
    assert f"unknown parameter {path!r}" in text
    assert hint in text


def test_an_unknown_path_is_refused_even_where_it_could_not_act() -> None:
    assert "unknown parameter 'dac.bit'" in refusal({"architecture": "float", "dac.bit": 1})


def test_settings_that_contradict_each_other_are_refused() -> None:
    assert "g_min_us = 12.0 must lie below g_max_us = 12.0" in refusal({"device.g_min_us": 12.0})
    assert "initial_min_us = 9.0 is above initial_max_us = 8.0" in refusal({"array.initial_min_us": 9.0})


def test_all_wrong_settings_are_reported_at_once() -> None:
    text = refusal({"training.epochs": 0, "adc.bits": 1, "device.drift_exponent": -0.1})
    for expected in ("training.epochs = 0", "adc.bits = 1", "device.drift_exponent = -0.1"):
        assert expected in text


def test_an_unknown_device_is_answered_with_the_nearest() -> None:
    assert "did you mean 'pcm_gst'?" in refusal({"device.card": "pcm_gts"})


def test_composing_leaves_the_given_settings_alone() -> None:
    given: dict[str, Any] = {"accumulator.bits": "float", "accumulator.rounding": "nearest", "network.hidden": [3]}
    before = {**given, "network.hidden": [3]}
    compose(given)
    assert given == before


def test_one_design_does_not_change_the_next() -> None:
    compose({"device.g_max_us": 50.0})
    device = compose({}).device
    assert device is not None
    assert device.g_max_us == 12.0


def test_a_network_is_as_wide_as_its_multiplier_says() -> None:
    network = compose({"network.hidden": [64, 10], "network.width": 0.25}).network
    assert network.layer_sizes(784, 10) == [(785, 16), (17, 2), (3, 10)]
    assert compose({"network.hidden": [250]}).network.layer_sizes(784, 10) == [(785, 250), (251, 10)]


def test_a_network_has_at_least_one_unit_a_layer() -> None:
    assert compose({"network.hidden": [3], "network.width": 0.01}).network.layer_sizes(4, 2) == [(5, 1), (2, 2)]


def test_the_design_of_a_dump_is_the_same_design() -> None:
    design = compose({"network.hidden": [8, 4], "adc.bits": "ideal"})
    assert Design.parse(design.as_dict()).key == design.key
    assert compose(flatten(design.as_dict())).key == design.key


NAMES = st.text("abcdef", min_size=1, max_size=3)
LEAVES = st.integers() | st.lists(st.integers(), max_size=2) | st.text(max_size=3)
TABLES = st.recursive(LEAVES, lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3), max_leaves=8)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.dictionaries(NAMES, TABLES, max_size=4))
def test_nesting_undoes_flattening(tables: dict[str, Any]) -> None:
    flat = flatten(tables)
    assert all(not isinstance(value, dict) for value in flat.values())
    assert nest(flat) == tables
    assert flatten(nest(flat)) == flat


def test_a_path_below_a_value_is_refused() -> None:
    with pytest.raises(SettingError, match=r"a\.b: a is a value, not a table"):
        nest({"a": 1, "a.b": 2})


@pytest.mark.parametrize(
    ("idle", "settings"),
    [
        ({"adc.backward_bits": 8}, {}),
        ({"dac.backward_bits": 5}, {"dac.bits": 5}),
        ({"adc.backward_bits": "ideal"}, {"adc.bits": "ideal"}),
        ({"device.mean_slope": -0.05}, {"device.nonlinearity": 0.0}),
        ({"device.drift_reference_s": 10.0}, {"device.drift_exponent": 0.0}),
        ({"clock.drift_every_samples": 7}, {"device.drift_exponent": 0.0}),
    ],
)
def test_what_changes_nothing_in_the_hardware_changes_no_key(idle: dict[str, Any], settings: dict[str, Any]) -> None:
    assert compose({**settings, **idle}).key == compose(settings).key


@pytest.mark.parametrize(
    ("acting", "settings"),
    [
        ({"adc.backward_bits": 6}, {}),
        ({"device.reset_mean_us": 1.0}, {"refresh.every_samples": 0, "device.stuck_reset_fraction": 0.2}),
        ({"clock.drift_every_samples": 7}, {"device.drift_exponent": 0.0, "device.drift_exponent_spread": 0.01}),
    ],
)
def test_what_acts_changes_the_key(acting: dict[str, Any], settings: dict[str, Any]) -> None:
    assert compose({**settings, **acting}).key != compose(settings).key


def test_an_integer_word_needs_room_above_the_threshold_where_transfers_are_rare() -> None:
    with pytest.raises(SettingError, match="at least 1"):
        compose({"accumulator.transfer_every": 2, "accumulator.headroom_bits": 0})
    compose({"accumulator.transfer_every": 2, "accumulator.headroom_bits": 0, "accumulator.bits": "float"})


@pytest.mark.parametrize("together", [1, 1076, 269])
def test_a_gan_needs_two_images_in_every_mini_batch(together: int) -> None:
    with pytest.raises(SettingError, match=f"batch_size = {together} leaves a mini-batch of one of 1077 images"):
        compose({"network.name": "gan", "training.batch_size": together})
    assert compose({"network.name": "gan", "training.batch_size": together + 2}).training.batch_size == together + 2


def test_streams_need_more_characters_than_there_are_streams() -> None:
    with pytest.raises(SettingError, match=r"training\.batch_size = 16 streams need more than the 16 characters"):
        compose({"workload.dataset": "ptb", "network.name": "lstm", "workload.train_characters": 16})
