"""What a wrong setting is answered with: the path, what came, what is allowed."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from dse.data import DATA
from dse.designs.design import parse_design
from dse.designs.settings import field_of, settings
from dse.designs.tables import design_class
from dse.errors import SettingError
from dse.networks import NETWORKS
from dse.spec import Spec, allowed, field_at, meaning
from dse.updates.spec import AccumulatorSpec
from dse.updates.training import ModuleTraining, TrainingSpec


class Switch(Spec):
    """A table with one boolean, which no table of a design has."""

    on: bool = False
    count: int


DESIGN = design_class(NETWORKS[0], DATA[0])
"""The class of the default design."""


def refusal(parse: Callable[..., object], *given: Any) -> str:
    with pytest.raises(SettingError) as caught:
        parse(*given)
    return str(caught.value)


def message(model: type[Spec], values: dict[str, Any], where: str = "") -> str:
    return refusal(model.parse, values, where)


def test_an_unknown_key_names_the_nearest_and_all_known_ones() -> None:
    text = message(TrainingSpec, {"epoch": 3})
    assert "unknown key 'epoch'" in text
    assert "did you mean 'epochs'?" in text
    assert "known: epochs, batch_size, learning_rate" in text


def test_an_unknown_key_that_is_near_nothing_gets_no_hint() -> None:
    assert "did you mean" not in message(TrainingSpec, {"zzz": 3})


@pytest.mark.parametrize("value", [0, -1, 10_001])
def test_an_integer_out_of_range_is_answered_with_the_range(value: int) -> None:
    assert message(TrainingSpec, {"epochs": value}) == (
        f"epochs = {value} is not allowed; give an integer from 1 to 10000"
    )


def test_an_open_end_of_a_range_reads_above() -> None:
    assert message(TrainingSpec, {"learning_rate": 0.0}) == (
        "learning_rate = 0.0 is not allowed; give a number above 0.0 up to 1e+30"
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    assert "is not allowed; give a number" in message(TrainingSpec, {"learning_rate": value})


@pytest.mark.parametrize(("value", "written"), [("3", '"3"'), (True, "true"), (3.0, "3.0"), ([3], "[3]")])
def test_only_an_integer_is_taken_for_an_integer(value: object, written: str) -> None:
    assert message(TrainingSpec, {"epochs": value}).startswith(f"epochs = {written} is not allowed; give an integer")


def test_a_number_is_not_taken_for_a_boolean() -> None:
    assert message(Switch, {"on": 1, "count": 1}) == "on = 1 is not allowed; give true or false"


def test_a_whole_number_is_taken_for_a_number() -> None:
    assert TrainingSpec.parse({"learning_rate": 2}).learning_rate == 2.0


def test_a_missing_setting_is_named_with_what_to_give() -> None:
    assert message(Switch, {}) == "'count' is missing; give an integer"


@pytest.mark.parametrize(("value", "written"), [(33, "33"), ("flaot", '"flaot"'), (True, "true"), (8.0, "8.0")])
def test_a_setting_of_two_kinds_is_answered_once_with_both(value: object, written: str) -> None:
    assert message(AccumulatorSpec, {"bits": value}) == (
        f'bits = {written} is not allowed; give an integer from 1 to 32 or "float"'
    )


def test_a_choice_is_answered_with_all_choices() -> None:
    assert message(ModuleTraining, {"schedule": "cosin"}) == (
        'schedule = "cosin" is not allowed; give one of "constant", "cosine", "step"'
    )


@pytest.mark.parametrize(("value", "written"), [("cifar", '"cifar"'), (3, "3"), (["digits"], '["digits"]')])
def test_an_unknown_data_set_is_answered_with_all_of_them(value: object, written: str) -> None:
    assert f'workload.dataset = {written} is not allowed; give one of "digits", "mnist", "cifar10", "ptb"' in refusal(
        parse_design, {"workload": {"dataset": value}}
    )


@pytest.mark.parametrize(("value", "written"), [("resnet9", '"resnet9"'), (True, "true"), (None, "None")])
def test_an_unknown_network_is_answered_with_all_of_them(value: object, written: str) -> None:
    text = refusal(parse_design, {"network": {"name": value, "hidden": [8]}})
    assert f'network.name = {written} is not allowed; give one of "perceptron", "lstm", "gan", "cnn", "cnn9", ' in text
    assert "hidden" not in text  # whether a network that there is not has such a setting, nobody knows


@pytest.mark.parametrize(
    ("table", "key", "variant", "file"),
    [
        ("workload", "dataset", "arrays", "features.csv"),
        ("workload", "dataset", "arrays", "data/images"),
        ("network", "name", "onnx", "mine.onnx"),
    ],
)
def test_a_file_in_place_of_a_name_is_answered_with_where_files_go(
    table: str, key: str, variant: str, file: str
) -> None:
    said = refusal(parse_design, {table: {key: file}})
    assert f'For a file of your own write {key} = "{variant}" and file = "{file}" in [{table}]' in said


def test_a_wrong_setting_of_a_nested_table_is_named_by_its_path() -> None:
    assert message(DESIGN, {"training": {"epochs": 0}}).startswith("training.epochs = 0 is not allowed")
    assert "unknown key 'training.epoch'; did you mean 'epochs'?" in message(DESIGN, {"training": {"epoch": 3}})


def test_a_value_where_a_table_belongs_is_refused() -> None:
    for table in ("training", "network", "workload", "dac"):
        assert f"{table} = 3 is not allowed; give a table" in refusal(parse_design, {table: 3})


def test_several_wrong_settings_are_reported_at_once() -> None:
    text = refusal(parse_design, {"training": {"epochs": 0, "epoch": 1}, "architecture": "flaot"}, "study.toml")
    head, *lines = text.splitlines()
    assert head == "study.toml: "
    assert len(lines) == 3
    for expected in ("training.epochs = 0", "unknown key 'training.epoch'", 'architecture = "flaot"'):
        assert expected in text


def test_the_origin_stands_before_the_message() -> None:
    assert message(TrainingSpec, {"epochs": 0}, "study.toml").startswith("study.toml: epochs = 0")


def test_a_long_value_is_cut_to_a_readable_length() -> None:
    text = message(TrainingSpec, {"epochs": "x" * 500})
    assert len(text) < 160
    assert "..." in text


def test_a_table_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        TrainingSpec().epochs = 3  # pyright: ignore[reportAttributeAccessIssue]


def test_field_at_follows_a_path() -> None:
    assert field_at("training.epochs", DESIGN).default == 30
    assert allowed(field_at("dac.bits", DESIGN)) == 'an integer from 2 to 16 or "ideal"'


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("training.epoch", "did you mean 'training.epochs'?"),
        ("trainin.epochs", "did you mean 'training.epochs'?"),
        ("training", "it is a table: name one of training.epochs, training.batch_size, training.learning_rate"),
        ("dac.qqqqqqqqqqqqqq", "dac has bits"),
    ],
)
def test_field_at_says_what_an_unknown_path_may_have_meant(path: str, hint: str) -> None:
    with pytest.raises(SettingError) as caught:
        field_at(path, DESIGN)
    assert f"unknown parameter {path!r}" in str(caught.value)
    assert hint in str(caught.value)


def test_a_field_is_that_of_the_first_model_that_has_it() -> None:
    assert field_at("epochs", Switch, TrainingSpec).default == 30
    assert field_at("count", Switch, TrainingSpec).is_required()


def test_every_setting_of_every_variant_is_documented() -> None:
    assert len(set(settings())) == len(settings()) > 90
    for path in settings():
        assert meaning(field_of(path)), path
