"""Fronts under constraints, in studies whose answer is known in closed form."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from dse.analysis.fronts import table as fronts
from dse.analysis.fronts.confidence import bands, drawn_means, front_probability
from dse.analysis.fronts.feasible import Feasibility, violations_of
from dse.analysis.fronts.pareto import is_on_front
from dse.analysis.fronts.plot import plot_front
from dse.analysis.tables.tables import open_tables
from dse.errors import QueryError
from dse.pricing.bounds import Bound
from tests.analysis.synthetic import study

OBJECTIVES = ["accuracy", "energy_per_sample_j"]
GOALS = ("maximise", "minimise")
HALF = Bound("accuracy", ">=", 0.5)


def metrics(p):
    rate = p["training.learning_rate"]
    return {"accuracy": rate, "energy_per_sample_j": 1e-9 * (0.1 + rate**2), "loss": p["adc.bits"]}


def test_a_design_that_lacks_a_bounded_quantity_is_infeasible():
    designs = pl.DataFrame({"accuracy": [0.9, 0.25, None]})
    found = violations_of(designs, [HALF])
    assert found[:2, 0].tolist() == [0.0, 0.5]
    assert np.isnan(found[2, 0])
    tables = study(metrics, count=6, constraints=[HALF])
    trials = tables.trials.with_columns(accuracy=pl.when(pl.col("trial") == 0).then(None).otherwise(0.75))
    judged = Feasibility(dataclasses.replace(tables, trials=trials))
    assert judged.met.tolist() == [False, True, True, True, True, True]
    assert judged.counts() == [("accuracy >= 0.5", 1)]


def test_without_constraints_every_design_is_feasible_and_nothing_is_said():
    judged = Feasibility(study(metrics, count=6))
    assert (judged.infeasible, judged.summary(), judged.counts()) == (0, "", [])
    assert fronts.front_title(judged.tables, OBJECTIVES) == "synthetic: 6 of 6 designs are on the front"


def test_a_front_without_designs_says_that_all_of_them_wait():
    tables = study(metrics, count=6, constraints=[HALF])
    waiting = tables.trials.with_columns(state=pl.lit("paused"))
    title = fronts.front_title(dataclasses.replace(tables, trials=tables.trials.clear(), rungs=waiting), OBJECTIVES)
    assert title.splitlines()[1].startswith("no design was trained to its end: 6 designs wait at a rung")
    assert "rung" not in fronts.front_title(dataclasses.replace(tables, rungs=waiting), OBJECTIVES)


def test_the_front_of_a_constrained_study_is_that_of_the_feasible_designs():
    """Accuracy and energy conflict, so that every design is on the front; the constraint leaves its upper half."""
    tables = study(metrics, count=40, constraints=[HALF])
    feasible = tables.trials.filter(pl.col("accuracy") >= 0.5)
    for made in ({}, {"ranked": True}, {"knee": True}, {"epsilon": "1%"}):
        assert sorted(fronts.front_table(tables, OBJECTIVES, **made)["trial"]) == feasible["trial"].to_list()
    title, second = fronts.front_title(tables, OBJECTIVES).splitlines()
    count = len(feasible)
    assert title == f"synthetic: {count} of {count} feasible designs are on the front"
    assert second == f"{40 - count} of 40 complete designs are infeasible; not met: accuracy >= 0.5 ({40 - count})"


def test_the_nearest_design_is_that_of_the_smallest_sum_of_violations():
    bounds = [Bound("accuracy", ">=", 2.0), Bound("loss", "<=", 5.0)]
    tables = study(metrics, count=60, constraints=bounds)
    far = {
        row["trial"]: (2.0 - row["accuracy"]) / 2.0 + max(0.0, row["loss"] - 5.0) / max(row["loss"], 5.0)
        for row in tables.trials.iter_rows(named=True)
    }
    said = Feasibility(tables).summary()
    assert said.startswith("none of 60 complete designs is feasible; not met: accuracy >= 2 (60), loss <= 5 (")
    assert f"the nearest is trial {min(far, key=far.get)} with accuracy = " in said
    assert fronts.front_table(tables, OBJECTIVES).is_empty()
    with pytest.raises(QueryError, match="none of 60 complete designs is feasible"):
        fronts.hypervolume_table(tables, OBJECTIVES)


def test_the_probability_to_be_on_the_front_counts_draws_in_which_a_design_is_feasible():
    """Two designs: the better one has 0.5 as the mean of what is bounded, and so is feasible in half of the draws."""
    values = np.array([[[1.0, 0.4], [1.0, 0.6]], [[0.9, 0.9], [0.9, 0.9]]])
    found = front_probability(values, ["maximise"], draws=4000, constraints=[Bound("loss", ">=", 0.5)])
    assert found == pytest.approx([0.5, 0.5], abs=0.03)
    assert found.sum() == pytest.approx(1.0)
    assert front_probability(values[..., :1], ["maximise"], draws=100).tolist() == [1.0, 0.0]


def test_probabilities_and_bands_are_those_of_the_definition():
    tables = study(metrics, count=12, seeds=3, noise=0.05, constraints=[HALF])
    values = fronts.replicates(tables, tables.designs["trial"], [*OBJECTIVES, "accuracy"])
    hits = np.zeros(12)
    for means in drawn_means(values, 1000):
        points = np.where((means[:, 2] >= 0.5)[:, None], means[:, :2], np.nan)
        hits += is_on_front(points, GOALS)
    table = fronts.front_table(tables, OBJECTIVES)
    assert dict(table.select("trial", "p_front").iter_rows()) == {t: hits[t] / 1000 for t in table["trial"]}
    assert set(fronts.bands_table(tables, OBJECTIVES)["percentile"]) == {10.0, 50.0, 90.0}


def test_a_surface_that_too_few_draws_attain_is_left_out():
    """One design, feasible in half of the draws: half of them attain it, and no 90 % attain anything."""
    values = np.array([[[1.0, 1.0, 0.4], [1.0, 1.0, 0.6]]])
    found = bands(values, GOALS, constraints=[Bound("loss", ">=", 0.51)])
    assert list(found) == [10.0]
    assert found[10.0].tolist() == [[1.0, 1.0]]
    assert bands(values, GOALS, constraints=[Bound("loss", ">=", 1e9)]) == {}


def test_a_price_that_the_tables_lack_is_named():
    tables = study(metrics, count=4, constraints=[Bound("area_m2", "<=", 1e-6)])
    with pytest.raises(QueryError, match="the constraint area_m2 <= 1 mm2 needs prices, which these tables lack; open"):
        fronts.front_title(tables, OBJECTIVES)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("bound", [HALF, Bound("accuracy", ">=", 2.0)])
@pytest.mark.parametrize("seeds", [1, 3])
def test_a_picture_marks_what_is_infeasible(bound, seeds, tmp_path):
    tables = study(metrics, count=20, seeds=seeds, noise=0.01, constraints=[bound])
    plot_front(tables, OBJECTIVES, tmp_path / "front.svg")
    drawn = (tmp_path / "front.svg").read_text()
    assert drawn.count("<!-- infeasible -->") == 1
    count = int((tables.designs["accuracy"] >= bound.bound).sum())
    title = _title_of(tables, tmp_path)
    assert f" of {count} feasible designs on the front; {20 - count} infeasible" in title


def _title_of(tables, folder):
    from matplotlib.figure import Figure  # noqa: PLC0415

    titles = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "suptitle", lambda self, text, **_: titles.append(text))
        plot_front(tables, OBJECTIVES, folder / "again.svg")
    return titles[0]


def test_a_metric_that_no_row_has_ends_in_a_message(undisturbed, tmp_path):
    tables = open_tables(undisturbed)
    for dtype in (pl.Float64, pl.Null, pl.Int64):
        none = dataclasses.replace(
            tables, trials=tables.trials.with_columns(pl.lit(None, dtype=dtype).alias("worst_writes"))
        )
        with pytest.raises(QueryError, match="no complete trial has all of validation_accuracy, worst_writes yet"):
            plot_front(none, ["validation_accuracy", "worst_writes"], tmp_path / "front.svg")
        assert fronts.front_table(none, ["validation_accuracy", "worst_writes"]).is_empty()


@pytest.mark.one_in(4)
@pytest.mark.parametrize("values", [[float("inf")], [float("inf"), 1e-9], [0.0], [-1.0, 5.0]])
@pytest.mark.parametrize("seeds", [1, 3])
def test_a_quantity_of_any_values_can_be_drawn(values, seeds, tmp_path):
    def odd(p):
        return {"accuracy": p["training.learning_rate"], "energy_per_sample_j": values[p["adc.bits"] % len(values)]}

    tables = study(odd, count=15, seeds=seeds)
    plot_front(tables, OBJECTIVES, tmp_path / "front.png")
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
