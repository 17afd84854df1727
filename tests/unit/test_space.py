"""The space of a study: what can be written, what is refused, and which values a position stands for."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.designs.space import Choice, FloatRange, IntRange, check_acting, check_corners, parse_space
from dse.errors import SettingError

LAST = 1.0 - 2.0**-53
"""The largest position below 1."""
POSITIONS = st.floats(0.0, LAST)
modest = settings(derandomize=True, max_examples=200, deadline=None)


def refusal(tables: dict[str, Any]) -> str:
    with pytest.raises(SettingError) as caught:
        parse_space(tables)
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "raw", "expected"),
    [
        ("accumulator.bits", [2, 4, "float"], Choice((2, 4, "float"))),
        ("accumulator.bits", {"choices": [2, 4]}, Choice((2, 4))),
        ("network.hidden", [[3], [4, 5]], Choice(((3,), (4, 5)))),  # type: ignore[arg-type]
        ("device.card", ["pcm_gst", "ideal_linear"], Choice(("pcm_gst", "ideal_linear"))),
        ("training.epochs", {"low": 1, "high": 9}, IntRange(1, 9)),
        ("training.epochs", {"low": 1, "high": 9, "step": 2}, IntRange(1, 9, step=2)),
        ("training.epochs", {"low": 1, "high": 9, "log": True}, IntRange(1, 9, log=True)),
        ("adc.bits", {"low": 4, "high": 10}, IntRange(4, 10)),
        ("network.width", {"low": 1, "high": 2}, FloatRange(1.0, 2.0)),
        ("network.width", {"low": 0.5, "high": 2.0, "log": True}, FloatRange(0.5, 2.0, log=True)),
        ("network.width", {"low": 0.5, "high": 2.0, "step": 0.25}, FloatRange(0.5, 2.0, step=0.25)),
    ],
)
def test_a_parameter_is_a_list_or_a_range(path: str, raw: object, expected: object) -> None:
    assert parse_space({path: raw}) == {path: expected}


def test_nested_and_quoted_paths_mean_the_same() -> None:
    quoted = {"accumulator.bits": [2, 4], "accumulator.epsilon": {"low": 0.5, "high": 4.0}, "training.epochs": [3]}
    nested = {
        "accumulator": {"bits": [2, 4], "epsilon": {"low": 0.5, "high": 4.0}},
        "training": {"epochs": {"choices": [3]}},
    }
    ranges_alone = {"network": {"width": {"low": 0.5, "high": 2.0}}}
    assert parse_space(nested) == parse_space(quoted)
    assert parse_space(ranges_alone) == parse_space({"network.width": {"low": 0.5, "high": 2.0}})


def test_parameters_keep_the_order_of_the_file() -> None:
    paths = ["training.epochs", "adc.bits", "accumulator.bits"]
    assert list(parse_space({path: [4, 8] for path in paths})) == paths


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({}, "the space is empty"),
        ({"training.epoch": [3]}, "unknown parameter 'training.epoch'; did you mean 'training.epochs'?"),
        ({"training": [3]}, "it is a table"),
        ({"training.epochs": []}, "training.epochs has no choices; give at least one of: an integer from 1 to 10000"),
        ({"training.epochs": 8}, "training.epochs = 8 is not allowed; give a list of choices or { low"),
        ({"training.epochs": [3, 0]}, "training.epochs = 0 is not allowed; give an integer from 1 to 10000"),
        ({"accumulator.bits": [8, "flaot"]}, '"flaot" is not allowed; give an integer from 1 to 32 or "float"'),
        ({"training.epochs": [3, 3]}, "training.epochs names a choice twice"),
        ({"network.hidden": [[3], [3]]}, "network.hidden names a choice twice"),
        ({"device.card": ["pcm_gts"]}, "unknown device 'pcm_gts'"),
        ({"training.epochs": {"choices": [3], "low": 1}}, "`choices` takes a list and stands alone"),
        ({"training.epochs": {"choices": 3}}, "`choices` takes a list and stands alone"),
        ({"training.epochs": {}}, "training.epochs has no low; a range needs low and high"),
        ({"training.epochs": {"low": 3}}, "training.epochs has no high; a range needs low and high"),
        ({"training.epochs": {"low": 3, "high": 3}}, "is empty: low = 3 is not below high = 3"),
        ({"training.epochs": {"low": 4, "high": 3}}, "is empty: low = 4 is not below high = 3"),
        ({"training.epochs": {"low": 0, "high": 3}}, "epochs.low = 0 is not allowed; give an integer from 1 to 10000"),
        ({"device.drift_exponent": {"low": 0.0, "high": 1.5}}, "high = 1.5 is not allowed; give a number from 0.0 to"),
        ({"training.epochs": {"low": 1, "high": 2.5}}, "epochs.high = 2.5 is not allowed; give an integer"),
        ({"training.epochs": {"low": 1, "hgih": 3}}, "unknown key 'hgih'; did you mean 'high'?"),
        ({"network.width": {"low": 1, "high": 2, "log": 1}}, "width.log = 1 is not allowed; give true or false"),
        ({"device.write_noise_scale": {"low": 0, "high": 2, "log": True}}, "low = 0 cannot stand on a log scale"),
        ({"device.write_noise_scale": {"low": 1e-320, "high": 2.0, "log": True}}, "too far for a log scale; raise low"),
        ({"device.write_noise_scale": {"low": 0.0, "high": 2.0, "step": 1e-300}}, "too fine for numbers up to 2.0;"),
        ({"device.write_noise_scale": {"low": 1.5, "high": 2.0, "step": 1e-9}}, "leave it out, or give 2e-09 or more"),
        ({"network.width": {"low": 1, "high": 2, "log": True, "step": 1}}, "give log or step, not both"),
        ({"network.width": {"low": 1, "high": 2, "step": 0}}, "width.step = 0 is not allowed; give a number above 0"),
        ({"network.width": {"low": 1, "high": 2, "step": 1.5}}, "width.step = 1.5 is not allowed"),
        ({"network.width": {"low": 1, "high": 2, "step": True}}, "width.step = true is not allowed"),
        ({"training.epochs": {"low": 1, "high": 3, "step": 0.5}}, "epochs.step = 0.5 is not allowed"),
        ({"workload.dataset": ["digits"]}, "workload.dataset cannot vary within a study"),
        ({"workload": {"validation": [0.1, 0.2]}}, "workload.validation cannot vary within a study"),
        ({"device.card": {"low": "a", "high": "b"}}, 'device.card.low = "a" is not a number; give a list of choices'),
        ({"accumulator.bits": {"low": "float", "high": 8}}, 'bits.low = "float" is not a number'),
        ({"architecture": {"low": "float", "high": "mixed_precision"}}, "is not a number; give a list of choices"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_the_reason(tables: dict[str, Any], expected: str) -> None:
    assert expected in refusal(tables)


@pytest.mark.parametrize(
    ("fixed", "space", "expected"),
    [
        ({"architecture": "float"}, {"adc.bits": [4, 8]}, 'adc.bits has no effect where architecture = "float"'),
        ({"adc.bits": "ideal"}, {"adc.range": [4.0, 8.0]}, 'adc.range has no effect where adc.bits = "ideal"'),
        ({"refresh.max_pulses": 3}, {"refresh.every_samples": [0]}, "refresh.max_pulses has no effect where"),
    ],
)
def test_a_parameter_that_can_never_act_is_refused(fixed: dict[str, Any], space: dict[str, Any], expected: str) -> None:
    with pytest.raises(SettingError, match="study: ") as caught:
        check_acting(fixed, parse_space(space), "study")
    assert expected in str(caught.value)


def test_a_parameter_that_acts_under_one_choice_is_accepted() -> None:
    space = parse_space({"adc.bits": [4, "ideal"], "adc.range": [4.0, 8.0]})
    check_acting({}, space, "study")
    assert set(space) == {"adc.bits", "adc.range"}


def test_ends_of_ranges_that_contradict_a_fixed_setting_are_refused() -> None:
    with pytest.raises(SettingError, match="must lie below g_max_us"):
        check_corners({"device.g_max_us": 2.0}, parse_space({"device.g_min_us": {"low": 0.0, "high": 3.0}}), None)


@modest
@given(st.lists(st.integers(), min_size=1, max_size=7, unique=True), POSITIONS)
def test_a_choice_stands_for_one_of_its_values_and_reaches_all(values: list[int], u: float) -> None:
    choice = Choice(tuple(values))
    assert choice.at(u) in values
    assert choice.at(0.0) == values[0]
    assert choice.at(LAST) == values[-1]
    assert [choice.at((i + 0.5) / len(values)) for i in range(len(values))] == values


@modest
@given(low=st.integers(1, 1000), span=st.integers(1, 10**6), step=st.integers(1, 50), u=POSITIONS)
def test_an_even_integer_range_stays_on_its_steps_and_reaches_both_ends(
    low: int, span: int, step: int, u: float
) -> None:
    parameter = IntRange(low, low + span, step=min(step, span))
    value = parameter.at(u)
    assert isinstance(value, int)
    assert low <= value <= low + span
    assert (value - low) % parameter.step == 0
    assert parameter.at(0.0) == low
    assert parameter.at(LAST) == low + span - span % parameter.step


@modest
@given(low=st.integers(1, 1000), span=st.integers(1, 10**6), u=POSITIONS)
def test_a_logarithmic_integer_range_stays_within_bounds_and_reaches_both_ends(low: int, span: int, u: float) -> None:
    parameter = IntRange(low, low + span, log=True)
    value = parameter.at(u)
    assert isinstance(value, int)
    assert low <= value <= low + span
    assert (parameter.at(0.0), parameter.at(LAST)) == (low, low + span)


@pytest.mark.slow
@modest
@given(low=st.floats(1e-6, 1e3), factor=st.floats(1.001, 1e6), log=st.booleans(), u=POSITIONS)
def test_a_range_of_numbers_stays_within_bounds_and_reaches_both_ends(
    low: float, factor: float, log: bool, u: float
) -> None:
    high = low * factor
    parameter = FloatRange(low, high, log=log)
    value = parameter.at(u)
    assert isinstance(value, float)
    assert low <= value <= high * (1 + 1e-15)
    assert parameter.at(0.0) == low
    assert parameter.at(LAST) == pytest.approx(high, rel=1e-12)


@modest
@given(low=st.integers(0, 20), steps=st.integers(1, 40), step=st.sampled_from([0.05, 0.1, 0.25, 0.7]), u=POSITIONS)
def test_a_range_of_numbers_in_steps_reaches_both_ends_and_every_step(
    low: int, steps: int, step: float, u: float
) -> None:
    start, end = low * step, low * step + steps * step
    parameter = FloatRange(start, end, step=step)
    values = [parameter.at((i + 0.5) / (steps + 1)) for i in range(steps + 1)]
    assert values == pytest.approx([start + i * step for i in range(steps + 1)])
    assert parameter.at(u) in values
    assert parameter.at(0.0) == start
    assert parameter.at(LAST) == pytest.approx(end, rel=1e-12)


def test_an_integer_on_a_log_scale_has_the_share_of_what_rounds_to_it() -> None:
    parameter = IntRange(1, 2, log=True)
    border = math.log(1.5 / 0.5) / math.log(2.5 / 0.5)
    assert (parameter.at(border - 1e-9), parameter.at(border + 1e-9)) == (1, 2)


def test_positions_on_a_log_scale_are_even_in_the_logarithm() -> None:
    parameter = FloatRange(0.01, 100.0, log=True)
    assert [parameter.at(u) for u in (0.25, 0.5, 0.75)] == pytest.approx([0.1, 1.0, 10.0])


@pytest.mark.parametrize(
    ("low", "high", "step", "values", "said"),
    [
        ("0.1", "1.0", "0.1", "0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1.0", "0.1 to 1.0 in steps of 0.1"),
        ("0.1", "1.0", "0.4", "0.1 0.5 0.9", "0.1 to 0.9 in steps of 0.4, the last below 1.0"),
        ("0.0", "0.35", "0.07", "0.0 0.07 0.14 0.21 0.28 0.35", "0.0 to 0.35 in steps of 0.07"),
        ("-0.3", "0.3", "0.1", "-0.3 -0.2 -0.1 0.0 0.1 0.2 0.3", "-0.3 to 0.3 in steps of 0.1"),
        ("1e-06", "5e-06", "1e-06", "1e-06 2e-06 3e-06 4e-06 5e-06", "1e-06 to 5e-06 in steps of 1e-06"),
        ("1", "2", "0.3", "1.0 1.3 1.6 1.9", "1.0 to 1.9 in steps of 0.3, the last below 2.0"),
    ],
)
def test_steps_are_the_decimals_that_a_study_file_would_write(
    low: str, high: str, step: str, values: str, said: str
) -> None:
    parameter = FloatRange(float(low), float(high), step=float(step))
    written = [float(text) for text in values.split()]
    assert parameter.count() == len(written)
    assert [parameter.numbered(n) for n in range(len(written))] == written  # to the last bit
    assert [parameter.number(value) for value in written] == list(range(len(written)))
    assert parameter.extremes() == (written[0], written[-1])
    assert str(parameter) == said


def test_a_range_of_integers_says_its_steps_and_which_end_it_has() -> None:
    assert str(IntRange(4, 10)) == "4 to 10"
    assert str(IntRange(4, 10, step=2)) == "4 to 10 in steps of 2"
    assert str(IntRange(4, 11, step=3)) == "4 to 10 in steps of 3, the last below 11"
    assert IntRange(4, 11, step=3).extremes() == (4, 10)
