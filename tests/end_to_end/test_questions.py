"""The commands that ask a results folder, as a user meets them."""

import io
import json

import polars as pl
import pytest

CARDS = ["--card", "bottom_up_28nm", "--card", "bottom_up_14nm"]
ASKED = {
    "front": (["front", "A"], "p_front", ["p_front", "ci95_loss"]),
    "ranks": (["front", "A", "--ranks", "--knee", "--epsilon", "50%"], "distance", ["rank", "knee"]),
    "hypervolume": (["front", "A", "--hypervolume"], "reference_loss", ["share", "hypervolume"]),
    "bands": (["front", "A", "--bands", "--objectives", "accuracy,loss"], "percentile", ["percentile", "loss"]),
    "importance": (["importance", "A", "--objective", "accuracy"], "fall of R2", ["parameter", "low", "high", "r2"]),
    "dependence": (["importance", "A", "--objective", "loss", "--dependence", "adc.bits"], "predicted", ["value"]),
    "ablation": (["ablation", "A", "--base", "base"], "paired", ["difference", "low", "high", "verdict"]),
    "require": (
        ["require", "A", "--accuracy", ">= 0.2", "--energy-per-image-j", "<= 1e-7"],
        "simulate next",
        ["demand"],
    ),
    "compare": (["compare", "A", "B"], "covers_other", ["study", "hypervolume", "share"]),
    "front on two cards": (["front", "A", *CARDS], "2 variants each", ["card", "energy_per_sample_j", "p_front"]),
    "front of quantities": (["front", "A", "--objectives", "accuracy,area_m2"], "mm2", ["area_m2", "ci95_area_m2"]),
    "importance of a card": (["importance", "A", "--objective", "energy_per_sample_j", *CARDS], "card", ["parameter"]),
    "require a card": (["require", "A", "--target", "area_m2 <= 1e-6", *CARDS], "area_m2 <= 1 mm2", ["demand"]),
    "ranges": (["ranges", "A", "--worlds", "50"], "median_high", ["trial", "share", "low_energy_per_sample_j"]),
    "tornado": (["ranges", "A", "--show", "constants"], "swapped_low", ["constant", "unit", "front_high"]),
    "priced in SQL": (
        ["query", "A", "SELECT card, max(years_to_1_percent) AS years FROM priced GROUP BY card", *CARDS],
        "years",
        ["card", "years"],
    ),
    "ablation of a price": (["ablation", "A", "--objectives", "area_m2"], "paired", ["difference", "verdict"]),
    "compare by a price": (["compare", "A", "B", "--objectives", "accuracy,area_m2"], "covers", ["study", "share"]),
    "ranks in SQL": (["query", "A", "SELECT rank, count(*) AS n FROM ranks GROUP BY rank"], "rank", ["rank", "n"]),
}


@pytest.mark.one_in(4)
@pytest.mark.parametrize("question", ASKED)
@pytest.mark.usefixtures("few_forests")
def test_a_question_is_answered_to_people_and_programs(question, ask, replicated, undisturbed, tmp_path):
    arguments, word, columns = ASKED[question]
    arguments = [{"A": str(replicated), "B": str(undisturbed)}.get(a, a) for a in arguments]
    text = ask(*arguments)
    assert text.returncode == 0, text.stderr
    assert word in text.stdout
    assert "Warning" not in text.stderr
    rows = json.loads(ask(*arguments, "--format", "json").stdout)
    assert set(columns) <= set(rows[0])


@pytest.mark.slow
def test_an_answer_is_written_as_parquet_and_csv(ask, replicated, tmp_path):
    question = ("require", replicated, "--accuracy", ">= 0.2")
    ask(*question, "--format", "parquet", "--output", tmp_path / "answer.parquet")
    csv = pl.read_csv(io.StringIO(ask(*question, "--format", "csv").stdout))
    assert pl.read_parquet(tmp_path / "answer.parquet")["demand"].to_list() == csv["demand"].to_list()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["require", "A", "--accuracy", "=> 0.9"],
            "target '=> 0.9' of accuracy is not understood; give >=, <=, > or <",
        ),
        (["require", "A"], "no target is given"),
        (["require", "A", "--accuracy", ">= 1"], "the best is 0."),
        (["require", "A", "--accuracy", ">= 1.5"], "is met by no value: it is from 0 to 1"),
        (["require", "A", "--acuracy", ">= 0.5"], "--accuracy"),
        (["ablation", "A", "--base", "bas"], "did you mean 'base'?"),
        (["importance", "A", "--dependence", "adc.bit"], "did you mean 'adc.bits'?"),
        (["importance", "A", "--objective", "acuracy"], "did you mean 'accuracy'?"),
        (["front", "A", "--epsilon", "some"], "'some' is not a number"),
        (["front", "A", "--hypervolume", "--ranks"], "different tables; take one"),
        (["front", "A", "--bands"], "bands take two objectives, not 4"),
        (["front", "A", "--set", "adc_fixd_j=0"], "did you mean 'adc_fixed_j'?"),
        (["front", "A", "--card", "bottom_up"], "did you mean"),
        (["require", "A", "--target", "area <= 1"], "unknown metric 'area'"),
        (["require", "A", "--target", ">= 1"], "is not understood; give a name"),
        (["ranges", "A", "--objectives", "accuracy"], "has a price"),
        (["ranges", "A", "--worlds", "0"], "from 1 to 100000"),
        (["compare", "A", "/nowhere"], "is no results folder"),
    ],
)
def test_a_mistake_in_a_question_ends_with_status_2(arguments, message, ask, replicated):
    done = ask(*[str(replicated) if a == "A" else a for a in arguments])
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
