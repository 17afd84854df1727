"""Prices changed in the page, in a real browser: they are those of the command line, and everything follows them."""

import dataclasses
import json
import math
import random

import polars as pl
import pytest

from dse.analysis.costs.prices import open_card, prices
from dse.analysis.costs.worlds import tornado_table
from dse.analysis.fronts.table import front_table
from dse.analysis.report.page import page as page_of
from dse.analysis.report.panels import summary
from dse.analysis.report.subject import Subject
from dse.devices.card import library
from dse.pricing.bounds import Bound
from dse.pricing.card import CONSTANTS, read_cost_card
from dse.pricing.price import COLUMNS, price
from tests.analysis.browser import executable
from tests.analysis.kinds import layers_of_all_kinds

pytestmark = [
    pytest.mark.skipif(executable() is None, reason="Chromium or its driver is not installed"),
    pytest.mark.slow,  # the page is drawn and clicked on in test_report_in_browser.py
]

ENERGY = "energy_per_sample_j"
OWN = "bottom_up_28nm"
CONVERTERS = tuple(name for name in CONSTANTS if name.startswith(("adc_", "dac_")) and name.endswith("_j"))
SEEN = """
const kept = (value) => (Number.isFinite(value) ? value : value === Infinity ? 'inf' : null);
return Object.fromEntries(Object.entries(dse.price(...arguments)).map(([name, values]) => [name, values.map(kept)]));
"""
"""What the page prices, with infinities, which JSON lacks, as a word."""


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
    assert browser.requests() == [address]


@pytest.fixture(scope="module")
def varied(subject):
    """The study with layers of every kind that a price tells apart."""
    layers = layers_of_all_kinds(subject.tables.trials)
    return Subject(subject.where, subject.tables.with_nested(layers=layers), subject.objectives)


