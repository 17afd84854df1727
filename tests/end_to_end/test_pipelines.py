"""Published experiments as programs: their studies are valid at every scale, and a small one runs to its pictures."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnxruntime
import polars as pl
import pytest
import torch

from dse.errors import DseError
from pipelines import (
    array_size,
    cells_and_rules,
    nandakumar2020_cifar,
    nandakumar2020_gan,
    nandakumar2020_mnist,
    nandakumar2020_ptb,
)
from pipelines import joshi2020_inference as inference
from pipelines import joshi2021_hybrid as hybrid
from pipelines import nandakumar2020_accumulators as accumulators
from pipelines.common import Experiment, Scale, base_of, program, run, study_of, with_intervals
from tests.data import load

PROGRAMS = (inference, hybrid, nandakumar2020_cifar, nandakumar2020_gan, nandakumar2020_ptb)
EXPERIMENTS = [module.EXPERIMENT for module in PROGRAMS]
DIGITS = Experiment(
    name="digits",
    metric="accuracy",
    unit="test accuracy (%)",
    base={"workload.dataset": "digits", "network.hidden": [8]},
    designs={"digital_float": {"architecture": "float"}, "pcm": {"accumulator.bits": 8}},
    scales={"tiny": Scale({"training.batch_size": 50}, 2, 2, "a test")},
)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_every_scale_of_an_experiment_is_a_valid_study(experiment: Experiment) -> None:
    assert next(iter(experiment.scales)) == "small"
    for name, scale in experiment.scales.items():
        base = base_of(experiment, name, scale.epochs)
        designs = scale.designs or experiment.designs
        study = study_of(experiment.name, experiment.metric, base, designs, 1).checked
        assert len({design.key for design in study.controls.values()}) == len(designs)


def test_the_studies_of_mnist_and_of_accumulators_are_valid() -> None:
    mnist = nandakumar2020_mnist
    designs: dict[str, Any] = {name: {**mnist.PCM, **own} for name, own in mnist.ablations().items()}
    designs["linear_cell"] = {k: v for k, v in designs["linear_cell"].items() if k not in mnist.IDLE_ON_IDEAL}
    assert len(study_of("mnist", "accuracy", mnist.BASE, designs, 5).checked.controls) == 43
    for metric, settings, _ in accumulators.NETWORKS.values():
        assert len(study_of("chi", metric, settings, accumulators.designs(), 1).checked.controls) == 13


@pytest.mark.slow
def test_an_experiment_runs_to_its_table_and_pictures_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--out", str(tmp_path), "--executor", "local"]
    run(DIGITS, "A test.", arguments)
    table = pl.read_parquet(tmp_path / "table.parquet")
    assert table["design"].to_list() == ["digital_float", "pcm"]
    assert table["seeds"].to_list() == [2, 2]
    assert table["set_pulses"][1] > table["set_pulses"][0] == 0
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "digits: a test; 2 epochs" in capsys.readouterr().out
    run(DIGITS, "A test.", arguments)
    assert pl.read_parquet(tmp_path / "table.parquet").equals(table)


@pytest.mark.slow
def test_a_folder_takes_more_seeds_and_refuses_another_experiment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--out", str(tmp_path), "--executor", "local"]
    run(DIGITS, "A test.", [*arguments, "--seeds", "1", "--epochs", "1"])
    run(DIGITS, "A test.", [*arguments, "--seeds", "2", "--epochs", "1"])
    assert pl.read_parquet(tmp_path / "table.parquet")["seeds"].to_list() == [2, 2]
    with pytest.raises(DseError, match="epochs"):
        run(DIGITS, "A test.", [*arguments, "--seeds", "2", "--epochs", "3"])
    with pytest.raises(SystemExit):
        run(DIGITS, "A test.", [*arguments, "--designs", "pcm,wish"])
    assert "--designs has wish; give some of digital_float, pcm" in capsys.readouterr().err


def test_a_mistake_ends_a_program_with_one_message(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"error: .*epochs"):
        program(lambda: run(DIGITS, "A test.", ["--out", str(tmp_path), "--executor", "local", "--epochs", "-1"]))


def test_failed_seeds_are_counted_apart_and_widen_the_interval() -> None:
    values = [0.90, 0.91, None, None, None, 0.5, 0.6, 0.7, None, None]
    table = pl.DataFrame({"origin": ["some"] * 5 + ["most"] * 5, "accuracy": values})
    some, most = with_intervals(table, ["origin"]).rows(named=True)
    assert (some["seeds"], some["failed"], most["seeds"], most["failed"]) == (2, 3, 3, 2)
    assert some["interval_95"] == pytest.approx(12.706 * 0.0070711 / 2**0.5, rel=1e-4)
    assert most["interval_95"] == pytest.approx(4.3027 * 0.1 / 3**0.5, rel=1e-4)


@pytest.mark.slow
def test_plain_and_noise_aware_networks_are_followed_over_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    life = {"deployment.times_s": [1.0, 86400.0], "deployment.calibration_samples": 100}
    base = {**inference.EXPERIMENT.base, "workload.dataset": "digits", "workload.images": 300, **life}
    tiny = Scale({"network.name": "cnn", "deployment.repetitions": 1}, 1, 2, "a test")
    monkeypatch.setattr(inference, "EXPERIMENT", replace(inference.EXPERIMENT, base=base, scales={"tiny": tiny}))
    inference.main(["--out", str(tmp_path), "--executor", "local"])
    table = pl.read_parquet(tmp_path / "accuracies.parquet")
    assert table.height == 2 * 4 * 2  # trainings, compensations, times
    assert set(table["seeds"]) == {2}
    assert set(table["training"]) == {"plain", "noise_aware"}
    assert "GDC and AdaBS" in capsys.readouterr().out
    assert (tmp_path / "accuracies.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_hybrid_networks_are_told_by_size_over_time_and_by_wear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("hybrid_0_25", "float_0_09", "chi_2_bits_nearest", "chi_2_bits_stochastic")
    short = {"deployment.times_s": [1.0, 3.0e7], "deployment.repetitions": 1}
    designs = {name: {**hybrid.EXPERIMENT.designs[name]} for name in names}
    designs = {name: {**own, **short} if name.startswith("hybrid") else own for name, own in designs.items()}
    base, tiny = {"workload.dataset": "digits"}, Scale({"network.name": "resnet8"}, 1, 1, "a test")
    monkeypatch.setattr(
        hybrid, "EXPERIMENT", replace(hybrid.EXPERIMENT, base=base, designs=designs, scales={"t": tiny})
    )
    hybrid.main(["--out", str(tmp_path), "--executor", "local"])
    sizes, life, wear = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("sizes", "over_time", "wear"))
    bits = dict(sizes.select("origin", "inference_bits").rows())
    assert bits["hybrid_0_25"] == pytest.approx(bits["float_0_09"], rel=0.1)  # channels are whole
    assert life.height == 2 * 2  # compensations, times
    assert wear.height == 3
    assert (wear["flip"] > 0).all()
    assert wear["flip_of_card"].to_list() == pytest.approx((wear["flip"] / 1e9).to_list())
    assert (tmp_path / "hybrid.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_samples_are_those_of_the_trained_generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dse.tasks.generation.frechet.LEARNED_IMAGES", 500)
    picture = tmp_path / "samples.png"
    nandakumar2020_gan.draw_samples("pcm", "small", 1, load("digits", 0.3), picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_shortest_word_is_the_one_from_which_on_all_are_good_enough() -> None:
    values: dict[str, float | None] = {f"chi_{bits}_bits_nearest": 0.5 for bits in accumulators.BITS}
    values |= {"chi_float": 0.6, "chi_16_bits_nearest": 0.61, "chi_12_bits_nearest": 0.56, "chi_6_bits_nearest": 0.6}
    # 6 bits came by luck: 8 bits lose more than a tenth.
    assert accumulators.shortest(values, "nearest", 0.1, maximise=True) == 12
    for change in ({"chi_16_bits_nearest": 0.5}, {"chi_float": None}, {"chi_float": 0.1}, {"chi_float": 0.099}):
        assert accumulators.shortest({**values, **change}, "nearest", 0.1, maximise=True) is None
    distances: dict[str, float | None] = {f"chi_{bits}_bits_nearest": 20.0 + 7.0 / bits for bits in accumulators.BITS}
    assert accumulators.shortest({**distances, "chi_float": 20.0}, "nearest", None) == 4


def test_the_question_of_array_size_has_a_table_and_a_picture(tmp_path: Path) -> None:
    found = pl.DataFrame(
        [
            {array_size.ROWS: rows, array_size.COLUMNS: 64, array_size.OHM: ohm, "retained_accuracy": 0.9,
             "interval_95": 0.01, "energy_per_inference_j": 2e-9, "crossbar_m2": 1e-6}
            for ohm in (0.0, 5.0)
            for rows in (16, 32)
        ]
    )  # fmt: skip
    array_size.draw(found, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert array_size.shown(found).splitlines()[2] == "| 64 | 0 | 16 | 90.0 +- 1.0 % | 2.0 nJ | 1.000 mm2 |"


def test_the_network_of_the_question_of_array_size_is_written_as_it_computes(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        ends = torch.nn.Linear(64, 5), torch.nn.Linear(5, array_size.UNITS[-1])
    module = torch.nn.Sequential(torch.nn.Flatten(), ends[0], torch.nn.ReLU(), ends[1])
    array_size.write(module, tmp_path / "own.onnx")
    x = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    found = onnxruntime.InferenceSession(tmp_path / "own.onnx").run(None, {"x": x.numpy()})[0]
    torch.testing.assert_close(torch.from_numpy(found), module(x).detach())


def test_the_comparison_of_cells_and_rules_has_a_table_and_a_picture(tmp_path: Path) -> None:
    row = {"design": "pcm_chi", "accuracy": 0.93, "interval_95": 0.016, "worst_writes": 38.0, "card": "bottom_up_28nm"}
    found = pl.DataFrame([{**row, **dict.fromkeys(cells_and_rules.ENERGIES, 2e-9)}])
    cells_and_rules.draw(found, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    line = "| pcm_chi | 93.0 +- 1.6 % | 2 nJ | 2 nJ | 38 | bottom_up_28nm |"
    assert cells_and_rules.shown(found).splitlines()[2] == line
