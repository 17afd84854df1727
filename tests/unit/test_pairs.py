"""The crossbar: products in both directions, programming, refresh, and every event counted by hand."""

from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from dse.crossbar.events import Events
from dse.crossbar.pairs import PairArray, initial_conductance_us
from dse.crossbar.spec import AdcSpec, ArraySpec, DacSpec, RefreshSpec
from dse.devices.card import read_cell
from dse.devices.spec import CellSpec

ROWS, COLS = 5, 3
BATCH = 4
Bits = int | Literal["ideal"]


def pairs(
    card: str = "pcm_gst",
    dac: Bits = "ideal",
    adc: Bits = "ideal",
    rows: int = ROWS,
    cols: int = COLS,
    adc_range: float = 8.0,
    seed: int = 1,
    layer: int = 0,
    **cell: Any,
) -> PairArray:
    settings = {**read_cell(card), "read_noise_scale": 0.0, **cell}
    adc_spec = AdcSpec(bits=adc, range=adc_range, backward_range=adc_range / 2)
    return PairArray(
        rows, cols, CellSpec.parse(settings), ArraySpec(), DacSpec(bits=dac), adc_spec, seed=seed, layer=layer
    )


def inputs(batch: int = BATCH, rows: int = ROWS) -> Tensor:
    x = torch.rand((batch, rows), generator=torch.Generator().manual_seed(5))
    x[:, -1] = 1.0
    x[0, :2] = 0.0
    return x


def errors(batch: int = BATCH, cols: int = COLS) -> Tensor:
    return torch.randn((batch, cols), generator=torch.Generator().manual_seed(6))


def weight_of(array: PairArray) -> Tensor:
    g = array.cells.g_us
    return (g[0] - g[1]).mean(dim=0) / 8.0


def in_ascending_order(x: Tensor, matrix: Tensor) -> Tensor:
    """Return x matrix, one row of the matrix added after the other."""
    y = torch.zeros(x.shape[0], matrix.shape[1])
    for row in range(matrix.shape[0]):
        y = y + x[:, row, None] * matrix[row]
    return y


def test_the_forward_product_is_a_matrix_product_without_converters_and_noise() -> None:
    array = pairs()
    y = array.forward(array.sense(0.0), inputs())
    assert y.shape == (BATCH, COLS)
    assert torch.equal(y, in_ascending_order(inputs(), weight_of(array)))
    torch.testing.assert_close(y, inputs() @ weight_of(array))


def test_the_backward_product_is_the_transposed_one_without_the_bias_row() -> None:
    array = pairs()
    d = array.backward(array.sense(0.0), errors(), Events())
    assert d.shape == (BATCH, ROWS - 1)
    torch.testing.assert_close(d, errors() @ weight_of(array)[:-1].T)


def test_the_bias_row_does_not_reach_the_backward_product() -> None:
    array = pairs()
    before = array.backward(array.sense(0.0), errors(), Events())
    array.cells.g_us[:, :, -1] += 3.0
    assert torch.equal(array.backward(array.sense(0.0), errors(), Events()), before)


def test_backward_products_do_not_depend_on_the_size_of_the_errors() -> None:
    array = pairs(dac=4, adc=4)
    small = array.backward(array.sense(0.0), errors() * 2.0**-40, Events())
    torch.testing.assert_close(small * 2.0**40, array.backward(array.sense(0.0), errors(), Events()))


def test_samples_without_error_send_nothing_back() -> None:
    array = pairs(dac=8, adc=8, read_noise_scale=1.0)
    d = errors()
    d[1] = 0.0
    back = array.backward(array.sense(0.0), d, Events())
    assert back[1].tolist() == [0.0] * (ROWS - 1)
    assert bool((back[0] != 0.0).any())


def test_products_see_the_drifted_conductance() -> None:
    array = pairs()
    factor = (1e5 / 38.6) ** -0.04
    torch.testing.assert_close(array.sense(1e5).weight, weight_of(array) * factor)


def test_converters_bound_what_a_product_can_be() -> None:
    array = pairs(dac=8, adc=3, adc_range=0.01)
    y = array.forward(array.sense(0.0), inputs())
    assert {round(v, 6) for v in y.abs().reshape(-1).tolist()} <= {0.0, 0.003333, 0.006667, 0.01}


