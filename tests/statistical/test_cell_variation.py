"""What differs from cell to cell: gain, drift exponent, stuck cells. Statistics at z = 5: alarm rate below 1e-5."""

import math
from typing import Any

import pytest
import torch

from dse.devices.card import read_cell
from dse.devices.pcm import PcmCells
from dse.devices.spec import CellSpec
from dse.errors import SettingError
from dse.streams import Stream

COUNT = 100_000


def cells(**knobs: Any) -> PcmCells:
    spec = CellSpec.parse({**read_cell("pcm_gst"), **knobs})
    return PcmCells.start(spec, torch.full((COUNT,), 2.0), Stream(5))


def pulsed(subject: PcmCells, count: int = 1) -> PcmCells:
    subject.pulse(torch.arange(COUNT), torch.full((COUNT,), count), 0.0, Stream(6))
    return subject


def test_equal_cells_have_gain_one_and_the_same_exponent_and_none_is_stuck() -> None:
    subject = cells()
    assert bool((subject.gain == 1.0).all())
    assert bool((subject.exponent == torch.tensor(0.04)).all())
    assert not bool(subject.stuck.any())


@pytest.mark.parametrize("spread", [0.05, 0.2])
def test_gains_spread_around_one_and_scale_every_increment(spread: float) -> None:
    subject = cells(response_spread=spread, write_noise_scale=0.0)
    gain = subject.gain.double()
    assert abs(float(gain.mean()) - 1) < 5 * spread / math.sqrt(COUNT)
    assert abs(float(gain.std()) / spread - 1) < 5 / math.sqrt(2 * COUNT)
    step = float(pulsed(cells(write_noise_scale=0.0)).g_us[0]) - 2.0
    assert torch.allclose(pulsed(subject).g_us - 2.0, subject.gain * step, atol=1e-5)


def test_no_gain_is_negative() -> None:
    assert float(cells(response_spread=1.0).gain.min()) == 0.0


def test_every_cell_drifts_with_its_own_exponent() -> None:
    subject = cells(drift_exponent_spread=0.01)
    exponent = subject.exponent.double()
    assert abs(float(exponent.mean()) - 0.04) < 5 * 0.01 / math.sqrt(COUNT)
    assert abs(float(exponent.std()) / 0.01 - 1) < 0.02
    drifted = subject.conductance_us(38.6 * 1000).double()
    assert torch.allclose(torch.log(drifted / 2.0) / -math.log(1000), exponent, atol=1e-6)


def test_the_drift_of_cells_can_spread_around_none() -> None:
    subject = cells(drift_exponent=0.0, drift_exponent_spread=0.01)
    assert float(subject.conductance_us(1e6).min()) < 2.0


@pytest.mark.parametrize(("low", "high"), [(0.03, 0.0), (0.0, 0.2), (0.1, 0.3)])
def test_stuck_cells_have_their_share_and_never_move(low: float, high: float) -> None:
    subject = cells(stuck_reset_fraction=low, stuck_set_fraction=high)
    for level, share in ((0.1, low), (12.0, high)):
        found = int((subject.g_us == torch.tensor(level)).sum())
        assert abs(found - share * COUNT) <= 5 * math.sqrt(COUNT * share * (1 - share))
    stuck = subject.stuck.clone()
    held = subject.g_us[stuck].clone()
    pulsed(subject, 3).reset(torch.arange(COUNT), 1.0, Stream(7))
    assert torch.equal(subject.g_us[stuck], held)
    assert not bool((subject.g_us[~stuck] == 2.0).any())
    assert bool((subject.set_pulses == 3).all())


def test_each_variation_draws_from_its_own_part_of_the_stream() -> None:
    both = cells(response_spread=0.1, drift_exponent_spread=0.01, stuck_set_fraction=0.5)
    assert torch.equal(both.exponent, cells(drift_exponent_spread=0.01).exponent)
    assert torch.equal(both.gain[~both.stuck], cells(response_spread=0.1).gain[~both.stuck])
    assert torch.equal(both.stuck, cells(stuck_set_fraction=0.5).stuck)


def test_nonlinearity_leads_from_the_linear_to_the_measured_response() -> None:
    card = read_cell("pcm_gst")
    linear = CellSpec.parse({**card, "nonlinearity": 0.0}).mean_response_us(10)
    assert linear == pytest.approx([0.1 + 0.77 * n for n in range(11)])
    half = CellSpec.parse({**card, "nonlinearity": 0.5})
    assert half.mean_terms == pytest.approx((-0.042, 0.825, 0.7))
    assert CellSpec.parse(card).mean_terms == (-0.084, 0.88, 1.40)


def test_more_stuck_cells_than_cells_are_refused() -> None:
    with pytest.raises(SettingError, match="add up to more than 1"):
        cells(stuck_set_fraction=0.6, stuck_reset_fraction=0.6)
