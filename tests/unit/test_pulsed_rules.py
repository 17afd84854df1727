"""Pulse trains straight into cells: against their distribution, and against descent.

Fixed seeds; means pass within z = 5 of their standard errors (6e-7 each, two-sided).
"""

import re
from typing import Any

import pytest
import torch

from dse.designs.design import compose
from dse.designs.hardware import platform_of
from dse.designs.space import check_acting, parse_space
from dse.errors import DivergedError, SettingError
from dse.streams import stream
from dse.testing.base import learner_of, outcome_of
from dse.updates.pulse_trains.layer import PulsedLayer
from dse.updates.pulse_trains.trains import meeting, rounded

X, D = torch.tensor([0.0, 0.3, 1.0]), torch.tensor([0.5, -0.2])
FINE: dict[str, Any] = {
    "device.card": "ideal_two_way",
    "device.granularity_us": 0.002,
    "dac.bits": "ideal",
    "adc.bits": "ideal",
}
SMALL: dict[str, Any] = {
    "architecture": "pulse_trains",
    "workload.dataset": "digits",
    "workload.images": 60,
    "network.hidden": [6],
    "training.epochs": 2,
    "training.learning_rate": 1.0,
    "device.card": "ecram_tang2018",
}
CNN: dict[str, Any] = {"network.name": "cnn", "network.width": 0.25}
OF_OPTIMISERS: dict[str, Any] = {
    "training.optimiser": "adam",
    "training.momentum": 0.9,
    "training.digital_optimiser": "adam",
    "training.digital_momentum": 0.5,
    "training.digital_learning_rate": 0.25,
}


def layer(**settings: Any) -> PulsedLayer:
    platform = platform_of(compose({"architecture": "pulse_trains", **FINE, **settings}))
    own = platform.layer(3, 2, seed=1, number=0)
    assert isinstance(own, PulsedLayer)
    return own


def check_mean(values: torch.Tensor, expected: torch.Tensor) -> None:
    error = values.double().std(dim=0) / len(values) ** 0.5
    assert bool(((values.double().mean(dim=0) - expected).abs() <= 5.0 * error + 1e-9).all())


@pytest.mark.slow
def test_trains_meet_as_often_as_the_product_says_and_with_the_variance_of_their_lines() -> None:
    strength, longest, draws = 8.0, 10, stream(1, "trains")
    found = torch.stack([meeting(X, D, strength, longest, draws) for _ in range(4000)]).double()
    check_mean(found, -strength * X[:, None] * D)
    assert not found[:, 0].any()
    turned = meeting(-X, D, strength, longest, stream(1, "trains"))
    assert torch.equal(turned, -meeting(X, D, strength, longest, stream(1, "trains")))
    # A slot has a pulse with the probability p q, slots are independent: a binomial distribution.
    chance = strength / longest * X[:, None] * D.abs()
    variance = longest * chance * (1.0 - chance)
    assert found.var(dim=0)[1:] == pytest.approx(variance[1:].double().numpy(), rel=0.12)  # 5 errors of 4,000 draws


def test_what_no_train_can_carry_is_lost() -> None:
    found = meeting(torch.ones(1), torch.ones(1), 100.0, 7, stream(1, "trains"))
    assert found.tolist() == [[-7]]
    assert not meeting(torch.zeros(2), D, 100.0, 7, stream(1, "trains")).any()
    with pytest.raises(DivergedError, match="no longer finite"):
        meeting(X, torch.tensor([1.0, torch.inf]), 1.0, 7, stream(1, "trains"))


def test_rounding_keeps_the_mean_and_the_longest_train() -> None:
    wanted, draws = torch.tensor([0.25, -1.5, 0.0, 40.0]), stream(2, "pulses")
    found = torch.stack([rounded(wanted, draws, longest=31) for _ in range(4000)])
    check_mean(found[:, :3], wanted[:3].double())
    assert found[:, 3].unique().tolist() == [31]


def test_a_gradient_that_is_no_longer_finite_ends_the_training_of_torch_modules() -> None:
    [descent] = learner_of(compose({**SMALL, **CNN})).updates
    descent.pulsed[0].layer.weight.grad = torch.full_like(descent.pulsed[0].layer.weight, torch.nan)
    with pytest.raises(DivergedError, match="no longer finite"):
        descent.step(0.1, 1)


@pytest.mark.slow
def test_on_ideal_cells_direct_pulses_follow_descent_in_the_mean() -> None:
    """The mean change of the weights is -rate times the mean of x^T d over the mini-batch, within z = 5."""
    own = layer()
    x, d = torch.stack([X, X.flip(0)]), torch.stack([D, -0.5 * D])
    changes = list[torch.Tensor]()
    for _ in range(800):
        before = own.array.sense(0.0).weight.clone()
        own.update(x, d, 0.004, 0.0)
        changes.append(own.array.sense(0.0).weight - before)
    check_mean(torch.stack(changes), -0.004 / 2 * (x.T @ d).double())
    assert own.events.set_pulses_update == int(own.array.cells.wear()["set"].sum())
    assert own.events.macs_update == own.events.chi_reads == 0


def test_the_account_holds_the_cells_and_no_accumulator() -> None:
    own = layer()
    own.survey(0.0)
    usage = own.usage(0)
    assert (usage.cells, usage.chi_bits, usage.bias_rows) == (own.array.size, 0, 1)
    assert usage.wear["never_pulsed"] == 1.0


@pytest.mark.slow
def test_the_longest_train_acts_on_perceptrons_and_on_torch_modules() -> None:
    for network in ({}, CNN):
        plain, other = (compose({**SMALL, **network, **more}) for more in ({}, {"trains.longest": 1}))
        assert plain.key != other.key
        a, b = (outcome_of(design).layers[0] for design in (plain, other))
        assert (a.events, a.wear) != (b.events, b.wear)


def test_torch_modules_count_no_products_and_no_words_of_updates() -> None:
    for one in outcome_of(compose({**SMALL, **CNN})).layers:
        counted = [one.events[name] for name in ("macs_update", "chi_adds", "weight_reads", "weight_writes")]
        assert counted == [0, 0, 0, 0]
        assert one.events["set_pulses_update"] > 0


@pytest.mark.parametrize("setting", OF_OPTIMISERS)
def test_optimisers_have_no_effect_and_a_study_says_so(setting: str) -> None:
    """Momentum of the cells and of digital parameters alike: the same key, and one message where a study asks."""
    rule = {**SMALL, **CNN}
    value = OF_OPTIMISERS[setting]
    assert compose({**rule, setting: value}).key == compose(rule).key
    space = parse_space({"architecture": ["pulse_trains"], "network.name": ["cnn"]})
    with pytest.raises(SettingError, match=f'{re.escape(setting)} has no effect where architecture = "pulse_trains"'):
        check_acting({setting: value}, space, "study")
