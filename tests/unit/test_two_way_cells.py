"""Cells that are pulsed both ways: steps against closed forms, noise and spreads by their distributions.

Fixed seeds; a mean passes within z = 5 (6e-7 two-sided), a standard deviation within 5 of its standard errors.
"""

import math
from typing import Any

import pytest
import torch

from dse.designs.design import compose
from dse.devices.base import AbstractCell, read_us
from dse.devices.card import model_of, read_card, read_cell
from dse.devices.two_way.cells import MAX_PULSES, TwoWayCells
from dse.devices.two_way.settings import TwoWayCell
from dse.errors import DivergedError, SettingError
from dse.streams import stream

CARDS = ("capacitor_li2018", "ecram_kim2019", "ecram_tang2018", "ideal_two_way", "reram_gong2018", "rpu_gokmen2016")
QUIET = dict.fromkeys(
    ("step_noise", "step_noise_floor", "write_noise_us", "read_noise_us", "step_spread", "asymmetry_spread",
     "window_spread", "leak_per_s"), 0.0,
)  # fmt: skip


def cell(card: str, **settings: Any) -> TwoWayCell:
    own = model_of(card).parse({**read_cell(card), **settings})
    assert isinstance(own, TwoWayCell)
    return own


def fresh(own: AbstractCell, count: int = 1, start_us: float = 11.0) -> TwoWayCells:
    cells = own.cells(torch.full((count,), start_us), stream(0, "cell variation"))
    assert isinstance(cells, TwoWayCells)
    return cells


def pulsed(cells: TwoWayCells, count: int, now_s: float = 0.0) -> torch.Tensor:
    number = cells.g_us.numel()
    cells.pulse(torch.arange(number), torch.full((number,), count), now_s, stream(1, "write noise"))
    return cells.conductance_us(now_s).clone()


def test_linear_steps_follow_the_recursion_that_defines_them() -> None:
    own = cell("ecram_tang2018", **QUIET, slope_spread=0.0)
    cells, level = fresh(own), 11.0
    for n in range(60):
        sign = 1 if n % 3 else -1
        z = (level - 11.0) / 10.0
        up = own.granularity_us * (1 + own.asymmetry) * (1 - own.slope_up * z)
        down = own.granularity_us * (1 - own.asymmetry) * (1 + own.slope_down * z)
        level += up if sign > 0 else -down
        assert float(pulsed(cells, sign)) == pytest.approx(level, abs=2e-4)


@pytest.mark.parametrize("direction", [1, -1])
def test_soft_bounds_fade_geometrically_towards_the_end(direction: int) -> None:
    """Each pulse leaves the same part of what is left to the end, 1 - 2 granularity (1 +- a) / window."""
    own = cell("reram_gong2018", **QUIET)
    share = 2.0 * own.granularity_us * (1.0 + direction * own.asymmetry) / 20.0
    found = float(pulsed(fresh(own), 300 * direction))
    left = 10.0 * (1.0 - share) ** 300
    assert found == pytest.approx(21.0 - left if direction > 0 else 1.0 + left, abs=2e-3)


def test_many_pulses_at_once_are_those_one_by_one() -> None:
    for card in CARDS:
        own = cell(card)
        together, apart = fresh(own, 50), fresh(own, 50)
        pulsed(together, 9)
        for _ in range(9):
            pulsed(apart, 1)
        assert torch.equal(together.conductance_us(0.0), apart.conductance_us(0.0))
        assert torch.equal(together.wear()["set"], torch.full((50,), 9))


def test_the_published_steps_are_those_of_the_cards() -> None:
    """Steps at weight zero, which is where the published window is 0: 0.002 of 2 up and down, so 0.02 uS of 20."""
    for card, zero, step in (
        ("ecram_tang2018", 9.276, 0.02),
        ("ecram_kim2019", 9.286, 0.0028214),
        ("reram_gong2018", 8.5, 0.02),
    ):
        own = cell(card, **QUIET, **({} if card == "reram_gong2018" else {"slope_spread": 0.0}))
        for sign in (1, -1):
            moved = float(pulsed(fresh(own, start_us=zero), 10 * sign)) - zero
            assert moved == pytest.approx(10 * sign * step, rel=0.015), card
        assert float(fresh(own).balanced_us()) == pytest.approx(zero, abs=2e-3), card
    ends = cell("rpu_gokmen2016")
    assert (ends.g_max_us - ends.g_min_us) / ends.granularity_us == pytest.approx(1200.0, rel=1e-5)


def test_pulses_in_turn_lead_to_where_steps_are_equal() -> None:
    own = cell("reram_gong2018", **QUIET, granularity_us=0.2)
    cells = fresh(own, start_us=15.0)
    for _ in range(400):
        pulsed(cells, 1)
        pulsed(cells, -1)
    assert float(cells.conductance_us(0.0)) == pytest.approx(float(cells.balanced_us()), abs=0.2)
    upward = cell("ideal_two_way", asymmetry=0.1)
    assert float(fresh(upward).balanced_us()) == 21.0
    assert float(fresh(cell("ideal_two_way")).balanced_us()) == 11.0


