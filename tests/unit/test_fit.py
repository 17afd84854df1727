"""`dse device`: trains from a file, a card from trains, and refusals that say what to do."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.devices.card import library, read_card, read_cell
from dse.devices.fit.card import NOT_MEASURED, fit_file
from dse.devices.fit.cell import ORDER, history_cubic, weighted_means
from dse.devices.fit.trains import Trains, read_trains
from dse.devices.spec import CellSpec
from dse.errors import DataError, DseError, SettingError

QUIET = {"read_noise_slope": 0.0, "read_noise_offset_us": 0.0}


def trains(cells: int = 60, pulses: int = 12) -> np.ndarray:
    """Return trains of a plain saturating cell, uS."""
    rng = np.random.default_rng(4)
    g = [0.5 + 0.05 * rng.standard_normal(cells)]
    for n in range(1, pulses + 1):
        mean = g[-1] - 0.1 * g[-1] + 0.8 + 1.2 * np.exp(-n / 3)
        g.append(np.clip(mean + (0.2 + 0.05 * g[-1]) * rng.standard_normal(cells), 0.1, 20.0))
    return np.array(g).T


def csv(folder: Path, g: np.ndarray, header: str = "cell,pulse,conductance") -> Path:
    rows = [f"c{cell},{n},{value:.6g}" for cell, train in enumerate(g) for n, value in enumerate(train)]
    path = folder / "pulses.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def refusal(path: Path, kind: type[DseError] = DataError, **options: Any) -> str:
    out = path.parent / "refused.toml"
    with pytest.raises(kind) as caught:
        fit_file(path, out, **{**QUIET, **options})
    assert not out.exists()
    return str(caught.value)


def test_trains_come_back_as_rows_in_any_order_of_lines(tmp_path: Path) -> None:
    g = trains(12, 6)
    path = csv(tmp_path, g)
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *reversed(rows)]))
    read = read_trains(path)
    assert (read.cells, read.pulses, read.name) == (12, 6, "pulses.csv")
    assert np.sort(read.g_us, axis=0) == pytest.approx(np.sort(g, axis=0), rel=1e-5)


def test_other_columns_and_spaces_are_ignored(tmp_path: Path) -> None:
    path = csv(tmp_path, trains(12, 6), "cell, pulse , conductance")
    text = path.read_text().replace("\n", ",x\n")
    path.write_text(text.replace(",c", ", c"))
    assert read_trains(path).cells == 12


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("conductance\n", "conductanse\n", "has no column 'conductance'"),
        ("cell,", "wafer,", "has no column 'cell'"),
        ("\nc3,2,", "\nc3,2,x", "conductance = 'x"),
        ("\nc3,2,", "\nc3,two,", "pulse = 'two' must be an integer from 0"),
        ("\nc3,2,", "\nc3,2.5,", "pulse = '2.5' must be an integer from 0"),
        ("\nc3,2,", "\nc3,-2,", "pulse = '-2' must be an integer from 0"),
        ("\nc3,2,", "\n,2,", "must be a name"),
        ("\nc3,2,", "\nc3,2,nan", "must be a number of uS"),
        ("\nc3,2,", "\nc3,2,inf\nc99,0,", "must be a number of uS"),
        ("\nc3,2,", "\nc3,3,", "cell c3 has no pulse 2"),
        ("\nc3,2,", "\nc3,1,", "cell c3 has pulse 1 twice"),
        ("\nc3,0,", "\nc3,13,", "cell c3 has no pulse 0"),
        ("\nc3,2,", "\nc3,2,-", "cell c3, pulse 2: conductance -"),
    ],
)
def test_a_damaged_file_is_refused_with_the_place(old: str, new: str, said: str, tmp_path: Path) -> None:
    path = csv(tmp_path, trains())
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    message = refusal(path)
    assert said in message
    assert "pulses.csv" in message


def test_a_line_with_a_wrong_number_is_counted_as_an_editor_does(tmp_path: Path) -> None:
    path = csv(tmp_path, trains())
    path.write_text(path.read_text().replace("c0,0,", "c0,zero,", 1))
    assert "line 2: pulse = 'zero'" in refusal(path)


@pytest.mark.parametrize(
    ("g", "said"),
    [
        (trains(9), "holds 9 cells; a fit needs at least 10"),
        (trains(pulses=4), "has 4 SET pulses; a fit needs at least 5"),
        (trains() * 1e-6, "look like siemens"),
        (trains() * 1e6, "nano- or picosiemens"),
        (trains()[:, ::-1], "does not rise with SET pulses"),
        (np.tile(trains()[0], (20, 1)), "all cells behave the same"),
    ],
)
def test_data_that_no_cell_can_be_fitted_to_are_refused(g: np.ndarray, said: str, tmp_path: Path) -> None:
    assert said in refusal(csv(tmp_path, g))


def test_a_file_that_is_not_there_or_no_csv_is_refused(tmp_path: Path) -> None:
    assert "cannot read" in refusal(tmp_path / "none.csv")
    assert "is no file" in refusal(tmp_path)
    (tmp_path / "empty.csv").write_text("")
    assert "is not a CSV file" in refusal(tmp_path / "empty.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    refusal(tmp_path / "binary.csv")


def test_data_with_less_spread_than_the_read_noise_are_refused_with_advice(tmp_path: Path) -> None:
    message = refusal(csv(tmp_path, trains()), read_noise_offset_us=0.2)
    assert "less than read noise alone" in message
    assert "--reads-averaged" in message


def test_noisy_reads_may_lie_a_little_below_zero(tmp_path: Path) -> None:
    g = trains()
    g[3, 0] = -0.3
    path = csv(tmp_path, g)
    assert read_trains(path, noise_at_zero_us=0.1).g_us.min() == -0.3
    with pytest.raises(DataError, match=r"by more than read noise explains \(0\.25 uS\)"):
        read_trains(path, noise_at_zero_us=0.05)


def test_a_window_that_does_not_hold_the_data_is_refused(tmp_path: Path) -> None:
    assert "widen it" in refusal(csv(tmp_path, trains()), SettingError, g_max_us=5.0)


def test_a_card_goes_only_where_a_new_toml_file_can(tmp_path: Path) -> None:
    path = csv(tmp_path, trains())
    (tmp_path / "there.toml").write_text("")
    for out, said in (("card.txt", "ends in .toml"), ("there.toml", "exists"), ("no/card.toml", "there is no folder")):
        with pytest.raises(SettingError, match=said):
            fit_file(path, tmp_path / out, **QUIET)


@pytest.mark.slow
def test_the_card_loads_and_says_where_each_number_comes_from(tmp_path: Path) -> None:
    fit = fit_file(csv(tmp_path, trains()), tmp_path / "mine.toml", 'My "cell"', **QUIET, drift_exponent=0.06)
    CellSpec.parse(read_cell("mine.toml", tmp_path))
    card = read_card("cells", "mine.toml", tmp_path)
    assert card.title == 'My "cell"'
    assert tuple(card.entries) == ORDER == tuple(fit.entries)
    fitted = "fit to pulses.csv (60 cells, 12 pulses), 95 % interval from 200 bootstrap resamples over cells"
    assert card.entries["mean_slope"].source == card.entries["reset_mean_us"].source == fitted
    assert card.entries["read_noise_slope"].source == "given with --read-noise-slope"
    assert card.entries["drift_exponent"].source == "given with --drift-exponent"
    assert card.entries["drift_reference_s"].source == "not measured here; taken from card pcm_gst"
    raw = tomllib.loads((tmp_path / "mine.toml").read_text(encoding="utf-8"))
    for name in set(ORDER) - {*NOT_MEASURED, "g_min_us", "g_max_us", "reset_min_us"}:
        assert raw[name]["low"] <= raw[name]["value"] <= raw[name]["high"]
    assert "two thirds of the rise of the mean curve" in raw["granularity_us"]["note"]
    assert raw["fit"]["cells"] == 60
    assert raw["fit"]["cells_left_out"] == raw["fit"]["faults"] == 0
    assert raw["fit"]["r_squared"] > 0.99
    assert (tmp_path / "mine.fit.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_same_seed_gives_the_same_card(tmp_path: Path) -> None:
    path = csv(tmp_path, trains())
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        fit_file(path, tmp_path / f"{name}.toml", **QUIET, seed=seed)
    a, b, c = ((tmp_path / f"{name}.toml").read_bytes() for name in "abc")
    assert a == b != c


def test_the_history_cubic_reproduces_a_cubic() -> None:
    level = np.linspace(0.0, 4.0, 100_001)
    curve = np.interp(np.arange(12), 0.8 * level + 0.1 * level**2 + 0.3 * level**3, level)
    assert history_cubic(curve) == pytest.approx([0.8, 0.1, 0.3], abs=1e-4)
    assert history_cubic(10.0 * curve) == pytest.approx(np.array([0.8e-1, 0.1e-2, 0.3e-3]), abs=1e-5)


def test_weighted_means_repeat_cells_and_skip_ended_trains() -> None:
    g = np.array([[1.0, 2.0], [3.0, np.nan]])
    means = weighted_means(g, np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]]), np.array([2.0, 2.0]))
    assert means.tolist() == [[1.0, 2.0], [2.0, 2.0], [3.0, 2.0]]


def test_trains_know_their_size() -> None:
    assert (Trains("x", trains()).cells, Trains("x", trains()).pulses) == (60, 12)


def test_from_measurement_to_a_study_on_the_command_line(tmp_path: Path, ask: Callable[..., Any]) -> None:
    path, out = csv(tmp_path, trains()), tmp_path / "my_cell.toml"
    arguments = ("device", "fit", path, "--out", out, "--read-noise-slope", 0, "--read-noise-offset-us", 0)
    done = ask(*arguments)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "my_cell.fit.png").exists()
    for word in (
        "separated by commas",
        "mean_slope",
        "low",
        "high",
        "pulses",
        "model_mean_us",
        'device.card = "my_cell.toml"',
    ):
        assert word in done.stdout
    (tmp_path / "study.toml").write_text(
        'name = "mine"\nobjectives = ["validation_accuracy"]\n[workload]\ndataset = "digits"\n[design]\n'
        'device.card = "my_cell.toml"\n[space]\n"accumulator.bits" = [4, 8]\n[budget]\ntrials = 2\n'
    )
    check = ask("check", tmp_path / "study.toml")
    assert check.returncode == 0, check.stderr
    assert "mine: valid" in check.stdout
    again = ask(*arguments)
    assert again.returncode == 2
    assert "exists" in again.stderr
    assert "Traceback" not in again.stderr


def test_the_library_is_listed_with_titles(ask: Callable[..., Any]) -> None:
    done = ask("device", "list")
    assert done.returncode == 0
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if line.startswith("  "))
    assert list(lines) == [*library("cells"), *library("programmed_cells")]
    assert lines["pcm_gst"].startswith("Doped Ge2Sb2Te5")


def test_a_misspelt_subcommand_is_answered_with_the_nearest(ask: Callable[..., Any]) -> None:
    done = ask("device", "fitt")
    assert done.returncode == 2
    assert "did you mean 'fit'?" in done.stderr
