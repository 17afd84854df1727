"""The program of prices, run by a plain twin, against the expressions that it was taken from."""

import operator
from functools import reduce

import numpy as np
import polars as pl
import pytest

from dse.pricing.card import CONSTANTS, GROUPS, as_frame, read_cost_card
from dse.pricing.price import COLUMNS, price
from dse.pricing.program import LAYER, TRIAL, inputs, program
from tests.analysis.kinds import layers_of_all_kinds

MADE = program()
TWINS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "&": lambda a, b: np.asarray(a) * np.asarray(b),
    "fill": lambda a, b: np.where(np.isnan(a), b, a),
    "if": lambda p, a, b: np.where(np.asarray(p) > 0, a, b),
    "min": lambda *all_: reduce(np.fmin, all_),
    "ceil": np.ceil,
}


def run(layers, card):
    """Return the outputs of the program, one node after the other."""
    frames, constants = inputs(MADE, layers), as_frame([card]).row(0, named=True)
    number = {key: place for place, key in enumerate(frames[TRIAL].select("trial", "seed").iter_rows())}
    row_of = np.array([number[key] for key in frames[LAYER].select("trial", "seed").iter_rows()])
    values = []
    for kind, *rest in MADE.nodes:
        if kind == "number":
            values.append(np.float64(np.nan if rest[0] is None else rest[0]))
        elif kind == "card":
            values.append(np.float64(constants[".".join(["card", *rest])]))
        elif kind in (LAYER, TRIAL):
            values.append(frames[kind][str(rest[0])].to_numpy())
        elif kind in ("sum", "most"):
            given = np.broadcast_to(values[rest[0]], row_of.shape)
            gather = np.sum if kind == "sum" else lambda own: np.nanmax(own) if not np.isnan(own).all() else np.nan
            values.append(np.array([gather(given[row_of == row]) for row in range(len(number))]))
        else:
            values.append(TWINS[kind](*(values[place] for place in rest)))
    return {name: np.broadcast_to(values[place], len(number)) for name, place in MADE.outputs.items()}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ["bottom_up_28nm", "hermes_converter", "digital_int8"])
def test_the_program_prices_as_the_expressions_do(name):
    layers = layers_of_all_kinds(pl.DataFrame({"trial": range(24), "seed": [0] * 24}))
    card = read_cost_card(name)
    expected, found = price(layers, card), run(layers, card)
    assert list(found) == list(COLUMNS)
    for column in COLUMNS:
        want = expected[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        np.testing.assert_allclose(found[column], want, rtol=1e-13, atol=0.0, err_msg=column)
    assert sum(expected[column].null_count() < 24 for column in COLUMNS) == len(COLUMNS)


def test_columns_hold_nothing_of_a_card_and_nodes_take_earlier_ones():
    names = {name for columns in MADE.columns.values() for e in columns.values() for name in e.meta.root_names()}
    assert not [name for name in names if name.startswith("card.")]
    for place, (kind, *rest) in enumerate(MADE.nodes):
        if kind not in ("number", "card", LAYER, TRIAL):
            assert all(earlier < place for earlier in rest)
    used = {rest[0] for kind, *rest in MADE.nodes if kind == "card"}
    assert used == set(CONSTANTS)


def test_an_operation_that_no_page_knows_is_named():
    with pytest.raises(NotImplementedError, match="no page knows yet"):
        program().take(pl.col("card.gate_j").log(), TRIAL)


def test_groups_begin_with_constants_and_the_first_has_one():
    assert set(GROUPS) <= set(CONSTANTS)
    assert next(iter(GROUPS)) == next(iter(CONSTANTS))
