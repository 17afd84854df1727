"""Optimisers are torch's own, digitally and before chi; digital parameters have one of their own; words are counted."""

from typing import Any

import numpy as np
import pytest
import torch

from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.outcome import Outcome
from dse.errors import SettingError
from dse.updates.modules import MixedPrecisionSgd
from dse.updates.optimisers import OPTIMISERS, AbstractOptimiser, Adam, Sgd, optimiser_named
from dse.updates.optimisers.memory import Memory
from dse.updates.training import ModuleTraining
from tests.physics.test_modules import FINE, built, hardware, learn
from tests.unit.test_price import CARD, CROSSBAR, priced

SMALL: dict[str, Any] = {
    "workload.dataset": "digits",
    "workload.images": 60,
    "network.name": "cnn",
    "network.width": 0.25,
    "training.epochs": 2,
    "training.batch_size": 20,
    "adc.calibrate_every_samples": 60,
}


def walked(optimiser: AbstractOptimiser, gradients: list[torch.Tensor]) -> torch.Tensor:
    weight, memory = torch.zeros(3, 4), Memory(optimiser, torch.zeros(3, 4))
    for gradient in gradients:
        weight.add_(memory.direction(gradient), alpha=-0.1)
    return weight


@pytest.mark.parametrize(
    ("own", "reference", "tolerance"),
    [
        (Sgd(), {"kind": torch.optim.SGD}, 0.0),
        (Sgd(0.9), {"kind": torch.optim.SGD, "momentum": 0.9, "nesterov": True}, 0.0),
        (Adam(0.9, 0.99), {"kind": torch.optim.Adam, "betas": (0.9, 0.99)}, 1e-5),
        (Adam(0.0, 0.99), {"kind": torch.optim.Adam, "betas": (0.0, 0.99)}, 1e-5),
    ],
)
def test_an_optimiser_is_that_of_torch(own: AbstractOptimiser, reference: dict[str, Any], tolerance: float) -> None:
    draws = torch.Generator().manual_seed(1)
    gradients = [torch.randn(3, 4, generator=draws) for _ in range(9)]
    kind, parameter = reference.pop("kind"), torch.zeros(3, 4, requires_grad=True)
    other = kind([parameter], lr=0.1, **reference)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        other.step()
    torch.testing.assert_close(walked(own, gradients), parameter.detach(), rtol=tolerance, atol=0.0)


@pytest.mark.parametrize("own", [Sgd(), Sgd(0.5), Adam(), Adam(0.5)])
def test_a_gradient_is_left_alone_and_words_are_as_many_as_said(own: AbstractOptimiser) -> None:
    gradient, words = torch.tensor([1.0, -2.0]), list[torch.Tensor]()
    own.direction(gradient, words, 1)
    assert gradient.tolist() == [1.0, -2.0]
    assert len(words) == own.words
    assert type(own) is optimiser_named(own.name)
    assert type(own) in OPTIMISERS


def test_parameters_that_are_added_later_move_too() -> None:
    module, later = built(), torch.nn.Parameter(torch.zeros(2))
    pulsed = MixedPrecisionSgd(module, hardware(FINE), lr=0.5, seed=1, digital=Sgd(0.5))
    pulsed.add_param_group({"params": [later]})
    for _ in range(2):
        later.grad = torch.tensor([1.0, -1.0])
        pulsed.step()
    assert later.tolist() == [-1.625, 1.625]  # directions 1.5, then 1 + 0.5 * 1.5
    fresh = MixedPrecisionSgd(built(), hardware(FINE), lr=0.5, seed=1, digital=Sgd(0.5))
    fresh.add_param_group({"params": [torch.nn.Parameter(torch.zeros(2))]})
    saved = pulsed.state_dict()
    fresh.load_state_dict(saved)
    with pytest.raises(SettingError, match=r"the state has 0 digital parameters; this optimiser has \d"):
        fresh.load_state_dict({name: value for name, value in saved.items() if name != "digital"})
    plain = MixedPrecisionSgd(built(), hardware(FINE), lr=0.5, seed=1)
    plain.add_param_group({"params": [torch.nn.Parameter(torch.zeros(2))]})
    with pytest.raises(SettingError, match=r"digital parameter 3: the saved state is of another optimiser"):
        plain.load_state_dict(saved)


def test_roots_of_adam_are_the_nearest_floats() -> None:
    gradient, memory = torch.linspace(0.01, 1.0, 1001), list[torch.Tensor]()
    found = Adam(0.0, 0.75).direction(gradient, memory, 1).numpy()
    root = np.sqrt((memory[0] / 0.25).numpy().astype(np.float64)).astype(np.float32)
    assert np.array_equal(found, gradient.numpy() / (root + np.float32(1e-8)))


def test_momentum_before_chi_is_momentum_where_cells_are_ideal() -> None:
    digital, analog = built(), built()
    matrices = [p for p in digital.parameters() if p.dim() > 1]
    others = [p for p in digital.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "momentum": 0.9, "nesterov": True}, {"params": others, "lr": 0.01}]
    sgd = torch.optim.SGD(groups, lr=0.02)
    pulsed = MixedPrecisionSgd(analog, hardware(FINE), lr=0.02, seed=1, optimiser=Sgd(0.9), digital_share=0.5)
    expected, found = learn(digital, sgd, 20), learn(analog, pulsed, 20, samples=10)
    assert found == pytest.approx(expected, abs=4e-3)
    for a, b in zip(digital.parameters(), analog.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=4e-3, rtol=0)
    for parameter in pulsed.parameters_on_crossbars:
        words = 20 * parameter.layer.rows * parameter.layer.cols
        assert (parameter.layer.events.weight_reads, parameter.layer.events.weight_writes) == (words, words)


