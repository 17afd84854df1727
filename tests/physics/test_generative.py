"""A generator and its discriminator on crossbars: distances, losses, the digital limit, events counted by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dse.data.images import Dataset, Split
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.hardware import platform_of
from dse.designs.outcome import Outcome
from dse.tasks.generation.frechet import FrechetScorer, Moments, frechet_distance, scorer_of
from dse.tasks.generation.learner import GenerationLearner
from dse.tasks.generation.losses import LOSSES
from dse.tasks.train import train
from dse.updates.mixed_precision.descent import CrossbarDescent
from tests.data import load
from tests.studies import FINE

GAN: dict[str, Any] = {
    "network.name": "gan",
    "network.hidden": [6, 9],
    "network.latent": 4,
    "training.epochs": 2,
    "training.batch_size": 30,
    "training.learning_rate": 0.05,
    "adc.calibrate_every_samples": 50,
}
BUSY = {"training.learning_rate": 0.5, "training.batch_size": 5, "accumulator.epsilon": 0.5, "refresh.every_samples": 0}


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """The digits with few of them to learn from, and a judge that has learned from all."""
    return load("digits", 0.25)


@pytest.fixture(scope="module")
def few(digits: Dataset) -> Dataset:
    scorer_of(digits)
    train = Split(digits.train.images[:100], digits.train.labels[:100], digits.train.full_scale)
    return replace(digits, train=train)


def outcome_of(settings: dict[str, Any], data: Dataset, seed: int = 1) -> Outcome:
    outcome = evaluate(compose(settings), seed, data)
    assert isinstance(outcome, Outcome)
    return outcome


def learner_of(settings: dict[str, Any], data: Dataset, seed: int = 1) -> GenerationLearner:
    design = compose(settings)
    learner = design.network.learner(data, design.training, platform_of(design), seed=seed)
    assert isinstance(learner, GenerationLearner)
    return learner


def test_the_distance_of_normal_distributions_is_the_closed_form() -> None:
    a = Moments(np.array([1.0, 2.0, 0.0]), np.diag([4.0, 1.0, 9.0]))
    b = Moments(np.array([0.0, 2.0, 2.0]), np.diag([1.0, 1.0, 16.0]))
    # Of independent parts: squared difference of means and of deviations, added up.
    assert frechet_distance(a, b) == pytest.approx(1 + 4 + 1 + 0 + 1)
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    turned = [Moments(turn @ m.mean, turn @ m.covariance @ turn.T) for m in (a, b)]
    assert frechet_distance(*turned) == pytest.approx(7.0)
    assert frechet_distance(turned[1], turned[0]) == pytest.approx(7.0)
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.slow
def test_the_judge_knows_the_classes_and_images_from_noise(digits: Dataset) -> None:
    judge = scorer_of(digits)
    test = digits.test
    with torch.no_grad():
        found = judge.logits(test.floats(torch.arange(len(test)))).argmax(dim=1)
    assert float((found == test.labels).double().mean()) > 0.95
    assert judge.samples == {"train": 1077, "validation": 360, "test": 360}
    images = digits.train.floats(torch.arange(360))
    noise = torch.rand(360, 64, generator=torch.Generator().manual_seed(1))
    distances = [judge.distance(images + scale * (noise - images), "test") for scale in (0.0, 0.3, 0.6, 1.0)]
    assert distances == sorted(distances)
    assert distances[3] > 20 * distances[0] > 10 * judge.floor() * 0.5
    one_class = digits.train.floats(torch.nonzero(digits.train.labels == 3)[:, 0])
    assert judge.distance(one_class, "test") > 5 * distances[0]  # a generator that knows one digit is found out


@pytest.mark.slow
def test_another_judge_of_the_same_data_is_the_same(few: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dse.tasks.generation.frechet.LEARNED_IMAGES", 500)
    images = few.test.floats(torch.arange(50))
    first, second = (FrechetScorer(few, few.train).distance(images, "test") for _ in range(2))
    assert first == second


@pytest.mark.slow
def test_designs_that_learn_from_fewer_images_have_the_same_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dse.tasks.generation.frechet.LEARNED_IMAGES", 500)
    scorer_of.cache_clear()
    distances = [
        scorer_of(data).distance(data.test.floats(torch.arange(50)), "test")
        for data in (load("digits", 0.0), load("digits", 0.0, 100), load("digits", 0.3))
    ]
    scorer_of.cache_clear()
    assert distances[0] == distances[1] == distances[2]


@pytest.mark.parametrize("name", LOSSES)
def test_adversaries_pull_apart_what_they_should(name: str) -> None:
    discriminate, generate = LOSSES[name]
    real, fake = (torch.zeros(4, requires_grad=True) for _ in range(2))
    up, down = torch.autograd.grad(discriminate(real, fake + 0.5), (real, fake))
    assert (up < 0).all()  # descent raises the output for real images
    assert (down > 0).all()
    (own,) = torch.autograd.grad(generate(fake), fake)
    assert (own < 0).all()


@pytest.mark.slow
def test_ideal_cells_with_fine_pulses_learn_as_the_digital_control_does(few: Dataset) -> None:
    control, found = (outcome_of({**GAN, **own}, few) for own in ({"architecture": "float"}, FINE))
    for name in ("loss", "validation_frechet_distance", "frechet_distance"):
        curves = [[point.metrics.get(name, point.loss) for point in outcome.curve] for outcome in (control, found)]
        assert curves[1] == pytest.approx(curves[0], rel=2e-3)
    assert found.metrics["set_pulses"] > 1000  # type: ignore[operator]


@pytest.mark.slow
def test_a_generator_learns(digits: Dataset) -> None:
    settings = {**GAN, "architecture": "float", "network.hidden": [32, 64], "training.epochs": 8}
    curve = outcome_of({**settings, "training.batch_size": 10, "training.learning_rate": 0.1}, digits).curve
    assert curve[-1].metrics["frechet_distance"] < 0.6 * curve[0].metrics["frechet_distance"]


@pytest.mark.slow
def test_events_are_those_counted_by_hand(few: Dataset) -> None:
    images = 2 * 100
    found = outcome_of(GAN, few)
    # (inputs, outputs, forward, backward, update), each vectors of an image
    generator = [(4, 6, 1, 0, 1), (6, 9, 1, 1, 1), (9, 64, 1, 1, 1)]
    discriminator = [(64, 9, 3, 1, 2), (9, 6, 3, 3, 2), (6, 1, 3, 3, 2)]
    assert [layer.layer for layer in found.layers] == [*range(6)]
    for layer, (rows, cols, forward, backward, update) in zip(found.layers, generator + discriminator, strict=True):
        assert (layer.rows, layer.cols, layer.cells) == (rows, cols, 2 * rows * cols)
        wanted = {
            "mvm_forward": forward * images,
            "mvm_backward": backward * images,
            "dac_forward": forward * images * rows,
            "adc_forward": forward * images * cols,
            "dac_backward": backward * images * cols,
            "adc_backward": backward * images * rows,
            "macs_update": update * images * rows * cols,
            "activations": forward * images * cols,
        }
        assert {name: layer.events[name] for name in wanted} == wanted
        digital = outcome_of({**GAN, "architecture": "float"}, few).layers[layer.layer].events
        assert digital["macs_forward"] == wanted["mvm_forward"] * rows * cols
        assert digital["macs_backward"] == wanted["mvm_backward"] * rows * cols
        assert digital["macs_update"] == wanted["macs_update"]


@pytest.mark.slow
def test_pulses_and_wear_of_both_networks_are_reported(few: Dataset) -> None:
    learner = learner_of({**GAN, **BUSY}, few)
    train(learner, GAN["training.epochs"], sample_time_s=0.01)
    layers = outcome_of({**GAN, **BUSY}, few).layers
    for descent, own in zip(learner.updates, (layers[:3], layers[3:]), strict=True):
        assert isinstance(descent, CrossbarDescent)
        for pair, layer in zip(descent.pairs, own, strict=True):
            pulses = pair.layer.array.cells.set_pulses
            assert (layer.events["set_pulses_update"], layer.wear["set_max"]) == (
                int(pulses.sum()),
                float(pulses.max()),
            )
            assert layer.events["chi_writes"] > 0
        assert sum(layer.events["set_pulses_update"] for layer in own) > 0


@pytest.mark.slow
def test_the_same_design_and_seed_give_the_same_outcome_and_pictures(few: Dataset) -> None:
    settings = {**GAN, "accumulator.bits": 6, "accumulator.rounding": "stochastic", "training.learning_rate": 1.0}
    first = outcome_of(settings, few)
    assert first == outcome_of(settings, few)
    assert first != outcome_of(settings, few, seed=2)
    learners = [learner_of(settings, few) for _ in range(2)]
    curves = [train(learner, GAN["training.epochs"], sample_time_s=0.01) for learner in learners]
    assert curves == [list(first.curve)] * 2
    pictures: list[Tensor] = []
    for learner in learners:
        with learner.measuring(2.0):
            pictures.append(learner.images(600))
    assert pictures[0].shape == (600, 64)
    assert torch.equal(*pictures)


@pytest.mark.slow
def test_the_same_latent_vectors_are_measured_every_time(few: Dataset) -> None:
    learner = learner_of({**GAN, "architecture": "float"}, few)
    with learner.measuring(0.0):
        images, again = learner.images(700), learner.images(600)
    assert float(images.min()) > 0.0
    assert float(images.max()) < 1.0
    assert torch.equal(images[:600], again)
    assert not torch.equal(images[:100], images[500:600])


@pytest.mark.slow
def test_the_model_is_the_generator(few: Dataset) -> None:
    found = outcome_of({**GAN, "training.epochs": 1}, few)
    own = [layer for layer in found.layers if layer.infers]
    assert 2 * len(own) == len(found.layers)
    assert found.metrics["inference_bits"] == sum(layer.inference_bits for layer in own) > 0
    assert all(layer.inference_bits == 0 for layer in found.layers if not layer.infers)
