"""Names of before go on working where a user writes them, and each is warned of once."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from dse import renamed
from dse.designs.design import compose
from dse.designs.outcome import METRICS
from dse.errors import SettingError
from dse.pricing.energy import SYSTEM_PARTS
from dse.pricing.price import COLUMNS
from dse.search.study import parse_study
from dse.spec import leaf_paths

OLD = """
name = "old"
objectives = ["validation_accuracy", "energy_per_image_j"]
[workload]
dataset = "digits"
[design]
network.hidden = [4]
training.epochs = 1
clock.image_time_s = 0.5
"refresh.every_images" = 40
[space]
"accumulator.bits" = [4, 8]
adc.calibrate_every_images = { low = 10, high = 100 }
adc.bits = [6, 8]
adc.ranging = ["fixed", "calibrated"]
[space.clock]
drift_every_images = [50, 100]
[controls.slow]
clock.image_time_s = 2.0
[budget]
trials = 2
"""
NEW = OLD
for _old, _new in (*renamed.QUANTITIES.items(), *renamed.SETTINGS.items()):
    NEW = NEW.replace(_old, _new).replace(_old.rpartition(".")[2], _new.rpartition(".")[2])
LATER = {
    "deployment_partial_sums_per_sample_j",
    *(name for name in COLUMNS if name.split("_per_")[0].endswith(SYSTEM_PARTS)),
}
"""Quantities that never had an old name."""


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Names of which nothing was said before, and what is said."""
    renamed._warn.cache_clear()  # pyright: ignore[reportPrivateUsage]
    logging.getLogger("dse").propagate = True
    with caplog.at_level(logging.WARNING, "dse.renamed"):
        yield caplog


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.name == "dse.renamed"]


def test_new_names_are_those_of_this_version_and_old_ones_are_not() -> None:
    from dse.designs.design import Design  # noqa: PLC0415

    settings = set(leaf_paths(Design))
    assert set(renamed.SETTINGS.values()) <= settings
    assert not renamed.SETTINGS.keys() & settings
    columns = {*COLUMNS, *METRICS, "train_samples"}
    assert set(renamed.QUANTITIES.values()) <= columns
    assert not renamed.QUANTITIES.keys() & columns


def test_every_quantity_of_a_sample_has_its_old_name() -> None:
    of_a_sample = {name for name in COLUMNS if "_per_sample_" in name} - LATER
    assert of_a_sample == set(renamed.QUANTITIES.values()) - {"train_samples"}


def test_a_study_file_with_old_names_means_the_same_study(warned: pytest.LogCaptureFixture) -> None:
    old = parse_study(OLD, Path())
    new = parse_study(NEW, Path())
    assert "image" not in NEW
    assert old.meaning == new.meaning
    assert list(old.space) == list(new.space)
    assert old.key == new.key
    assert old.text == OLD


def test_each_old_name_is_warned_of_once_with_its_new_one(warned: pytest.LogCaptureFixture) -> None:
    parse_study(OLD, Path())
    parse_study(OLD, Path())
    said = messages(warned)
    for old, new in (
        ("energy_per_image_j", "energy_per_sample_j"),
        ("clock.image_time_s", "clock.sample_time_s"),
        ("refresh.every_images", "refresh.every_samples"),
        ("adc.calibrate_every_images", "adc.calibrate_every_samples"),
        ("clock.drift_every_images", "clock.drift_every_samples"),
    ):
        assert sum(message.startswith(f"{old} is called {new} now") for message in said) == 1
    assert len(said) == 5


def test_new_names_and_stored_files_are_not_warned_of(warned: pytest.LogCaptureFixture) -> None:
    parse_study(NEW, Path())
    parse_study(OLD, Path(), warn=False)
    assert messages(warned) == []


def test_a_setting_under_both_of_its_names_is_refused() -> None:
    for text in (
        OLD.replace("clock.image_time_s = 0.5", "clock.image_time_s = 0.5\nclock.sample_time_s = 0.5"),
        OLD.replace("clock.image_time_s = 0.5", "clock.sample_time_s = 0.5\nclock.image_time_s = 0.5"),
    ):
        with pytest.raises(SettingError, match=r"clock.image_time_s is called clock.sample_time_s now, and both are"):
            parse_study(text, Path())


def test_a_setting_that_moved_to_another_table_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(renamed.SETTINGS, "training.steps", "task.length")
    assert renamed.settings({"training": {"steps": 3}, "a": 1}) == {"task.length": 3, "a": 1}
    found = renamed.settings({"training": {"rate": 1.0, "steps": {"low": 1, "high": 3}}, "x.y": [1]})
    assert found == {"task.length": {"low": 1, "high": 3}, "training": {"rate": 1.0}, "x.y": [1]}


def test_designs_can_be_composed_with_old_names() -> None:
    old = {"clock.image_time_s": 0.5, "refresh.every_images": 40}
    new = {"clock.sample_time_s": 0.5, "refresh.every_samples": 40}
    assert compose(old).key == compose(new).key
