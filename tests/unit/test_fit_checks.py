"""What `dse device fit` says of data that no PCM cell makes, of bad cells, and of fits that miss the data."""

import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.devices.fit.card import fit_file
from dse.devices.fit.cell import granularity
from dse.devices.fit.checks import falls, misses
from dse.devices.fit.outliers import without_outliers
from dse.devices.fit.trains import Trains
from dse.errors import DataError
from tests.unit.test_fit import QUIET, csv, refusal, trains

FEW = {**QUIET, "resamples": 20}


def up_and_down(cells: int = 20) -> np.ndarray:
    """Return ten pulses up by 1 uS and ten down."""
    rng = np.random.default_rng(2)
    steps = np.repeat([1.0, -1.0], 10) + 0.05 * rng.standard_normal((cells, 20))
    return np.concatenate([np.full((cells, 1), 0.3), 0.3 + np.cumsum(steps, axis=1)], axis=1).clip(0.05, None)


def test_a_train_that_falls_is_refused_before_the_work_and_told_where(tmp_path: Path) -> None:
    message = refusal(csv(tmp_path, up_and_down()), **FEW)
    assert "from pulse 10 to pulse 20" in message
    assert "take out the pulses after 10" in message


def test_cycles_of_rise_and_fall_are_refused_too(tmp_path: Path) -> None:
    g = np.concatenate([up_and_down(), up_and_down()[:, 1:] + 0.3], axis=1)
    assert "from pulse 10 to pulse 20" in refusal(csv(tmp_path, g), **FEW)


def test_a_saturated_curve_that_wanders_does_not_fall() -> None:
    g = trains(60, 30)
    assert falls(g) == ""
    g[:, 20:] -= 0.05 * g[:, 20:]
    assert falls(g) == ""
    g[:, 20:] -= 0.2 * g[:, 20:]
    assert "falls by" in falls(g)


@pytest.mark.slow
def test_a_bad_fit_is_told_with_its_picture_and_taken_when_accepted(tmp_path: Path) -> None:
    path, out = csv(tmp_path, up_and_down()), tmp_path / "accepted.toml"
    fit = fit_file(path, out, accept=True, **FEW)
    assert any("ended at an end of what was searched" in fault for fault in fit.faults)
    assert any("the mean of the model is" in fault for fault in fit.faults)
    card = tomllib.loads(out.read_text())
    assert card["fit"]["faults"] == len(fit.faults)
    assert card["fit"]["r_squared"] < 0.9
    assert "No good fit" in card["about"]


