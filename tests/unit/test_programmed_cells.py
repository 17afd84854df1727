"""Cells that are programmed once: the published check values, drift, 1/f noise, every imperfection off."""

import math

import pytest
import torch

from dse.devices.card import library, read_programmed_cell
from dse.devices.programmed import ProgrammedCells, read_band
from dse.devices.spec import ProgrammedCellSpec
from dse.errors import SettingError
from dse.streams import Stream, stream

G_MAX_US = 25.0
OFF = {"programming_noise_scale": 0.0, "drift_scale": 0.0, "read_noise_scale": 0.0}


def spec(**changes: float) -> ProgrammedCellSpec:
    return ProgrammedCellSpec.parse({**read_programmed_cell("pcm_joshi2020"), **changes})


def writes() -> Stream:
    return stream(7, "programming")


def exponents() -> Stream:
    return stream(7, "exponents")


def programmed(target: torch.Tensor, limit: float | None = None, **changes: float) -> ProgrammedCells:
    return ProgrammedCells.program(spec(**changes), target, writes(), exponents(), limit)


def at(g: float, count: int = 4000, **changes: float) -> ProgrammedCells:
    """Cells programmed to a conductance in units of the largest, in uS."""
    return programmed(torch.full((count,), g * G_MAX_US), G_MAX_US, **changes)


def draws(source: Stream, count: int = 4000) -> torch.Tensor:
    return source.normal(torch.arange(count)).double()


@pytest.mark.parametrize(("g", "expected_us"), [(1e-9, 0.2635), (0.2, 0.6096), (0.5, 0.9527), (1.0, 1.0554)])
def test_the_deviation_of_programming_has_the_published_values(g: float, expected_us: float) -> None:
    normal = draws(writes())
    some = (normal > 0.5) & (normal < 3.0)  # far from the cut at 0, and from cancellation
    error_us = at(g).weight.double() - g * G_MAX_US
    deviation = error_us[some] / normal[some]
    assert deviation.numpy() == pytest.approx(expected_us, abs=5e-5)


@pytest.mark.parametrize(("g", "mean", "deviation"), [(1.0, 0.049, 0.008), (0.05, 0.0708, 0.0315), (1e-6, 0.1, 0.045)])
def test_drift_exponents_have_the_published_values(g: float, mean: float, deviation: float) -> None:
    assert at(g, drift_spread_scale=0.0).exponent.numpy() == pytest.approx(mean, abs=5e-5)
    normal = draws(exponents())
    some = (normal > 0.5) & (normal < 3.0)
    spread = (at(g).exponent.double()[some] - at(g, drift_spread_scale=0.0).exponent.double()[some]) / normal[some]
    assert spread.numpy() == pytest.approx(deviation, abs=5e-5)


def test_an_exponent_is_never_negative() -> None:
    cells = at(0.001, count=20_000, drift_spread_scale=10.0)
    assert float(cells.exponent.min()) >= 0.0
    assert float(cells.exponent.std()) > 0.1


def test_a_decade_of_time_takes_a_power_of_ten() -> None:
    cells = at(0.5)
    decade, two_decades = (20.0 * 10**n - 20.0 for n in (1, 2))
    expected = 10.0 ** -cells.exponent.double()
    assert (cells.weight_at(decade) / cells.weight).numpy() == pytest.approx(expected.numpy(), rel=2e-6)
    assert (cells.weight_at(two_decades) / cells.weight).numpy() == pytest.approx(expected.numpy() ** 2, rel=2e-6)
    assert torch.equal(cells.weight_at(0.0), cells.weight)


def test_read_noise_has_the_published_deviation_and_no_bias() -> None:
    # 200,000 reads: mean within 5 and deviation within 5 standard errors, an alarm in a million each.
    count, time_s, g = 200_000, 86400.0, 0.5
    cells = at(g, count, programming_noise_scale=0.0, drift_scale=0.0)
    relative = cells.read(cells.weight_at(time_s), time_s, stream(3, "reads")).double() / (g * G_MAX_US) - 1.0
    expected = 0.0088 / g**0.65 * math.sqrt(math.log((time_s + 20.0 + 250e-9) / 500e-9))
    assert read_band(cells.spec, time_s) == pytest.approx(math.sqrt(math.log((time_s + 20.0) / 5e-7)), rel=1e-9)
    assert abs(float(relative.mean())) < 5 * expected / math.sqrt(count)
    assert abs(float(relative.std()) / expected - 1.0) < 5 / math.sqrt(2 * count)


