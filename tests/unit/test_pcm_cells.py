"""PCM cells against their formulas: pulses, window, history, RESET, drift, wear."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from dse.devices.base import read_us
from dse.devices.card import read_cell
from dse.devices.pcm import PcmCells
from dse.devices.spec import CellSpec
from dse.streams import Stream


def spec(card: str = "pcm_gst", **settings: Any) -> CellSpec:
    return CellSpec.parse({**read_cell(card), **settings})


def cells_at(cell: CellSpec, *g_us: float) -> PcmCells:
    return PcmCells.start(cell, torch.tensor(g_us))


def stream(seed: int = 1) -> Stream:
    return Stream(seed)


def indices(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)


def test_reset_restores_level_and_history() -> None:
    cells = PcmCells.after_reset(spec(reset_std_us=0.0), (3,), stream())
    cells.pulse(indices(0, 1, 2), indices(5, 6, 7), 1.0, stream())
    assert bool((cells.history < 0.2).all())
    assert cells.reset(indices(0, 2), 2.0, stream()) == 2
    assert cells.g_us[[0, 2]].tolist() == pytest.approx([0.1, 0.1])
    assert cells.history[[0, 2]].tolist() == [1.0, 1.0]
    assert cells.history[1] == pytest.approx(math.exp(-6 / 2.6), rel=1e-5)
    assert cells.pulsed_at_s.tolist() == [2.0, 1.0, 2.0]


def test_reset_levels_have_a_floor() -> None:
    cells = PcmCells.after_reset(spec(reset_std_us=10.0), (1000,), stream())
    assert float(cells.g_us.min()) == pytest.approx(0.01)
    assert float(cells.g_us.max()) > 1.0


def test_the_first_reset_counts_no_wear() -> None:
    cells = PcmCells.after_reset(spec(), (2, 3), stream())
    assert cells.g_us.shape == (2, 3)
    assert int(cells.reset_pulses.sum()) == 0
    assert bool((cells.history == 1.0).all())


def test_wear_counters_add_up_and_never_go_back() -> None:
    cells = PcmCells.after_reset(spec(), (4,), stream())
    assert cells.pulse(indices(0, 2), indices(3, 1), 0.0, stream()) == 4
    cells.reset(indices(0), 1.0, stream())
    assert cells.pulse(indices(0), indices(2), 2.0, stream()) == 2
    assert cells.set_pulses.tolist() == [5, 0, 1, 0]
    assert cells.reset_pulses.tolist() == [1, 0, 0, 0]


def test_no_cells_to_pulse_is_no_pulse() -> None:
    cells = cells_at(spec(), 1.0, 2.0)
    assert cells.pulse(indices(), indices(), 5.0, stream()) == 0
    assert cells.pulsed_at_s.tolist() == [0.0, 0.0]


def test_a_pulse_without_noise_adds_the_mean_increment() -> None:
    cells = cells_at(spec(write_noise_scale=0.0), 2.0).with_history(0.5)
    cells.pulse(indices(0), indices(1), 0.0, stream())
    p = 0.5 * math.exp(-1 / 2.6)
    assert float(cells.history) == pytest.approx(p, rel=1e-6)
    assert float(cells.g_us) == pytest.approx(2.0 + (-0.084 * 2.0 + 0.88 + 1.40 * p), rel=1e-6)


def test_a_noisy_pulse_adds_the_deviation_times_a_normal_number() -> None:
    cells = cells_at(spec(write_noise_scale=0.5, g_max_us=100.0), 30.0).with_history(0.5)
    cells.pulse(indices(0), indices(1), 0.0, stream(3))
    p = 0.5 * math.exp(-1 / 2.6)
    normal = float(stream(3).normal(indices(0)))
    increment = -0.084 * 30.0 + 0.88 + 1.40 * p
    deviation = 0.5 * (0.091 * 30.0 + 0.26 + 2.15 * p)
    assert float(cells.g_us) == pytest.approx(30.0 + increment + deviation * normal, rel=1e-6)


def test_cells_with_different_counts_take_as_many_pulses_as_each_is_given() -> None:
    cell = spec(write_noise_scale=0.0)
    together = cells_at(cell, 1.0, 1.0, 1.0, 1.0)
    assert together.pulse(indices(3, 0, 2), indices(4, 1, 2), 7.0, stream()) == 7
    for index, count in ((0, 1), (1, 0), (2, 2), (3, 4)):
        alone = cells_at(cell, 1.0)
        for _ in range(count):
            alone.pulse(indices(0), indices(1), 7.0, stream())
        assert together.g_us[index] == alone.g_us[0]
        assert together.history[index] == alone.history[0]
        assert together.set_pulses[index] == count
        assert together.pulsed_at_s[index] == (7.0 if count else 0.0)


def test_pulses_in_an_array_of_planes_hit_the_flat_index() -> None:
    cells = PcmCells.start(spec("ideal_linear"), torch.zeros(2, 2, 3))
    cells.pulse(indices(7), indices(1), 0.0, stream())
    assert cells.g_us[1, 0, 1] == pytest.approx(0.77)
    assert torch.count_nonzero(cells.g_us) == 1


@pytest.mark.parametrize("count", [1, 30])
def test_the_window_clips_every_pulse(count: int) -> None:
    cells = PcmCells.start(spec(g_min_us=1.0, g_max_us=3.0, write_noise_scale=5.0), torch.full((500,), 2.0))
    cells.pulse(torch.arange(500), torch.full((500,), count), 0.0, stream())
    assert float(cells.g_us.min()) == 1.0
    assert float(cells.g_us.max()) == 3.0


def test_a_negative_increment_lowers_the_conductance() -> None:
    cells = cells_at(spec(write_noise_scale=0.0, g_max_us=50.0), 40.0)
    cells.pulse(indices(0), indices(1), 0.0, stream())
    assert float(cells.g_us) < 40.0


@pytest.mark.parametrize("g_max_us", [1000.0, 5.0])
def test_many_pulses_at_once_on_a_linear_cell_equal_them_one_by_one(g_max_us: float) -> None:
    cell = spec("ideal_linear", g_max_us=g_max_us)
    assert cell.is_linear
    fast, plain = cells_at(cell, 0.0, 1.6, 4.9), cells_at(cell, 0.0, 1.6, 4.9)
    for number, count in enumerate((3, 11, 1)):
        fast.pulse(indices(number), indices(count), 0.0, stream())
        for _ in range(count):
            plain.pulse(indices(number), indices(1), 0.0, stream())
    assert fast.g_us.tolist() == pytest.approx(plain.g_us.tolist(), rel=1e-6)
    assert fast.history.tolist() == pytest.approx(plain.history.tolist(), rel=1e-5)
    assert fast.set_pulses.tolist() == plain.set_pulses.tolist()


def test_the_fast_path_equals_the_plain_path_for_the_same_cell() -> None:
    linear = spec("ideal_linear", g_max_us=6.0)
    # A slope too small to matter turns the fast path off.
    plain = spec("ideal_linear", g_max_us=6.0, mean_slope=1e-30)
    assert not plain.is_linear
    results: list[list[float]] = []
    for cell in (linear, plain):
        cells = cells_at(cell, 0.0, 1.0, 5.5)
        cells.pulse(indices(0, 1, 2), indices(2, 5, 3), 0.0, stream())
        results.append(cells.g_us.tolist())
    assert results[0] == pytest.approx(results[1], rel=1e-6)


def test_a_cell_that_starts_above_reset_has_the_history_of_the_published_polynomial() -> None:
    g = [0.0, 0.1, 1.0, 4.0, 8.0]
    cells = cells_at(spec(), *g)
    expected = [math.exp(-(0.027 * x**3 - 0.15 * x**2 + 0.81 * x) / 2.6) for x in g]
    assert cells.history.tolist() == pytest.approx(expected, rel=1e-5)
    assert cells.g_us.tolist() == pytest.approx(g)
    assert int(cells.set_pulses.sum()) == 0


def test_a_polynomial_below_zero_counts_as_no_pulses() -> None:
    assert float(cells_at(spec(history_linear_per_us=-5.0), 1.0).history) == 1.0


def test_starting_cells_leaves_the_given_conductances_alone() -> None:
    given = torch.full((3,), 2.0)
    PcmCells.start(spec(), given).pulse(indices(0), indices(3), 0.0, stream())
    assert given.tolist() == [2.0, 2.0, 2.0]


def test_drift_follows_the_power_law() -> None:
    cells = cells_at(spec(), 2.0, 8.0)
    for time_s in (38.6, 100.0, 1e4, 1e7):
        expected = [g * (time_s / 38.6) ** -0.04 for g in (2.0, 8.0)]
        assert cells.conductance_us(time_s).tolist() == pytest.approx(expected, rel=1e-6)
    assert float(cells_at(spec(), 1.0).conductance_us(1e4)) == pytest.approx(0.801, abs=5e-4)


def test_a_decade_of_time_costs_the_same_factor_everywhere() -> None:
    cells = cells_at(spec(), 5.0)
    for decade in range(2, 8):
        ratio = float(cells.conductance_us(10.0 ** (decade + 1)) / cells.conductance_us(10.0**decade))
        assert ratio == pytest.approx(10**-0.04, rel=1e-6)
    assert ratio == pytest.approx(0.912, abs=5e-4)


@pytest.mark.parametrize("age_s", [0.0, 1e-6, 1.0, 38.6])
def test_nothing_drifts_before_the_reference_time(age_s: float) -> None:
    cells = cells_at(spec(), 3.0)
    cells.pulse(indices(0), indices(1), 1000.0, stream())
    assert cells.conductance_us(1000.0 + age_s).tolist() == cells.g_us.tolist()


def test_a_pulse_restarts_the_drift_clock() -> None:
    cells = cells_at(spec("pcm_gst", write_noise_scale=0.0), 3.0, 3.0)
    cells.pulse(indices(0), indices(1), 5000.0, stream())
    young, old = cells.conductance_us(6000.0).tolist()
    assert young == pytest.approx(float(cells.g_us[0]) * (1000.0 / 38.6) ** -0.04, rel=1e-6)
    assert old == pytest.approx(3.0 * (6000.0 / 38.6) ** -0.04, rel=1e-6)


def test_a_pulse_acts_on_the_conductance_before_drift() -> None:
    early, late = cells_at(spec(write_noise_scale=0.0), 3.0), cells_at(spec(write_noise_scale=0.0), 3.0)
    early.pulse(indices(0), indices(1), 0.0, stream())
    late.pulse(indices(0), indices(1), 1e6, stream())
    assert early.g_us.tolist() == late.g_us.tolist()


def test_a_reset_restarts_the_drift_clock() -> None:
    cells = cells_at(spec(), 3.0)
    cells.reset(indices(0), 1e6, stream())
    assert cells.conductance_us(1e6 + 38.0).tolist() == cells.g_us.tolist()


def test_without_write_noise_the_stream_does_not_matter() -> None:
    results: list[list[float]] = []
    for seed in (1, 2):
        cells = cells_at(spec(write_noise_scale=0.0), 0.1, 3.0)
        cells.pulse(indices(0, 1), indices(4, 2), 0.0, stream(seed))
        results.append(cells.g_us.tolist())
    assert results[0] == results[1]


def test_without_read_noise_a_read_is_the_conductance() -> None:
    cells = cells_at(spec(read_noise_scale=0.0), 0.1, 3.0)
    assert cells.read_noise_std_us(cells.g_us) is None
    assert read_us(cells, 1e4, stream()).tolist() == cells.conductance_us(1e4).tolist()


def test_read_noise_follows_the_drifted_conductance() -> None:
    cells = cells_at(spec(read_noise_scale=2.0), 0.0, 5.0)
    std = cells.read_noise_std_us(cells.conductance_us(1e5))
    assert std is not None
    drifted = 5.0 * (1e5 / 38.6) ** -0.04
    assert std.tolist() == pytest.approx([2 * 0.13, 2 * (0.03 * drifted + 0.13)], rel=1e-6)
    normal = stream(8).next_normal(2)[0]
    expected = cells.conductance_us(1e5) + std * normal
    assert read_us(cells, 1e5, stream(8)).tolist() == expected.tolist()


def test_a_read_leaves_the_cells_alone() -> None:
    cells = cells_at(spec(), 1.0, 2.0)
    before = cells.g_us.clone()
    first, second = read_us(cells, 0.0, stream(1)), read_us(cells, 0.0, stream(2))
    assert cells.g_us.tolist() == before.tolist()
    assert first.tolist() != second.tolist()


def test_the_mean_response_starts_at_the_reset_level_and_obeys_its_recursion() -> None:
    means = spec().mean_response_us(5)
    assert len(means) == 6
    assert means[0] == 0.1
    for n in range(1, 6):
        expected = means[n - 1] * (1 - 0.084) + 0.88 + 1.40 * math.exp(-n / 2.6)
        assert means[n] == pytest.approx(expected, rel=1e-12)


def test_noiseless_cells_follow_the_mean_response() -> None:
    cell = spec(write_noise_scale=0.0, reset_std_us=0.0)
    cells = PcmCells.after_reset(cell, (1,), stream())
    for expected in cell.mean_response_us(12)[1:]:
        cells.pulse(indices(0), indices(1), 0.0, stream())
        assert float(cells.g_us) == pytest.approx(expected, rel=1e-5)
