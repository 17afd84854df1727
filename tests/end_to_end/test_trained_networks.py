"""A study of a trained network from a file, as a user types it: check, run, and every question about the results."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
import torch

from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.results.reading import read_table
from dse.results.rows import to_rows
from dse.search.executor import LocalExecutor
from dse.search.replay import replay
from dse.search.runs import resume, start
from dse.search.study import read_study
from tests.choices import OWN
from tests.onnx_models import theirs

STUDY = """
name = "trained"
objectives = ["validation_retained_agreement", "energy_per_inference_j"]
[workload]
dataset = "arrays"
file = "samples.npz"
[design]
network.name = "onnx"
network.file = "network.onnx"
deployment.times_s = [1.0, 31536000.0]
deployment.repetitions = 2
[space]
"deployment.compensation" = ["none", "gdc", "adabs"]
"deployment.adc_bits" = [4, 8]
[search]
sampler = "random"
[budget]
trials = 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of a trained network."""
    found = tmp_path_factory.mktemp("trained")
    for name in ("network.onnx", "samples.npz"):
        shutil.copy(OWN / name, found / name)
    (found / "study.toml").write_text(STUDY)
    return found


@pytest.fixture(scope="module")
def results(folder: Path) -> Path:
    """Its results."""
    out = folder / "results"
    start(read_study(folder / "study.toml"), out, LocalExecutor)
    return out


def test_a_study_of_a_trained_network_is_checked_and_run(folder, results, ask):
    checked = ask("check", folder / "study.toml")
    assert checked.returncode == 0
    assert "maximise validation_retained_agreement" in checked.stdout
    told = json.loads(ask("front", results, "--format", "json").stdout)
    assert told


def test_its_trials_say_what_they_agree_on_what_an_inference_costs_and_what_is_on_arrays(results, ask):
    rows = pl.read_csv(io.StringIO(ask("query", results, "SELECT * FROM trials", "--format", "csv").stdout))
    assert (rows["programmed_agreement"] > 0.5).all()
    assert rows["retained_agreement"].is_between(0.0, 1.0).all()
    assert (rows["energy_per_inference_j"] > 0.0).all()
    assert rows["loss"].null_count() == len(rows)
    layers = pl.read_csv(io.StringIO(ask("query", results, "SELECT * FROM layers", "--format", "csv").stdout))
    assert layers["rows"].to_list()[:2] == [9, 3]
    # Of each sample: 64 windows of the convolution, one product of the matrix.
    assert (layers["mvm_forward"] / layers["train_samples"]).to_list()[:2] == [64.0, 1.0]
    assert (layers["cells"] == 2 * layers["rows"] * layers["cols"]).all()
    assert (layers["macs_forward"] == 0).all()
    shown = ask("show", results, 0).stdout
    assert "share of the decisions that are those of the digital network, at the last time" in shown
    assert 'network.file = "network.onnx"' in shown


def test_an_inference_is_priced_without_a_training(results, ask):
    said = ask("price", results, "--format", "csv")
    prices = pl.read_csv(io.StringIO(said.stdout))
    assert (prices["backward_per_sample_j"] == 0.0).all()
    assert (prices["update_per_sample_j"] == 0.0).all()
    assert prices["energy_per_inference_j"].to_list() == prices["forward_per_sample_j"].to_list()
    assert (prices["area_m2"] > 0.0).all()


@pytest.mark.slow
def test_it_is_replayed_and_reported_when_its_files_are_gone(folder, results, ask, tmp_path):
    elsewhere = tmp_path / "results"
    shutil.copytree(results, elsewhere)
    for name in ("network.onnx", "samples.npz", "study.toml"):
        (folder / name).unlink()
    assert ask("replay", elsewhere, 0).returncode == 0
    page = tmp_path / "page.html"
    assert ask("report", elsewhere, "--output", page).returncode == 0
    assert "retained_agreement" in page.read_text()
    assert ask("resume", elsewhere, "--executor", "local").returncode == 0


def test_agreement_follows_from_the_outputs_by_its_definition(tmp_path):
    shutil.copy(OWN / "network.onnx", tmp_path / "network.onnx")
    given = {"network.name": "onnx", "network.file": "network.onnx", "deployment.repetitions": 1}
    design = compose({**given, "deployment.times_s": [1.0]}, tmp_path)
    data = design.workload.load()
    found = evaluate(design, 0, data)
    # Digits have answers: how often the digital network is right comes first.
    assert design.task.name == "judged_inference"
    x = data.test.floats(torch.arange(len(data.test))).reshape(-1, 1, 8, 8).numpy()
    feeds = {"x": x, "also": np.zeros_like(x), "offset": np.array(0, np.float32)}
    right = theirs((OWN / "network.onnx").read_bytes(), feeds)[0].argmax(axis=1) == data.test.labels.numpy()
    assert found.metrics["accuracy"] == pytest.approx(right.mean(), abs=2 / len(right))
    assert found.metrics["programmed_agreement"] > found.metrics["programmed_accuracy"]
    assert evaluate(design, 0, data).metrics == found.metrics


NETWORK_FILES = ("one/network.onnx", "two/other.onnx")
VARIED = """
name = "compared"
objectives = ["validation_retained_agreement", "energy_per_inference_j"]
[workload]
dataset = "arrays"
file = "samples.npz"
[design]
network.name = "onnx"
deployment.repetitions = 1
deployment.times_s = [1.0]
[space]
"network.file" = ["one/network.onnx", "two/other.onnx"]
[controls.third]
network.file = "third.onnx"
[search]
sampler = "quasi_random"
[budget]
trials = 2
"""


def compared(folder: Path, text: str = VARIED) -> Path:
    """Write a study that compares networks, and its files."""
    for name, place in (("network", "one/network.onnx"), ("other", "two/other.onnx"), ("network", "third.onnx")):
        (folder / place).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(OWN / f"{name}.onnx", folder / place)
    shutil.copy(OWN / "samples.npz", folder / "samples.npz")
    (folder / "study.toml").write_text(text)
    return folder / "study.toml"


def changed(path: Path) -> None:
    """Give a network another name inside, so that its content is another."""
    model = onnx.load(path)
    model.doc_string = "another"
    onnx.save(model, path)


@pytest.mark.slow
def test_networks_are_compared_within_one_study_and_replayed_when_their_files_are_gone(tmp_path):
    path, out = compared(tmp_path / "a"), tmp_path / "results"
    start(read_study(path), out, LocalExecutor)
    shutil.rmtree(tmp_path / "a")
    rows = to_rows(read_table(out))
    assert len({row["design_key"] for row in rows}) == len(rows) == 3
    assert [replay(out, row["trial"])[0].differences for row in rows] == [(), (), ()]
    resume(out, LocalExecutor)
    assert to_rows(read_table(out)) == rows


def test_the_key_of_a_study_that_compares_networks_knows_them_by_their_content(tmp_path):
    path = compared(tmp_path)
    keys = {read_study(path).key}
    for own in (*NETWORK_FILES, "third.onnx"):
        changed(tmp_path / own)
        keys.add(read_study(path).key)
    assert len(keys) == 4


def test_a_study_with_one_file_says_nothing_more_of_it_than_its_designs_do(tmp_path):
    assert "other_files" not in read_study(compared(tmp_path, STUDY.replace("network.onnx", "third.onnx"))).meaning
