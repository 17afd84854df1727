"""The fit of trains up and down gives back the cell that made them.

Fixed seeds; a parameter passes within z = 5 of its interval's deviation, or within 3 % of its scale.
"""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dse.devices.base import read_us
from dse.devices.card import model_of, read_cell
from dse.devices.fit.card import fit_file
from dse.devices.fit.cell import CellFit
from dse.devices.fit.trains import Trains
from dse.devices.fit.two_way import GivenEnds, directions, fit_two_way
from dse.errors import DataError, SettingError
from dse.streams import stream
from tests.unit.test_fit import csv, trains
from tests.unit.test_fit_checks import up_and_down

CELLS = 150
SIGNS = [*[1] * 60, *[-1] * 60, *[1] * 40]


def measured(card: str, read_us_: float = 0.0, **settings: Any) -> Trains:
    """Return simulated trains of cells that start at the lower end of their window."""
    cell = model_of(card).parse({**read_cell(card), **settings, "read_noise_us": read_us_})
    cells = cell.cells(torch.full((CELLS,), 1.5), stream(7, "cell variation"))
    write, read = stream(7, "write noise"), stream(7, "read noise")
    columns = [read_us(cells, 0.0, read).double().numpy().copy()]
    for sign in SIGNS:
        cells.pulse(torch.arange(CELLS), torch.full((CELLS,), sign), 0.0, write)
        columns.append(read_us(cells, 0.0, read).double().numpy().copy())
    return Trains("simulated.csv", np.stack(columns, axis=1))


def scores(fit: CellFit, **expected: float) -> dict[str, float]:
    entries = {name: fit.entries[name] for name in expected}
    return {name: (entry.value - expected[name]) / ((entry.high - entry.low) / 3.92) for name, entry in entries.items()}


COARSE = {"granularity_us": 0.3, "window_spread": 0.0, "asymmetry_spread": 0.0}


@pytest.mark.slow
@pytest.mark.parametrize("read", [0.0, 0.2])
def test_linear_steps_are_recovered_with_their_noise(read: float) -> None:
    data = measured("ecram_tang2018", read, **COARSE, slope_spread=0.0)
    fit = fit_two_way(data, model_of("ecram_tang2018"), GivenEnds(1.0, 21.0, read), 60)
    found = scores(
        fit, granularity_us=0.3, asymmetry=-0.0588241, slope_up=0.100041, slope_down=0.555577, step_spread=0.1
    )
    assert all(abs(z) < 5.0 for z in found.values()), found
    noise = fit.entries["step_noise"].value, fit.entries["step_noise_floor"].value
    assert np.hypot(*noise) == pytest.approx(0.3, rel=0.15)
    assert fit.faults == []
    assert fit.trains.form == "pulses 1 to 60 up, pulses 61 to 120 down, pulses 121 to 160 up"
    narrow = fit_two_way(data, model_of("ecram_tang2018"), GivenEnds(1.0, 8.0, read), 2)
    assert "below the measured" in narrow.faults[0]  # a cell of that card stops at 8 uS


@pytest.mark.slow
def test_soft_bounds_are_recovered_with_the_ends_that_were_not_reached() -> None:
    data = measured("reram_gong2018", **COARSE, step_noise_floor=1.0, write_noise_us=0.0)
    assert np.nanmax(data.g_us) < 21.0
    fit = fit_two_way(data, model_of("reram_gong2018"), GivenEnds(), 60)
    found = scores(fit, granularity_us=0.3, asymmetry=-0.25, g_max_us=21.0, step_noise_floor=1.0, step_spread=0.3)
    assert all(abs(z) < 5.0 for z in found.values()), found
    assert fit.faults == []


def test_the_turns_of_a_curve_are_found_and_small_ones_passed_over() -> None:
    curve = np.array([0.0, 1.0, 2.0, 1.9, 3.0, 2.0, 1.0, 1.05, 0.5, 2.0])
    assert directions(curve).tolist() == [1, 1, 1, 1, -1, -1, -1, -1, 1]
    assert directions(curve[::-1].copy()).tolist() == [-1, 1, 1, 1, 1, -1, -1, -1, -1]


def test_a_card_of_a_cell_pulsed_both_ways_is_written_and_loads(tmp_path: Path) -> None:
    path, out = csv(tmp_path, up_and_down()), tmp_path / "mine.toml"
    fit = fit_file(path, out, model="linear_step", resamples=20)
    assert fit.faults == []
    card = tomllib.loads(out.read_text())
    assert card["model"] == "linear_step"
    assert card["fit"]["file"] == "pulses.csv, separated by commas, pulses 1 to 10 up, pulses 11 to 20 down"
    assert card["granularity_us"]["value"] == pytest.approx(1.0, rel=0.02)
    assert (tmp_path / "mine.fit.png").exists()
    model_of("mine.toml", tmp_path).parse(read_cell("mine.toml", tmp_path))


def test_what_does_not_fit_the_model_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "no.toml"
    with pytest.raises(DataError, match="rises with 12 pulses and falls with 0"):
        fit_file(csv(tmp_path, trains()), out, model="soft_bounds", resamples=20)
    with pytest.raises(SettingError, match="did you mean 'soft_bounds'"):
        fit_file(tmp_path / "pulses.csv", out, model="soft_bound", resamples=20)
    with pytest.raises(SettingError, match="--drift-exponent has no effect"):
        fit_file(tmp_path / "pulses.csv", out, model="soft_bounds", resamples=20, drift_exponent=0.1)
    assert not out.exists()
