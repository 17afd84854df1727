"""Converters: levels, ends, zero, error, and what lies beyond the range."""

import math
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.crossbar.converters import count_cut, quantise_signed, quantise_unsigned

RESOLUTIONS = st.integers(2, 16)
RANGES = st.floats(2.0**-10, 1e4, width=32)
VALUES = st.lists(st.floats(-2e4, 2e4, width=32), min_size=1, max_size=20)
EPS = torch.finfo(torch.float32).eps
modest = settings(derandomize=True, max_examples=100, deadline=None)


@pytest.mark.parametrize("bits", [2, 3, 8])
def test_an_unsigned_converter_has_two_to_the_bits_levels(bits: int) -> None:
    assert len(quantise_unsigned(torch.linspace(-0.5, 1.5, 100_001), bits).unique()) == 2**bits


@pytest.mark.parametrize("bits", [2, 3, 8])
def test_a_signed_converter_has_one_level_less_and_zero_among_them(bits: int) -> None:
    levels = quantise_signed(torch.linspace(-12.0, 12.0, 100_001), bits, 8.0).unique()
    assert len(levels) == 2**bits - 1
    assert 0.0 in levels.tolist()
    assert levels.tolist() == pytest.approx([-x for x in reversed(levels.tolist())])


@modest
@given(bits=RESOLUTIONS, full_scale=RANGES)
def test_both_ends_of_the_range_are_levels(bits: int, full_scale: float) -> None:
    ends = torch.tensor([-full_scale, 0.0, full_scale])
    assert quantise_signed(ends, bits, full_scale).tolist() == pytest.approx(ends.tolist(), rel=4 * EPS)
    assert quantise_unsigned(ends, bits, full_scale).tolist() == pytest.approx([0.0, 0.0, full_scale], rel=4 * EPS)


@modest
@given(bits=RESOLUTIONS, full_scale=RANGES, values=VALUES)
def test_the_error_within_the_range_is_at_most_half_a_step(bits: int, full_scale: float, values: list[float]) -> None:
    x = torch.tensor(values)
    slack = 4 * EPS * full_scale
    signed = x.clamp(-full_scale, full_scale)
    error = (quantise_signed(x, bits, full_scale) - signed).abs().max()
    assert float(error) <= full_scale / (2 ** (bits - 1) - 1) / 2 + slack
    unsigned = x.clamp(0.0, full_scale)
    error = (quantise_unsigned(x, bits, full_scale) - unsigned).abs().max()
    assert float(error) <= full_scale / (2**bits - 1) / 2 + slack


@modest
@given(bits=RESOLUTIONS, full_scale=RANGES, values=VALUES)
def test_converting_twice_changes_nothing(bits: int, full_scale: float, values: list[float]) -> None:
    for convert in (quantise_signed, quantise_unsigned):
        once = convert(torch.tensor(values), bits, full_scale)
        assert convert(once, bits, full_scale).tolist() == once.tolist()


@modest
@given(bits=RESOLUTIONS, values=VALUES)
def test_a_signed_converter_is_odd(bits: int, values: list[float]) -> None:
    x = torch.tensor(values)
    assert quantise_signed(-x, bits, 8.0).tolist() == (-quantise_signed(x, bits, 8.0)).tolist()


def test_an_ideal_converter_returns_its_input() -> None:
    x = torch.tensor([-3.7, 0.0, math.pi, 1e9])
    assert quantise_signed(x, "ideal", 1.0) is x
    assert quantise_unsigned(x, "ideal", 1.0) is x


def test_a_converter_leaves_its_input_alone() -> None:
    x = torch.tensor([-3.7, 0.2, 0.9])
    before = x.clone()
    quantise_signed(x, 2)
    quantise_unsigned(x, 2)
    assert x.tolist() == before.tolist()


@pytest.mark.parametrize(("bits", "cut"), [(8, 3), (2, 3), ("ideal", 0)])
def test_values_beyond_the_range_are_counted(bits: int | Literal["ideal"], cut: int) -> None:
    x = torch.tensor([[-9.0, -8.0, 0.0], [8.0, 8.001, 100.0]])
    assert count_cut(x, bits, 8.0) == cut
