"""Pairs of unequal significance: a fine one takes the updates, and coarse ones take over what it holds."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dse.crossbar.events import Events
from dse.crossbar.pairs import PairArray
from dse.crossbar.significance import transfer
from dse.crossbar.significance_spec import SignificanceSpec
from dse.crossbar.spec import AdcSpec, ArraySpec, DacSpec, RefreshSpec
from dse.data.images import Dataset
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.hardware import hardware_of
from dse.designs.outcome import Outcome
from dse.devices.card import read_cell
from dse.devices.spec import CellSpec
from dse.errors import SettingError
from dse.pausing import below
from dse.updates.bits import bits_of_weight
from dse.updates.fast import compiles
from dse.updates.layers import CrossbarLayer, Hardware
from dse.updates.modules import MixedPrecisionSgd
from dse.updates.spec import AccumulatorSpec
from tests.data import load

RATIO, PAIRS, ROWS, COLS = 6.0, 3, 20, 30
OWN = SignificanceSpec(ratio=RATIO, every_samples=40, max_pulses=8)
ARRAY = ArraySpec(pairs_per_weight=PAIRS, significance=OWN, conductance_per_weight_us=8.0)


def cell_of(**settings: Any) -> CellSpec:
    return CellSpec.parse({**read_cell("pcm_gst"), **settings})


QUIET: dict[str, Any] = {"write_noise_scale": 0.0, "read_noise_scale": 0.0, "drift_exponent": 0.0, "reset_std_us": 0.0}


def array_of(**settings: Any) -> PairArray:
    return PairArray(ROWS, COLS, cell_of(**settings), ARRAY, DacSpec(), AdcSpec(), seed=1, layer=0)


def weights(seed: int = 0, size: float = 0.7) -> Tensor:
    return size * torch.randn(ROWS, COLS, generator=torch.Generator().manual_seed(seed))


def differences(array: PairArray) -> Tensor:
    """Return G+ - G- of every pair, uS, shape (pairs, rows, cols)."""
    g = array.conductance_us(0.0)
    return g[0] - g[1]


def test_a_weight_is_the_sum_of_its_pairs_by_their_significance() -> None:
    """By the definition, with the variance of a read; pairs begin equal, so that significance changes no weight."""
    array = array_of(drift_exponent=0.0)
    wanted = weights().clamp(-0.5, 0.5)
    assert array.start_from(wanted, 3.0) == 0.0
    sensed = array.sense(0.0)
    torch.testing.assert_close(sensed.weight, wanted, atol=1e-5, rtol=1e-5)
    beta = 8.0 * (1.0 + 2 * RATIO)
    worth = torch.tensor([1.0, RATIO, RATIO]).view(-1, 1, 1)
    std = array.cells.read_noise_std_us(array.conductance_us(0.0))
    assert std is not None
    assert sensed.noise_variance is not None
    torch.testing.assert_close(sensed.noise_variance, (std.square().sum(dim=0) * worth.square()).sum(dim=0) / beta**2)
    torch.testing.assert_close(sensed.weight, (differences(array) * worth).sum(dim=0) / beta)


def test_updates_reach_the_fine_pair_alone_by_steps_as_fine_as_it_is() -> None:
    array = array_of(**QUIET)
    array.start_from(torch.zeros(ROWS, COLS), 3.0)
    before, events = array.conductance_us(0.0).clone(), Events()
    pulses = torch.randint(-2, 3, (ROWS, COLS), generator=torch.Generator().manual_seed(1))
    array.program(pulses, 0.0, events)
    moved = array.conductance_us(0.0) - before
    assert not bool(moved[:, 1:].any())
    assert torch.equal(moved[0, 0] > 0, pulses > 0)
    assert torch.equal(moved[1, 0] > 0, pulses < 0)
    assert events.set_pulses_update == int(pulses.abs().sum())
    layer = CrossbarLayer(ROWS, COLS, hardware(), seed=1, layer=0)
    assert layer.accumulator.threshold == pytest.approx(layer.hardware.cell.granularity_us / (8.0 * (1 + 2 * RATIO)))


@pytest.mark.parametrize("turn", [0, 1])
def test_a_transfer_conserves_weights_up_to_what_the_last_pulse_of_the_fine_pair_leaves(turn: int) -> None:
    """Without noise the rest that the fine pair takes up is within half of its largest step."""
    array = array_of(**QUIET)
    array.start_from(weights(), 3.0)
    for _ in range(turn):
        array.transfers += 1
    before = array.sense(0.0).weight
    held, coarse = differences(array)[0].flatten(), differences(array)[1 + turn].flatten()
    events = Events()
    missed = transfer(array, OWN, 0.0, events)
    counts = array.pulses_for(held / RATIO, RefreshSpec(max_pulses=8))
    where = counts > 0
    assert torch.equal(missed.pairs, torch.nonzero(where).squeeze(1))
    assert 50 < int(where.sum()) < ROWS * COLS
    after = differences(array)
    assert torch.equal(after[0].flatten()[~where], held[~where])
    assert torch.equal(after[1 + turn].flatten()[~where], coarse[~where])
    assert torch.equal(after[2 - turn], differences(array_started())[2 - turn])
    moved = (after[1 + turn].flatten() - coarse)[where]
    open_ones = coarse[where].abs() < 7.0  # pulses on a cell that is nearly full may lower it
    assert bool((moved * held[where] > 0)[open_ones].all())
    # The largest mean step of a fresh cell, and what a second pulse moves less.
    response = torch.tensor(array.cells.spec.mean_response_us(8))
    step = float((response[1:] - response[:-1]).max())
    lost = ((array.sense(0.0).weight - before) * array.beta_us).flatten()[where].abs()
    reach = float(response[-1] - response[0])
    within = (held[where] - RATIO * moved).abs() < reach
    assert int(within.sum()) > 50
    assert float(lost[within].max()) <= 0.5 * step + 1e-3
    assert array.transfers == turn + 1


def array_started() -> PairArray:
    array = array_of(**QUIET)
    array.start_from(weights(), 3.0)
    return array


def test_a_transfer_is_counted_pulse_by_pulse_and_wears_the_cells_that_it_touches() -> None:
    array = array_started()
    wear, events = {name: own.clone() for name, own in array.cells.wear().items()}, Events()
    transfer(array, OWN, 0.0, events)
    after = {name: own - wear[name] for name, own in array.cells.wear().items()}
    moved = events.resets // 2
    assert events.refreshed_pairs == moved > 50
    assert events.refresh_reads == 2 * ROWS * COLS + 2 * 2 * moved
    assert events.set_pulses_refresh == int(after["set"].sum()) > moved
    assert int(after["reset"].sum()) == events.resets
    assert not bool(after["reset"].reshape(2, PAIRS, -1)[:, 1:].any())
    assert not bool(after["set"].reshape(2, PAIRS, -1)[:, 2].any())


def test_reads_of_a_transfer_have_the_noise_of_the_cell() -> None:
    """Five standard deviations of mean and variance: a false alarm in 600,000 runs each, were the seed not fixed."""
    array = array_of(write_noise_scale=0.0, drift_exponent=0.0)
    array.start_from(weights(), 3.0)
    pairs, reads = torch.arange(ROWS * COLS), 40
    std = array.cells.read_noise_std_us(array.conductance_us(0.0))
    assert std is not None
    sigma = std[:, 0].square().sum(dim=0).sqrt().flatten()
    exact, events = differences(array)[0].flatten(), Events()
    errors = torch.stack([(array.read_differences(pairs, 0.0, events) - exact) / sigma for _ in range(reads)]).double()
    number = errors.numel()
    assert abs(float(errors.mean())) < 5.0 / number**0.5
    assert abs(float(errors.var()) - 1.0) < 5.0 * (2.0 / number) ** 0.5
    assert events.refresh_reads == 2 * number


def hardware(**settings: Any) -> Hardware:
    own = AccumulatorSpec(bits="float", **settings)
    return Hardware(cell_of(**QUIET), ARRAY, DacSpec(), AdcSpec(), own, RefreshSpec(every_samples=0))


def test_an_optimiser_of_modules_transfers_when_it_is_time_and_goes_on_from_a_state() -> None:
    def made() -> tuple[nn.Linear, MixedPrecisionSgd]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            network = nn.Linear(8, 6, bias=False)
        return network, MixedPrecisionSgd(network, hardware(), lr=0.5, seed=1)

    def learn(network: nn.Linear, descent: MixedPrecisionSgd, updates: int) -> None:
        draws = torch.Generator().manual_seed(3)
        for _ in range(updates):
            x = torch.randn(10, 8, generator=draws)
            descent.zero_grad()
            (network(x) - x[:, :6]).square().mean().backward()
            descent.step(samples=10)

    network, descent = made()
    layer = descent.parameters_on_crossbars[0].layer
    assert not compiles(layer)
    learn(network, descent, 3)
    assert layer.events.refresh_reads == layer.array.transfers == 0
    saved = descent.state_dict()
    learn(network, descent, 3)
    assert layer.array.transfers == 1
    assert layer.events.refresh_reads >= 2 * 48
    other, again = made()
    again.load_state_dict(saved)
    learn(other, again, 3)
    assert torch.equal(network.weight, other.weight)
    assert again.parameters_on_crossbars[0].layer.array.transfers == 1
    assert "transfers" in below(layer.state(), "array")


def test_misses_of_a_transfer_are_kept_in_chi_where_those_of_a_refresh_are() -> None:
    for own, kept in (("lost", False), ("kept", True)):
        layer = CrossbarLayer(ROWS, COLS, hardware(refresh_misses=own), seed=1, layer=0)
        layer.array.start_from(weights(), 3.0)
        before = layer.array.sense(0.0).weight
        layer.let_pass(39, 0.0)
        assert layer.array.transfers == 0
        layer.let_pass(1, 0.0)
        after = layer.array.sense(0.0).weight
        chi = layer.accumulator.chi
        assert bool(chi.any()) is kept
        if kept:
            within = chi.abs() < chi.abs().max()  # a word is full at its ends
            assert int(within.sum()) > 500
            torch.testing.assert_close((after + chi)[within], before[within], atol=1e-5, rtol=1e-5)


PERCEPTRON: dict[str, Any] = {
    "workload.dataset": "digits",
    "workload.images": 300,
    "network.hidden": (8,),
    "training.epochs": 1,
    "array.pairs_per_weight": 2,
}
SOME = {"array.significance.ratio": 4.0, "array.significance.every_samples": 100}


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", 0.2)


@pytest.mark.parametrize("network", ["perceptron", "cnn"])
def test_a_network_learns_with_transfers_that_are_counted(network: str, digits: Dataset) -> None:
    own = {**PERCEPTRON, **SOME, "refresh.every_samples": 10**6}
    if network == "cnn":
        own = {**{k: v for k, v in own.items() if k != "network.hidden"}, "network.name": "cnn", "network.width": 0.25}
    outcome = evaluate(compose(own), 1, digits)
    assert isinstance(outcome, Outcome)
    assert all(layer.events["refresh_reads"] >= 2 * layer.rows * layer.cols for layer in outcome.layers)
    assert sum(layer.events["set_pulses_refresh"] for layer in outcome.layers) > 0


def test_equal_significance_is_the_design_that_says_nothing_of_it() -> None:
    assert compose({**PERCEPTRON, "array.significance.ratio": 1.0}).key == compose(PERCEPTRON).key
    one = {**PERCEPTRON, "array.pairs_per_weight": 1}
    assert compose({**one, **SOME}).key == compose(one).key
    never = {**PERCEPTRON, "refresh.every_samples": 0}
    assert compose({**never, **SOME}).key == compose(never).key
    assert compose({**PERCEPTRON, **SOME}).key != compose(PERCEPTRON).key
    pulsed = {**PERCEPTRON, "architecture": "pulse_trains"}
    assert compose({**pulsed, **SOME}).key == compose(pulsed).key


def test_a_weight_has_as_many_levels_as_its_significance_gives() -> None:
    cell = cell_of()
    window = (cell.g_max_us - cell.g_min_us) / cell.granularity_us
    levels = 1.0 + 2.0 * (1.0 + RATIO * (PAIRS - 1)) * window
    assert bits_of_weight(cell, sum(ARRAY.worths), None) == pytest.approx(math.log2(levels))
    assert ArraySpec(pairs_per_weight=PAIRS).worths == (1.0,) * PAIRS
    hardware = Hardware(cell, ARRAY, DacSpec(), AdcSpec(), AccumulatorSpec(), RefreshSpec())
    layer = CrossbarLayer(3, 4, hardware, seed=1, layer=0)
    layer.conductance_surveys_us.append(1.0)
    assert layer.usage(0).inference_bits == pytest.approx(12 * math.log2(levels))


@pytest.mark.parametrize(
    ("array", "card", "message"),
    [
        (ArraySpec(significance=OWN), "pcm_gst", "came with 1 pairs a weight"),
        (ArraySpec(pairs_per_weight=2, significance=SignificanceSpec()), "pcm_gst", "ratio 1 came with 2 pairs"),
        (ARRAY, "ideal_two_way", "pulses in both directions"),
    ],
)
def test_pairs_that_cannot_differ_are_refused(array: ArraySpec, card: str, message: str) -> None:
    hardware = hardware_of(compose({"device.card": card}))
    assert hardware is not None
    with pytest.raises(SettingError, match=message):
        PairArray(2, 2, hardware.cell, array, DacSpec(), AdcSpec(), seed=1, layer=0)
