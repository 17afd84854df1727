"""A user's own data, from the study file to its answers: kept with results, found by checksum, refused when changed."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse import files
from dse.data.arrays.load import load_arrays
from dse.designs.design import compose
from dse.results.schema import RESULT_COLUMNS
from dse.results.store import read_about, read_table
from dse.search import ray_jobs
from dse.search import study as studies
from dse.search.executor import LocalExecutor
from dse.search.runs import start
from dse.search.study import read_study

STUDY = """
name = "mine"
objectives = ["validation_accuracy", "worst_writes"]
[workload]
dataset = "arrays"
file = "data/mine.npz"
[design]
network.hidden = [8]
training.epochs = 1
[space]
"accumulator.bits" = [4, 8]
"training.learning_rate" = { low = 0.5, high = 4.0, log = true }
[controls.digital]
architecture = "float"
[search]
sampler = "random"
[budget]
trials = 3
"""
NUMBERS = """
name = "numbers"
objectives = ["validation_retained_squared_error", "energy_per_sample_j"]
[workload]
dataset = "arrays"
file = "houses.csv"
answer = "price"
[design]
architecture = "float"
network.hidden = [8]
training.epochs = 4
deployment.repetitions = 1
[space]
"deployment.compensation" = ["none", "gdc"]
"deployment.adc_bits" = [4, 8]
[constraints]
validation_squared_error = "<= 0.9"
[search]
sampler = "random"
[budget]
trials = 3
"""


def save(path: Path, seed: int = 3) -> None:
    draws = np.random.Generator(np.random.PCG64(seed))
    labels = np.arange(90) % 3
    x = draws.normal(size=(90, 3, 4)) + labels[:, None, None]
    path.parent.mkdir(exist_ok=True)
    np.savez(path, x=x, y=np.array(["cat", "dog", "eel"])[labels])


@pytest.fixture(autouse=True)
def fresh() -> None:
    """Let this process know of no file, as a new one does."""
    forget_all()


def forget_all() -> None:
    files.forget()
    load_arrays.cache_clear()


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A study file with data of its own."""
    save(tmp_path / "data" / "mine.npz")
    (tmp_path / "mine.toml").write_text(STUDY)
    return tmp_path / "mine.toml"


def run(study: Path, out: Path) -> Path:
    start(read_study(study), out, LocalExecutor)
    return out


@pytest.mark.slow
def test_a_study_is_checked_with_its_data_and_goes_through_every_command(ask: Callable[..., Any], mine: Path) -> None:
    out = mine.parent / "out"
    assert ask("check", mine).stdout.startswith("mine: valid")
    assert ask("run", mine, "--executor", "local", "--quiet", "--out", out).returncode == 0
    (mine.parent / "data" / "mine.npz").unlink()
    forget_all()
    for command in (["front"], ["price"], ["status"], ["query", "SELECT accuracy FROM trials"]):
        assert ask(command[0], out, *command[1:]).returncode == 0, command
    shown = ask("show", out, 1).stdout
    assert 'workload.file = "mine.npz"' in shown
    assert 'workload.found.labels = ["cat", "dog", "eel"]' in shown
    assert ask("replay", out, 1).stdout.startswith("trial 1 seed 0:")
    assert "all equal to the last bit" in ask("replay", out, 1).stdout
    assert ask("resume", out, "--executor", "local", "--quiet").returncode == 0
    page = mine.parent / "page.html"
    assert ask("report", out, "--output", page).returncode == 0
    assert read_about(out)["data_files"]["mine.npz"]["sha256"] in page.read_text()


@pytest.mark.slow
def test_results_find_a_large_file_where_it_was_and_say_so_when_it_is_gone(
    ask: Callable[..., Any], mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "KEPT_BYTES", 100)
    out, data = run(mine, mine.parent / "out"), mine.parent / "data" / "mine.npz"
    assert not (out / "source" / "mine.npz").exists()
    assert read_about(out)["data_files"]["mine.npz"]["path"] == str(data)
    assert ask("replay", out, 1).returncode == ask("resume", out, "--executor", "local", "--quiet").returncode == 0
    before = read_table(out)
    data.rename(mine.parent / "mine.npz")
    forget_all()
    said = ask("resume", out, "--executor", "local", "--quiet")
    assert said.returncode == 2
    assert "mine.npz with the SHA-256" in said.stderr
    assert "Put it into $DSE_DATA_DIR" in said.stderr
    assert ask("show", out, 1).returncode == ask("front", out).returncode == 0
    monkeypatch.setenv("DSE_DATA_DIR", str(mine.parent))
    assert ask("replay", out, 1).returncode == ask("resume", out, "--executor", "local", "--quiet").returncode == 0
    assert read_table(out).equals(before)


