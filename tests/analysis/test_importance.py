"""What decides, on studies where it is known, and ablations against closed forms."""

import polars as pl
import pytest
from scipy import stats

from dse.analysis.effects.ablation import _verdict, ablation
from dse.analysis.effects.features import columns, designs_of, groups, matrix
from dse.analysis.effects.importance import dependence, importance
from dse.analysis.tables.tables import open_tables, search_trials
from dse.errors import QueryError
from tests.analysis.synthetic import study


def metrics(p):
    """Energy is a power of bits alone; accuracy is the learning rate, and the rounding shifts it."""
    return {
        "accuracy": p["training.learning_rate"]
        + {"nearest": 0.0, "stochastic": 0.3, "zero": 0.0}[p["accumulator.rounding"]],
        "energy_per_sample_j": 1e-12 * 2.0 ** p["adc.bits"],
    }


@pytest.mark.slow
def test_what_decides_comes_first_and_what_does_not_is_nought():
    table = importance(study(metrics, count=150), ["accuracy", "energy_per_sample_j"])
    accuracy = table.filter(pl.col("objective") == "accuracy")
    assert accuracy["parameter"].to_list()[:2] == ["training.learning_rate", "accumulator.rounding"]
    assert accuracy["low"][1] > 0
    assert accuracy["importance"].to_list()[2:] == pytest.approx([0, 0], abs=0.05)
    assert accuracy["r2"][0] > 0.85
    energy = table.filter(pl.col("objective") == "energy_per_sample_j")
    assert energy["parameter"][0] == "adc.bits"
    assert set(energy["scale"]) == {"log10"}
    assert (table["low"] <= table["importance"] + 1e-12).all()
    assert (table["importance"] <= table["high"] + 1e-12).all()


@pytest.mark.slow
def test_dependence_follows_the_true_curve():
    tables = study(metrics, count=150)
    energy = dependence(tables, "energy_per_sample_j", "adc.bits")
    assert energy["value"].to_list() == ["4", "5", "6", "7", "8", "9", "10"]
    assert energy["predicted"].to_list() == pytest.approx([1e-12 * 2.0**b for b in range(4, 11)], rel=0.25)
    words = dependence(tables, "accuracy", "accumulator.rounding")
    by_word = dict(words.select("value", "predicted").iter_rows())
    assert by_word["stochastic"] - by_word["nearest"] == pytest.approx(0.3, abs=0.1)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_importances():
    tables = study(metrics, count=40)
    assert importance(tables, ["accuracy"], 3).equals(importance(tables, ["accuracy"], 3))


def test_a_parameter_that_does_not_act_carries_no_information_there():
    tables = study(metrics, count=60, idle=lambda p: {"adc.bits"} if p["accumulator.rounding"] == "zero" else set())
    designs = designs_of(tables, search_trials(tables))
    idle = ~designs.acting("adc.bits")
    assert 0 < idle.sum() < 60
    place = groups(designs)["adc.bits"]
    assert set(matrix(designs)[idle][:, place].ravel()) == {7.0}


def test_numbers_mixed_with_words_have_a_column_each(replicated):
    tables = open_tables(replicated)
    designs = designs_of(tables, search_trials(tables))
    bits = next(p for p in designs.axes if p.name == "accumulator.bits")
    assert (bits.numbers, bits.strings) == ((4.0, 8.0), ("float",))
    assert columns(bits, [4.0, "float", 8.0, None]).tolist() == [[4, 0], [6, 1], [8, 0], [6, 0]]


@pytest.mark.parametrize(
    ("objectives", "message"),
    [(["acuracy"], "did you mean 'accuracy'"), (["loss"], "0 complete designs have loss")],
)
def test_what_cannot_be_said_is_refused(objectives, message):
    with pytest.raises(QueryError, match=message):
        importance(study(metrics, count=20), objectives)


def test_an_objective_that_never_changes_and_an_unknown_parameter_are_refused():
    with pytest.raises(QueryError, match="nothing decides it"):
        importance(study(lambda _: {"accuracy": 0.5}, count=20), ["accuracy"])
    with pytest.raises(QueryError, match=r"did you mean 'adc\.bits'"):
        dependence(study(metrics, count=20), "accuracy", "adc.bit")


@pytest.mark.parametrize(
    ("gap", "half", "metric", "verdict"),
    [(0.1, 0.05, "accuracy", "better"), (0.1, 0.05, "loss", "worse"), (-0.1, 0.2, "loss", "not resolved")],
)
def test_a_verdict_knows_which_way_is_up(gap, half, metric, verdict):
    assert _verdict(gap, half, metric) == verdict


def test_controls_are_compared_with_each_other_or_with_a_base(replicated, undisturbed):
    tables = open_tables(replicated)
    table = ablation(tables, ["accuracy", "worst_writes"])
    assert table.select("design", "base").unique().rows() == [("base", "digital_float")]
    values = [
        tables.trials.filter(pl.col("origin") == name).sort("seed")["accuracy"].to_numpy()
        for name in ("base", "digital_float")
    ]
    low, high = stats.ttest_rel(*values).confidence_interval(0.95)
    row = table.row(0, named=True)
    assert (row["low"], row["high"], row["interval"]) == (pytest.approx(low), pytest.approx(high), "paired")
    assert len(ablation(tables, ["accuracy"], "5")) == 2
    single = ablation(open_tables(undisturbed), ["accuracy"], "3").row(0, named=True)
    assert (single["low"], single["verdict"], single["seeds"]) == (None, None, 1)
    with pytest.raises(QueryError, match="did you mean 'base'"):
        ablation(tables, ["accuracy"], "bas")
    with pytest.raises(QueryError, match="nothing to compare"):
        ablation(open_tables(undisturbed), ["accuracy"])
