"""Layers that share arrays: which blocks lie together, and what that changes of area, utilisation and a pipeline."""

import math
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.crossbar.packing import Matrix, Part, shared, sharing
from dse.crossbar.usage import ARRAY_LINES, LayerUsage
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.outcome import Outcome
from dse.designs.report import used
from dse.errors import SettingError
from dse.pricing.price import price
from tests.studies import ROOT
from tests.unit.test_price import CARD, CROSSBAR, table
from tests.unit.test_price_hardware import adc_m2

CNN: dict[str, Any] = {"workload.dataset": "digits", "network.name": "cnn", "network.width": 0.25}
SHARED: dict[str, Any] = {
    **{f"array.tile_{lines}": size for lines, size in (("rows", 20), ("columns", 6))},
    "array.unused_lines": "present",
    "array.packing": "shared",
}
LAYERS = (
    Matrix(10, 8, back=False),  # fills array 0
    Matrix(12, 5, back=True),  # 10 x 5 opens array 1; 2 x 5 stands on a shelf of its own in array 2
    Matrix(6, 3, back=True),  # beside the 10 x 5 in array 1, which is full then
    Matrix(4, 3, back=True),  # opens array 2
    Matrix(4, 2, back=True),  # beside it
)


def test_blocks_go_on_the_first_shelf_that_has_room_for_them() -> None:
    assert shared(LAYERS, 10, 8) == (Part(1, 1), Part(2, 3), Part(0, 3), Part(0, 3), Part(0, 3))


def test_an_array_counts_for_a_layer_that_is_read_backward() -> None:
    first = tuple(own._replace(back=number != 1) for number, own in enumerate(LAYERS))
    assert shared(first, 10, 8) == (Part(1, 1), Part(0, 3), Part(1, 3), Part(1, 3), Part(0, 3))
    none = tuple(own._replace(back=False) for own in LAYERS)
    assert shared(none, 10, 8) == shared(LAYERS, 10, 8)


def test_two_blocks_of_a_layer_never_share_an_array() -> None:
    assert shared((Matrix(12, 2, back=True),), 10, 8) == (Part(2, 1),)
    # Tall blocks stand side by side; the low one of the second layer finds it in both arrays already.
    assert shared((Matrix(20, 2, back=True), Matrix(21, 3, back=True)), 10, 8) == (Part(2, 2), Part(1, 2))


def test_layers_that_share_arrays_two_by_two_take_three_turns() -> None:
    """Blocks of a layer work together, so that three layers that meet in pairs are never two at work."""
    layers = (Matrix(9, 7, back=True), Matrix(4, 11, back=True), Matrix(4, 9, back=True))
    assert [own.turns for own in shared(layers, 8, 8)] == [3, 3, 3]


