"""Several pairs a weight: the weight is their mean, pulses go round, and refresh looks at each pair alone."""

from typing import Any

import pytest
import torch
from torch import Tensor

from dse.crossbar.events import Events
from dse.crossbar.pairs import PairArray
from dse.crossbar.spec import AdcSpec, ArraySpec, DacSpec, RefreshSpec
from dse.designs.design import compose
from dse.designs.hardware import hardware_of
from dse.devices.card import read_cell
from dse.devices.spec import CellSpec
from dse.errors import DivergedError
from dse.updates.layers import CrossbarLayer

ROWS, COLS = 5, 3
NUMBERS = [1, 2, 3, 8]


def several(pairs: int, card: str = "pcm_gst", rows: int = ROWS, cols: int = COLS, **cell: Any) -> PairArray:
    spec = CellSpec.parse({**read_cell(card), "read_noise_scale": 0.0, **cell})
    ideal = DacSpec(bits="ideal"), AdcSpec(bits="ideal")
    return PairArray(rows, cols, spec, ArraySpec(pairs_per_weight=pairs), *ideal, seed=1, layer=0)


def uneven(pairs: int, **cell: Any) -> PairArray:
    """Return an array whose cells all differ."""
    array = several(pairs, **cell)
    array.cells.g_us.copy_(8.0 * torch.rand(array.cells.g_us.shape, generator=torch.Generator().manual_seed(2)))
    return array


def mean_weight(array: PairArray) -> Tensor:
    """Return the mean over the pairs of the difference of the two cells, one pair after the other."""
    g = array.cells.g_us.double()
    weight = torch.zeros(array.rows, array.cols, dtype=torch.float64)
    for n in range(array.pairs):
        weight += (g[0, n] - g[1, n]) / 8.0
    return (weight / array.pairs).float()