def shown(browser, subject, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(page_of(subject, ["importance"]), encoding="utf-8")
    browser.open(path.as_uri())
    return path.as_uri()


def drawn_changes(dice):
    """Return a few constants of a card, drawn within what is possible, and now and then 0."""
    names = dice.sample(list(CONSTANTS), dice.randrange(1, 12))
    found = {}
    for name in names:
        known = CONSTANTS[name]
        zero = not known.positive and dice.random() < 0.1
        found[name] = 0.0 if zero else known.largest * 10 ** -dice.uniform(0.0, 9.0)
    return found


def differences(page, tables, card, changes):
    """Return what of a price differs between the page and the command line by more than rounding."""
    trials = [design["trial"] for design in page.ask("dse.designs()")]
    want = prices(tables, [read_cost_card(card).with_values(changes)]).filter(pl.col("trial").is_in(trials))
    rows = {row["trial"]: row for row in want.iter_rows(named=True)}
    found = page.run(SEEN, changes, card)
    assert set(found) == set(COLUMNS)
    wrong = []
    for name, values in found.items():
        for trial, value in zip(trials, values, strict=True):
            expected, got = rows[trial][name], math.inf if value == "inf" else value
            same = expected == got or (None not in (expected, got) and abs(got - expected) <= 1e-12 * abs(expected))
            if not same:
                wrong.append((card, changes, name, trial, expected, got))
    return wrong


def compare(page, tables, count, seed):
    dice, compared = random.Random(seed), 0
    for card in library("costs"):
        for number in range(count):
            assert differences(page, tables, card, {} if number == 0 else drawn_changes(dice)) == []
            compared += 1
    return compared


def test_the_page_prices_as_the_command_line_does(browser, varied, tmp_path):
    shown(browser, varied, tmp_path)
    assert compare(browser, varied.tables, 3, 1) == 3 * len(library("costs"))


def test_a_thousand_changes_are_priced_as_the_command_line_does(browser, varied, tmp_path):
    shown(browser, varied, tmp_path)
    assert compare(browser, varied.tables, 1 + 1000 // len(library("costs")), 2) >= 1000


def on_card(subject, changes, card=OWN):
    """Return the subject as it would be if the study had been priced on another card."""
    tables, priced = subject.tables, [name for name in subject.tables.metrics if name in COLUMNS]
    own = prices(tables, [read_cost_card(card).with_values(changes)], priced).select("trial", *priced)
    trials = tables.trials.drop(priced).join(own, on="trial", how="left", maintain_order="left")
    return Subject(subject.where, dataclasses.replace(tables, trials=trials), subject.objectives)


def test_ranks_and_front_follow_as_dse_front_has_them(opened, subject):
    changes = {name: 100 * read_cost_card(OWN).values[name] for name in CONVERTERS}
    other = on_card(subject, changes)
    expected = dict(front_table(other.tables, subject.objectives, ranked=True).select("trial", "rank").iter_rows())
    before = {row["trial"]: row["rank"] for row in opened.ask("dse.designs()")}
    opened.run("dse.set(arguments[0])", changes)
    found = {row["trial"]: row["rank"] for row in opened.ask("dse.designs()")}
    assert {trial: rank for trial, rank in found.items() if rank >= 0} == expected
    assert found != before
    on = {trial for trial, rank in found.items() if rank == 0}
    assert opened.ask("document.querySelectorAll('#front svg')[0].querySelectorAll('.mark.front').length") == len(on)
    opened.wait("document.querySelectorAll('#front-table tbody tr').length === " + str(len(on)))
    assert int(opened.ask("document.querySelector('.facts .is-front b').textContent")) == len(on)
    opened.run("dse.back()")
    assert {row["trial"]: row["rank"] for row in opened.ask("dse.designs()")} == before
    assert opened.ask("document.getElementById('undo-prices').hidden")


def test_constraints_on_prices_follow(browser, subject, tmp_path):
    bound = Bound(ENERGY, "<=", subject.searched[ENERGY].median())
    own = Subject(subject.where, dataclasses.replace(subject.tables, constraints=[bound]), subject.objectives)
    shown(browser, own, tmp_path)
    changes = {"set_pulse_j": 3 * read_cost_card(OWN).set_pulse_j}
    other = on_card(own, changes)
    browser.run("dse.set(arguments[0])", changes)
    roles = {row["trial"]: row["role"] for row in browser.ask("dse.designs()")}
    assert {trial for trial, role in roles.items() if role == "infeasible"} == other.infeasible
    assert {trial for trial, role in roles.items() if role == "front"} == set(other.front["trial"])
    assert len(other.infeasible) > len(own.infeasible)


def test_the_head_prices_controls_too(opened, subject):
    changes = {name: 10 * read_cost_card(OWN).values[name] for name in CONVERTERS}
    shown = (
        "[...document.querySelectorAll('.best > li')].map((item) => [item.dataset.objective, "
        "[...item.querySelectorAll('[data-first]')].map((row) => row.children[1].textContent.replace(/\\s/, ' '))])"
    )
    before = dict(opened.ask(shown))
    assert before == in_the_head(subject)
    opened.run("dse.set(arguments[0])", changes)
    after = dict(opened.ask(shown))
    assert after == in_the_head(on_card(subject, changes))
    assert {name for name in after if after[name] != before[name]} == {ENERGY}
    opened.run("dse.back()")
    assert dict(opened.ask(shown)) == before


def in_the_head(subject):
    """Return what controls have of each objective, in words."""
    return {row["name"]: [value for _, value, *_ in row["others"]] for row in summary(subject)["best"]}


def test_sliders_fields_and_factors_change_constants(opened):
    typed = """
      const rows = [...document.querySelectorAll('#whatif .constant')];
      const row = rows.find((own) => own.querySelector('code').textContent === arguments[0]);
      const field = row.querySelector('input[type=text]');
      field.value = arguments[1];
      field.dispatchEvent(new Event('change'));
      return row.querySelector('.refusal').textContent;
    """
    assert opened.run(typed, "set_pulse_j", "5e-12") == ""
    assert "set=set_pulse_j:5e-12" in opened.wait("location.hash.includes('set=') && decodeURIComponent(location.hash)")
    said = opened.run(typed, "set_pulse_j", "5")
    assert '"5" is not possible' in said
    assert "from 0 to 0.000001 J" in said
    assert "above 0" in opened.run(typed, "clock_hz", "0")
    opened.run("""
      const slider = document.querySelector('.factor input[type=range]');
      slider.value = 1;
      slider.dispatchEvent(new Event('input'));
    """)
    words = opened.wait("location.hash.includes('adc_per_bit_j') && decodeURIComponent(location.hash)")
    own = {name: value for name in CONVERTERS if (value := read_cost_card(OWN).values[name]) > 0}
    assert {name.partition("_")[0] for name in own} == {"adc", "dac"}  # all converters stand first in the list
    for name, value in own.items():
        assert f"{name}:{10 * value:g}" in words
    assert f"{len(own) + 1} constants" in opened.ask("document.getElementById('undo-prices').textContent")
    opened.ask("document.getElementById('undo-prices').click()")
    assert opened.wait("location.hash === ''")


def test_a_link_restores_card_constants_and_selection(browser, address):
    browser.open(f"{address}#designs=3&card=bottom_up_14nm&set=set_pulse_j:7e-12,nonsense:1,gate_j:5")
    assert browser.run("return dse.toml()").count("[") == 1
    assert "set_pulse_j" in browser.run("return dse.toml()")
    other = browser.run(SEEN)[ENERGY]
    assert other == browser.run(SEEN, {"set_pulse_j": 7e-12}, "bottom_up_14nm")[ENERGY]
    assert other != browser.run(SEEN, {}, "bottom_up_14nm")[ENERGY]
    assert browser.ask("document.querySelector('#selected thead').textContent") == "trial 3"
    browser.open(f"{address}#card=constructor&storage=toString&designs=3")  # which every object of a script has
    assert browser.ask("document.querySelector('#selected thead').textContent") == "trial 3"
    assert browser.errors() == []


@pytest.mark.parametrize("card", [OWN, "nandakumar2020"])
def test_a_saved_card_gives_dse_price_the_same(opened, subject, tmp_path, card):
    changes = {"set_pulse_j": 7e-12, "adc_fixed_j": 1.25e-13, "columns_per_adc": 4}
    opened.run("dse.card(arguments[1]); dse.set(arguments[0])", changes, card)
    opened.ask("[...document.querySelectorAll('#whatif button')].find((b) => b.textContent === 'Save as card').click()")
    path = tmp_path / "saved.toml"
    path.write_text(opened.ask("document.querySelector('dialog textarea').value"), encoding="utf-8")
    opened.ask("[...document.querySelectorAll('dialog button')].find((b) => b.textContent === 'Close').click()")
    found = prices(subject.tables, [open_card(str(path))], [ENERGY, "area_m2"])
    expected = prices(subject.tables, [read_cost_card(card).with_values(changes)], [ENERGY, "area_m2"])
    assert found.drop("card").equals(expected.drop("card"))
    assert opened.ask("document.querySelector('dialog') === null")


def test_accumulators_move_to_another_memory(browser, varied, tmp_path):
    shown(browser, varied, tmp_path)
    for storage in ("sram", "dram"):
        held = pl.col("chi_storage")
        moved = varied.tables.layers.with_columns(
            pl.when(held.is_in(["sram", "dram"])).then(pl.lit(storage)).otherwise(held).alias("chi_storage")
        )
        tables = varied.tables.with_nested(layers=moved)
        want = prices(tables, [read_cost_card(OWN)], [ENERGY, "area_m2"]).sort("trial")
        found = browser.run(SEEN, {}, OWN, storage)
        trials = [design["trial"] for design in browser.ask("dse.designs()")]
        for name in (ENERGY, "area_m2"):
            expected = dict(want.select("trial", name).iter_rows())
            for trial, value in zip(trials, found[name], strict=True):
                assert value == (expected[trial] and pytest.approx(expected[trial], rel=1e-12))


def test_the_tornado_beside_the_sliders_is_that_of_dse_ranges(opened, subject):
    said = json.loads(opened.wait("document.getElementById('whatif').dataset.tornado"))
    table = tornado_table(subject.tables, read_cost_card(OWN), subject.objectives)
    expected = {row["constant"]: [row["front_low"], row["front_high"]] for row in table.iter_rows(named=True)}
    assert set(said) == set(read_cost_card(OWN).ranges)
    for name, shares in said.items():
        assert shares == pytest.approx(expected.get(name, [0.0, 0.0]))
    assert max(max(shares) for shares in said.values()) > 0


def test_the_share_of_the_box_is_that_of_dse_front(opened, subject):
    from dse.analysis.fronts.pareto import checked, points_of  # noqa: PLC0415
    from dse.analysis.fronts.quality import hypervolume, ideal, worst  # noqa: PLC0415

    points, goals = points_of(subject.searched, subject.objectives), checked(subject.objectives)
    corner = worst(points, goals)
    box = abs(corner - ideal(points, goals)).prod()
    share = hypervolume(points, goals, corner) / box
    assert f"{100 * share:.1f}%" in opened.ask("document.querySelector('.whatif-results .facts').textContent")


def test_a_study_without_events_says_so(browser, subject, tmp_path):
    tables = subject.tables.with_nested(layers=subject.tables.layers.clear())
    shown(browser, Subject(subject.where, tables, subject.objectives), tmp_path)
    assert "No design has events" in browser.ask("document.getElementById('whatif').textContent")
    assert browser.ask("document.querySelectorAll('#front .mark.front').length") > 0
    assert browser.errors() == []


def test_knees_and_how_sure_the_front_is_follow_the_prices_as_the_command_line_has_them(opened, subject):
    """Knees are equal; shares of draws of two generators differ by chance: z = 5 of their standard errors."""
    card = read_cost_card(OWN)
    changes = {name: 20 * card.values[name] for name in CONVERTERS}
    opened.run("dse.set(arguments[0])", changes)
    trials = [design["trial"] for design in opened.ask("dse.designs()")]
    knees, sure = (dict(zip(trials, opened.ask(f"dse.{what}()"), strict=True)) for what in ("knees", "probability"))
    rows = price(subject.tables.layers, card.with_values(changes), [ENERGY])
    repriced = subject.tables.trials.drop(ENERGY).join(rows, on=["trial", "seed"], how="left", maintain_order="left")
    tables = dataclasses.replace(subject.tables, trials=repriced)
    table = front_table(tables, subject.objectives, ranked=True, knee=True)
    assert 0 < table["p_front"].min() < 1
    for row in table.iter_rows(named=True):
        if row["rank"] == 0:
            assert knees[row["trial"]] == pytest.approx(row["knee"], rel=1e-9, abs=1e-12)
        else:
            assert knees[row["trial"]] is None
        share = row["p_front"]
        error = math.sqrt(2 * max(share * (1 - share), 1e-3) / 1000)
        assert abs(sure[row["trial"]] - share) < 5 * error
    shown = opened.wait(
        "[...document.querySelectorAll('#front-table tbody tr')].map((row) => row.cells[2].textContent)"
        ".every((text) => text !== '\u2013') && 1"
    )
    assert shown == 1


def test_up_to_five_designs_stand_side_by_side_down_to_layers_curves_and_wear(opened, subject):
    trials = subject.front["trial"].to_list()[:2]
    opened.run("location.hash = 'designs=' + arguments[0].join()", trials)
    opened.wait("document.querySelectorAll('#selected [data-curve]').length === 2")
    heads = opened.ask(
        "[...document.querySelectorAll('#selected thead th:first-child')].map((cell) => cell.textContent)"
    )
    assert {"energy of a training image", f"energy by layer, on {OWN}", "cells by layer"} <= set(heads)
