"""Designs where the cell of the example plug-in has been added, with its card."""

import pickle
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from dse.designs.design import Design, compose, parse_design
from dse.designs.settings import settings
from dse.designs.space import check_acting, parse_space
from dse.devices.card import read_cell
from dse.errors import SettingError
from dse.search.study import parse_study
from tests.lab import CARD, lab
from tests.studies import ROOT

ECRAM = "lab_ecram"
STUDY = """
name = "cells"
plugins = ["lab_variants"]
objectives = ["validation_accuracy", "worst_writes"]
[workload]
dataset = "digits"
[design]
network.hidden = [16]
training.epochs = 3
[space]
"device.card" = ["lab_ecram", "pcm_gst"]
"device.step_noise" = { low = 0.0, high = 0.5 }
"refresh.every_samples" = [50, 200]
[search]
sampler = "random"
[budget]
trials = 4
"""


@pytest.fixture(scope="module", autouse=True)
def added() -> Generator[None]:
    with lab():
        yield


def design(**settings: Any) -> Design:
    return compose({"device.card": ECRAM, **settings})


def test_a_card_decides_the_model_and_its_settings() -> None:
    own = design()
    assert own.device is not None
    assert own.device.model == "linear"
    assert own.device.model_dump() == {**read_cell(ECRAM), "step_noise": 0.0}
    assert own.array.initial_mean_us == 10.0
    assert compose({}).array.initial_mean_us == 1.6
    assert {"device.step_noise", "device.mean_slope"} <= set(settings())
    assert "device.model" not in settings()


def test_a_design_is_read_again_from_what_is_stored_and_sent() -> None:
    own = design(**{"device.step_noise": 0.2})
    assert own.as_dict()["device"]["model"] == "linear"
    assert parse_design(own.as_dict()) == own == pickle.loads(pickle.dumps(own))
    assert "model" not in compose({}).as_dict()["device"]


@pytest.mark.parametrize(
    "idle",
    [
        {"device.mean_slope": 0.1},
        {"device.read_noise_scale": 0.0},
        {"refresh.every_samples": 50},
        {"refresh.threshold_us": 3.0},
        {"clock.drift_every_samples": 7},
    ],
)
def test_settings_of_other_models_and_of_a_refresh_have_no_effect(idle: dict[str, Any]) -> None:
    (path,) = idle
    assert design(**idle).key == design().key
    assert compose(idle).key != compose({}).key
    with pytest.raises(SettingError, match=f"{path} has no effect where"):
        check_acting({"device.card": ECRAM, **idle}, parse_space({"accumulator.bits": [4]}), "study")
    check_acting(idle, parse_space({"device.card": ["pcm_gst", ECRAM]}), "study")


def test_a_refresh_of_cells_that_need_none_is_refused() -> None:
    content = design().as_dict()
    assert content["refresh"]["every_samples"] == 0
    content["refresh"]["every_samples"] = 100
    expected = 'refresh.every_samples = 100 cannot act on cells of the model "linear"; give 0, or leave it out'
    with pytest.raises(SettingError, match=re.escape(expected)):
        parse_design(content)


def test_a_setting_that_no_card_of_a_study_has_is_refused() -> None:
    space = parse_space({"device.card": ["pcm_gst", "ideal_linear"], "device.step_noise": [0.0, 0.1]})
    with pytest.raises(SettingError, match=r'device\.step_noise has no effect where device.model = "pcm"'):
        check_acting({}, space, "study")
    with pytest.raises(SettingError, match=r"controls\.other: device\.step_noise has no effect here"):
        parse_study(STUDY + '[controls.other]\ndevice = { card = "pcm_gst", step_noise = 0.1 }\n', ROOT)


def test_the_model_is_no_setting_of_its_own() -> None:
    with pytest.raises(SettingError, match=r"device\.model is no setting: the card names it"):
        design(**{"device.model": "pcm"})


def test_a_model_that_is_not_here_is_named_once() -> None:
    content = design().as_dict()
    content["device"]["model"] = "liner"
    with pytest.raises(SettingError) as caught:
        parse_design(content)
    assert (
        str(caught.value)
        == 'device.model = "liner" is not allowed; give one of "pcm", "linear_step", "soft_bounds", "linear"'
    )


def test_the_numbers_of_a_card_are_those_of_its_model(tmp_path: Path) -> None:
    text = CARD.read_text()
    (tmp_path / "wrong.toml").write_text(text + '[mean_slope]\nvalue = 0.0\nunit = "1"\nsource = "none"\n')
    with pytest.raises(SettingError, match=r"card wrong\.toml: unknown entry 'mean_slope'"):
        read_cell("wrong.toml", tmp_path)
    (tmp_path / "wrong.toml").write_text(text.replace('"linear"', '"lineal"'))
    with pytest.raises(SettingError, match="no model of cells 'lineal'; did you mean 'linear'"):
        read_cell("wrong.toml", tmp_path)
