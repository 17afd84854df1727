"""Rules that are searched before they are compared: equal budgets, the best of each, and only what has an effect."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import dse
from pipelines import perceptron_grey, tuned_cnn, tuned_gan
from pipelines.tuned import Comparison, Rule, run, search_of

RATES = {"training.learning_rate": [1e-9, 0.5]}
BASE = {"workload.dataset": "digits", "workload.images": 200, "network.hidden": [8]}
COMPARISON = Comparison(
    name="rates",
    metric="accuracy",
    unit="test accuracy (%)",
    base={**BASE, "workload.validation": 0.0},
    held_out={"workload.validation": 0.3},
    rules={
        "digital_float": Rule({"architecture": "float"}, RATES),
        # A rounding has no effect on floats, which are tried first, at the rate that learns.
        "pcm": Rule(
            {},
            {**RATES, "accumulator.bits": [2, "float"], "accumulator.rounding": ["nearest", "stochastic"]},
            [
                {"training.learning_rate": 0.5, "accumulator.bits": "float"},
                {"training.learning_rate": 1e-9, "accumulator.bits": 2, "accumulator.rounding": "nearest"},
            ],
        ),
    },
    trials=2,
    search_epochs=3,
    epochs=1,
    seeds=2,
)


@pytest.mark.parametrize("program", [perceptron_grey, tuned_cnn, tuned_gan], ids=lambda program: program.__name__)
def test_every_rule_has_the_same_budget_on_samples_that_are_held_out(program, tmp_path):
    comparison: Comparison = program.COMPARISON
    if comparison.prepare is not None:  # as many images, and cheaper ones
        draws = np.random.default_rng(0)
        x, y = draws.integers(0, 256, (60, 28, 28)).astype(np.uint8), np.arange(60) % 10
        np.savez(tmp_path / perceptron_grey.FILE, x_train=x, y_train=y, x_test=x, y_test=y)
        # So few images end before drift begins, and its setting would have no effect.
        rules = {
            name: Rule({p: v for p, v in own.settings.items() if "drift" not in p}, own.space, own.first)
            for name, own in comparison.rules.items()
        }
        comparison = replace(comparison, rules=rules)
    options = Namespace(out=tmp_path, trials=comparison.trials, search_epochs=comparison.search_epochs)
    studies = [search_of(comparison, name, options) for name in comparison.rules]
    assert {study.checked.trials for study in studies} == {comparison.trials}
    assert {name for study in studies for name in study.objectives} == {f"validation_{comparison.metric}"}
    assert comparison.seeds >= 3


@pytest.mark.slow
def test_the_best_of_each_search_is_trained_on_everything(tmp_path, capsys):
    arguments = ["--out", str(tmp_path), "--executor", "local"]
    found = run(COMPARISON, "A test.", arguments)
    assert found["design"].to_list() == ["digital_float", "pcm"]
    assert found["seeds"].to_list() == [2, 2]
    controls = dse.open(tmp_path / "main").study.controls
    assert controls["digital_float"].training.learning_rate == 0.5
    assert controls["pcm"].accumulator.bits == "float"
    assert not controls["pcm"].workload.held_out
    assert "| `pcm` | 0.5 | float |  |" in capsys.readouterr().out
    again = run(COMPARISON, "A test.", arguments)
    assert pl.read_parquet(tmp_path / "table.parquet").equals(again)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_grey_is_the_luma_of_the_middle():
    image = np.zeros((1, 3, 32, 32), np.uint8)
    image[0, 0, 2, 2], image[0, 1, 2, 3], image[0, 2, 29, 29], image[0, :, 1, 1] = 100, 100, 200, 255
    found = perceptron_grey.grey(image.reshape(1, -1))
    assert found.shape == (1, 28, 28)
    assert (found[0, 0, 0], found[0, 0, 1], found[0, 27, 27]) == (30, 59, 23)  # 29.9, 58.7, 22.8
    assert found.astype(int).sum() == 30 + 59 + 23


@pytest.mark.slow
def test_the_images_are_those_of_cifar_10(tmp_path: Path):
    perceptron_grey.write_images(tmp_path)
    first = (tmp_path / perceptron_grey.FILE).read_bytes()
    with np.load(tmp_path / perceptron_grey.FILE) as held:
        assert held["x_train"].shape == (50_000, 28, 28)
        assert np.bincount(held["y_test"]).tolist() == [1000] * 10
    (tmp_path / perceptron_grey.FILE).unlink()
    perceptron_grey.write_images(tmp_path)
    assert (tmp_path / perceptron_grey.FILE).read_bytes() == first
