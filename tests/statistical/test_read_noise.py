"""Read noise drawn at the outputs of an array against noise drawn cell by cell.

Alarm rate: seeds are fixed, so that a test passes or fails for good. Over seeds, a z of 5 fails once in 1.7 million
checks (two-sided, normal) and a Kolmogorov-Smirnov test at p = 1e-6 once in a million; there are about 60 checks.
"""

import math
from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor

from dse.crossbar.events import Events
from dse.crossbar.pairs import PairArray
from dse.crossbar.spec import AdcSpec, ArraySpec, DacSpec
from dse.devices.base import read_us
from dse.devices.card import read_cell
from dse.devices.spec import CellSpec
from dse.streams import Stream

ROWS, COLS = 6, 4
SAMPLES = 4000
NOW_S = 1e4
BETA_US = 8.0


def array_of(seed: int) -> PairArray:
    cell = CellSpec.parse({**read_cell("pcm_gst"), "read_noise_scale": 3.0})
    array = PairArray(ROWS, COLS, cell, ArraySpec(), DacSpec(bits="ideal"), AdcSpec(bits="ideal"), seed=seed, layer=0)
    array.cells.g_us[0] *= 10.0  # so that the two cells of a pair differ in their noise
    return array


def one_input() -> Tensor:
    return torch.tensor([[0.3, 0.0, 1.0, 0.7, 0.05, 1.0]])


def one_error() -> Tensor:
    return torch.tensor([[0.02, -0.01, 0.0, 0.005]])


def forward(array: PairArray) -> Tensor:
    return array.forward(array.sense(NOW_S), one_input().expand(SAMPLES, ROWS))


def backward(array: PairArray) -> Tensor:
    return array.backward(array.sense(NOW_S), one_error().expand(SAMPLES, COLS), Events())


def cell_by_cell(array: PairArray, product: Callable[[Tensor], Tensor], seed: int) -> Tensor:
    """Return the products when every cell is read anew for every sample."""
    noise = Stream(seed)
    outputs: list[Tensor] = []
    for _ in range(SAMPLES):
        g = read_us(array.cells, NOW_S, noise)[:, 0]
        outputs.append(product((g[0] - g[1]) / BETA_US))
    return torch.cat(outputs)


@pytest.fixture(scope="module", params=["forward", "backward"])
def drawn(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return outputs drawn at the outputs, outputs drawn cell by cell, exact mean and exact variance."""
    array = array_of(1)
    g = array.cells.conductance_us(NOW_S)[:, 0].double()
    weight = (g[0] - g[1]) / BETA_US
    variance = (3.0 * (0.03 * g + 0.13)).square().sum(dim=0) / BETA_US**2
    if request.param == "forward":
        x = one_input().double()
        return (
            forward(array).double(),
            cell_by_cell(array, lambda w: one_input() @ w, 2).double(),
            (x @ weight)[0],
            (x**2 @ variance)[0],
        )
    d = one_error().double()
    return (
        backward(array).double(),
        cell_by_cell(array, lambda w: one_error() @ w[:-1].T, 3).double(),
        (d @ weight[:-1].T)[0],
        (d**2 @ variance[:-1].T)[0],
    )


@pytest.mark.slow
def test_both_ways_of_drawing_have_the_exact_mean_and_variance(drawn: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    at_outputs, by_cells, mean, variance = drawn
    for y in (at_outputs, by_cells):
        assert float(((y.mean(dim=0) - mean).abs() / (variance / SAMPLES).sqrt()).max()) < 5
        assert float(((y.var(dim=0) / variance - 1).abs() / math.sqrt(2 / SAMPLES)).max()) < 5


def test_both_ways_of_drawing_have_the_same_distribution(drawn: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    at_outputs, by_cells, mean, variance = drawn
    for output in range(at_outputs.shape[1]):
        a, b = at_outputs[:, output].numpy(), by_cells[:, output].numpy()
        assert stats.ks_2samp(a, b).pvalue > 1e-6
        normal = stats.norm(float(mean[output]), float(variance[output].sqrt()))
        assert stats.kstest(a, normal.cdf).pvalue > 1e-6


def test_outputs_are_independent_of_each_other(drawn: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    for y in drawn[:2]:
        correlation = torch.corrcoef(y.T) - torch.eye(y.shape[1])
        assert float(correlation.abs().max()) < 5 / math.sqrt(SAMPLES)


def test_noise_is_fresh_for_every_sample(drawn: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    for y in drawn[:2]:
        centred = (y - y.mean(dim=0)) / y.std(dim=0)
        neighbours = (centred[1:] * centred[:-1]).mean(dim=0)
        assert float(neighbours.abs().max()) < 5 / math.sqrt(SAMPLES - 1)
        assert len(y[:, 0].unique()) > 0.99 * SAMPLES


def test_noise_is_fresh_for_every_product() -> None:
    array = array_of(1)
    sensed = array.sense(NOW_S)
    first, second = array.forward(sensed, one_input()), array.forward(sensed, one_input())
    assert not bool((first == second).any())


def test_every_cell_brings_its_own_noise() -> None:
    """Driving one row at a time measures the noise of every pair of cells alone."""
    array = array_of(1)
    g = array.cells.conductance_us(NOW_S)[:, 0].double()
    variance = (3.0 * (0.03 * g + 0.13)).square().sum(dim=0) / BETA_US**2
    sensed = array.sense(NOW_S)
    for row in range(ROWS):
        x = torch.zeros(SAMPLES, ROWS)
        x[:, row] = 1.0
        measured = array.forward(sensed, x).double().var(dim=0)
        assert float(((measured / variance[row] - 1).abs() / math.sqrt(2 / SAMPLES)).max()) < 5


def test_without_input_there_is_no_noise() -> None:
    array = array_of(1)
    y = array.forward(array.sense(NOW_S), torch.zeros(3, ROWS))
    assert torch.count_nonzero(y) == 0


def test_layers_and_seeds_have_noise_of_their_own() -> None:
    first, again, other = (array_of(seed) for seed in (1, 1, 2))
    for array in (first, again, other):
        array.cells.g_us.fill_(4.0)
    assert torch.equal(forward(first), forward(again))
    assert not bool((forward(first) == forward(other)).any())