def moments(values: torch.Tensor) -> tuple[float, float, float, float]:
    """Return mean, its standard error, standard deviation, and its standard error for a Gaussian."""
    std = float(values.double().std())
    return float(values.double().mean()), std / math.sqrt(len(values)), std, std / math.sqrt(2 * len(values))


@pytest.mark.parametrize(
    ("settings", "mean", "std"),
    [
        ({"step_noise": 0.5}, 0.02, 0.01),
        ({"step_noise_floor": 3.0}, 0.02, 0.06),
        ({"write_noise_us": 0.4}, 0.02, 0.4),
        ({"step_spread": 0.2}, 0.02, 0.004),
        ({"asymmetry_spread": 0.1}, 0.02, 0.002),
    ],
)
def test_each_noise_has_its_deviation_and_no_other(settings: dict[str, float], mean: float, std: float) -> None:
    found = pulsed(fresh(cell("ideal_two_way", **settings), 20_000), 1) - 11.0
    got_mean, mean_error, got_std, std_error = moments(found)
    assert abs(got_mean - mean) < 5.0 * mean_error + 1e-5
    assert abs(got_std - std) < 5.0 * std_error + 1e-5


def test_what_is_shown_does_not_add_up() -> None:
    """The noise of what an update shows is drawn anew, and steps do not see it."""
    own = cell("ideal_two_way", write_noise_us=0.4)
    cells = fresh(own, 20_000)
    for _ in range(5):
        shown = pulsed(cells, 1)
    assert cells.g_us.unique().tolist() == pytest.approx([11.1], abs=1e-4)
    _, _, std, error = moments(shown)
    assert abs(std - 0.4) < 5.0 * error


def test_windows_differ_from_cell_to_cell_and_hold() -> None:
    own = cell("ideal_two_way", window_spread=0.1, granularity_us=1.0)
    cells = fresh(own, 20_000)
    top, bottom = pulsed(cells, 60), pulsed(cells, -60)
    for found, mean in ((top, 21.0), (bottom, 1.0)):
        got, error, std, _ = moments(found)
        # The lower end is held at 0, one standard deviation below its mean.
        assert abs(got - mean) < (5.0 * error if mean == 21.0 else 0.1)
        assert std == pytest.approx(1.0, rel=0.05 if mean == 21.0 else 0.3)
    assert float(bottom.min()) >= 0.0
    assert float(top.max()) <= own.reach_us[1]


def test_a_leak_goes_to_rest_exponentially_and_a_pulse_acts_on_what_is_left() -> None:
    own = cell("ideal_two_way", leak_per_s=0.1, rest_us=5.0)
    cells = fresh(own)
    assert float(cells.conductance_us(10.0)) == pytest.approx(5.0 + 6.0 * math.exp(-1.0), rel=1e-6)
    moved = float(pulsed(cells, 3, now_s=10.0))
    assert moved == pytest.approx(5.0 + 6.0 * math.exp(-1.0) + 0.06, abs=1e-5)
    assert float(cells.conductance_us(20.0)) == pytest.approx(5.0 + (moved - 5.0) * math.exp(-1.0), rel=1e-5)


def test_read_noise_is_that_of_the_setting_or_none() -> None:
    assert fresh(cell("ideal_two_way")).read_noise_std_us(torch.ones(3)) is None
    cells = fresh(cell("ideal_two_way", read_noise_us=0.2), 20_000)
    _, _, std, error = moments(read_us(cells, 0.0, stream(3, "read")))
    assert abs(std - 0.2) < 5.0 * error


def test_too_many_pulses_at_once_end_the_trial() -> None:
    with pytest.raises(DivergedError, match="more than 10000 pulses at once"):
        pulsed(fresh(cell("ideal_two_way")), MAX_PULSES + 1)


def test_settings_of_a_card_act_or_are_refused() -> None:
    design = compose({"device.card": "reram_gong2018", "workload.dataset": "digits"})
    assert isinstance(design.device, TwoWayCell)
    assert design.refresh.every_samples == 0
    with pytest.raises(SettingError, match="asymmetry"):
        compose({"device.card": "ecram_tang2018", "device.asymmetry": 0.95})
    still = compose({"device.card": "reram_gong2018", "workload.dataset": "digits", "device.slope_up": 0.1})
    assert still.key == design.key  # a setting of another model


@pytest.mark.parametrize("card", CARDS)
def test_every_number_of_a_card_has_its_source(card: str) -> None:
    for name, entry in read_card("cells", card).entries.items():
        assert len(entry.source) > 20, name


def test_a_leaking_cell_reaches_its_rest_beyond_the_window() -> None:
    own = cell("capacitor_li2018", **{**QUIET, "leak_per_s": 1.0}, rest_us=40.0, slope_spread=0.0)
    cells = fresh(own)
    pulsed(cells, 1)
    assert own.g_max_us < float(cells.conductance_us(100.0)) <= own.reach_us[1] == 40.0