SIZES = st.lists(st.builds(Matrix, st.integers(1, 30), st.integers(1, 30), st.booleans()), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(SIZES)
def test_arrays_are_no_more_than_apart_and_no_fewer_than_hold_all_weights(layers: list[Matrix]) -> None:
    parts = shared(tuple(layers), 9, 7)
    apart = [math.ceil(own.rows / 9) * math.ceil(own.cols / 7) for own in layers]
    total = sum(own.arrays for own in parts)
    assert max(*apart, math.ceil(sum(own.rows * own.cols for own in layers) / 63)) <= total <= sum(apart)
    assert all(1 <= own.turns <= len(layers) for own in parts)


def priced(*facts: dict[str, int]) -> dict[str, Any]:
    """Return the price of two layers of 65 x 16 weights in arrays of 80 x 40, with these facts."""
    layers = table(*({**CROSSBAR, "layer": number} for number in range(2)))
    names = {name for own in facts for name in own}
    columns = {name: pl.Series([own.get(name) for own in facts], dtype=pl.Float64) for name in sorted(names)}
    lines = {"array_rows": pl.lit(80), "array_columns": pl.lit(40)}
    return price(layers.with_columns(**lines, **columns), CARD).row(0, named=True)


def test_an_array_that_two_layers_share_counts_once_and_they_take_turns() -> None:
    apart, together = priced({}, {}), priced({"own_arrays": 1, "array_turns": 2}, {"own_arrays": 0, "array_turns": 2})
    converters = math.ceil(40 / 6) * adc_m2(9) + math.ceil(80 / 6) * adc_m2(6) + (80 + 40) * CARD.dac_area_m2
    assert apart["converters_m2"] == pytest.approx(2 * converters, rel=1e-12)
    assert together["converters_m2"] == pytest.approx(converters, rel=1e-12)
    assert together["cells_m2"] == pytest.approx(2 * 80 * 40 * CARD.cell_area_m2, rel=1e-12)
    assert together["interval_per_inference_s"] == 2 * apart["interval_per_inference_s"]
    assert together["pipelined_inferences_per_second"] == apart["pipelined_inferences_per_second"] / 2
    of_arrays = ("cells_m2", "converters_m2", "crossbar_m2", "area_m2", "interval_per_inference_s")
    changed = {name for name, own in apart.items() if own != together[name]}
    assert changed == {*of_arrays, "pipelined_inferences_per_second"}


def test_layers_apart_are_the_default_and_change_no_design() -> None:
    plain = {**CNN, **SHARED, "array.packing": "apart"}
    unsaid = {path: own for path, own in plain.items() if path != "array.packing"}
    assert compose(plain).key == compose(unsaid).key
    assert "packing" not in compose(plain).as_dict()["array"]
    assert compose({**CNN, **SHARED}).key != compose(plain).key
    for idle in ({"array.unused_lines": "absent"}, {"array.tile_rows": "whole"}, {"array.tile_columns": "whole"}):
        assert "packing" not in compose({**CNN, **SHARED, **idle}).as_dict()["array"]


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"array.wires.row_ohm": 1.0}, 'array: packing = "shared" is not worked out with wires; give "apart", or'),
        (
            {"device.set_endurance_pulses": 1e5, "array.spare_rows": 2},
            'packing = "shared" leaves no row to stand by; give spare_rows = 0',
        ),
        ({"array.packing": "dense"}, 'array.packing = "dense" is not allowed; give one of "apart", "shared"'),
    ],
)
def test_what_shared_arrays_cannot_be_is_refused_in_one_message(given_: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError) as caught:
        compose({**CNN, **SHARED, **given_})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_utilisation_counts_shared_arrays_once() -> None:
    lines = dict(zip(ARRAY_LINES, (10, 8), strict=True))
    layers = [
        LayerUsage(
            layer=number,
            rows=own.rows,
            cols=own.cols,
            cells=2 * own.rows * own.cols,
            inference_bits=0.0,
            events={**lines, "adc_backward": int(own.back)},
            wear={},
            row_tiles=math.ceil(own.rows / 10),
        )
        for number, own in enumerate(LAYERS)
    ]
    weights = sum(own.rows * own.cols for own in LAYERS)
    assert used(layers) == {"utilisation": weights / (6 * 80)}
    assert used(sharing(layers)) == {"utilisation": weights / (3 * 80)}
    fitting = [replace(own, events={"adc_backward": 0}) for own in layers]
    assert sharing(fitting) == fitting


def test_a_deployed_network_shares_the_arrays_that_it_is_priced_on() -> None:
    given = {
        "workload.dataset": "digits",
        "workload.images": 60,
        "network.name": "onnx",
        "network.file": str(ROOT / "search_spaces" / "array_size.onnx"),
        "deployment.times_s": (1.0,),
        "deployment.repetitions": 1,
        "deployment.tile_rows": 70,
        "deployment.tile_columns": 100,
        "deployment.unused_lines": "present",
    }
    own, plain = (compose({**given, "deployment.packing": packing}) for packing in ("shared", "apart"))
    together, apart = (evaluate(design, 0, design.workload.load()) for design in (own, plain))
    assert isinstance(together, Outcome)
    assert isinstance(apart, Outcome)
    # Layers of 64 x 256, 256 x 256 and 256 x 10; the last stands beside blocks of 56 columns of the second.
    assert [(own.events["own_arrays"], own.events["array_turns"]) for own in together.layers] == [
        (3, 2),
        (12, 2),
        (0, 2),
    ]
    share = 64 * 256 + 256 * 256 + 256 * 10
    assert (together.metrics["utilisation"], apart.metrics["utilisation"]) == (share / (15 * 7000), share / (19 * 7000))
    for one, other in zip(together.layers, apart.layers, strict=True):
        assert replace(one, events={name: one.events[name] for name in other.events}) == other
    assert {**together.metrics, "utilisation": 0.0} == {**apart.metrics, "utilisation": 0.0}
    with pytest.raises(SettingError, match='deployment: packing = "shared" is not worked out with wires'):
        compose({**given, "deployment.packing": "shared", "deployment.wires.row_ohm": 1.0})
