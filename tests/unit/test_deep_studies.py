"""Study files with networks of convolutions: what they may say, and what is refused with a reason."""

from pathlib import Path

import pytest

from dse.designs.design import compose
from dse.errors import ExecutorError, SettingError
from dse.search.executor import check_device
from dse.search.study import Study, parse_study, read_study

HYBRID = Path(__file__).parents[2] / "search_spaces" / "hybrid_width.toml"
STUDY = """
name = "deep"
objectives = ["validation_accuracy", "inference_bits"]
[design]
network.name = "resnet8"
{design}
[space]
{space}
[controls.digital_float]
architecture = "float"
{control}
[budget]
trials = 4
"""


def study(design: str = "", space: str = '"network.width" = [0.5, 1.0]', control: str = "") -> Study:
    return parse_study(STUDY.format(design=design, space=space, control=control), Path())


def test_the_study_of_the_hybrid_architecture_is_valid() -> None:
    checked = read_study(HYBRID)
    design = checked.design({"network.width": 2.0, "accumulator.bits": 7, "accumulator.inference": "cells"})
    assert design.accumulator is not None
    assert (design.accumulator.bits, design.accumulator.storage) == (7, "pcm")
    assert design.adc is not None
    assert design.adc.ranging == "calibrated"
    assert checked.controls["digital_narrow"].training.momentum == 0.9


def test_deep_settings_take_their_place_in_a_study() -> None:
    space = '"array.tile_rows" = [64, "whole"]\n"network.name" = ["cnn", "resnet8"]'
    checked = parse_study(
        STUDY.format(design="", space=space, control="").replace('network.name = "resnet8"', ""), Path()
    )
    assert checked.design({"array.tile_rows": 64, "network.name": "cnn"}).array.tile_rows == 64
    assert study("adc.headroom = 0.5").design({"network.width": 0.5}).training.batch_size == 128
    control = "training.weight_noise = 0.038\ntraining.clip_std = 2.0"
    assert study(control=control).controls["digital_float"].training.clip_std == 2.0


@pytest.mark.parametrize(
    ("design", "space", "control", "message"),
    [
        ("network.hidden = [8]", None, "", 'network.hidden has no effect where network.name = "resnet8"'),
        ("training.weight_decay = 0.5", None, "", 'has no effect where architecture = "mixed_precision"'),
        (
            "training.squared_momentum = 0.9",
            None,
            "",
            'squared_momentum has no effect where training.optimiser = "sgd"',
        ),
        ("training.weight_noise = 0.1", None, "", "training.weight_noise has no effect"),
        ("array.conductance_per_weight_us = 3.0", None, "", "array.conductance_per_weight_us has no effect"),
        ("", '"array.initial_std_us" = [0.1, 0.2]', "", "array.initial_std_us has no effect"),
        ("", None, "array.tile_rows = 8", "controls.digital_float: array.tile_rows has no effect here"),
        ("", None, "training.weight_noise_ramp_epochs = 2", "weight_noise_ramp_epochs has no effect here"),
        ("array.tile_rows = 0", None, "", "array.tile_rows = 0 is not allowed"),
        ("", '"training.clip_std" = { low = 1.0, high = 2.0 }', "", "training.clip_std has no effect"),
    ],
)
def test_what_cannot_act_is_refused(design: str, space: str | None, control: str, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        study(design, space or '"network.width" = [0.5, 1.0]', control)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "setting", ['training.schedule = "step"', "array.tile_rows = 8", 'accumulator.inference = "cells"']
)
def test_settings_of_convolutions_are_refused_for_a_perceptron(setting: str) -> None:
    text = STUDY.format(design=setting, space='"network.width" = [0.5, 1.0]', control="")
    with pytest.raises(SettingError, match=r'has no effect where network\.name = "perceptron"'):
        parse_study(text.replace('network.name = "resnet8"', ""), Path())


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ExecutorError, match="torch cannot compute on the device 'meta' here"):
        check_device("meta")


def test_a_training_shorter_than_the_default_calibration_is_calibrated_every_epoch() -> None:
    few = {"network.name": "cnn", "workload.images": 60, "training.epochs": 2}
    adc = compose(few).adc
    assert adc is not None
    assert adc.calibrate_every_samples == 60
    with pytest.raises(SettingError, match=r"adc\.calibrate_every_samples = 500 exceeds the 120 samples"):
        compose({**few, "adc.calibrate_every_samples": 500})
