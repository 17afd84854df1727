"""Settings of time are held against the longest training of a study, wherever it stands among the choices."""

import itertools
from pathlib import Path

import pytest

from dse.devices.card import card_text
from dse.errors import SettingError
from dse.search.study import Study, parse_study
from tests.studies import SMALL_STUDY

SAMPLES = 1077
"""Of digits, for training."""


def study(folder: Path, design: str, space: str) -> Study:
    text = SMALL_STUDY.replace("training.epochs = 1\n", design).replace("[space]", f"[space]\n{space}")
    return parse_study(text, folder)


def cards(folder: Path, **drift_reference_s: float) -> None:
    text = card_text("cells", "pcm_gst")
    assert text.count("value = 38.6") == 1
    for name, value in drift_reference_s.items():
        (folder / f"{name}.toml").write_text(text.replace("value = 38.6", f"value = {value}"))


@pytest.mark.parametrize("epochs", list(itertools.permutations([2, 3, 30])))
@pytest.mark.parametrize("setting", ["refresh.every_samples = 5000", "clock.sample_time_s = 0.002"])
def test_the_longest_training_is_that_of_the_most_epochs(epochs, setting, tmp_path):
    found = study(tmp_path, f"{setting}\n", f'"training.epochs" = {list(epochs)}')
    assert found.scope.values("training.epochs") == epochs


@pytest.mark.parametrize("epochs", ["[2, 3]", "[3, 2]", "{ low = 2, high = 3 }"])
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (f"refresh.every_samples = {3 * SAMPLES + 1}", f"the longest training has {3 * SAMPLES} images"),
        ("clock.sample_time_s = 0.002", f"the longest training takes {3 * SAMPLES * 0.002:g} s"),
    ],
)
def test_a_longest_training_that_is_too_short_is_named(epochs, setting, message, tmp_path):
    with pytest.raises(SettingError, match=message):
        study(tmp_path, f"{setting}\n", f'"training.epochs" = {epochs}')


@pytest.mark.parametrize("order", list(itertools.permutations(["near.toml", "pcm_gst", "far.toml"])))
def test_drift_begins_with_the_card_of_which_it_begins_first(order, tmp_path):
    cards(tmp_path, near=2.0, far=500.0)
    design = "training.epochs = 2\nclock.sample_time_s = 0.002\n"
    study(tmp_path, design, f'"device.card" = {list(order)}')
    late = [name for name in order if name != "near.toml"]
    with pytest.raises(SettingError, match=r"drift begins 38\.6 s after a pulse"):
        study(tmp_path, design, f'"device.card" = {late}')


@pytest.mark.parametrize("order", ['["mixed_precision", "float"]', '["float", "mixed_precision"]'])
def test_digital_designs_keep_no_time_and_do_not_count(order, tmp_path):
    given = f'"architecture" = {order}\n"clock.sample_time_s" = [0.001, 0.002]'
    with pytest.raises(SettingError, match=f"the longest training takes {SAMPLES * 0.002:g} s"):
        study(tmp_path, "training.epochs = 1\n", given)
    study(tmp_path, "training.epochs = 1\n", given.replace("0.002", "0.05"))
