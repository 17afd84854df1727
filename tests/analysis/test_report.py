"""The page of a study: its numbers are those of the tables, its text cannot run, and it fetches nothing."""

import dataclasses
import hashlib
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest

from dse.analysis.costs.prices import own_card, prices
from dse.analysis.effects.importance import importance
from dse.analysis.fronts.confidence import half_widths
from dse.analysis.fronts.table import front_table
from dse.analysis.report import panels, series
from dse.analysis.report.figures import write_pictures
from dse.analysis.report.page import ASSETS, page
from dse.analysis.report.panels import PANELS, filled, summary
from dse.analysis.report.provenance import card_table, facts
from dse.analysis.report.subject import DETAILED, EXACT, PRICED, Subject, short, thinned
from dse.analysis.tables.tables import open_tables, search_trials
from dse.designs.outcome import METRICS
from dse.errors import QueryError
from dse.pricing.bounds import Bound
from dse.pricing.card import CONSTANTS
from tests.unit.test_report_columns import unpacked

pytestmark = pytest.mark.usefixtures("few_forests")
EVIL = "</script><script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
VOID = {"meta", "link", "br", "img", "input", "hr"}
CLOSE = 1e-5
"""Relative; the page holds six digits."""


class Reader(HTMLParser):
    """Reads a page strictly: every element is closed in its order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.texts = [], [], [], {}
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append((tag, dict(attrs).get("id")))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for key in self.open[-1:]:
            self.texts[key] = self.texts.get(key, "") + data


def data_of(text):
    """Return the data of a page, with the columns of its designs as lists."""
    data = json.loads(Reader(text).texts["script", "data"])
    data["designs"] = listed_of(data["designs"])
    return data


def listed_of(held):
    """Return what `Subject.describe` gives with its columns as lists."""
    columns = unpacked(held["packed"])
    for kind in ("values", "ci95"):
        held[kind] = {name: listed(columns, place) for name, place in held[kind].items()}
    return held


def listed(columns, place):
    own, words = place if isinstance(place, list) else (place, None)
    values = [value if math.isfinite(value) else None for value in columns[own].tolist()]
    return values if words is None else [None if n is None else words[int(n)] for n in values]


@pytest.fixture
def subject(replicated):
    tables = open_tables(replicated)
    return Subject(replicated, tables, tables.objectives)


NESTED = ("layers", "curves", "deployments", "trails")


def changed(subject, **tables):
    nested = {name: frame for name, frame in tables.items() if name in NESTED}
    own = {name: value for name, value in tables.items() if name not in NESTED}
    return Subject(subject.where, dataclasses.replace(subject.tables, **own).with_nested(**nested), subject.objectives)


def many(subject, count):
    """The study with so many designs: each of the search again and again, a little worse every time."""
    copies = count // len(search_trials(subject.tables)) + 1
    random = np.random.default_rng(7)

    def repeated(table):
        parts = [table]
        searched = table.filter(pl.col("trial") >= 2)
        for copy in range(1, copies):
            worse = [
                pl.col(name) * random.uniform(1.0, 3.0)
                for name in ("energy_per_sample_j", "loss")
                if name in table.columns
            ]
            parts.append(searched.with_columns(pl.col("trial") + 20 * copy, *worse))
        return pl.concat(parts, how="vertical_relaxed")

    trials = repeated(subject.tables.trials).with_columns(
        pl.when(pl.col("trial") < 2).then("design_key").otherwise(pl.col("trial").cast(pl.String)).alias("design_key")
    )
    about = {**subject.tables.about, "trials": copies * 20 + 2}
    layers, curves = repeated(subject.tables.layers), repeated(subject.tables.curves)
    return changed(subject, trials=trials, layers=layers, curves=curves, about=about)


def test_the_designs_are_those_of_the_tables(subject):
    held = listed_of(subject.describe())
    table = subject.tables.designs.filter(pl.col("state") == "complete")
    assert sorted(held["trial"]) == sorted({*search_trials(subject.tables)["trial"], 0, 1})
    expected = {row["trial"]: row for row in table.iter_rows(named=True)}
    known = [name for name in METRICS if name in table.columns]
    widths = {row["trial"]: row for row in half_widths(subject.tables, known).iter_rows(named=True)}
    shown = [name for name in known if table[name].null_count() < len(table)]
    assert held["values"].keys().isdisjoint(METRICS.keys() - shown)
    for name in (*shown, "accumulator.epsilon", "accumulator.bits"):
        for trial, value, half in zip(
            held["trial"], held["values"][name], held["ci95"].get(name, [None] * len(table)), strict=True
        ):
            want = expected[trial][name]
            assert value == (pytest.approx(want, rel=CLOSE) if isinstance(want, float) else want)
            if name in METRICS:
                assert half == pytest.approx(widths[trial][f"ci95_{name}"], rel=CLOSE)


def test_front_ranks_and_probabilities_are_those_of_dse_front(subject):
    held = listed_of(subject.describe())
    front = front_table(subject.tables, subject.objectives)
    on = [trial for trial, role in zip(held["trial"], held["role"], strict=True) if role == "front"]
    assert on == front["trial"].to_list()
    by_trial = dict(zip(held["trial"], held["values"]["p_front"], strict=True))
    assert [by_trial[trial] for trial in on] == pytest.approx(front["p_front"].to_list())
    assert [role for trial, role in zip(held["trial"], held["role"], strict=True) if trial < 2] == ["control"] * 2
    shown = panels._table(subject)
    assert [row[0]["value"] for row in shown["rows"]] == on


def test_curves_are_means_over_seeds_with_their_intervals(subject):
    held = series.curves(subject)
    one = subject.tables.curves.filter((pl.col("trial") == 3) & (pl.col("epoch") == 1))
    curve = held["of"][3]
    assert curve["epoch"] == subject.tables.curves["epoch"].unique().sort().to_list()
    assert curve["accuracy"][0] == pytest.approx(one["accuracy"].mean(), rel=CLOSE)
    half = 4.302652729911275 * one["accuracy"].std() / 3**0.5  # Student's t, 97.5 %, two degrees of freedom
    assert curve["ci95_accuracy"][0] == pytest.approx(half, rel=CLOSE)


def test_curves_of_pulses_wear_and_energy_end_where_the_designs_do(subject):
    held = series.curves(subject)
    assert held["metrics"][-5:] == ["loss", "energy_per_sample_j", "set_pulses", "reset_pulses", "worst_writes"]
    designs = {row["trial"]: row for row in subject.tables.designs.iter_rows(named=True)}
    for trial, curve in held["of"].items():
        for name in held["metrics"][-4:]:
            assert curve[name][-1] == pytest.approx(designs[trial][name], rel=CLOSE)


def test_a_long_curve_keeps_its_ends(subject):
    long = pl.concat([subject.tables.curves.with_columns(pl.col("epoch") + shift) for shift in range(500)])
    held = series.curves(changed(subject, curves=long))["of"][3]
    assert len(held["epoch"]) <= series.EPOCHS
    assert (held["epoch"][0], held["epoch"][-1]) == (long["epoch"].min(), long["epoch"].max())


def test_energies_are_those_of_dse_price_and_add_up(subject):
    held = series.energy(subject)
    table = prices(
        subject.tables, [own_card(subject.where, subject.tables)], ["energy_per_sample_j", "forward_adc_per_sample_j"]
    )
    place = held["items"].index({"phase": "forward", "part": "adc"})
    for trial, total, adc in table.select("trial", "energy_per_sample_j", "forward_adc_per_sample_j").iter_rows():
        if trial in held["of"]:
            assert held["total"][trial] == pytest.approx(total, rel=CLOSE)
            assert held["of"][trial][place] == pytest.approx(adc, rel=CLOSE)
            assert sum(held["of"][trial]) == pytest.approx(total, rel=10 * CLOSE)
    assert set(held["of"]) == set(subject.detailed)
    for trial, layers in held["layers"].items():
        assert sum(joules for _, joules in layers) == pytest.approx(held["total"][trial], rel=10 * CLOSE)


def test_wear_is_that_of_the_layers(subject):
    held = series.wear(subject)
    layer = subject.tables.layers.filter((pl.col("trial") == 3) & (pl.col("layer") == 1))
    found = next(entry for entry in held["of"][3] if entry["layer"] == 1)
    want = [layer[f"wear_set_{quantile}"].mean() for quantile in held["quantiles"]]
    assert found["set"] == pytest.approx(want, rel=CLOSE)
    assert 0 not in held["of"], "a digital network has no cells"


@pytest.mark.slow
def test_importances_are_those_of_dse_importance(subject):
    table = importance(subject.tables, subject.objectives)
    for held in panels._importance(subject)["objectives"]:
        part = table.filter(pl.col("objective") == held["objective"])
        assert held["parameter"] == part["parameter"].to_list()
        assert held["importance"] == pytest.approx(part["importance"].to_list(), rel=CLOSE)


def test_the_cost_card_comes_whole_with_its_sources(subject):
    card = card_table(subject)
    assert [row["name"] for row in card["rows"]] == list(CONSTANTS)
    assert all(row["source"] and row["meaning"] for row in card["rows"])


def test_provenance_names_all_that_differs(subject):
    there = facts(changed(subject, trials=subject.tables.trials.with_columns(host=pl.col("trial").cast(pl.String))))
    assert there["machines"][-1] == "and 14 more"
    assert there["code"] == [subject.tables.trials["code"][0]]
    assert "torch" in there["packages"][0]


def test_the_page_is_whole_and_fetches_nothing(subject):
    text = page(subject)
    read = Reader(text)
    assert [part.panel.name for part in filled(subject) if part.reason] == ["failures"]
    for panel in PANELS:
        assert ("section", "id", panel.name) in read.attributes
    addresses = [value for _, name, value in read.attributes if name in ("src", "href", "srcset", "action", "data")]
    assert addresses
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert not re.search(r"url\(|@import", read.texts["style", None])
    policy = next(value for _, name, value in read.attributes if name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    held = json.loads(read.texts["script", "data"])
    assert held["designs"]["trial"] == subject.drawn["trial"].to_list()
    assert subject.tables.about["name"] in read.texts["title", None]


@pytest.mark.slow
def test_text_of_a_user_is_text(replicated, subject, tmp_path):
    (tmp_path / "source").mkdir()
    study = (replicated / "source" / "study.toml").read_text()
    (tmp_path / "source" / "study.toml").write_text(f"description = '''{EVIL}'''\n{study}")
    trials = subject.tables.trials.with_columns(
        state=pl.when(pl.col("trial") == 5).then(pl.lit("failed")).otherwise("state"),
        failure=pl.when(pl.col("trial") == 5).then(pl.lit(EVIL)).otherwise("failure"),
        origin=pl.when(pl.col("trial") == 1).then(pl.lit(EVIL)).otherwise("origin"),
        host=pl.lit(EVIL),
    )
    about = {**subject.tables.about, "name": EVIL, "checksums": {}}
    evil = dataclasses.replace(subject.tables, trials=trials, about=about)
    read = Reader(page(Subject(tmp_path, evil, subject.objectives)))
    assert read.tags.count("script") == 3
    assert "img" not in read.tags
    assert not [name for _, name, _ in read.attributes if name.startswith("on")]
    assert EVIL in read.texts["h1", None]
    assert EVIL in read.texts["p", None]
    assert json.loads(read.texts["script", "data"])["designs"]["origin"].count(EVIL) == 1
    assert f"description = '''{EVIL}'''" in read.texts["code", None]
    assert read.texts["td", None].count(EVIL) == 1


@pytest.mark.slow
@pytest.mark.parametrize("count", [PRICED + 500, EXACT + 100])
def test_all_of_thousands_of_designs_are_held_and_a_share_of_them_can_be_priced_anew(count, subject):
    large = many(subject, count)
    large = dataclasses.replace(large, objectives=["accuracy", "energy_per_sample_j"])
    assert len(large.searched) >= count
    text = page(large)
    assert len(text.encode()) < 1e7
    held = data_of(text)["designs"]
    assert len(held["trial"]) == len(large.searched) + 2
    exact = dict(large.drawn.select("trial", "accuracy").iter_rows())
    assert [exact[trial] for trial in held["trial"]] == held["values"]["accuracy"]
    assert set(large.front["trial"]) <= set(held["trial"])
    assert len(held["detailed"]) == DETAILED + 2
    note = " ".join(summary(large)["left_out"])
    assert f"all {len(large.front)} on the front and {PRICED - len(large.front)} of the" in note
    assert ("seven digits" in note) == (count > EXACT)
    assert note in re.sub(r"\s+", " ", text)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_one_to_five_objectives(count, subject):
    names = ["accuracy", "energy_per_sample_j", "worst_writes", "loss", "set_pulses"][:count]
    held = data_of(page(dataclasses.replace(subject, objectives=names)))
    assert held["objectives"] == names
    views = held["panels"]["front"]["views"]
    assert len(views) == {1: 1, 2: 1, 3: 3, 4: 6, 5: 6}[count]
    assert (held["panels"]["front"]["bands"] is not None) == (count == 2)


def test_one_seed_is_said(undisturbed):
    tables = open_tables(undisturbed)
    text = page(Subject(undisturbed, tables, tables.objectives))
    assert "1</b> seed a design: no intervals" in text
    held = data_of(text)["designs"]
    assert held["ci95"] == {}
    assert "p_front" not in held["values"]


def test_an_empty_study_says_so(subject):
    empty = {name: getattr(subject.tables, name).clear() for name in ("trials", "layers", "curves")}
    nothing = changed(subject, **empty)
    text = page(nothing)
    Reader(text)
    assert "This study has no complete design yet (0 of 66 simulations are done)" in text
    assert {part.panel.name for part in filled(nothing) if part.content is not None} == {"study", "provenance"}
    with pytest.raises(QueryError, match="nothing to draw yet"):
        write_pictures(subject.where / "figures", subject.where, nothing.tables, subject.objectives, "png")


def test_a_running_study_says_how_far_it_is(subject):
    some = changed(subject, trials=subject.tables.trials.filter(pl.col("trial") < 9))
    text = page(some)
    assert "unfinished: 27 of 66 simulations" in text
    assert max(data_of(text)["designs"]["trial"]) == 8


def test_a_study_that_failed_throughout_shows_its_failures(subject):
    nulls = [pl.lit(None, pl.Float64).alias(name) for name in METRICS]
    trials = subject.tables.trials.with_columns(*nulls, state=pl.lit("failed"), failure=pl.lit("the loss is infinite"))
    failed = changed(subject, trials=trials, layers=subject.tables.layers.clear(), curves=subject.tables.curves.clear())
    text = page(failed)
    assert text.count("the loss is infinite") == 22
    assert data_of(text)["designs"]["trial"] == []


@pytest.mark.slow
def test_pictures_are_files(subject, tmp_path):
    written, missing = write_pictures(tmp_path / "new", subject.where, subject.tables, ["accuracy"], "svg")
    assert [path.name for path in written] == ["curves.svg", "energy.svg", "wear.svg", "importance.svg"]
    assert all(path.read_text().startswith("<?xml") for path in written)
    assert missing == ["front: a front needs at least two objectives to draw"]


@pytest.mark.slow
def test_pictures_take_any_name_of_a_control(subject, tmp_path):
    trials = subject.tables.trials.with_columns(
        origin=pl.when(pl.col("trial") == 1).then(pl.lit("$\\frac$")).otherwise("origin")
    )
    tables = dataclasses.replace(subject.tables, trials=trials)
    written, _ = write_pictures(tmp_path, subject.where, tables, subject.objectives, "svg", ["importance", "curves"])
    assert [path.name for path in written] == ["front.svg", "energy.svg", "wear.svg"]


def test_the_vendored_library_is_the_one_that_was_taken():
    # d3 7.9.0, dist/d3.min.js; see findings/decisions.md on how to take another.
    content = (ASSETS / "d3.min.js").read_bytes()
    assert hashlib.sha256(content).hexdigest() == "f2094bbf6141b359722c4fe454eb6c4b0f0e42cc10cc7af921fc158fceb86539"
    assert (ASSETS / "d3.LICENSE").read_text().startswith("Copyright 2010-2023 Mike Bostock")


def test_thinning_is_even_and_keeps_the_first():
    assert thinned([5, 6, 7], 3) == [5, 6, 7]
    assert thinned(list(range(10)), 4) == [0, 2, 5, 7]
    assert thinned([1, 2], 0) == []


def test_numbers_are_short_and_never_infinite():
    assert short([1 / 3, float("inf"), float("nan"), 2.0, 7, "float", None]) == [
        0.333333,
        None,
        None,
        2,
        7,
        "float",
        None,
    ]


@pytest.fixture
def bounded(subject):
    """The study with a constraint that a third of its designs do not meet."""
    bound = Bound("worst_writes", "<=", subject.searched["worst_writes"].quantile(0.66))
    return changed(subject, constraints=[bound])


def test_infeasible_designs_are_marked_and_counted(bounded):
    whole = Reader(text := page(bounded, ["importance"]))
    out = set(bounded.searched.filter(pl.col("worst_writes") > bounded.tables.constraints[0].bound)["trial"])
    assert 0 < len(out) < len(bounded.searched)
    held = data_of(text)["designs"]
    roles = dict(zip(held["trial"], held["role"], strict=True))
    assert {trial for trial, role in roles.items() if role == "infeasible"} == out
    assert {trial for trial, role in roles.items() if role == "front"} == set(bounded.front["trial"])
    far = dict(zip(held["trial"], held["values"]["violation"], strict=True))
    assert all(far[trial] > 0 for trial in out)
    assert {far[trial] for trial in bounded.ranked["trial"]} == {0}
    assert re.search(rf'<li class="is-infeasible"><b>{len(out)}</b> infeasible</li>', text)
    assert f"{len(out)} of {len(bounded.searched)} complete designs are infeasible" in whole.texts["p", "feasibility"]
    bound = str(bounded.tables.constraints[0])
    assert f"{bound.replace('<', '&lt;')}</code>: {len(out)} complete designs do not meet it" in text
    best = {row["name"]: row["trial"] for row in summary(bounded)["best"]}
    assert not out & set(best.values())
    assert data_of(text)["panels"]["parallel"]["axes"].count("worst_writes") == 1


def test_a_page_without_constraints_does_not_speak_of_them(subject):
    text = page(subject, ["importance"])
    assert 'class="is-infeasible"' not in text
    assert 'id="feasibility"' not in text
    assert 'id="constraints"' not in text
    assert "violation" not in data_of(text)["designs"]["values"]


@pytest.mark.slow
def test_a_page_of_a_study_in_which_nothing_is_feasible_names_the_nearest(subject, tmp_path):
    hopeless = changed(subject, constraints=[Bound("worst_writes", "<=", 1.0)])
    text = page(hopeless, ["importance"])
    near = hopeless.searched.sort("worst_writes")["trial"][0]
    assert text.count(f"the nearest is trial {near} with worst_writes = ") == 2
    assert "No design is on the front: none of 20 complete designs is feasible" in text
    written, missing = write_pictures(
        tmp_path, hopeless.where, hopeless.tables, hopeless.objectives, "svg", ["importance"]
    )
    assert [path.name for path in written] == ["front.svg", "curves.svg", "energy.svg", "wear.svg"]
    assert missing == []


def worn(subject, **columns):
    return changed(subject, layers=subject.tables.layers.with_columns(**columns))


@pytest.mark.slow
def test_wear_of_any_name_is_on_the_page(subject, tmp_path):
    """Kinds that a cell of one's own counts: quantiles, some of them, and one number for a layer."""
    own = worn(
        subject,
        wear_gate_q50=pl.lit(3.0),
        wear_gate_max=pl.col("layer") + 5.0,
        wear_bulk_heating=pl.lit(7.0),
        wear_idle_max=pl.lit(0.0),
    )
    held = series.wear(own)
    before = series.wear(subject)
    added = {name: label for name, label in held["kinds"].items() if name not in before["kinds"]}
    assert added == {"gate": "gate", "bulk_heating": "bulk heating"}
    assert set(held["whole"]) - set(before["whole"]) == {"bulk_heating"}
    for layers in held["of"].values():
        for layer in layers:
            assert layer["gate"] == [3, None, None, None, 5 + layer["layer"]]
            assert layer["bulk_heating"] == [7]
    assert before["kinds"].items() <= held["kinds"].items()
    text = page(own, ["importance"])
    assert data_of(text)["panels"]["wear"]["kinds"]["gate"] == "gate"
    written, _ = write_pictures(tmp_path, own.where, own.tables, own.objectives, "svg", ["importance"])
    drawn = next(path for path in written if path.name == "wear.svg").read_text()
    assert "gate, the largest of a layer" in drawn
    assert "bulk heating, the largest of a layer" in drawn


def test_wear_of_a_kind_alone_fills_the_panel(subject):
    nothing = {name: pl.lit(0.0) for name in subject.tables.layers.columns if name.startswith("wear_")}
    assert series.wear(worn(subject, **nothing)) is None
    held = series.wear(worn(subject, **nothing, wear_gate_max=pl.lit(1.0)))
    assert list(held["kinds"]) == ["gate"]


@pytest.mark.slow
def test_a_metric_of_a_plug_in_that_is_not_here_is_shown(subject, tmp_path):
    trials = subject.tables.trials.with_columns(sparkle=pl.col("trial") * 1000.0 + 1.0)
    own = changed(subject, trials=trials, metrics=[*subject.tables.metrics, "sparkle"])
    column = next(column for column in own.describe()["columns"] if column["name"] == "sparkle")
    assert (column["role"], column["log"], column["goal"]) == ("metric", False, "")
    assert "sparkle" in page(own, ["importance"])
    written, _ = write_pictures(tmp_path, own.where, own.tables, own.objectives, "png", ["importance"])
    assert "front.png" in [path.name for path in written]
