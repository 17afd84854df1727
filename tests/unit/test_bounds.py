"""Bounds on quantities: how they are read, and how far values are beyond them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.designs.space import Choice
from dse.errors import QueryError
from dse.metric import Metric
from dse.pricing.bounds import Bound, check_possible, parse_bound, parse_constraints
from dse.pricing.price import COLUMNS
from dse.pricing.quantities import QUANTITIES
from dse.pricing.text import cell, counted
from dse.spec import written

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def violation(sign: str, bound: float, value: float) -> float:
    return float(Bound("accuracy", sign, bound).violations(np.array([value]))[0])


def test_bounds_are_read() -> None:
    assert parse_bound("accuracy", " >=0.975 ") == Bound("accuracy", ">=", 0.975)
    assert parse_bound("energy_per_sample_j", "< 1e-7") == Bound("energy_per_sample_j", "<", 1e-7)
    assert str(parse_bound("area_m2", "<= 1e-6")) == "area_m2 <= 1 mm2"


def test_the_order_of_constraints_in_a_file_means_nothing() -> None:
    texts = {"loss": "<= 1", "accuracy": ">= 0.9", "area_m2": "<= 1e-6"}
    found = parse_constraints(texts)
    assert found == parse_constraints(dict(reversed(texts.items())))
    assert [bound.metric for bound in found] == ["accuracy", "area_m2", "loss"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"accuracy": "> 0.9"},
            "constraints.accuracy: constraint '> 0.9' of accuracy is not understood; give >= or",
        ),
        (
            {"accuracy": 0.9},
            "constraint '0.9' of accuracy is not understood; give >= or <= and a number, in quotes",
        ),
        ({"loss": "<= inf"}, "constraints.loss: 'inf' is not a number; write it as 0.01 or 1e-8"),
        ({"loss": "<= nan"}, "'nan' is not a number"),
        ({"loss": "<= 1, >= 0"}, "is not understood"),
        ({"area_m3": "<= 1"}, "constraints.area_m3: unknown constraint 'area_m3'; did you mean 'area_m2'"),
    ],
)
def test_a_malformed_constraint_says_what_came_and_what_is_allowed(given: dict[str, object], message: str) -> None:
    with pytest.raises(QueryError) as error:
        parse_constraints(given)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("metric", "text", "possible"),
    [
        ("accuracy", ">= 1", True), ("accuracy", "> 1", False), ("accuracy", ">= 1.01", False),
        ("accuracy", "> 0", True), ("accuracy", ">= 0", True), ("accuracy", "> -0.1", True),
        ("accuracy", "<= 0", True), ("accuracy", "< 0", False), ("accuracy", "<= -1", False),
        ("accuracy", "< 1", True), ("accuracy", "<= 1", True), ("accuracy", "< 1.5", True),
        ("area_m2", "<= 1e30", True), ("area_m2", "<= -1e-9", False), ("area_m2", ">= 0", True),
        ("years_to_first_cell", ">= 1e30", True), ("retained_accuracy", ">= 1.5", False), ("loss", "<= -5", True),
    ],
)  # fmt: skip
def test_a_bound_that_no_value_meets_is_rejected(metric: str, text: str, possible: bool) -> None:
    bound = parse_bound(metric, text)
    if possible:
        check_possible(bound)
    else:
        with pytest.raises(QueryError, match=f"of {metric} is met by no value: it is .*0"):
            check_possible(bound)


def test_metrics_say_their_range() -> None:
    assert {QUANTITIES[name].range for name in COLUMNS} == {"0 or more"}
    assert Metric("minimise", "1", "positional").range == "any number"


@pytest.mark.parametrize(
    ("sign", "bound", "value", "expected"),
    [
        (">=", 0.95, 0.95, 0.0),
        (">=", 0.95, 0.96, 0.0),
        (">=", 0.8, 0.6, 0.25),
        ("<=", 1e-6, 4e-6, 0.75),
        ("<=", 4e-30, 5e-30, 0.2),
        ("<=", 0.0, 3.0, 1.0),
        (">=", 0.0, 0.0, 0.0),
        (">=", 2.0, -2.0, 2.0),
        ("<=", 5.0, math.inf, 1.0),
        (">=", 5.0, math.inf, 0.0),
    ],
)
def test_a_violation_is_the_part_of_the_larger_of_value_and_bound(
    sign: str, bound: float, value: float, expected: float
) -> None:
    assert violation(sign, bound, value) == pytest.approx(expected, rel=1e-12)


def test_a_missing_value_meets_nothing_and_has_no_violation() -> None:
    assert math.isnan(violation(">=", 0.5, math.nan))
    assert not Bound("accuracy", ">=", 0.5).met(np.array([math.nan]))[0]


@given(sign=st.sampled_from([">=", "<="]), bound=FINITE, value=FINITE)
def test_a_violation_is_0_where_the_bound_is_met_and_above_0_up_to_2_elsewhere(
    sign: str, bound: float, value: float
) -> None:
    met = value >= bound if sign == ">=" else value <= bound
    found = violation(sign, bound, value)
    assert (found == 0.0) is met
    assert 0.0 <= found <= 2.0


@given(unit=st.sampled_from([1e-12, 1e-3, 1e6]), value=st.floats(1.0, 100.0))
def test_a_violation_does_not_depend_on_the_unit(unit: float, value: float) -> None:
    assert violation("<=", 1.0 * unit, value * unit) == pytest.approx(violation("<=", 1.0, value), abs=1e-12)


def test_a_bound_is_shown_with_all_digits_that_decide():
    assert str(Bound("accuracy", ">=", 0.97512345)) == "accuracy >= 0.97512345"
    assert str(Bound("accuracy", ">=", 0.975)) == "accuracy >= 0.975"


def test_one_thing_is_singular_and_values_are_spelt_as_in_a_study_file() -> None:
    assert [counted(n, "trial") for n in (0, 1, 2)] == ["0 trials", "1 trial", "2 trials"]
    assert cell("deployment.reprogram", value=True) == written(value=True) == "true"
    assert written((False, "gdc", [1.0, 2])) == '[false, "gdc", [1.0, 2]]'
    assert str(Choice((True, False))) == "one of true, false"
