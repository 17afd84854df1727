"""Fronts as tables, and two studies side by side."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from dse.analysis.effects.compare import best_table, fronts_table, notes, shared_objectives, shared_table
from dse.analysis.fronts import table as fronts
from dse.analysis.fronts.pareto import front
from dse.analysis.fronts.plot import plot_front
from dse.analysis.tables.tables import open_tables, search_trials
from dse.errors import QueryError
from tests.analysis.synthetic import study


def metrics(p):
    return {
        "accuracy": p["training.learning_rate"],
        "energy_per_sample_j": 1e-9 * (0.1 + p["training.learning_rate"] ** 2),
    }


def test_the_plain_front_is_that_of_pareto(undisturbed):
    tables = open_tables(undisturbed)
    table = fronts.front_table(tables, tables.objectives)
    assert table["trial"].to_list() == front(search_trials(tables), tables.objectives)["trial"].to_list()
    assert "p_front" not in table.columns
    assert "one seed a design: no intervals" in fronts.confidence_note(tables)


def test_with_seeds_each_objective_has_an_interval_and_each_design_a_probability(replicated):
    tables = open_tables(replicated)
    table = fronts.front_table(tables, tables.objectives)
    assert table["p_front"].is_between(0, 1).all()
    assert set(table["seeds"]) == {3}
    for name in tables.objectives:
        assert table[f"ci95_{name}"].null_count() == 0


def test_ranks_show_all_designs_with_the_front_first(replicated):
    tables = open_tables(replicated)
    table = fronts.front_table(tables, tables.objectives[:2], ranked=True, knee=True)
    assert len(table) == len(search_trials(tables))
    assert table["rank"].to_list() == sorted(table["rank"])
    assert ((table["rank"] == 0) == (table["distance"] == 0)).all()
    assert (table["knee"].is_null() == (table["rank"] > 0)).all()


def test_epsilon_lets_more_designs_in(replicated):
    tables = open_tables(replicated)
    plain, wide = (fronts.front_table(tables, tables.objectives[:2], epsilon=e) for e in ("0%", "5%"))
    assert set(plain["trial"]) < set(wide["trial"])


def test_epsilon_is_read_in_units_and_as_a_part():
    size, relative = fronts.parse_epsilon("accuracy=0.005, loss=10%", ["accuracy", "worst_writes", "loss"])
    assert (size.tolist(), relative.tolist()) == ([0.005, 0, 0.1], [False, False, True])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("acuracy=1", "did you mean 'accuracy'"),
        ("much", "is not a number"),
        ("-1", "not allowed"),
        ("100%", "below 100%"),
    ],
)
def test_a_malformed_epsilon_is_told(text, message):
    with pytest.raises(QueryError, match=message):
        fronts.parse_epsilon(text, ["accuracy", "loss"])


def test_the_hypervolume_states_its_reference():
    tables = study(metrics, count=30)
    row = fronts.hypervolume_table(tables, ["accuracy", "energy_per_sample_j"]).row(0, named=True)
    assert row["reference_accuracy"] == tables.trials["accuracy"].min()
    assert row["reference_energy_per_sample_j"] == tables.trials["energy_per_sample_j"].max()
    assert 0.5 < row["share"] < 1
    given = fronts.hypervolume_table(tables, ["accuracy", "energy_per_sample_j"], "accuracy=0,energy_per_sample_j=2e-9")
    assert given["hypervolume"][0] > row["hypervolume"]
    with pytest.raises(QueryError, match="misses energy_per_sample_j"):
        fronts.hypervolume_table(tables, ["accuracy", "energy_per_sample_j"], "accuracy=0")


def test_bands_are_in_order_and_refused_without_seeds():
    names = ["accuracy", "energy_per_sample_j"]
    table = fronts.bands_table(study(metrics, count=20, seeds=3, noise=0.01), names)
    assert sorted(set(table["percentile"])) == [10, 50, 90]
    best = [table.filter(pl.col("percentile") == p)["accuracy"].max() for p in (10, 50, 90)]
    assert best == sorted(best, reverse=True)
    with pytest.raises(QueryError, match="several seeds"):
        fronts.bands_table(study(metrics, count=20), names)
    with pytest.raises(QueryError, match="two objectives, not 1"):
        fronts.bands_table(study(metrics, count=20), ["accuracy"])


@pytest.mark.slow
def test_four_objectives_with_seeds_are_a_grid_with_bars_and_bands(replicated, tmp_path):
    tables = open_tables(replicated)
    plot_front(tables, tables.objectives, tmp_path / "front.svg")
    drawn = (tmp_path / "front.svg").read_text()
    width, height = (float(drawn.split(f'{side}="')[1].split("pt")[0]) for side in ("width", "height"))
    assert 1.2 < width / height < 2.2
    assert "axes_6" in drawn
    assert "axes_7" not in drawn
    assert "LineCollection" in drawn


def test_a_study_compared_with_itself_is_a_draw():
    tables = study(metrics, count=40, seeds=3, noise=0.01)
    names = ["accuracy", "energy_per_sample_j"]
    a, b, union = fronts_table(tables, tables, objectives=names).rows(named=True)
    assert a["hypervolume"] == b["hypervolume"] == union["hypervolume"]
    assert (a["covers_other"], b["covers_other"], union["covers_other"]) == (1.0, 1.0, None)
    shared = shared_table(tables, tables, names)
    assert len(shared) == 80
    assert set(shared["difference"]) == {0.0}
    assert set(shared["verdict"]) == {"not resolved"}


def test_the_better_of_two_studies_covers_the_other():
    # The second is the first with half the energy.
    names = ["accuracy", "energy_per_sample_j"]
    first = study(metrics, count=40)
    second = replace(first, trials=first.trials.with_columns(pl.col("energy_per_sample_j") / 2))
    a, b, union = fronts_table(first, second, objectives=names).rows(named=True)
    assert (a["covers_other"], b["covers_other"]) == (0.0, 1.0)
    assert a["hypervolume"] < b["hypervolume"] == union["hypervolume"]
    assert (a["on_union_front"], b["on_union_front"]) == (0, b["on_front"])
    best = best_table(first, second, names).filter(pl.col("objective") == "energy_per_sample_j").row(0, named=True)
    assert math.isclose(best["b"], best["a"] / 2)
    ratio = shared_table(first, second, ["energy_per_sample_j"])
    assert np.allclose(ratio["b"].to_numpy() * 2, ratio["a"].to_numpy())


def test_what_cannot_be_compared_is_told(undisturbed, replicated):
    a, b = open_tables(undisturbed), open_tables(replicated)
    assert shared_objectives(a, b) == ["validation_accuracy", "energy_per_sample_j", "worst_writes"]
    assert notes(a, b) == []
    assert notes(a, replace(b, trials=b.trials.with_columns(cost_card=pl.lit("gold"))))[0].startswith(
        "note: other cost card"
    )
    with pytest.raises(QueryError, match="share no objective"):
        shared_objectives(a, replace(b, objectives=["cells"]))
    with pytest.raises(QueryError, match="share no design"):
        shared_table(study(metrics, count=5), study(metrics, count=5, seed=1), ["accuracy"])
