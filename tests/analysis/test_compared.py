"""Several studies in one page, and what `dse compare` says of more than two."""

import json
from dataclasses import replace

import polars as pl
import pytest

from dse.analysis.effects import compare
from dse.analysis.report.compared import united, write_comparison
from dse.analysis.report.panels import filled
from dse.analysis.tables.tables import open_tables
from dse.errors import QueryError
from tests.analysis.browser import executable
from tests.analysis.synthetic import study

NAMES = ["validation_accuracy", "energy_per_sample_j", "worst_writes"]


@pytest.fixture(scope="module")
def both(undisturbed, replicated):
    """One seed and three seeds of the same space, of which one has a choice more."""
    places = [undisturbed, replicated]
    return places, [open_tables(place) for place in places]


@pytest.fixture(scope="module")
def path(both, tmp_path_factory):
    path = tmp_path_factory.mktemp("compared") / "page.html"
    write_comparison(path, *both, NAMES)
    return path


def test_settings_that_differ_are_found_by_their_path_and_those_that_agree_are_left_out():
    a = {"name": "x", "space": {"adc.bits": {"low": 4, "high": 8}, "b": [1, 2]}, "budget": {"trials": 5}}
    b = {"name": "x", "space": {"adc.bits": {"low": 4, "high": 9}, "b": [1, 2]}, "budget": {"trials": 5, "seeds": 3}}
    assert compare.changed([a, b]) == [
        ("space.adc.bits", ['{"low": 4, "high": 8}', '{"low": 4, "high": 9}']),
        ("budget.seeds", [None, "3"]),
    ]
    assert compare.changed([a, a]) == []


def test_of_three_studies_each_is_held_against_all_others():
    def metrics(p):
        return {
            "accuracy": p["training.learning_rate"],
            "energy_per_sample_j": 1e-9 * (1 + p["training.learning_rate"]),
        }

    names = ["accuracy", "energy_per_sample_j"]
    first = study(metrics, count=20)
    better, best = (
        replace(first, trials=first.trials.with_columns(pl.col("energy_per_sample_j") / by)) for by in (2, 4)
    )
    rows = compare.fronts_table(first, better, best, objectives=names).rows(named=True)
    assert [row["study"] for row in rows] == ["A", "B", "C", "union"]
    # B is at least as good as A, which is half of what it is held against; C as both.
    assert [row["covers_other"] for row in rows] == [0.0, 0.5, 1.0, None]
    assert [row["on_union_front"] for row in rows[:3]] == [0, 0, rows[2]["on_front"]]
    table = compare.against_first(compare.best_table, [first, better, best], names)
    assert table["study"].to_list() == ["B", "B", "C", "C"]
    energies = table.filter(pl.col("objective") == names[1])
    assert energies["b"].to_list() == [energies["a"][0] / 2, energies["a"][0] / 4]


@pytest.mark.slow
def test_studies_are_united_under_numbers_of_their_own_with_what_each_fixes(both):
    places, (a, b) = both
    # As if the second study had fixed what the first varies.
    b = replace(b, parameters=[name for name in b.parameters if name != "adc.bits"], trials=b.trials.drop("adc.bits"))
    subject = united(places, [a, b], NAMES)
    designs = subject.searched
    assert designs["trial"].n_unique() == len(designs) == 34
    assert designs["study"].value_counts().sort("study").rows() == [("A", 14), ("B", 20)]
    second = designs.filter(pl.col("study") == "B")
    assert [subject.name_of(t) for t in second["trial"]] == [
        f"B {t}" for t in open_tables(places[1]).designs.filter(pl.col("origin") == "search")["trial"]
    ]
    want = {
        row["trial"]: json.loads(row["design"]).get("adc", {}).get("bits") for row in b.trials.iter_rows(named=True)
    }
    found = {int(subject.name_of(t).split()[1]): bits for t, bits in second.select("trial", "adc.bits").iter_rows()}
    assert all(found[trial] == want[trial] for trial in found)
    assert sorted(subject.controls["origin"]) == ["A digital_float", "B base", "B digital_float"]


@pytest.mark.slow
def test_studies_on_different_cards_are_drawn_without_their_bills(both):
    places, (a, b) = both
    other = replace(b, trials=b.trials.with_columns(cost_card=pl.lit("bottom_up_14nm")))
    parts = {part.panel.name: part for part in filled(united(places, [a, other], NAMES))}
    assert parts["front"].content is not None
    for name in ("whatif", "energy"):
        assert "priced on different cards (A: bottom_up_28nm, B: bottom_up_14nm)" in parts[name].reason


@pytest.mark.slow
def test_the_page_lists_volumes_shared_designs_and_changed_settings(both, path, here, tmp_path):
    text = path.read_text()
    assert "budget.seeds" in text
    assert "<td>14</td>" in text
    places, tables = both
    assert f"{compare.shared_count(*tables)} designs of A and B are equal in every setting" in text
    twice = tmp_path / "twice.html"
    write_comparison(twice, [places[0], places[0]], [tables[0], tables[0]], NAMES)
    assert "14 designs of A and B are equal in every setting" in twice.read_text()
    assert "The study files say the same in every setting." in twice.read_text()
    done = here("compare", *places, "--show", "changed")
    assert "budget.seeds" in done.output
    assert "give the folders of 2 to 26 studies, not 1" in here("compare", places[0]).output


def test_results_without_a_study_file_cannot_be_held_against_one(both):
    places, (a, b) = both
    merged = replace(b, about={**b.about, "merged": ["elsewhere"]})
    with pytest.raises(QueryError, match="holds no study file to compare"):
        compare.changed_table(places, [a, merged])


@pytest.mark.slow
@pytest.mark.skipif(executable() is None, reason="Chromium or its driver is not installed")
def test_in_a_browser_the_fronts_lie_over_one_another_and_questions_name_the_study(browser, path):
    browser.open(path.as_uri())
    assert browser.errors() == []
    assert browser.ask("document.getElementById('colour').value") == "study"
    studies = browser.ask("[...document.querySelectorAll('#front .of-study')].map((line) => line.dataset.study)")
    assert set(studies) == {"A", "B"}
    browser.run(
        "const field = document.querySelector('#ask input[inputmode=numeric]'); field.value = 'b 3';"
        "field.dispatchEvent(new Event('change'));"
    )
    words = browser.ask("[...document.querySelectorAll('#ask .view')].at(-1).textContent")
    assert "on the front" in words
    assert "holds no trial" not in words
    names = browser.ask("[...document.querySelectorAll('#front-table tbody th')].map((cell) => cell.textContent)")
    assert {name[0] for name in names} <= {"A", "B"}
    assert browser.errors() == []
