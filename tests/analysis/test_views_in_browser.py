"""What a reader does to the page as a whole, in a real browser: outliers, one button back, and why a design left."""

import dataclasses
from collections.abc import Generator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dse.analysis.report.page import page as page_of
from dse.analysis.report.subject import Subject
from tests.analysis import synthetic
from tests.analysis.browser import Browser, executable

pytestmark = [
    pytest.mark.skipif(executable() is None, reason="Chromium or its driver is not installed"),
    pytest.mark.slow,  # the page is drawn and clicked on in test_report_in_browser.py
]
LIMIT = """
const field = document.querySelector('#ask input[list]');
field.value = arguments[0];
field.closest('.controls').querySelector('button').click();
"""
FRONT = "dse.designs().filter((design) => design.rank === 0).map((design) => design.trial)"
WHYS = "[...document.querySelectorAll('#whatif .asked')]"
VIEW = "#front .view:first-child"


@pytest.fixture(scope="module")
def address(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page_of(subject, ["importance"]), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser: Browser, address: str) -> Generator[Browser]:
    browser.open(address)
    yield browser
    assert browser.errors() == []


def test_one_button_undoes_limits_selection_and_prices(opened: Browser) -> None:
    assert opened.ask("document.getElementById('undo-all').hidden")
    opened.run(LIMIT, "validation_accuracy >= 0.5")
    assert not opened.ask("document.getElementById('undo-all').hidden")
    opened.run("location.hash = location.hash + arguments[0]", "&designs=3,5&set=set_pulse_j:7e-12")
    opened.wait("!document.getElementById('undo-prices').hidden && !document.getElementById('tray').hidden")
    opened.ask("document.getElementById('undo-all').click()")
    opened.wait("location.hash === '' && document.getElementById('undo-all').hidden")
    assert opened.ask("document.getElementById('undo-prices').hidden && document.getElementById('tray').hidden")
    assert opened.ask("document.querySelectorAll('#ask .limits li').length") == 0


def test_each_design_that_leaves_the_front_can_be_asked_about(opened: Browser) -> None:
    before: Any = opened.ask(FRONT)
    left: list[int] = []
    for changes in ({"set_pulse_j": 1e-6}, {"adc_per_bit_j": 1e-6}, {"gate_j": 1e-9}, {"dac_fixed_j": 1e-6}):
        opened.run("dse.back(); dse.set(arguments[0])", changes)
        now: Any = opened.ask(FRONT)
        left = sorted(set(before) - set(now))
        if left:
            break
    assert left
    named: Any = opened.ask(f"{WHYS}.map((one) => +one.querySelector('.chip').dataset.trial)")
    assert sorted(named) == left
    trial = opened.ask(f"{WHYS}.at(-1).querySelector('.chip').dataset.trial")
    opened.ask(f"{WHYS}.at(-1).querySelector('.link').click()")
    assert opened.ask("document.querySelector('#ask input[inputmode=numeric]').value") == trial
    assert "as good in every objective and better in one" in str(opened.ask("document.querySelector('#ask').innerText"))


def test_an_outlier_does_not_squeeze_the_others_and_is_a_click_away(
    browser: Browser, subject: Subject, tmp_path: Path
) -> None:
    far = 7

    def metrics(p: dict[str, float]) -> dict[str, float]:
        cost = 3 + p["training.learning_rate"] + p["accumulator.epsilon"]
        return {"accuracy": p["training.learning_rate"], "energy_per_sample_j": 1e-9 * cost}

    tables = synthetic.study(metrics, count=60)
    lowered = pl.when(pl.col("trial") == far).then(-1e3).otherwise("accuracy").alias("accuracy")
    tables = dataclasses.replace(tables, trials=tables.trials.with_columns(lowered))
    small = Subject(subject.where, tables, tables.objectives)
    assert far not in small.front["trial"]
    path = tmp_path / "page.html"
    path.write_text(page_of(small, ["importance"]), encoding="utf-8")
    browser.open(path.as_uri())

    def marks_of_it() -> object:
        return browser.run("return document.querySelectorAll(arguments[0]).length", f"{VIEW} .mark[data-trial='{far}']")

    def note() -> object:
        return browser.ask(f"document.querySelector('{VIEW} > .note').textContent")

    assert note() == "1 design outside the axes: show all"
    assert marks_of_it() == 0
    heights = f"[...document.querySelectorAll('{VIEW} .mark')].map((mark) => mark.getBoundingClientRect().y)"
    assert browser.ask(f"Math.max(...{heights}) - Math.min(...{heights}) > 150")
    browser.ask(f"document.querySelector('{VIEW} > .note button').click()")
    assert marks_of_it() == 1
    assert note() == "Axes over all designs: leave 1 outlier outside"
    browser.ask(f"document.querySelector('{VIEW} > .note button').click()")
    assert marks_of_it() == 0
    assert browser.errors() == []