def test_a_file_that_has_changed_is_refused_and_nothing_is_lost(
    ask: Callable[..., Any], mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "KEPT_BYTES", 100)
    out, data = run(mine, mine.parent / "out"), mine.parent / "data" / "mine.npz"
    before, content = read_table(out), data.read_bytes()
    save(data, seed=4)
    forget_all()
    for command in (
        ["replay", out, 1],
        ["resume", out, "--executor", "local", "--quiet"],
        ["run", mine, "--executor", "local", "--quiet", "--out", out, "--resume"],
        ["resume", out, "--study", mine, "--executor", "local", "--quiet"],
    ):
        said = ask(*command)
        assert said.returncode == 2, command
        assert "has changed" in said.stderr
        assert "Traceback" not in said.stderr
    data.write_bytes(content)
    assert ask("resume", out, "--executor", "local", "--quiet").returncode == 0
    assert read_table(out).equals(before)


@pytest.mark.slow
def test_a_kept_study_reads_names_beside_it_alone(ask: Callable[..., Any], mine: Path) -> None:
    out = run(mine, mine.parent / "out")
    (out / "data").mkdir()
    save(out / "source" / "data" / "mine.npz", seed=5)  # where the name in the study file would lead
    assert ask("resume", out, "--executor", "local", "--quiet").returncode == 0
    (out / "source" / "mine.npz").write_bytes(b"damaged")
    said = ask("resume", out, "--executor", "local", "--quiet")
    assert said.returncode == 2
    assert "mine.npz has changed" in said.stderr


def test_a_folder_of_files_is_kept_and_found(ask: Callable[..., Any], tmp_path: Path) -> None:
    draws = np.random.Generator(np.random.PCG64(1))
    labels = (np.arange(60) % 2).astype(np.uint8)
    images = np.clip(60 + 120 * labels[:, None, None] + draws.normal(size=(60, 4, 4)) * 20, 0, 255).astype(np.uint8)
    (tmp_path / "pairs").mkdir()
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        head = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
        (tmp_path / "pairs" / f"train-{name}-ubyte").write_bytes(head + array.tobytes())
    (tmp_path / "idx.toml").write_text(STUDY.replace("data/mine.npz", "pairs"))
    out = run(tmp_path / "idx.toml", tmp_path / "out")
    assert sorted(own.name for own in (out / "source" / "pairs").iterdir()) == [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
    ]
    (tmp_path / "pairs").rename(tmp_path / "elsewhere")
    forget_all()
    assert ask("replay", out, 0).returncode == 0


@pytest.mark.slow
def test_results_in_a_store_bring_their_files_to_a_replay(
    s3: Any, here: Callable[..., Any], mine: Path, tmp_path: Path
) -> None:
    place = s3.address("own-data")
    start(read_study(mine), place, LocalExecutor)
    (mine.parent / "data" / "mine.npz").unlink()
    forget_all()
    assert here("replay", place, 1).exit_code == 0


def test_a_job_brings_its_files_along(mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studies, "KEPT_BYTES", 100)
    study, job = read_study(mine), tmp_path / "job"
    job.mkdir()
    ray_jobs.pack(study, job)
    (mine.parent / "data" / "mine.npz").unlink()
    forget_all()
    assert read_study(job / "study.toml", kept={}).key == study.key


def test_the_key_of_a_study_follows_the_content_of_its_file_and_not_its_folder(mine: Path) -> None:
    key = read_study(mine).key
    moved = mine.parent / "other"
    save(moved / "mine.npz")
    (moved / "mine.toml").write_text(STUDY.replace("data/mine.npz", "mine.npz"))
    assert read_study(moved / "mine.toml").key == key
    save(moved / "mine.npz", seed=4)
    assert read_study(moved / "mine.toml").key != key


def test_numbers_are_objectives_and_constraints_from_the_study_file_to_the_front(
    ask: Callable[..., Any], tmp_path: Path
) -> None:
    draws = np.random.Generator(np.random.PCG64(2))
    x = draws.uniform(size=(120, 3))
    rows = [",".join(f"{v:.6f}" for v in [*own, 1000.0 * own.sum()]) for own in x]
    (tmp_path / "houses.csv").write_text("\n".join(["rooms,area,age,price", *rows]) + "\n")
    (tmp_path / "numbers.toml").write_text(NUMBERS)
    assert "minimise validation_retained_squared_error" in ask("check", tmp_path / "numbers.toml").stdout
    out = run(tmp_path / "numbers.toml", tmp_path / "out")
    assert "validation_retained_squared_error" in ask("front", out).stdout
    shown = ask("show", out, 0).stdout
    assert "retained_squared_error = " in shown
    assert "accuracy" not in shown
    (tmp_path / "wrong.toml").write_text(NUMBERS.replace("validation_retained_squared_error", "validation_accuracy"))
    said = ask("check", tmp_path / "wrong.toml")
    assert said.returncode == 2
    assert 'validation_accuracy is not measured on network.name = "perceptron"' in said.stderr


def test_the_front_is_the_same_wherever_the_study_file_is_read_from(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = run(mine, mine.parent / "one")
    monkeypatch.chdir(mine.parent)
    two = run(Path("mine.toml"), mine.parent / "two")
    tables = [read_table(out).select(RESULT_COLUMNS) for out in (one, two)]
    assert tables[0].equals(tables[1])
    assert compose({"workload.dataset": "arrays", "workload.file": "data/mine.npz"}).workload.info.samples == 54
