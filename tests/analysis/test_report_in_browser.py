"""The page in a real browser: what is selected in one view is marked in all, nothing is fetched, nothing complains."""

import dataclasses
from pathlib import Path
from urllib.parse import urlparse

import polars as pl
import pytest
from selenium.webdriver.common.keys import Keys

from dse.analysis.report.page import page as page_of
from dse.analysis.report.subject import Subject
from dse.api.page import Page
from dse.pricing.bounds import Bound
from tests.analysis.browser import executable

pytestmark = pytest.mark.skipif(executable() is None, reason="Chromium or its driver is not installed")

EVIL = "</script><script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"


@pytest.fixture(scope="module")
def address(subject, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dse.analysis.effects.importance.RESAMPLES", 2)
        path = tmp_path_factory.mktemp("page") / "report.html"
        path.write_text(page_of(subject), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser, address):
    browser.open(address)
    yield browser
    assert browser.errors() == []
    assert browser.requests() == [address]


def count(page, selector):
    return page.ask(f"document.querySelectorAll({selector!r}).length")


def test_every_panel_is_drawn(opened, subject):
    shown = len(subject.drawn)
    assert count(opened, "#front .mark.front") == 6 * len(subject.front)
    assert count(opened, "#parallel .line[data-trial]") == shown
    assert count(opened, "#curves .line[data-trial]") == len(subject.detailed)
    assert count(opened, "#energy .hit[data-trial]") >= len(subject.controls) + min(len(subject.front), 20)
    assert count(opened, "#importance .estimate") == 4 * 4
    assert count(opened, "#table tbody tr") == len(subject.front)
    assert opened.ask("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.slow
def test_a_click_on_a_point_marks_the_design_everywhere(opened, subject):
    at = opened.ask(LONELY)
    opened.click(at["x"], at["y"])
    trial = at["trial"]
    assert opened.ask("location.hash") == f"#designs={trial}"
    assert count(opened, f"#front [data-ring='{trial}']") == 6
    assert count(opened, f"#parallel .on-top[data-line='{trial}']") == 1
    assert count(opened, f"#curves .on-top[data-line='{trial}']") == 1
    assert count(opened, "#curves .band") == 1
    assert count(opened, f"#wear [data-line='{trial}']") == 2
    assert count(opened, f"#wear [data-tick='{trial}']") == 1
    assert count(opened, "#energy .row-label.is-selected") == 1
    assert opened.ask("document.querySelector('#selected thead').textContent") == f"trial {trial}"
    assert count(opened, f"#table tr.is-selected[data-trial='{trial}']") == 1
    opened.move(2, 2)
    opened.press(Keys.ESCAPE)
    assert count(opened, ".is-selected") == count(opened, "[data-ring]") == 0


@pytest.mark.slow
def test_energies_have_bars_over_seeds_and_curves_of_one_epoch_are_marks(browser, subject, tmp_path):
    first = subject.tables.curves["epoch"].min()
    curves = subject.tables.curves.filter(pl.col("epoch") == first)
    short = Subject(subject.where, subject.tables.with_nested(curves=curves), subject.objectives)
    (tmp_path / "report.html").write_text(page_of(short, ["importance"]), encoding="utf-8")
    browser.open((tmp_path / "report.html").as_uri())
    front = subject.front["trial"].to_list()
    assert count(browser, "#curves [data-dot]") == len(subject.detailed)
    bars = browser.ask("[...document.querySelectorAll('[data-bar]')].map((bar) => +bar.dataset.bar)")
    assert {*front[:20]} <= {*bars}
    browser.run(f"location.hash = 'designs={front[0]}'")
    browser.wait("document.querySelector('#curves .standing .bar95')")
    assert count(browser, "#curves .standing .bar95") == 1
    browser.run(
        "const shown = document.querySelector('#energy label:nth-child(2) select');"
        "shown.value = 'share'; shown.dispatchEvent(new Event('change'));"
    )
    assert count(browser, "[data-bar]") == 0
    assert browser.errors() == []


LONELY = """(() => {
  const svg = document.querySelector('#front svg');
  svg.scrollIntoView({block: 'center', behavior: 'instant'});
  const points = [...svg.querySelectorAll('.mark')].map((mark) => {
    const box = mark.getBoundingClientRect();
    const front = mark.classList.contains('front');
    return {x: box.x + box.width / 2, y: box.y + box.height / 2, trial: +mark.dataset.trial, front};
  });
  const away = (p) => Math.min(...points.filter((q) => q !== p).map((q) => Math.hypot(p.x - q.x, p.y - q.y)));
  return points.filter((p) => p.front).sort((a, b) => away(b) - away(a))[0];
})()"""
"""The design on the front that is farthest from its neighbours in the first view."""


@pytest.mark.slow
def test_hovering_marks_without_selecting(opened):
    at = opened.ask(LONELY)
    opened.move(at["x"], at["y"])
    assert count(opened, f"#front [data-ring='{at['trial']}']") == 6
    assert f"trial {at['trial']}" in opened.ask("document.getElementById('tip').textContent")
    assert opened.ask("document.getElementById('tray').hidden")
    opened.move(2, 2)
    assert count(opened, "[data-ring]") == 0
    assert opened.ask("document.getElementById('tip').hidden")


@pytest.mark.slow
def test_a_drag_selects_what_lies_in_it(opened, subject):
    opened.middle("#front svg")
    left, top, right, bottom = opened.ask(
        "(({left, top, right, bottom}) => [left, top, right, bottom])"
        "(document.querySelector('#front svg').getBoundingClientRect())"
    )
    opened.drag([(left + 2, top + 2), (right - 2, bottom - 40)])
    marks = opened.ask("document.querySelectorAll('#front svg')[0].querySelectorAll('.mark').length")
    assert count(opened, "#parallel .on-top") == marks > 10


@pytest.mark.slow
def test_a_drag_along_an_axis_selects_what_passes_there(opened, subject):
    x, y = opened.middle("#parallel .brush .overlay")
    opened.drag([(x, y + 20), (x, y + 130)])  # the lower half of the first axis, the bits of an accumulator
    selected = opened.ask("document.querySelectorAll('#parallel .line.is-selected[data-trial]').length")
    first = subject.tables.parameters[0]
    assert first == "accumulator.bits"
    assert selected == len(subject.searched.filter(pl.col(first) == "4"))


def test_keys_move_and_select(opened):
    opened.ask("document.querySelector('#front .plot').focus()")
    opened.press(Keys.ARROW_RIGHT)
    assert "trial" in opened.ask("document.getElementById('said').textContent")
    opened.press(Keys.ENTER)
    assert opened.ask("location.hash").startswith("#designs=")


@pytest.mark.slow
def test_the_table_sorts_and_selects(opened, subject):
    opened.ask("document.querySelectorAll('#front-table thead button')[0].click()")
    first = "+document.querySelector('#front-table tbody tr').dataset.trial"
    assert opened.ask(first) == subject.front["trial"].min()
    opened.ask("document.querySelectorAll('#front-table thead button')[0].click()")
    assert opened.ask(first) == subject.front["trial"].max()
    x, y = opened.middle("#front-table tbody tr td")
    opened.click(x, y)
    assert opened.ask("location.hash") == f"#designs={subject.front['trial'].max()}"


@pytest.mark.slow
def test_axes_colours_and_theme_can_be_chosen(opened):
    change = "e.dispatchEvent(new Event('change'))"
    opened.ask(
        f"(() => {{ const e = document.querySelector('#front select'); e.value = 'accumulator.bits'; {change} }})()"
    )
    assert "accumulator.bits" in opened.ask("document.querySelector('#front svg').getAttribute('aria-label')")
    opened.ask(f"(() => {{ const e = document.getElementById('colour'); e.value = 'loss'; {change} }})()")
    assert opened.ask("new Set([...document.querySelectorAll('#front .mark.front')].map((m) => m.style.fill)).size") > 2
    before = opened.ask("getComputedStyle(document.body).backgroundColor")
    opened.ask("document.getElementById('theme').click()")
    assert opened.ask("getComputedStyle(document.body).backgroundColor") != before
    views = count(opened, "#front svg")
    opened.ask("document.querySelector('#front .views + .controls button').click()")
    assert count(opened, "#front svg") == views + 1


def test_the_page_fits_a_phone_and_takes_a_selection_in_its_address(browser, address, subject):
    trial = subject.front["trial"][0]
    browser.open(f"{address}#designs={trial}", 390, 844, dark=True, touch=True)
    assert browser.ask("document.documentElement.scrollWidth") == 390
    assert count(browser, f"#front [data-ring='{trial}']") == 6
    low = "[...document.querySelectorAll('button, select, input')].filter((e) => e.offsetParent && e.offsetHeight < 24)"
    assert browser.ask(f"{low}.length") == 0
    assert browser.errors() == []


def test_text_of_a_user_does_not_run(browser, subject, tmp_path, few_forests):
    trials = subject.tables.trials.with_columns(
        origin=pl.when(pl.col("trial") == 1).then(pl.lit(EVIL)).otherwise("origin"), host=pl.lit(EVIL)
    )
    evil = dataclasses.replace(subject.tables, trials=trials, about={**subject.tables.about, "name": EVIL})
    path = tmp_path / "evil.html"
    path.write_text(page_of(Subject(subject.where, evil, subject.objectives)), encoding="utf-8")
    browser.open(path.as_uri() + "#designs=1")
    assert browser.ask("document.title") == f"{EVIL}: report"
    assert EVIL in browser.ask("document.querySelector('#selected thead').textContent")
    assert count(browser, "img") == 0
    assert browser.errors() == []
    assert browser.requests() == [path.as_uri()]


def test_the_policy_of_the_page_stops_what_would_run(browser, address, tmp_path):
    # A second wall: even where a sign had not been escaped, nothing runs that does not bear a known hash.
    path = tmp_path / "broken.html"
    text = Path(urlparse(address).path).read_text(encoding="utf-8")
    path.write_text(text.replace("<h1>", "<script>document.title = 'owned'</script><h1>"), encoding="utf-8")
    browser.open(path.as_uri())
    assert browser.ask("document.title") == "small: report"
    assert "Content Security Policy" in browser.errors()[0]
    assert count(browser, "#front .mark") > 0


@pytest.mark.slow
def test_infeasible_designs_are_crosses_and_wear_of_any_name_can_be_chosen(browser, subject, tmp_path, few_forests):
    bound = Bound("worst_writes", "<=", subject.searched["worst_writes"].median())
    layers = subject.tables.layers.with_columns(wear_gate_max=pl.lit(5.0), wear_bulk=pl.col("layer") + 7.0)
    tables = dataclasses.replace(subject.tables, constraints=[bound]).with_nested(layers=layers)
    own = Subject(subject.where, tables, subject.objectives)
    path = tmp_path / "report.html"
    path.write_text(page_of(own), encoding="utf-8")
    browser.open(path.as_uri())
    assert count(browser, "#front .mark.infeasible") == 6 * len(own.infeasible) > 0
    assert count(browser, "#front .mark.front") == 6 * len(own.front)
    assert "infeasible" in browser.ask("document.querySelector('#front .legend').textContent")
    assert count(browser, "#parallel .line.infeasible[data-trial]") == len(own.infeasible)
    for kind in ("gate", "bulk"):
        browser.ask(f"""(() => {{
          const list = document.querySelector('#wear option[value="{kind}"]').parentElement;
          list.value = '{kind}';
          list.dispatchEvent(new Event('change'));
          return 1;
        }})()""")
        assert count(browser, "#wear .line[data-line]") == 2
        assert count(browser, "#wear circle") == 2  # a line of one point would not be seen
    assert browser.errors() == []


@pytest.mark.slow
def test_a_page_in_a_notebook_is_drawn_and_selects(browser, address, tmp_path):
    notebook = tmp_path / "notebook.html"
    shown = Page(urlparse(address).path)._repr_html_()
    notebook.write_text(f"<!doctype html><title>notebook</title><body>{shown}</body>", encoding="utf-8")
    browser.open(notebook.as_uri())
    with browser.frame():
        assert count(browser, "#front .mark.front") > 0
        browser.ask("document.querySelector('[data-select]').click()")
        assert count(browser, "#selected table:not(.bill) thead th") == 1
    assert browser.ask("document.title") == "notebook"
    assert browser.errors() == []
