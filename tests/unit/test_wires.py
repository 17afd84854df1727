"""Wires: closed forms, Kirchhoff's laws solved at all nodes, and ladders that come close to them."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dse.crossbar.events import Events
from dse.crossbar.pairs import PairArray
from dse.crossbar.spec import AdcSpec, ArraySpec, DacSpec
from dse.crossbar.wire_spec import WireSpec
from dse.crossbar.wires import SOLUTIONS, solution_named
from dse.crossbar.wires.base import AbstractSolution, Line
from dse.crossbar.wires.ladders import Ladders, modes_of
from dse.crossbar.wires.nodal import Nodal
from dse.crossbar.wiring import ArrayWires
from dse.deployment.matrices import ProgrammedMatrix
from dse.designs.design import compose
from dse.devices.card import read_cell, read_programmed_cell
from dse.devices.spec import CellSpec, ProgrammedCellSpec
from dse.errors import SettingError
from dse.streams import stream

Solution = type[AbstractSolution]
OF_ONE_KIND: list[dict[str, Any]] = [
    {"row_ohm": 5.0, "column_ohm": 0.0},
    {"row_ohm": 0.0, "column_ohm": 5.0},
    {"row_ohm": 5.0, "column_ohm": 0.0, "row_ends": "both", "source_ohm": 40.0},
    {"row_ohm": 0.0, "column_ohm": 5.0, "column_ends": "both", "sense_ohm": 40.0},
    {"row_ohm": 0.0, "source_ohm": 200.0},
    {"row_ohm": 0.0, "sense_ohm": 200.0, "column_ends": "both"},
]
"""Wires of rows alone, or of columns alone."""
OF_BOTH: list[dict[str, Any]] = [
    {"row_ohm": 1.0},
    {"row_ohm": 6.0, "column_ohm": 2.0, "source_ohm": 60.0, "sense_ohm": 30.0},
    {"row_ohm": 4.0, "row_ends": "both", "column_ends": "both"},
    {"row_ohm": 0.0, "source_ohm": 100.0, "sense_ohm": 50.0},
    {"row_ohm": 4.0, "column_ohm": 0.0, "sense_ohm": 50.0, "column_ends": "both"},
]


def cells(rows: int = 40, columns: int = 24, largest_us: float = 25.0) -> Any:
    return np.random.default_rng(3).random((rows, columns), np.float32) * np.float32(largest_us)


def in_parallel(*conductances: float) -> float:
    return 1.0 / sum(1.0 / own for own in conductances)


@pytest.mark.parametrize("solution", SOLUTIONS)
def test_one_cell_is_in_series_with_its_wires(solution: Solution) -> None:
    lines = WireSpec(row_ohm=300.0, column_ohm=100.0, source_ohm=2000.0, sense_ohm=500.0).lines()
    found = solution.effective(np.array([[20.0]], np.float32), lines)
    assert found == pytest.approx(1.0 / (1 / 20.0 + 2.9e-3), rel=1e-6)


@pytest.mark.parametrize("solution", SOLUTIONS)
def test_two_cells_of_a_column_divide_currents(solution: Solution) -> None:
    near_us, far_us, ohm = 30.0, 70.0, 2000.0
    found = solution.effective(np.array([[near_us], [far_us]], np.float32), WireSpec(column_ohm=ohm).lines())
    r = ohm / 1e6
    # The near cell: its current divides between a segment to the converter, and a segment and the other cell to 0 V.
    beyond = 1.0 / (r + 1.0 / far_us)
    assert found[0, 0] == pytest.approx(near_us * (1 / r) / (1 / r + near_us + beyond), rel=1e-5)
    seen = near_us + 1 / r  # from the node of the far cell behind its segment
    node = far_us / (far_us + 1.0 / (r + 1.0 / seen))
    assert found[1, 0] == pytest.approx(node / (r + 1.0 / seen) * (1 / r) / seen, rel=1e-5)


@pytest.mark.parametrize("solution", SOLUTIONS)
def test_long_lines_of_equal_cells_fall_off_as_a_hyperbolic_cosine(solution: Solution) -> None:
    rows, g_us, ohm = 200, 10.0, 2.0
    found = solution.effective(np.full((rows, 1), g_us, np.float32), WireSpec(column_ohm=ohm).lines())[:, 0] / g_us
    decay = np.sqrt(g_us * ohm / 1e6)
    place = np.arange(1, rows + 1)
    wanted = np.cosh(decay * (rows + 0.5 - place)) / np.cosh(decay * (rows + 0.5))
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("solution", SOLUTIONS)
@pytest.mark.parametrize(("rows", "mean", "worst"), [(64, 0.9729, 0.9664), (128, 0.901, 0.878)])
def test_an_array_of_equal_cells_loses_what_badcrossbar_finds(
    rows: int, mean: float, worst: float, solution: Solution
) -> None:
    """Recorded with badcrossbar 1.1.0: cells of 10 uS, 1 ohm a segment, all rows driven."""
    g = np.full((rows, rows), 10.0, np.float32)
    found = solution.effective(g, WireSpec(row_ohm=1.0).lines()).sum(axis=0) / (rows * 10.0)
    assert found.mean() == pytest.approx(mean, abs=5e-4)
    assert found.min() == found[-1] == pytest.approx(worst, abs=5e-4)


@pytest.mark.reference
@pytest.mark.parametrize("ohm", [(1.0, 1.0), (4.0, 0.5)])
def test_currents_are_those_of_badcrossbar(ohm: tuple[float, float]) -> None:
    badcrossbar: Any = pytest.importorskip("badcrossbar")
    g, volt = cells(), np.random.default_rng(5).normal(size=40)
    given = {"r_i_word_line": ohm[0], "r_i_bit_line": ohm[1]}
    # Its columns are read below the last row.
    found = badcrossbar.compute(volt[::-1, None], 1e6 / g[::-1].astype(float), **given)
    wanted = 1e6 * found.currents.output.ravel()
    lines = WireSpec(row_ohm=ohm[0], column_ohm=ohm[1]).lines()
    np.testing.assert_allclose(volt @ Nodal.effective(g, lines), wanted, rtol=1e-4, atol=1e-4)
    lost = np.linalg.norm(volt @ g - wanted)
    assert np.linalg.norm(volt @ Ladders.effective(g, lines) - wanted) < 0.01 * lost


@pytest.mark.parametrize(("rows", "lost"), [(128, 0.0094), (256, 0.0364), (512, 0.128)])
def test_bit_lines_alone_lose_what_aihwkit_finds(rows: int, lost: float) -> None:
    """Recorded with aihwkit 1.2.0: `ir_drop = 1`, full rows of 5 uS, 0.35 ohm a segment. Its formula is quadratic."""
    lines = WireSpec(column_ohm=0.35).lines()
    found = Ladders.effective(np.full((rows, 1), 5.0, np.float32), lines).mean() / 5.0
    assert 1.0 - found == pytest.approx(lost, rel=0.03)


@pytest.mark.parametrize("wires", OF_ONE_KIND, ids=str)
def test_ladders_are_exact_where_rows_or_columns_alone_have_resistance(wires: dict[str, Any]) -> None:
    g, lines = cells(), WireSpec(**wires).lines(unused_rows=7, unused_columns=9)
    np.testing.assert_allclose(Ladders.effective(g, lines), Nodal.effective(g, lines), rtol=2e-5, atol=1e-5)


def of_pairs(g: Any) -> Any:
    return g[:, ::2] - g[:, 1::2]


@pytest.mark.parametrize("wires", OF_BOTH, ids=str)
@pytest.mark.parametrize("shape", [(40, 24), (9, 48), (48, 4), (1, 6), (2, 2)])
def test_ladders_err_by_less_than_a_fiftieth_of_what_wires_take(wires: dict[str, Any], shape: tuple[int, int]) -> None:
    g, lines = cells(*shape), WireSpec(**wires).lines(unused_rows=7, unused_columns=9)
    exact, found = Nodal.effective(g, lines), Ladders.effective(g, lines)
    for x in (np.ones((1, len(g))), np.random.default_rng(1).normal(size=(5, len(g)))):
        lost, wrong = (np.linalg.norm(x @ of_pairs(other - exact)) for other in (g, found))
        assert wrong < 0.02 * lost
        assert lost > 0.0


@pytest.mark.parametrize("solution", SOLUTIONS)
def test_a_product_the_other_way_goes_through_the_same_matrix(solution: Solution) -> None:
    g = cells()
    spec = WireSpec(row_ohm=5.0, column_ohm=2.0, source_ohm=60.0, sense_ohm=30.0, row_ends="both")
    turned = WireSpec(row_ohm=2.0, column_ohm=5.0, source_ohm=30.0, sense_ohm=60.0, column_ends="both")
    forward = solution.effective(g, spec.lines())
    backward = solution.effective(np.ascontiguousarray(g.T), turned.lines())
    allowed = 1e-6 if solution is Nodal else 0.01 * np.abs(g - forward).max()
    np.testing.assert_allclose(backward.T, forward, rtol=1e-5, atol=allowed)


@pytest.mark.parametrize("solution", SOLUTIONS)
def test_lines_without_resistance_leave_conductances_as_they_are(solution: Solution) -> None:
    g = cells()
    assert np.array_equal(solution.effective(g, WireSpec().lines()), g)


@pytest.mark.parametrize("line", [Line(2e-6, 2e-6), Line(2e-6, 5e-5, 9e-5), Line(0.0, 1e-4)])
def test_modes_are_the_slowest_of_the_line(line: Line) -> None:
    found, modes = modes_of(line, 30)
    response = line.raised(np.eye(30))
    np.testing.assert_allclose(response, response.T, rtol=1e-9, atol=1e-20)
    slowest = 1.0 / np.linalg.eigvalsh(response)[::-1][: len(found)]
    np.testing.assert_allclose(found, slowest, rtol=1e-6)
    np.testing.assert_allclose(response @ modes.T, modes.T / found, rtol=1e-4, atol=1e-6)


def of_matrix(g: Tensor, spec: WireSpec) -> Tensor:
    """Return effective conductances of one array, bit lines of a weight side by side: the definition written out."""
    _, pairs, _, outputs = g.shape
    lines = torch.stack([g[s, p, :, o] for o in range(outputs) for p in range(pairs) for s in (0, 1)], dim=1)
    found = torch.from_numpy(solution_named(spec.solution).effective(lines.contiguous().numpy(), spec.lines()))
    wanted, columns = torch.empty_like(g), iter(range(lines.shape[1]))
    for o in range(outputs):
        for p in range(pairs):
            for s in (0, 1):
                wanted[s, p, :, o] = found[:, next(columns)]
    return wanted


def block(pairs: int, inputs: int, outputs: int) -> Tensor:
    return 20.0 * torch.rand((2, pairs, inputs, outputs), generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("solution", [own.name for own in SOLUTIONS])
@pytest.mark.parametrize("pairs", [1, 3])
def test_cells_of_a_weight_lie_side_by_side_on_bit_lines_of_their_own(pairs: int, solution: str) -> None:
    g, spec = block(pairs, 6, 4), WireSpec(row_ohm=20.0, solution=solution)
    wanted = of_matrix(g, spec)
    assert torch.equal(ArrayWires(spec).effective(g), wanted)
    turned = ArrayWires(spec, inputs_first=False).effective(g.transpose(2, 3).contiguous())
    assert torch.equal(turned.transpose(2, 3), wanted)


def test_a_tile_has_wires_of_its_own() -> None:
    g, spec = block(1, 10, 7), WireSpec(row_ohm=20.0)
    found = ArrayWires(spec, tile_rows=4, tile_columns=3).effective(g)
    for rows in (slice(0, 4), slice(4, 8), slice(8, 10)):
        for columns in (slice(0, 3), slice(3, 6), slice(6, 7)):
            own = g[:, :, rows, columns].contiguous()
            assert torch.equal(found[:, :, rows, columns], of_matrix(own, spec))


def test_unused_lines_lengthen_the_way_to_the_far_ends_alone() -> None:
    g = block(1, 10, 3)
    one, both = WireSpec(row_ohm=20.0), WireSpec(row_ohm=20.0, row_ends="both", column_ends="both")
    assert torch.equal(ArrayWires(one, 64, 64, unused_lines=True).effective(g), ArrayWires(one).effective(g))
    near = ArrayWires(both, 64, 64).effective(g)
    assert torch.equal(near, ArrayWires(both).effective(g))
    far = ArrayWires(both, 64, 64, unused_lines=True).effective(g).sum()
    assert ArrayWires(one).effective(g).sum() < far < near.sum() < g.sum()


def array(cell: dict[str, Any] | None = None, **wires: Any) -> PairArray:
    spec = CellSpec.parse({**read_cell("pcm_gst"), **(cell or {})})
    own = ArraySpec(wires=WireSpec(**wires) if wires else None)
    return PairArray(30, 8, spec, own, DacSpec(bits="ideal"), AdcSpec(bits="ideal"), seed=1, layer=0)


QUIET = {"read_noise_scale": 0.0}


def test_products_of_both_directions_see_effective_weights() -> None:
    plain, wired = array(QUIET), array(QUIET, row_ohm=50.0)
    g = of_matrix(plain.cells.conductance_us(0.0), WireSpec(row_ohm=50.0))
    weight = (g[0, 0] - g[1, 0]) / 8.0
    x = torch.rand((4, 30), generator=torch.Generator().manual_seed(3))
    d = torch.randn((4, 8), generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(wired.forward(wired.sense(0.0), x), x @ weight)
    torch.testing.assert_close(wired.backward(wired.sense(0.0), d, Events()), d @ weight[:-1].T)
    assert float((weight / plain.sense(0.0).weight).median()) < 0.98


def test_noise_of_a_cell_reaches_a_converter_as_its_current_does() -> None:
    plain, wired = array().sense(0.0), array(column_ohm=50.0)
    found = wired.sense(0.0)
    share = wired.wires.effective(g := wired.cells.conductance_us(0.0)) / g  # type: ignore[union-attr]
    std = wired.cells.read_noise_std_us(g)
    assert std is not None
    wanted = ((std * share) ** 2).sum(dim=(0, 1)) / 64.0
    torch.testing.assert_close(found.noise_variance, wanted)
    assert plain.noise_variance is not None
    assert bool((wanted < plain.noise_variance).all())


def test_single_cells_are_read_without_what_others_draw() -> None:
    wired = array(QUIET, row_ohm=50.0)
    g = wired.cells.conductance_us(0.0)
    assert torch.equal(wired.presented(g, wired=False).weight, array(QUIET).sense(0.0).weight)


def test_programmed_cells_lie_behind_wires_too() -> None:
    spec = ProgrammedCellSpec.parse({**read_programmed_cell("pcm_joshi2020"), "read_noise_scale": 0.0})
    weight = torch.randn((4, 3, 2, 2), generator=torch.Generator().manual_seed(1))  # outputs first
    wires = WireSpec(row_ohm=50.0)
    plain = ProgrammedMatrix(weight, spec, seed=1, name=0)
    wired = ProgrammedMatrix(weight, spec, seed=1, name=0, wires=ArrayWires(wires, inputs_first=False))
    held = plain.read(stream(0, "reads")).weight.reshape(4, 12).t()
    scale = spec.g_max_us / float(weight.abs().max())
    g = of_matrix((torch.stack([held.clamp_min(0), (-held).clamp_min(0)]) * scale)[:, None].contiguous(), wires)
    wanted = ((g[0, 0] - g[1, 0]) / scale).t().reshape(weight.shape)
    torch.testing.assert_close(wired.read(stream(0, "reads")).weight, wanted)


def test_wires_without_resistance_are_no_part_of_a_design() -> None:
    assert array(row_ohm=0.0).wires is None
    plain = compose({})
    for own in ({"row_ohm": 0.0}, {"column_ohm": 0.0, "row_ends": "both"}, {"solution": "nodal"}):
        design = compose({f"array.wires.{name}": value for name, value in own.items()})
        assert design.key == plain.key
    one = compose({"array.wires.row_ohm": 1.0})
    assert one.key != plain.key
    assert compose({"array.wires.row_ohm": 1.0, "array.wires.column_ohm": 1.0}).key == one.key
    deployed = {"architecture": "float", "deployment.repetitions": 2}
    assert compose({**deployed, "deployment.wires.sense_ohm": 0.0}).key == compose(deployed).key


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("row_ohm", -1.0, "a number from 0 to 1000000.0"),
        ("column_ohm", -0.5, 'a number from 0 to 1000000.0 or "same"'),
        ("sense_ohm", 1e7, "a number from 0 to 1000000.0"),
        ("row_ends", "left", 'one of "one", "both"'),
        ("solution", "spice", 'one of "ladders", "nodal"'),
    ],
)
def test_wires_that_cannot_be_are_refused_in_a_line(name: str, value: Any, allowed: str) -> None:
    with pytest.raises(SettingError) as refused:
        compose({"array.wires.row_ohm": 1.0, f"array.wires.{name}": value})
    text = str(refused.value)
    assert text.startswith(f"array.wires.{name} = ")
    assert text.endswith(f"is not allowed; give {allowed}".replace("from 0 ", "from 0.0 "))
    assert "\n" not in text