@pytest.mark.slow
def test_a_curve_that_the_model_cannot_follow_is_refused_after_the_fit(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    steps = np.array([0.05, 0.05, 0.05, 4.0, 4.0, 0.05, 0.05, 0.05, 0.05, 0.05, 4.0, 4.0])  # two stairs
    g = 0.3 + np.cumsum(np.insert(steps, 0, 0.0) + 0.02 * rng.standard_normal((30, 13)), axis=1)
    message = refusal(csv(tmp_path, g.clip(0.05, None)), **FEW)
    assert "does not describe" in message
    assert "--accept" in message
    assert "refused.fit.png" in message
    assert (tmp_path / "refused.fit.png").exists()


@pytest.mark.parametrize(("factor", "word"), [(200.0, "uS over the range in use"), (1000.0, "another unit")])
def test_pulses_beyond_what_a_card_may_hold_are_told_before_the_work(
    factor: float, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dse.devices.fit.card.fit_cell", None)  # not reached
    message = refusal(csv(tmp_path, trains() * factor), **FEW)
    assert word in message
    assert "cards allow 100 uS a pulse" in message


def test_granularity_goes_with_the_unit_and_hardly_with_a_pulse_more() -> None:
    curve = np.nanmean(trains(400, 14), axis=0)
    assert granularity(50.0 * curve)[0] == pytest.approx(50.0 * granularity(curve)[0])
    values = [granularity(curve[:end])[0] for end in range(7, 16)]
    assert max(a / b for a, b in pairwise(values)) < 1.1
    assert granularity(np.linspace(0.0, 9.0, 10)) == (pytest.approx(1.0), pytest.approx(6.0))


BAD = {
    "stuck low": (np.full(13, 0.5), "stuck, its conductance moves by 0 uS"),
    "stuck high": (np.full(13, 19.0), "stuck"),
    "shorted": (np.linspace(300.0, 400.0, 13), "deviations from that of the others"),
    "overflow": (np.where(np.arange(13) == 4, 9.9e37, trains()[0]), "jumps at pulse 4"),
    "lost contact": (np.where(np.arange(13) == 9, -20.0, trains()[0]), "jumps at pulse 9"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_single_bad_cell_is_left_out_and_named(kind: str, tmp_path: Path) -> None:
    train, said = BAD[kind]
    good = trains()
    measured = Trains("x", np.vstack([good[:30], train, good[30:]]), tuple(f"c{n}" for n in range(61)))
    kept = without_outliers(measured, path="x.csv")
    assert kept.left_out.keys() == {"c30"}
    assert said in kept.left_out["c30"]
    assert np.array_equal(kept.g_us, good)
    assert "c30" not in kept.names


@pytest.mark.slow
def test_a_card_with_a_bad_cell_is_that_of_the_others(tmp_path: Path) -> None:
    good = trains()
    folders = [tmp_path / name for name in ("good", "bad")]
    cards: list[dict[str, Any]] = []
    for folder, g in zip(folders, (good, np.vstack([good, np.full(13, 60.0)])), strict=True):
        folder.mkdir()
        fit_file(csv(folder, g), folder / "card.toml", **FEW)
        cards.append(tomllib.loads((folder / "card.toml").read_text()))
    assert cards[1]["fit"]["cells_left_out"] == 1
    assert cards[1]["fit"]["left_out"].startswith("c60: stuck")
    for one in cards:
        del one["fit"]
    assert cards[0] == cards[1]


def test_no_good_cell_is_left_out() -> None:
    """2,000 cells of a plain kind: by the thresholds of 6 and 10 deviations none is expected (1e-8 a cell)."""
    good = Trains("x", trains(2000), tuple(map(str, range(2000))))
    assert without_outliers(good, path="x.csv") is good


def test_two_populations_are_no_bad_cells(tmp_path: Path) -> None:
    g = trains()
    g[:20] *= 8.0
    message = refusal(csv(tmp_path, g), **FEW)
    assert "20 of 60 cells are not like the others" in message
    assert "--keep-all-cells" in message


def test_a_miss_needs_more_than_chance_and_more_than_a_little() -> None:
    row = {"pulse": 0, "mean_us": 10.0, "model_mean_us": 10.4, "std_us": 0.1, "model_std_us": 0.1}
    counts = np.array([100.0, 100.0])
    assert misses([row, row], counts) == []  # 40 standard errors, 4 %
    assert len(misses([row, {**row, "pulse": 1, "model_mean_us": 10.6}], counts)) == 1
    noisy = {**row, "model_mean_us": 10.6, "std_us": 2.0, "model_std_us": 2.0}
    assert misses([noisy, noisy], counts) == []  # 3 standard errors
    wide = {**row, "model_std_us": 0.16}
    assert "standard deviation" in misses([row, wide], np.array([200.0, 200.0]))[0]
    assert misses([row, wide], np.array([10.0, 10.0])) == []


@pytest.mark.slow
def test_a_link_in_the_place_of_the_picture_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("somebody's")
    (tmp_path / "card.fit.png").symlink_to(tmp_path / "kept.txt")
    (tmp_path / "link.toml").symlink_to(tmp_path / "nowhere.toml")
    fit_file(csv(tmp_path, trains()), tmp_path / "card.toml", **FEW)
    assert (tmp_path / "kept.txt").read_text() == "somebody's"
    with pytest.raises(Exception, match="cannot write"):
        fit_file(tmp_path / "pulses.csv", tmp_path / "link.toml", **FEW)
    assert not (tmp_path / "nowhere.toml").exists()


def test_bad_data_is_an_error_of_data() -> None:
    with pytest.raises(DataError):
        without_outliers(Trains("x", np.vstack([trains(9), [[9e9] * 13]]), tuple("abcdefghij")), path="x")
