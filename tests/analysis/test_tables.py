"""Tables, pictures and texts made from a results folder."""

import json
from dataclasses import replace

import polars as pl
import pytest

from dse.analysis.fronts.pareto import front
from dse.analysis.fronts.plot import ON_FRONT, SEARCHED, plot_front
from dse.analysis.queries.sql import query
from dse.analysis.tables.render import render
from dse.analysis.tables.tables import controls, open_tables, search_trials
from dse.errors import QueryError
from dse.pricing.card import read_cost_card
from dse.pricing.price import price
from dse.pricing.text import si
from dse.search.executor import LocalExecutor
from dse.search.runs import start
from dse.search.study import parse_study
from tests.studies import SMALL_STUDY


@pytest.fixture
def tables(undisturbed):
    return open_tables(undisturbed)


def test_parameters_are_columns(tables):
    assert tables.parameters == ["accumulator.bits", "accumulator.epsilon", "training.learning_rate", "adc.bits"]
    row = tables.trials.row(4, named=True)
    assert {name: row[name] for name in tables.parameters} == json.loads(row["parameters"])
    assert json.loads(row["design"])["accumulator"]["bits"] == row["accumulator.bits"]


def test_layers_and_curves_unfold_with_their_trial(tables):
    assert tables.layers.filter(pl.col("trial") == 3)["layer"].to_list() == [0, 1]
    assert len(tables.curves) == len(tables.trials)


def test_pricing_the_stored_table_equals_the_price_at_run_time_bit_for_bit(tables):
    priced = price(tables.layers, read_cost_card("bottom_up_28nm"))
    stored = tables.trials.filter(pl.col("state") == "complete").select("trial", "seed", "energy_per_sample_j")
    joined = stored.join(priced, on=["trial", "seed"], suffix="_again")
    assert len(joined) == len(stored) == 15
    assert joined["energy_per_sample_j"].equals(joined["energy_per_sample_j_again"])


def test_the_search_and_its_controls_are_kept_apart(tables):
    assert len(search_trials(tables)) == 14
    assert controls(tables)["origin"].to_list() == ["digital_float"]


def test_sql_reaches_every_table(tables):
    for name in ("trials", "designs", "layers", "curves", "intervals", "ranks"):
        assert query(tables, f"SELECT count(*) AS n FROM {name}")["n"][0] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "mark"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_pictures_are_written_in_the_format_of_their_ending(tables, tmp_path, ending, mark):
    plot_front(tables, tables.objectives, tmp_path / f"front.{ending}")
    assert (tmp_path / f"front.{ending}").read_bytes().startswith(mark)


@pytest.mark.slow
def test_a_picture_shows_every_design_in_every_pair_of_objectives(tables, tmp_path):
    plot_front(tables, tables.objectives, tmp_path / "front.svg")
    drawn = (tmp_path / "front.svg").read_text()
    best = front(search_trials(tables), tables.objectives)
    # Three pairs, and one mark of each kind in the legend.
    assert drawn.count(f"fill: {SEARCHED}") == 3 * len(search_trials(tables)) + 1
    assert drawn.count(f"fill: {ON_FRONT}") == 3 * len(best) + 1


def test_a_design_that_a_control_shares_stays_among_the_searched(tmp_path):
    text = (
        SMALL_STUDY.split("[space]")[0]
        + """
        [space]
        "accumulator.bits" = [4, 8]
        [controls.ref]
        accumulator.bits = 8
        [budget]
        trials = 6
    """
    )
    start(parse_study(text, tmp_path), tmp_path / "r", LocalExecutor)
    tables = open_tables(tmp_path / "r")
    assert sorted(search_trials(tables)["accumulator.bits"]) == [4, 8]


def test_a_design_that_failed_under_one_seed_has_failed(tables):
    rows = tables.trials.filter(pl.col("trial") == 3)
    second = rows.with_columns(pl.lit(1).cast(pl.Int64).alias("seed"), state=pl.lit("failed"), failure=pl.lit("why"))
    both = replace(tables, trials=pl.concat([rows, second]), about={**tables.about, "seeds": 2})
    assert both.designs.select("state", "failure").row(0) == ("failed", "why")
    one = replace(tables, trials=rows, about={**tables.about, "seeds": 2})
    assert one.designs["state"].to_list() == ["running"]


def test_one_objective_is_no_front_to_draw(tables, tmp_path):
    with pytest.raises(QueryError, match="at least two objectives"):
        plot_front(tables, ["accuracy"], tmp_path / "front.png")


@pytest.mark.parametrize(
    ("value", "text"), [(8.32e-8, "83.2 nJ"), (1.435e-5, "14.3 uJ"), (0.0, "0 J"), (1.5e-13, "150 fJ"), (2.0, "2 J")]
)
def test_energies_have_a_prefix(value, text):
    assert si(value, "J") == text


def test_long_tables_say_that_they_were_cut():
    assert "40 more rows" in render(pl.DataFrame({"n": range(100)}))