@pytest.mark.parametrize("pairs", NUMBERS)
def test_a_weight_is_the_mean_over_its_pairs(pairs: int) -> None:
    array = uneven(pairs)
    assert array.cells.g_us.shape == (2, pairs, ROWS, COLS)
    assert array.beta_us == 8.0 * pairs
    torch.testing.assert_close(array.sense(0.0).weight, mean_weight(array), rtol=1e-5, atol=1e-7)
    x = torch.rand((4, ROWS), generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(array.forward(array.sense(0.0), x), x @ mean_weight(array))
    d = torch.randn((4, COLS), generator=torch.Generator().manual_seed(4))
    back = array.backward(array.sense(0.0), d, Events())
    torch.testing.assert_close(back, d @ mean_weight(array)[:-1].T)


@pytest.mark.parametrize("pairs", NUMBERS)
def test_initial_weights_do_not_depend_on_the_number_of_pairs(pairs: int) -> None:
    one, many = several(1), several(pairs)
    for plane in many.cells.g_us.unbind(dim=1):
        assert torch.equal(plane, one.cells.g_us[:, 0])
    for plane in many.cells.history.unbind(dim=1):
        assert torch.equal(plane, one.cells.history[:, 0])
    torch.testing.assert_close(many.sense(0.0).weight, one.sense(0.0).weight, rtol=1e-6, atol=1e-7)


def one_by_one(pairs: int, transfers: list[Tensor]) -> Tensor:
    """Return the SET pulses of every cell when they are handed out one after the other."""
    counts = torch.zeros(2, pairs, ROWS, COLS, dtype=torch.int64)
    selected = 0
    for pulses in transfers:
        for row in range(ROWS):
            for col in range(COLS):
                count = int(pulses[row, col])
                for turn in range(abs(count)):
                    counts[0 if count > 0 else 1, (selected + turn) % pairs, row, col] += 1
        selected = (selected + 1) % pairs
    return counts


@pytest.mark.parametrize("pairs", NUMBERS)
def test_pulses_go_in_turn_from_the_selected_pair(pairs: int) -> None:
    array = several(pairs, "ideal_linear", g_max_us=1e3)
    before = array.cells.g_us.clone()
    draws = torch.Generator().manual_seed(5)
    transfers = [torch.randint(-6, 7, (ROWS, COLS), generator=draws) for _ in range(7)]
    events = Events()
    for pulses in transfers:
        array.program(pulses, 7.0, events)
    expected = one_by_one(pairs, transfers)
    assert torch.equal(array.cells.set_pulses, expected)
    torch.testing.assert_close(array.cells.g_us, before + 0.77 * expected)
    assert torch.equal(array.cells.pulsed_at_s > 0, expected > 0)
    assert events == Events(set_pulses_update=sum(int(pulses.abs().sum()) for pulses in transfers))


@pytest.mark.parametrize("pairs", NUMBERS)
def test_the_selection_moves_on_by_one_at_each_transfer_whatever_it_carries(pairs: int) -> None:
    array = several(pairs)
    many = torch.full((ROWS, COLS), 5)
    nothing, one = torch.zeros_like(many), torch.zeros_like(many)
    one[2, 1] = -1
    for transfer, pulses in enumerate((many, nothing, one, many, nothing), 1):
        array.program(pulses, 0.0, Events())
        assert array.selected == transfer % pairs


def test_single_pulses_of_many_transfers_wear_all_pairs_alike() -> None:
    array = several(3)
    for _ in range(9):
        array.program(torch.ones(ROWS, COLS, dtype=torch.int64), 0.0, Events())
    assert torch.equal(array.cells.set_pulses[0], torch.full((3, ROWS, COLS), 3))
    assert int(array.cells.set_pulses[1].sum()) == 0


@pytest.mark.parametrize("pairs", NUMBERS)
def test_many_pulses_of_one_transfer_spread_evenly(pairs: int) -> None:
    array = several(pairs)
    array.selected = 1 % pairs
    array.program(torch.tensor([[-100, 101, 0]]).expand(ROWS, COLS).contiguous(), 0.0, Events())
    counts = array.cells.set_pulses
    assert counts.sum(dim=1)[:, 0].tolist() == [[0, 101, 0], [100, 0, 0]]
    assert int((counts.amax(dim=1) - counts.amin(dim=1)).max()) <= 1
    assert int(counts[0, 1 % pairs, 0, 1]) == -(-101 // pairs)


def test_the_most_pulses_that_are_taken_count_for_a_cell_and_not_for_a_weight() -> None:
    pulses = torch.zeros(ROWS, COLS, dtype=torch.int64)
    pulses[0, 0] = 1500
    several(2).program(pulses, 0.0, Events())
    with pytest.raises(DivergedError, match="more than 1000 SET pulses at once"):
        several(1).program(pulses, 0.0, Events())


def test_a_layer_selects_anew_only_where_a_transfer_is_due() -> None:
    settings = {"array.pairs_per_weight": 4, "accumulator.transfer_every": 3}
    hardware = hardware_of(compose(settings))
    assert hardware is not None
    layer = CrossbarLayer(ROWS, COLS, hardware, seed=1, layer=0)
    for update in range(1, 16):
        layer.update(torch.ones(2, ROWS), torch.ones(2, COLS), 0.01, 0.0)
        assert layer.array.selected == update // 3 % 4


def test_the_threshold_of_a_pulse_shrinks_with_the_number_of_pairs() -> None:
    """A pulse on one of N pairs moves the weight by an N-th."""
    for pairs in NUMBERS:
        hardware = hardware_of(compose({"array.pairs_per_weight": pairs, "accumulator.epsilon": 2.0}))
        assert hardware is not None
        layer = CrossbarLayer(ROWS, COLS, hardware, seed=1, layer=0)
        assert layer.accumulator.threshold == pytest.approx(2.0 * hardware.cell.granularity_us / (8.0 * pairs))


STATES = [(9.0, 7.0), (9.0, 2.0), (7.9, 7.0), (7.0, 9.55), (11.0, 11.0), (4.0, 10.0)]
CLOSE = {(9.0, 7.0), (7.0, 9.55), (11.0, 11.0)}
"""States of a pair, and those near saturation with a small difference."""


def test_refresh_treats_each_pair_alone() -> None:
    """Three pairs a weight, each in another state: what one pair needs does not touch its neighbours."""
    array = several(3, rows=6, cols=1, write_noise_scale=0.0, reset_std_us=0.0, drift_exponent=0.0)
    states = [[STATES[(row + 2 * n) % 6] for row in range(6)] for n in range(3)]
    array.cells.g_us.copy_(torch.tensor(states).permute(2, 0, 1)[..., None])
    before, history = array.cells.g_us.clone(), array.cells.history.clone()
    events = Events()
    array.refresh(RefreshSpec(), 50.0, events)
    response = array.cells.spec.mean_response_us(8)
    pulses = 0
    for n in range(3):
        for row in range(6):
            place = slice(None), n, row, 0
            plus, minus = states[n][row]
            if (plus, minus) not in CLOSE:
                assert array.cells.reset_pulses[place].tolist() == [0, 0]
                assert array.cells.set_pulses[place].tolist() == [0, 0]
                assert torch.equal(array.cells.g_us[place], before[place])
                assert torch.equal(array.cells.history[place], history[place])
                continue
            difference = abs(plus - minus)
            count = min(range(9), key=lambda k, d=difference: abs(d - (response[k] - response[0])))
            written = [count, 0] if plus > minus else [0, count]
            assert array.cells.reset_pulses[place].tolist() == [1, 1]
            assert array.cells.set_pulses[place].tolist() == written
            assert array.cells.g_us[place].tolist() == pytest.approx([response[k] for k in written], rel=1e-5)
            pulses += count
    assert pulses > 0
    assert events == Events(refresh_reads=36, refreshed_pairs=9, resets=18, set_pulses_refresh=pulses)
    assert array.selected == 0
