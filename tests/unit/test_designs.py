"""Designs: defaults, the key that names their content, and settings that cannot act."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from dse.data import DATA
from dse.data.base import ImageInfo, TextInfo
from dse.designs.design import HARDWARE, active, compose, flatten, nest, parse_design
from dse.designs.settings import UPDATE, completed, conditions, data_of, default_of, field_of, network_of
from dse.designs.settings import settings as every_setting
from dse.designs.tables import design_class
from dse.devices import CELLS
from dse.devices.card import read_cell
from dse.errors import SettingError
from dse.networks import NETWORKS
from dse.spec import ActsUnless, leaf_paths
from dse.updates import UPDATES
from dse.variants import forget
from tests.choices import Settings, acting, another, by_card, composes, is_family, name_of, other, switched_on, variants

ANOTHER = object()
"""Stands for a value that a test looks for: one that makes another design where the setting acts."""
DEEP: Settings = {"network.name": "resnet8"}
DIGITAL_DEEP: Settings = {**DEEP, "architecture": "float"}
READS: Settings = {"network.name": "lstm", "workload.dataset": "ptb", "adc.calibrate_every_samples": 100}
GENERATES: Settings = {"network.name": "gan"}
READING = (
    "workload.train_characters",
    "workload.evaluation_characters",
    "training.sequence_length",
    "training.gradient_clip",
)
GENERATING = ("network.latent", "training.adversarial_loss", "training.discriminator_rate")
DEEP_ON_CROSSBARS = (
    "array.conductance_per_std_us",
    "array.mapping",
    "array.tile_rows",
    "array.tile_columns",
    "array.read_noise_per",
    "accumulator.inference",
)
DEEP_DIGITAL = ("momentum", "weight_decay", "weight_noise", "clip_std")
VARIANTS = pytest.mark.parametrize("variant", variants(), ids=name_of)
IDEAL_BOTH_WAYS: tuple[Settings, ...] = (
    {"adc.bits": "ideal"},
    {"adc.bits": "ideal", "adc.backward_bits": "same"},
    {"adc.bits": "ideal", "adc.backward_bits": "ideal"},
)
DATA_OF = {
    info: [own.model_fields["dataset"].default for own in DATA if own.kind({}) is info]
    for info in (ImageInfo, TextInfo)
}
NETWORKS_OF = {
    info: [own.model_fields["name"].default for own in NETWORKS if own.task.accepts is info]
    for info in (ImageInfo, TextInfo)
}
"""Names of what there is for images and for text, added variants too."""


def one_of(names: list[str], of: str = "") -> str:
    return ("one of " if len(names) > 1 else "") + of + ", ".join(f'"{name}"' for name in names)


def refusal(given: Settings) -> str:
    with pytest.raises(SettingError) as caught:
        compose(given)
    return str(caught.value)


def test_nothing_given_is_the_default_design_on_the_measured_cell() -> None:
    design = compose({})
    assert design.architecture == "mixed_precision"
    assert design.device is not None
    assert design.device.model_dump() == read_cell("pcm_gst")
    assert all(getattr(design, table) is not None for table in (*HARDWARE, "accumulator"))
    assert design.training.epochs == 30


def test_what_is_given_takes_precedence_over_the_card() -> None:
    device = compose({"device.card": "ideal_linear", "device.drift_exponent": 0.1}).device
    assert device is not None
    assert device.model_dump() == {**read_cell("ideal_linear"), "drift_exponent": 0.1}


def test_a_digital_design_has_no_hardware() -> None:
    design = compose({"architecture": "float"})
    assert all(getattr(design, table) is None for table in (*HARDWARE, "accumulator"))
    assert set(design.as_dict()) == {"architecture", "workload", "network", "training", "array"}


def test_hardware_given_to_a_digital_design_directly_is_refused() -> None:
    with pytest.raises(SettingError, match='dac cannot act where architecture = "float"'):
        parse_design({"architecture": "float", "dac": {"bits": 8}})


def test_a_crossbar_design_without_hardware_is_refused() -> None:
    with pytest.raises(SettingError, match="a design on crossbars needs device, dac"):
        parse_design({})


def test_equal_content_has_an_equal_key_in_any_order() -> None:
    given = {"training.epochs": 3, "adc.bits": 6, "device.drift_exponent": 0.0, "network.hidden": [8]}
    assert compose(given).key == compose(dict(reversed(given.items()))).key


def test_a_default_that_is_spelt_out_changes_no_key() -> None:
    assert compose({"accumulator.bits": 32, "device.card": "pcm_gst", "training.epochs": 30}).key == compose({}).key
    assert compose({"device.g_max_us": 12.0}).key == compose({}).key
    tiled = {"network.name": "cnn", "array.tile_rows": 64}
    assert compose({**tiled, "array.unused_lines": "absent"}).key == compose(tiled).key
    assert "unused_lines" not in compose(tiled).as_dict()["array"]


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


@pytest.mark.slow
def test_every_single_setting_changes_the_key() -> None:
    keys = {(): compose({}).key}
    for path in every_setting():
        switch = dict(switched_on(path))
        keys[path] = compose({**switch, path: other(path)}).key
        assert keys[path] != compose(switch).key, path
    assert len(set(keys.values())) == len(keys)


def test_every_default_by_name_changes_no_key() -> None:
    for path in every_setting():
        if path.removeprefix("deployment.").startswith("device."):
            continue  # a card gives it
        switch = dict(switched_on(path))
        default = completed(switch).get(path, default_of(path, switch))
        assert compose({**switch, path: default}).key == compose(switch).key, path


@pytest.mark.slow
@VARIANTS
def test_a_setting_of_a_variant_changes_the_key_or_its_network_says_that_it_has_no_effect(variant: Settings) -> None:
    network, data = network_of(variant), data_of(variant)
    kinds = [
        *((cell, UPDATES[0]) for cell in CELLS),
        *((CELLS[0], rule) for rule in UPDATES if network.learns_by(rule)),
    ]
    own = {path for kind in kinds for path in leaf_paths(design_class(network, data, *kind))}
    idle = {name for name, condition in {**network.task.idle, **network.idle}.items() if not condition}
    for path in every_setting():
        if is_family(path) or (path == UPDATE.path and sum(map(network.learns_by, UPDATES)) < 2):
            continue  # one that names a variant, or has one value only
        switch = acting(path, variant)
        said = path not in own or any(f"{path}.".startswith(f"{name}.") for name in idle)
        assert (switch is None) == said, path
        if switch is not None:
            assert compose({**switch, path: another(path, switch)}).key != compose(switch).key, path


@pytest.mark.slow
def test_a_setting_changes_no_key_under_any_of_its_conditions_in_any_variant() -> None:
    held: dict[tuple[str, str], bool] = {}
    expected: dict[str, tuple[str, Settings]] = {}
    for variant in variants():
        for path in every_setting():
            for condition in conditions(path, variant):
                off, name = {**variant, **by_card(condition)}, (path, str(condition))
                if str(off) not in expected and composes(off):
                    expected[str(off)] = compose(off).key, active(off)
                held[name] = held.get(name, False) or str(off) in expected
                if str(off) in expected:
                    given = {**off, path: other(path)}
                    assert (compose(given).key, active(given)) == expected[str(off)], name
    assert [name for name, ever in held.items() if not ever] == []  # every condition can hold somewhere


@VARIANTS
def test_every_condition_of_every_setting_can_hold(variant: Settings) -> None:
    assert any(conditions(path, variant) for path in every_setting())  # one that cannot is an error


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"network.reduced": False}, "unknown parameter 'network.reduced'"),
        ({"bit": 3}, "unknown parameter 'bit'"),
        ({"device.read_noise_scale": (0.0,)}, r"read_noise_scale = \(0.0,\) can never hold; give one value, a number"),
        ({"adc.bits": "same"}, 'adc.bits = .same. can never hold; give one value, an integer from 2 to 16 or "ideal"'),
        ({"deployment.compared": ["none"]}, "compared = .* can never hold; give one value, a list"),
        ({"network.name": "cnn10"}, "network.name = .cnn10. can never hold"),
        ({"on_crossbars": "float"}, "on_crossbars = .float. can never hold; give one value, true or false"),
    ],
)
def test_a_condition_that_can_never_hold_is_an_error(
    condition: Settings, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget()
    with monkeypatch.context() as changed:
        changed.setattr(NETWORKS[0], "idle", {"dac.bits": condition})
        with pytest.raises(ValueError, match=rf"{NETWORKS[0].__name__}\.idle of dac\.bits: .*{expected}"):
            conditions("dac.bits", {})
    field = field_of("dac.bits")
    monkeypatch.setattr(field, "metadata", [*field.metadata, ActsUnless(condition)])
    with pytest.raises(ValueError, match=f"ActsUnless of dac.bits: .*{expected}"):
        conditions("dac.bits", {})


def test_networks_of_convolutions_have_defaults_of_their_own() -> None:
    digital = compose({**DIGITAL_DEEP, "workload.dataset": "cifar10"})
    assert (digital.training.batch_size, digital.training.learning_rate, digital.training.momentum) == (128, 0.1, 0.9)
    assert (digital.training.schedule, digital.training.augmentation) == ("cosine", "crop_flip")
    assert compose(DEEP).training.augmentation == "none"
    assert (compose(DEEP).training.learning_rate, compose(DEEP).training.momentum) == (0.5, 0.0)
    assert compose(DEEP).array.tile_rows == 256
    assert compose({**DEEP, "array.tile_rows": "whole"}).array.tile_rows == "whole"
    assert compose({}).training.batch_size == 10
    assert default_of("training.schedule") == "constant"


def test_an_lstm_and_a_gan_have_defaults_of_their_own() -> None:
    reads, generates = compose(READS), compose(GENERATES)
    assert (reads.network.hidden, reads.training.sequence_length, reads.training.gradient_clip) == (
        (128, 128),
        32,
        0.25,
    )
    assert (generates.network.hidden, generates.network.latent, generates.array.tile_rows) == ((128, 256), 64, 256)
    assert compose({**READS, "network.hidden": [8]}).network.hidden == (8,)
    assert compose(READS).workload.info.samples == 5_017_482
    assert compose({**READS, "workload.train_characters": 5000}).training.updates_of(5000) == 30 * 10


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"network.name": "lstm"},
            'network.name = "lstm" cannot learn workload.dataset = "digits": it reads text, and this is images. '
            f"Give {one_of(DATA_OF[TextInfo], 'workload.dataset = ')}, "
            f"or a network that reads images: {one_of(NETWORKS_OF[ImageInfo])}",
        ),
        (
            {**DEEP, "workload.dataset": "ptb"},
            'network.name = "resnet8" cannot learn workload.dataset = "ptb": it reads images, and this is text. '
            f"Give {one_of(DATA_OF[ImageInfo], 'workload.dataset = ')}, "
            f"or a network that reads text: {one_of(NETWORKS_OF[TextInfo])}",
        ),
        ({"workload.dataset": "ptb"}, 'network.name = "perceptron" cannot learn workload.dataset = "ptb"'),
        (
            {"network.name": "gan", "workload.dataset": "ptb"},
            f"or a network that reads text: {one_of(NETWORKS_OF[TextInfo])}",
        ),
    ],
)
def test_a_network_for_images_reads_no_text_and_the_other_way_round(given: Settings, expected: str) -> None:
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
        *(({"network.name": "perceptron"}, {path: ANOTHER}) for path in (*DEEP_ON_CROSSBARS, "training.schedule")),
        *(({"network.name": "perceptron"}, {f"training.{what}": 0.5}) for what in DEEP_DIGITAL),
        *((DEEP, {f"training.{what}": 0.5}) for what in DEEP_DIGITAL[1:]),  # momentum acts before chi, too
        (DEEP, {"network.hidden": [3]}),
        *((DEEP, {path: ANOTHER}) for path in (*READING, *GENERATING, "training.dropout")),
        *((GENERATES, {path: ANOTHER}) for path in (*READING, "training.dropout", "training.augmentation")),
        *(
            (READS, {path: ANOTHER})
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
        *(
            ({"architecture": "float"}, {path: ANOTHER})
            for path in every_setting()
            if path.split(".")[0] in (*HARDWARE, "accumulator")
        ),
    ],
)
def test_a_setting_that_cannot_act_changes_no_key(switch: Settings, idle: Settings) -> None:
    idle = {path: other(path) if value is ANOTHER else value for path, value in idle.items()}
    assert compose({**switch, **idle}) == compose(switch)
    assert compose({**idle, **switch}).key == compose(switch).key
    assert active({**switch, **idle}) == active(switch)
    assert not active({**switch, **idle}).keys() & (idle.keys() - switch.keys())
    for path, value in idle.items():
        on = dict(switched_on(path))
        assert compose({**on, path: value}).key != compose(on).key


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
def test_a_setting_that_still_acts_changes_the_key(switch: Settings, acting: Settings) -> None:
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
        ("array.slices", "did you mean 'deployment.slices'?"),
        ("array.reference", "did you mean 'deployment.reference' or 'transfer.reference'?"),
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
    given: Settings = {"accumulator.bits": "float", "accumulator.rounding": "nearest", "network.hidden": [3]}
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
    assert parse_design(design.as_dict()).key == design.key
    assert compose(flatten(design.as_dict())).key == design.key


NAMES = st.text("abcdef", min_size=1, max_size=3)
LEAVES = st.integers() | st.lists(st.integers(), max_size=2) | st.text("aä0. ", max_size=3)
TABLES = st.recursive(LEAVES, lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3), max_leaves=8)


@settings_of(derandomize=True, max_examples=100, deadline=None)
@given(st.dictionaries(NAMES, TABLES, max_size=4))
def test_nesting_undoes_flattening(tables: Settings) -> None:
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
def test_what_changes_nothing_in_the_hardware_changes_no_key(idle: Settings, settings: Settings) -> None:
    assert compose({**settings, **idle}).key == compose(settings).key


@pytest.mark.parametrize(
    ("acting", "settings"),
    [
        ({"adc.backward_bits": 6}, {}),
        ({"device.reset_mean_us": 1.0}, {"refresh.every_samples": 0, "device.stuck_reset_fraction": 0.2}),
        ({"clock.drift_every_samples": 7}, {"device.drift_exponent": 0.0, "device.drift_exponent_spread": 0.01}),
    ],
)
def test_what_acts_changes_the_key(acting: Settings, settings: Settings) -> None:
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


def test_a_former_name_is_a_value_that_was_given():
    given = {"adc.ranging": "calibrated", "training.epochs": 1}
    for name in ("adc.calibrate_every_samples", "adc.calibrate_every_images"):
        with pytest.raises(SettingError, match="calibrate_every_samples = 1000000 exceeds"):
            compose({**given, name: 10**6})
