"""What several pairs a weight do to noise: deviations of writing and reading fall with the root of their number.

Alarm rate: seeds are fixed, so that a test passes or fails for good. Over seeds, a check at z = 5 fails once in 1.7
million (two-sided, normal); there are about 130 checks.
"""

import math

import pytest
import torch

from dse.crossbar.events import Events
from dse.crossbar.pairs import PairArray
from dse.crossbar.spec import AdcSpec, ArraySpec, DacSpec
from dse.devices.base import read_us
from dse.devices.card import read_cell
from dse.devices.spec import CellSpec
from dse.streams import Stream

NUMBERS = [1, 2, 4, 9]
SIDE = 100
BETA_US = 8.0
START_US = 8.0
SAMPLES = 4000


def array_of(pairs: int, rows: int, cols: int, initial_std_us: float = 0.0, **knobs: float) -> PairArray:
    wide = {"g_min_us": 0.0, "g_max_us": 1e3}  # eight deviations from the start: nothing is cut
    spec = CellSpec.parse({**read_cell("pcm_gst"), **wide, **knobs})
    array = ArraySpec(pairs_per_weight=pairs, initial_mean_us=START_US, initial_std_us=initial_std_us)
    ideal = DacSpec(bits="ideal"), AdcSpec(bits="ideal")
    return PairArray(rows, cols, spec, array, *ideal, seed=3, layer=0)


def write_deviation_us() -> float:
    """Return the deviation of a pulse at the start, with the history that the published polynomial gives a cell."""
    seen = 0.027 * START_US**3 - 0.15 * START_US**2 + 0.81 * START_US
    return 0.091 * START_US + 0.26 + 2.15 * math.exp(-(seen + 1) / 2.6)


@pytest.mark.parametrize("pairs", NUMBERS)
def test_a_written_weight_deviates_by_the_root_of_the_number_of_pairs_less(pairs: int) -> None:
    """One pulse on every cell: sum over N pairs of (e+ - e-) / (N beta) has the deviation sigma sqrt(2 / N) / beta."""
    array = array_of(pairs, SIDE, SIDE)
    array.program(torch.full((SIDE, SIDE), pairs), 0.0, Events())
    array.program(torch.full((SIDE, SIDE), -pairs), 0.0, Events())
    assert bool((array.cells.set_pulses == 1).all())
    weight = array.sense(0.0).weight.double()
    expected = write_deviation_us() * math.sqrt(2 / pairs) / BETA_US
    assert abs(float(weight.std()) / expected - 1) < 5 / math.sqrt(2 * SIDE**2)
    assert abs(float(weight.mean())) < 5 * expected / SIDE


@pytest.mark.parametrize("pairs", NUMBERS)
def test_writing_draws_anew_for_every_pair(pairs: int) -> None:
    array = array_of(pairs, SIDE, SIDE)
    array.program(torch.full((SIDE, SIDE), pairs), 0.0, Events())
    rises = (array.cells.g_us[0].double() - START_US).reshape(pairs, -1)
    correlation = torch.corrcoef(rises).reshape(pairs, pairs) - torch.eye(pairs)
    assert float(correlation.abs().max()) < 5 / SIDE


@pytest.mark.parametrize("pairs", NUMBERS)
def test_the_variance_of_a_read_sums_over_all_cells_of_a_weight(pairs: int) -> None:
    """Exact: sum_n (sigma+_n^2 + sigma-_n^2) / (N beta)^2, one cell after the other."""
    array = array_of(pairs, 6, 4, initial_std_us=2.0, read_noise_scale=3.0)
    array.cells.g_us.copy_(10.0 * torch.rand(array.cells.g_us.shape, generator=torch.Generator().manual_seed(1)))
    g = array.cells.g_us.double()
    expected = torch.zeros(6, 4, dtype=torch.float64)
    for sign in range(2):
        for n in range(pairs):
            expected += (3.0 * (0.03 * g[sign, n] + 0.13)) ** 2 / (pairs * BETA_US) ** 2
    found = array.sense(0.0).noise_variance
    assert found is not None
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("pairs", NUMBERS)
def test_equal_pairs_divide_the_variance_of_a_read_by_their_number(pairs: int) -> None:
    one, many = array_of(1, 6, 4).sense(0.0).noise_variance, array_of(pairs, 6, 4).sense(0.0).noise_variance
    assert one is not None
    assert many is not None
    torch.testing.assert_close(many, one / pairs, rtol=1e-5, atol=0.0)
    single = 2 * ((0.03 * START_US + 0.13) / BETA_US) ** 2
    torch.testing.assert_close(many, torch.full((6, 4), single / pairs), rtol=1e-5, atol=0.0)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("pairs", NUMBERS)
@pytest.mark.parametrize("way", ["at the outputs", "cell by cell"])
def test_reads_of_a_weight_scatter_with_the_variance_of_its_pairs(way: str, pairs: int) -> None:
    """Driving one row alone; both ways of drawing against the closed form at 1e4 s, z = 5 for mean and variance."""
    array = array_of(pairs, 3, 5, initial_std_us=2.0, read_noise_scale=3.0)
    g = array.cells.conductance_us(1e4).double()
    weight = (g[0] - g[1]).mean(dim=0)[1] / BETA_US
    variance = (3.0 * (0.03 * g + 0.13)).square().sum(dim=(0, 1))[1] / (pairs * BETA_US) ** 2
    if way == "at the outputs":
        x = torch.zeros(SAMPLES, 3)
        x[:, 1] = 1.0
        y = array.forward(array.sense(1e4), x).double()
    else:
        noise = Stream(4)
        reads = [read_us(array.cells, 1e4, noise)[:, :, 1].double() for _ in range(SAMPLES)]
        y = torch.stack([(read[0] - read[1]).sum(dim=0) / (pairs * BETA_US) for read in reads])
    assert float(((y.mean(dim=0) - weight).abs() / (variance / SAMPLES).sqrt()).max()) < 5
    assert float(((y.var(dim=0) / variance - 1).abs() / math.sqrt(2 / SAMPLES)).max()) < 5
