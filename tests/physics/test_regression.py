"""Numbers as answers: what closed forms reach, equal paths, and the life of a network that gives numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dse.data.augmentation import Moves, Pictures
from dse.data.images import Dataset, Split
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.hardware import hardware_of
from dse.designs.outcome import METRICS, Outcome
from dse.networks.perceptron.plain import PlainRun
from dse.tasks.regression.measure import SquaredError
from dse.updates import fast
from dse.updates.layers import CrossbarLayer, FloatLayer, Layer
from dse.updates.pace import Pace

DRAWS = np.random.Generator(np.random.PCG64(11))
X = DRAWS.uniform(-3.0, 3.0, size=(900, 6))
SLOPES = DRAWS.normal(size=(6, 2))
Y = X @ SLOPES + np.array([5.0, -2.0]) + 0.2 * DRAWS.normal(size=(900, 2))
OFF = {f"deployment.device.{name}_scale": 0.0 for name in ("programming_noise", "drift", "read_noise")}
FLOAT = {"architecture": "float", "training.epochs": 100}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("numbers") / "line.npz"
    np.savez(path, x=X, y=Y)
    return path


def run(file: Path, settings: dict[str, Any]) -> tuple[Outcome, Dataset]:
    design = compose({"workload.dataset": "arrays", "workload.file": str(file), **settings})
    data = design.workload.load()
    outcome = evaluate(design, 0, data)
    assert isinstance(outcome, Outcome), outcome
    return outcome, data  # type: ignore[return-value]


def least_squares(data: Dataset) -> float:
    """Return the squared error that a line through the training samples reaches on those of the test."""
    x, y = (
        [
            np.c_[split.floats(torch.arange(len(split))).numpy(), np.ones(len(split))]
            for split in (data.train, data.test)
        ],
        [split.labels.numpy() for split in (data.train, data.test)],
    )
    weights = np.linalg.lstsq(x[0].astype(float), y[0].astype(float), rcond=None)[0]
    return float(((x[1] @ weights - y[1]) ** 2).mean())


def test_a_digital_perceptron_reaches_what_least_squares_reach(file: Path) -> None:
    outcome, data = run(file, {**FLOAT, "training.batch_size": 2})
    best = least_squares(data)
    assert outcome.metrics["squared_error"] < 1.5 * best  # 64 units fit some of the noise, too
    assert outcome.metrics["loss"] == pytest.approx(outcome.metrics["validation_squared_error"], rel=0.5)  # two numbers


def test_a_perceptron_on_crossbars_learns_numbers(file: Path) -> None:
    outcome, _ = run(file, {"training.epochs": 10})
    assert outcome.metrics["squared_error"] < 0.2  # the mean of the answers reaches 1


def test_a_network_of_modules_learns_numbers(file: Path) -> None:
    settings = {"network.name": "cnn", "network.width": 0.5, "architecture": "float", "training.epochs": 6}
    assert run(file, settings)[0].metrics["squared_error"] < 0.2


def test_the_squared_error_is_a_mean_over_samples_and_numbers() -> None:
    outputs, wanted = np.array([[1.0, 2.0], [0.0, -1.0]], np.float32), np.array([[0.0, 2.0], [2.0, 1.0]], np.float32)
    assert SquaredError.of(outputs, wanted).tolist() == [0.5, 4.0]
    assert SquaredError.combined(SquaredError.of(outputs, wanted)) == 2.25
    assert METRICS["validation_squared_error"].goal == METRICS["retained_squared_error"].goal == "minimise"
    assert {"recognition", "regression"} <= set(METRICS["retention_s"].tasks)


def numbers() -> Dataset:
    images = torch.from_numpy(DRAWS.uniform(size=(60, 6)).astype(np.float32))
    split = Split(images, torch.from_numpy(DRAWS.normal(size=(60, 3)).astype(np.float32) - 2.0))
    return Dataset("numbers", split, None, split, 0, "")


@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("settings", [{"architecture": "float"}, {"refresh.every_samples": 20}])
def test_the_compiled_path_learns_numbers_as_the_plain_one_to_the_last_bit(
    settings: dict[str, Any], batch_size: int
) -> None:
    data, pace = numbers(), Pace(learning_rate=0.1, sample_time_s=0.5, drift_every=7, maintain_every=20)
    lessons, order, hardware = fast.Lessons.of(data), torch.arange(60), hardware_of(compose(settings))
    layers: list[list[Layer]] = [
        [
            FloatLayer(r, c, seed=1, layer=n) if hardware is None else CrossbarLayer(r, c, hardware, seed=1, layer=n)
            for n, (r, c) in enumerate([(7, 5), (6, 3)])
        ]
        for _ in range(2)
    ]
    runs = PlainRun(layers[0], lessons, batch_size, pace), fast.runner(layers[1], lessons, batch_size, pace)
    assert runs[0].learn(order, 0) == runs[1].learn(order, 0)
    outputs = [run.outputs(data.test, 40.0) for run in runs]
    assert np.array_equal(*outputs)
    assert outputs[0].min() < 0.0  # no logistic function follows


def test_the_gradient_of_a_plain_step_is_that_of_half_the_squared_error() -> None:
    data, pace = numbers(), Pace(learning_rate=0.1, sample_time_s=0.0, drift_every=1, maintain_every=0)
    layers = [FloatLayer(r, c, seed=1, layer=n) for n, (r, c) in enumerate([(7, 5), (6, 3)])]
    weights = [layer.weight.clone().requires_grad_() for layer in layers]
    one = torch.ones(60, 1)
    hidden = torch.sigmoid(torch.cat([data.train.images, one], 1) @ weights[0])
    loss = 0.5 * ((torch.cat([hidden, one], 1) @ weights[1] - data.train.labels) ** 2).sum(1).mean()
    loss.backward()
    assert PlainRun(layers, fast.Lessons.of(data), 60, pace).learn(torch.arange(60), 0) == pytest.approx(
        60 * float(loss)
    )
    for layer, weight in zip(layers, weights, strict=True):
        assert weight.grad is not None
        assert layer.weight.numpy() == pytest.approx((weight - 0.1 * weight.grad).detach().numpy(), abs=1e-6)


@pytest.mark.parametrize("network", [{}, {"network.name": "cnn", "network.width": 0.25, "training.epochs": 1}])
def test_a_deployment_without_imperfections_has_the_error_of_the_digital_network(
    file: Path, network: dict[str, Any]
) -> None:
    ideal = {"deployment.dac_bits": "ideal", "deployment.adc_bits": "ideal", "deployment.repetitions": 1}
    outcome, _ = run(file, {**FLOAT, "training.epochs": 3, **ideal, **OFF, **network})
    assert {e.compensation for e in outcome.deployments} == {"none", "gdc"}
    for found in outcome.deployments:
        for name in ("squared_error", "validation_squared_error"):
            assert found.metrics[name] == pytest.approx(outcome.metrics[name], rel=1e-4)


def test_drift_takes_from_the_error_and_the_retention_ends_where_too_much_is_lost(file: Path) -> None:
    settings = {**FLOAT, "training.epochs": 5, "deployment.repetitions": 2, "deployment.tolerated_loss": 0.05}
    outcome, _ = run(file, {**settings, "deployment.compensation": "none", "deployment.device.drift_scale": 3.0})
    metrics = outcome.metrics
    assert metrics["programmed_squared_error"] < metrics["squared_error_1d"] < metrics["retained_squared_error"]
    assert 1.0 < metrics["retention_s"] < 365 * 86400.0


def test_float_images_are_normalised_and_moved_as_bytes_are() -> None:
    bytes_ = torch.from_numpy(DRAWS.integers(0, 256, size=(20, 2 * 5 * 7), dtype=np.uint8))
    labels = torch.arange(20) % 2
    splits = Split(bytes_, labels, 255.0), Split(bytes_ / 255.0, labels)
    moves = Moves(torch.arange(20) % 5 - 2, torch.arange(20) % 4 - 1, torch.arange(20) % 2 == 0)
    pictures = [Pictures(Dataset("pictures", own, None, own, 2, "", (2, 5, 7))) for own in splits]
    for moved in (None, moves):
        known, new = (own.batch(split, torch.arange(20), moved) for own, split in zip(pictures, splits, strict=True))
        assert new.numpy() == pytest.approx(known.numpy(), abs=1e-5)
        assert new.is_contiguous(memory_format=torch.channels_last)


def test_a_layer_of_a_regression_has_an_output_for_each_number(file: Path) -> None:
    design = compose({"workload.dataset": "arrays", "workload.file": str(file), "network.name": "resnet8"})
    (network,) = design.network.build(design.workload.info, design.training, seed=0)
    assert [m.out_features for m in network.modules() if isinstance(m, torch.nn.Linear)] == [2]