def test_the_relative_noise_ends_at_its_largest_value_and_a_read_at_zero() -> None:
    cells = at(0.0001, 20_000, programming_noise_scale=0.0)
    assert cells.flicker.numpy() == pytest.approx(0.2, rel=1e-6)
    read = cells.read(cells.weight, 3600.0, stream(3, "reads"))
    assert float(read.min()) == 0.0
    assert float((read == 0.0).double().mean()) > 0.05


def test_reads_are_fresh_and_repeat_with_their_stream() -> None:
    cells, noise = at(0.5), stream(3, "reads")
    first, second = (cells.read(cells.weight, 10.0, noise) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first, cells.read(cells.weight, 10.0, stream(3, "reads")))


def test_without_imperfections_a_weight_comes_back_to_the_last_bit() -> None:
    target = torch.randn(1000, generator=torch.Generator().manual_seed(1)) * 0.3
    cells = programmed(target, **OFF)
    assert torch.equal(cells.read(cells.weight_at(3e7), 3e7, stream(3, "reads")), target)


@pytest.mark.parametrize("knob", OFF)
def test_each_imperfection_can_be_switched_off_alone(knob: str) -> None:
    target = torch.randn(1000, generator=torch.Generator().manual_seed(1)) * 0.3
    others = {name: value for name, value in OFF.items() if name != knob}
    cells, time_s = programmed(target, **others), 3600.0
    held = cells.weight_at(time_s)
    acts = {
        "programming_noise_scale": not torch.equal(cells.weight, target),
        "drift_scale": not torch.equal(held, cells.weight),
        "read_noise_scale": not torch.equal(cells.read(held, time_s, stream(3, "reads")), held),
    }
    assert acts == {name: name == knob for name in OFF}


def test_a_draw_belongs_to_its_cell() -> None:
    target = torch.randn(1000, generator=torch.Generator().manual_seed(1))
    whole, part = programmed(target, 5.0), programmed(target[:300], 5.0)
    for name in ("weight", "exponent", "flicker"):
        assert torch.equal(getattr(whole, name)[:300], getattr(part, name))


def test_only_the_device_of_the_right_sign_is_programmed() -> None:
    target = torch.tensor([[-0.5, 0.0], [1.0, 1e-6]])
    cells = programmed(target.repeat(100, 1))
    assert cells.programmed == 300
    assert bool((cells.weight.sign() * target.repeat(100, 1) >= 0).all())
    assert float(cells.weight[::2, 1].abs().max()) == 0.0


def test_the_largest_weight_stands_at_the_largest_conductance() -> None:
    cells = programmed(torch.tensor([-0.5, 2.0, 0.1]), **OFF)
    assert cells.limit == 2.0
    assert cells.conductance_us(0.0).tolist() == pytest.approx([6.25, 25.0, 1.25])
    assert cells.mean_conductance_us(0.0) == pytest.approx((6.25 + 25.0 + 1.25) / 6)
    assert programmed(torch.zeros(3)).weight.tolist() == [0.0, 0.0, 0.0]


def test_ends_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(SettingError, match=r"drift_mean_min = 0\.2 is above drift_mean_max = 0\.1"):
        spec(drift_mean_min=0.2)


def test_the_ideal_cell_of_the_library_is_exact() -> None:
    target = torch.randn(1000, generator=torch.Generator().manual_seed(1))
    ideal = ProgrammedCellSpec.parse(read_programmed_cell("ideal_programmed"))
    cells = ProgrammedCells.program(ideal, target, writes(), exponents())
    assert torch.equal(cells.read(cells.weight_at(3e7), 3e7, stream(3, "reads")), target)


def test_every_programmed_cell_of_the_library_can_be_read() -> None:
    assert "pcm_joshi2020" in library("programmed_cells")
    for name in library("programmed_cells"):
        ProgrammedCellSpec.parse(read_programmed_cell(name))