def test_the_state_of_an_optimiser_goes_on_with_its_momentum() -> None:
    def made() -> tuple[torch.nn.Module, MixedPrecisionSgd]:
        module = built()
        own = hardware({"array.conductance_per_weight_us": 15.0, "array.initial_mean_us": 4.0})
        return module, MixedPrecisionSgd(module, own, lr=0.05, seed=1, optimiser=Sgd(0.9), digital=Adam(0.9))

    module, pulsed = made()
    learn(module, pulsed, 5, samples=10)
    values, saved = module.state_dict(), pulsed.state_dict()
    values = {name: value.clone() for name, value in values.items()}
    expected = learn(module, pulsed, 5, samples=10)
    other, again = made()
    other.load_state_dict(values)
    again = MixedPrecisionSgd(
        other,
        hardware({"array.conductance_per_weight_us": 15.0, "array.initial_mean_us": 4.0}),
        lr=0.05,
        seed=1,
        optimiser=Sgd(0.9),
        digital=Adam(0.9),
    )
    again.load_state_dict(saved)
    assert learn(other, again, 5, samples=10) == expected


def outcome_of(settings: dict[str, Any]) -> Outcome:
    design = compose({**SMALL, **settings})
    found = evaluate(design, 1, design.workload.load())
    assert isinstance(found, Outcome)
    return found


@pytest.mark.slow
def test_each_setting_acts_on_crossbars() -> None:
    losses = [
        outcome_of(own).curve[-1].loss
        for own in (
            {},
            {"training.momentum": 0.9},
            {"training.momentum": 0.9, "training.digital_momentum": 0.0},
            {"training.digital_learning_rate": 0.05},
            {"training.digital_optimiser": "adam"},
            {"training.optimiser": "adam", "training.learning_rate": 0.01},
            {"training.optimiser": "adam", "training.learning_rate": 0.01, "training.squared_momentum": 0.9},
        )
    ]
    assert len(set(losses)) == len(losses)


def test_what_an_optimiser_keeps_is_counted() -> None:
    plain, momentum = outcome_of({}), outcome_of({"training.momentum": 0.9})
    for before, after in zip(plain.layers, momentum.layers, strict=True):
        words = 2 * 3 * before.rows * before.cols  # epochs, updates
        assert before.events["weight_reads"] == before.events["weight_writes"] == 0
        assert after.events["weight_reads"] == after.events["weight_writes"] == words


def test_what_an_optimiser_keeps_is_priced() -> None:
    kept = {"weight_reads": 140_000, "weight_writes": 140_000}  # two words at each of 70,000 additions
    before, after = (priced(layer).row(0, named=True) for layer in (CROSSBAR, {**CROSSBAR, **kept}))
    added = {name: after[name] - before[name] for name in before if isinstance(before[name], float)}
    assert added["update_digital_memory_j"] == pytest.approx(140_000 * 32 * (2e-13 + 5e-13), rel=1e-12)
    assert added["update_digital_macs_j"] == pytest.approx(280_000 * (1e-12 + 3e-12), rel=1e-12)
    both = added["update_digital_memory_j"] + added["update_digital_macs_j"]
    assert added["energy_j"] == pytest.approx(both, rel=1e-9)
    assert added["update_per_sample_s"] == pytest.approx(280_000 / (4 * 5e8) / 1000, rel=1e-9)
    assert added["digital_memory_m2"] == pytest.approx(2 * 65 * 16 * 32 * CARD.memory_bit_area_m2, rel=1e-12)
    assert added["lanes_m2"] == pytest.approx(4 * (CARD.float_add_area_m2 + CARD.float_multiply_area_m2))


def test_defaults_that_are_spelt_out_leave_the_content_of_a_design_alone() -> None:
    spelt = {
        "training.optimiser": "sgd",
        "training.digital_optimiser": "same",
        "training.digital_momentum": "same",
        "training.digital_learning_rate": "same",
    }
    assert compose({**SMALL, **spelt}).key == compose(SMALL).key
    assert not set(compose(SMALL).as_dict()["training"]) & {path.partition(".")[2] for path in spelt}


def test_digital_parameters_take_after_the_weights_where_nothing_is_said() -> None:
    training = ModuleTraining(optimiser="adam", momentum=0.8, learning_rate=2.0)
    assert training.of_digital == training.of_weights == Adam(0.8)
    assert training.digital_share == 1.0
    own = ModuleTraining(momentum=0.8, digital_momentum=0.0, learning_rate=2.0, digital_learning_rate=0.5)
    assert (own.of_weights, own.of_digital, own.digital_share) == (Sgd(0.8), Sgd(), 0.25)


def test_an_unknown_optimiser_is_answered_with_all_of_them() -> None:
    with pytest.raises(SettingError, match=r'training\.optimiser = "lion" is not allowed; give .*"sgd"'):
        compose({**SMALL, "training.optimiser": "lion"})