def test_positive_pulses_go_to_the_plus_plane_and_negative_ones_to_the_minus_plane() -> None:
    array = pairs("ideal_linear")
    before = array.cells.g_us.clone()
    pulses = torch.zeros(ROWS, COLS, dtype=torch.int64)
    pulses[0, 0], pulses[2, 1], pulses[4, 2] = 3, -2, 1
    events = Events()
    array.program(pulses, 7.0, events)
    change = array.cells.g_us - before
    torch.testing.assert_close(change, torch.stack([pulses.clamp_min(0), (-pulses).clamp_min(0)])[:, None] * 0.77)
    assert torch.equal(array.cells.set_pulses[0, 0], pulses.clamp_min(0))
    assert torch.equal(array.cells.set_pulses[1, 0], (-pulses).clamp_min(0))
    assert torch.equal(array.cells.pulsed_at_s > 0, array.cells.set_pulses > 0)
    assert events == Events(set_pulses_update=6)


def test_cells_without_a_pulse_keep_their_state() -> None:
    array = pairs()
    state = array.cells
    before = state.g_us.clone(), state.history.clone()
    pulses = torch.zeros(ROWS, COLS, dtype=torch.int64)
    pulses[1, 2] = -4
    array.program(pulses, 7.0, Events())
    still = state.set_pulses == 0
    assert int(still.sum()) == 2 * ROWS * COLS - 1
    assert torch.equal(state.g_us[still], before[0][still])
    assert torch.equal(state.history[still], before[1][still])
    assert float(state.pulsed_at_s[still].max()) == 0.0


def test_programming_nothing_changes_nothing() -> None:
    array = pairs()
    before = array.cells.g_us.clone()
    events = Events()
    array.program(torch.zeros(ROWS, COLS, dtype=torch.int64), 7.0, events)
    assert torch.equal(array.cells.g_us, before)
    assert events == Events()


def test_forward_events_are_what_counting_by_hand_gives() -> None:
    array = pairs(dac=2, adc=4, adc_range=0.3)
    x = inputs()
    events = Events()
    array.forward(array.sense(0.0), x, events)
    driven = [[round(value * 3) / 3 for value in row] for row in x.tolist()]
    weight = weight_of(array).tolist()
    products = [sum(row[i] * weight[i][j] for i in range(ROWS)) for row in driven for j in range(COLS)]
    assert events == Events(
        mvm_forward=BATCH,
        line_drives_forward=sum(value != 0 for row in driven for value in row),
        drive_time_forward=pytest.approx(sum(map(sum, driven))),
        dac_forward=BATCH * ROWS,
        adc_forward=BATCH * COLS,
        adc_cut_forward=sum(abs(value) > 0.3 for value in products),
    )
    assert 0 < events.adc_cut_forward < BATCH * COLS


def test_backward_events_are_what_counting_by_hand_gives() -> None:
    array = pairs(dac=3, adc=4, adc_range=0.5)
    d = errors()
    events = Events()
    array.backward(array.sense(0.0), d, events)
    driven = [[round(value / max(map(abs, row)) * 3) / 3 for value in row] for row in d.tolist()]
    weight = weight_of(array).tolist()
    products = [sum(row[j] * weight[i][j] for j in range(COLS)) for row in driven for i in range(ROWS - 1)]
    assert events == Events(
        mvm_backward=BATCH,
        line_drives_backward=sum(value != 0 for row in driven for value in row),
        drive_time_backward=pytest.approx(sum(abs(value) for row in driven for value in row)),
        dac_backward=BATCH * COLS,
        adc_backward=BATCH * (ROWS - 1),
        adc_cut_backward=sum(abs(value) > 0.25 for value in products),
    )
    assert 0 < events.adc_cut_backward < BATCH * (ROWS - 1)


def test_ideal_converters_cut_nothing() -> None:
    array = pairs(adc_range=1e-3)
    events = Events()
    array.forward(array.sense(0.0), inputs(), events)
    array.backward(array.sense(0.0), errors(), events)
    assert (events.adc_cut_forward, events.adc_cut_backward) == (0, 0)


def test_products_leave_inputs_and_cells_alone() -> None:
    array = pairs(dac=2, adc=2, read_noise_scale=1.0)
    x, d, g = inputs(), errors(), array.cells.g_us.clone()
    array.forward(array.sense(1e5), x)
    array.backward(array.sense(1e5), d, Events())
    assert torch.equal(x, inputs())
    assert torch.equal(d, errors())
    assert torch.equal(array.cells.g_us, g)


PAIRS = [
    (9.0, 7.0),  # near saturation and close: refreshed, difference +2
    (7.0, 9.55),  # the same on the other side, difference -2.55: two pulses, by a hair
    (11.0, 11.0),  # no difference: RESET and left there
    (9.0, 2.0),  # far apart: left alone
    (7.9, 7.0),  # below the threshold: left alone
    (8.0, 7.0),  # at the threshold: left alone
    (10.0, 4.0),  # exactly 6 uS apart: left alone
]
REFRESHED = [0, 1, 2]


