"""Questions to the page, in a real browser: limits, weights, and why a design is not on the front."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from dse.analysis.fronts.pareto import as_costs, checked, points_of
from dse.analysis.report.page import page as page_of
from dse.analysis.report.subject import Subject
from dse.pricing.bounds import Bound
from tests.analysis.browser import executable

pytestmark = [
    pytest.mark.skipif(executable() is None, reason="Chromium or its driver is not installed"),
    pytest.mark.slow,  # the page is drawn and clicked on in test_report_in_browser.py
]

ASK = """
const field = document.querySelector(arguments[0]);
field.value = arguments[1];
field.closest('.controls').querySelector('button').click();
const part = field.closest('.view');
return {
  said: part.innerText,
  chips: [...part.querySelectorAll('.answer > p:first-child .chip')].map((chip) => +chip.dataset.trial),
};
"""
LIMIT, TRIAL = "#ask input[list]", "#ask input[inputmode=numeric]"


@pytest.fixture(scope="module")
def address(subject, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page_of(subject, ["importance"]), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser, address):
    browser.open(address)
    yield browser
    assert browser.errors() == []


def test_limits_keep_the_designs_that_meet_them(opened, subject):
    least = f"{subject.searched['validation_accuracy'].median():.10g}0"  # more digits than the page shows of a value
    met = subject.searched.filter((pl.col("validation_accuracy") >= float(least)) & (pl.col("accumulator.bits") == "8"))
    opened.run(ASK, LIMIT, f"validation_accuracy >= {least}")
    answer = opened.run(ASK, LIMIT, "accumulator.bits=8")
    assert f"validation_accuracy >= {least} " in answer["said"]
    assert f"validation_accuracy>={least}" in opened.ask("decodeURIComponent(decodeURIComponent(location.hash))")
    assert f"{len(met)} of {len(subject.searched)} designs meet all limits" in answer["said"]
    assert sorted(answer["chips"]) == sorted(set(met["trial"]) & set(subject.front["trial"]))
    opened.ask("[...document.querySelectorAll('#ask button')].find((b) => b.textContent === 'Select these').click()")
    chosen = opened.ask("location.hash").split("&")[0].removeprefix("#designs=")
    assert sorted(map(int, chosen.split(","))) == sorted(met["trial"])
    assert "limits=" in opened.ask("location.hash")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("better than good", "is not understood; give a name, >=, <= or =, and a value"),
        ("speed >= 3", 'there is no "speed"'),
        ("loss <= low", '"low" is not a number'),
        ("accumulator.bits >= 4", "has words among its values; give accumulator.bits = one of 4, 8, float"),
    ],
)
def test_a_limit_that_is_none_is_explained(opened, words, said):
    assert said in opened.run(ASK, LIMIT, words)["said"]


def test_limits_that_no_design_meets_name_the_nearest(opened, subject):
    best = subject.searched.sort("validation_accuracy", descending=True, maintain_order=True).row(0, named=True)
    said = opened.run(ASK, LIMIT, "validation_accuracy >= 2")["said"]
    assert f"The nearest is trial {best['trial']}, with validation_accuracy" in said


def test_a_design_off_the_front_learns_who_beats_it_and_what_it_lacks(opened, subject):
    costs = as_costs(points_of(subject.searched, subject.objectives), checked(subject.objectives))
    trials = subject.searched["trial"].to_list()
    beaten = [(costs <= own).all(axis=1) & (costs < own).any(axis=1) for own in costs]
    place = next(n for n, better in enumerate(beaten) if better.any())
    answer = opened.run(ASK, TRIAL, str(trials[place]))
    on = set(subject.front["trial"])
    assert opened.ask("location.hash") == f"#designs={trials[place]}"  # what is asked about is selected
    assert set(answer["chips"]) == {trials[n] for n in np.flatnonzero(beaten[place])} & on
    assert f"{beaten[place].sum()} design" in answer["said"]
    assert "sure" in answer["said"] or "in doubt" in answer["said"]
    # What it is told to lack is enough: one step beyond the bound in one objective, and nothing beats it.
    for k in range(costs.shape[1]):
        better = costs[place].copy()
        better[k] = np.nextafter(costs[beaten[place], k].min(), -np.inf)
        assert not ((costs <= better).all(axis=1) & (costs < better).any(axis=1)).any()
    assert "It is on the front" in opened.run(ASK, TRIAL, str(min(on)))["said"]
    assert opened.ask("location.hash") == f"#designs={trials[place]},{min(on)}"
    assert "this page holds no trial" in opened.run(ASK, TRIAL, "999")["said"]
    assert "is a control" in opened.run(ASK, TRIAL, "0")["said"]


def test_a_design_that_misses_a_bound_by_less_than_is_shown_learns_which(browser, subject, tmp_path):
    energies = dict(subject.searched.select("trial", "energy_per_sample_j").iter_rows())
    trial, own = next((trial, own) for trial, own in energies.items() if float(f"{own:.6g}") < own)
    bound = Bound("energy_per_sample_j", "<=", (float(f"{own:.6g}") + own) / 2)
    tables = dataclasses.replace(subject.tables, constraints=[bound])
    path = tmp_path / "bounded.html"
    path.write_text(page_of(Subject(subject.where, tables, subject.objectives), ["importance"]), encoding="utf-8")
    browser.open(path.as_uri())
    assert "It is infeasible: energy_per_sample_j is" in browser.run(ASK, TRIAL, str(trial))["said"]
    assert browser.errors() == []


def test_all_weight_on_one_objective_names_its_best_design(opened, subject):
    opened.run("""
      for (const slider of [...document.querySelectorAll('#ask .weight input')].slice(1)) {
        slider.value = 0;
        slider.dispatchEvent(new Event('input'));
      }
    """)
    best = subject.front.row(0, named=True)["trial"]
    opened.wait(f"+document.querySelector('#ask .weight ~ .answer .chip').dataset.trial === {best}")


def test_five_selected_designs_stand_side_by_side_with_factors(opened, subject):
    first, second = subject.front["trial"].to_list()[:2]
    opened.run("location.hash = arguments[0]", f"#designs={first},{second}")
    opened.wait("document.querySelectorAll('#selected .bill tbody tr').length > 5")
    factor = subject.front["energy_per_sample_j"][1] / subject.front["energy_per_sample_j"][0]
    assert f"\N{MULTIPLICATION SIGN}{factor:.3g}" in opened.ask("document.querySelector('#selected').innerText")