def refreshable(**cell: Any) -> PairArray:
    quiet = {"write_noise_scale": 0.0, "reset_std_us": 0.0, "drift_exponent": 0.0}
    array = pairs(rows=len(PAIRS), cols=1, **{**quiet, **cell})
    array.cells.g_us.copy_(torch.tensor(PAIRS).T.reshape(2, 1, len(PAIRS), 1))
    return array


def test_refresh_touches_only_pairs_that_satisfy_the_rule() -> None:
    array = refreshable()
    before = array.cells.g_us.clone()
    array.refresh(RefreshSpec(), 50.0, Events())
    touched = [i for i in range(len(PAIRS)) if bool((array.cells.reset_pulses[:, :, i] > 0).any())]
    assert touched == REFRESHED
    others = [i for i in range(len(PAIRS)) if i not in REFRESHED]
    assert torch.equal(array.cells.g_us[:, :, others], before[:, :, others])
    assert int(array.cells.set_pulses[:, :, others].sum()) == 0
    assert float(array.cells.pulsed_at_s[:, :, others].max()) == 0.0


def test_refresh_resets_both_cells_and_writes_the_difference_with_the_nearest_mean_response() -> None:
    array = refreshable()
    events = Events()
    array.refresh(RefreshSpec(), 50.0, events)
    response = array.cells.spec.mean_response_us(8)
    pulses = 0
    for i in REFRESHED:
        plus, minus = PAIRS[i]
        count = min(range(9), key=lambda n, d=plus - minus: abs(abs(d) - (response[n] - response[0])))
        written, idle = (0, 1) if plus > minus else (1, 0)
        assert array.cells.reset_pulses[:, 0, i, 0].tolist() == [1, 1]
        assert array.cells.pulsed_at_s[:, 0, i, 0].tolist() == [50.0, 50.0]
        assert int(array.cells.set_pulses[written, 0, i]) == count
        assert float(array.cells.g_us[written, 0, i]) == pytest.approx(response[count], rel=1e-5)
        assert int(array.cells.set_pulses[idle, 0, i]) == 0
        assert float(array.cells.g_us[idle, 0, i]) == pytest.approx(0.1)
        pulses += count
    assert pulses > 0
    assert events == Events(
        refresh_reads=2 * len(PAIRS),
        refreshed_pairs=len(REFRESHED),
        resets=2 * len(REFRESHED),
        set_pulses_refresh=pulses,
    )


def test_refresh_writes_at_most_the_pulses_it_may() -> None:
    array = refreshable()
    events = Events()
    array.refresh(RefreshSpec(max_pulses=0), 50.0, events)
    assert events.resets == 2 * len(REFRESHED)
    assert events.set_pulses_refresh == 0
    torch.testing.assert_close(array.cells.g_us[:, :, REFRESHED], torch.full((2, 1, 3, 1), 0.1))


def test_refresh_that_finds_nothing_only_reads() -> None:
    array = refreshable()
    before = array.cells.g_us.clone()
    events = Events()
    array.refresh(RefreshSpec(threshold_us=12.0), 50.0, events)
    assert events == Events(refresh_reads=2 * len(PAIRS))
    assert torch.equal(array.cells.g_us, before)


def test_refresh_judges_the_drifted_conductance() -> None:
    array = refreshable(drift_exponent=0.04)
    events = Events()
    array.refresh(RefreshSpec(), 1e9, events)
    assert events.refreshed_pairs == 0


def test_initial_conductances_stay_in_their_range_and_spread_as_asked() -> None:
    g = initial_conductance_us(ArraySpec(initial_std_us=5.0), 40, 50, seed=1, layer=0)
    assert g.shape == (2, 40, 50)
    assert float(g.min()) == pytest.approx(0.1)
    assert float(g.max()) == 8.0
    exact = initial_conductance_us(ArraySpec(initial_std_us=0.0), 4, 5, seed=1, layer=0)
    assert exact.unique().tolist() == pytest.approx([1.6])


def test_initial_conductances_differ_between_layers_and_seeds_alone() -> None:
    spec = ArraySpec()
    first = initial_conductance_us(spec, 4, 5, seed=1, layer=0)
    assert torch.equal(first, initial_conductance_us(spec, 4, 5, seed=1, layer=0))
    assert not torch.equal(first, initial_conductance_us(spec, 4, 5, seed=1, layer=1))
    assert not torch.equal(first, initial_conductance_us(spec, 4, 5, seed=2, layer=0))
