"""The page before an accessibility engine (axe-core), at two widths and in both themes, with everything opened."""

import importlib.util
from pathlib import Path

import pytest

from dse.analysis.report.page import page as page_of
from dse.analysis.report.subject import Subject
from dse.analysis.tables.tables import open_tables
from tests.analysis.browser import Browser, executable

FOUND = importlib.util.find_spec("axe_playwright_python")
"""A package that carries axe-core; nothing else of it is used, so it is installed without what it depends on."""
pytestmark = [
    pytest.mark.skipif(executable() is None, reason="Chromium or its driver is not installed"),
    pytest.mark.skipif(FOUND is None, reason="no axe-core: pip install --no-deps axe-playwright-python"),
]
CHECK = """
const done = arguments[arguments.length - 1], tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'];
axe.run(document, { runOnly: tags }).then(({ violations }) => done(violations.map(
  ({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ target }) => target.join(' ')).join(', ')}`)));
"""
STATE = "#designs=3,5&limits=validation_accuracy>=0.1,loss<=9&set=set_pulse_j:5e-12"


@pytest.fixture(scope="module")
def address(replicated, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dse.analysis.effects.importance.RESAMPLES", 2)
        tables = open_tables(replicated)
        path = tmp_path_factory.mktemp("page") / "report.html"
        path.write_text(page_of(Subject(replicated, tables, tables.objectives)), encoding="utf-8")
    return path.as_uri()


@pytest.mark.slow
def test_the_engine_finds_nothing_to_mend(address, tmp_path):
    engine = Path(FOUND.submodule_search_locations[0], "axe.min.js").read_text(encoding="utf-8")
    with Browser(tmp_path / "profile") as browser:
        for width, height, dark in ((1440, 900, False), (390, 844, True), (1440, 900, True), (390, 844, False)):
            browser.open(address + STATE, width, height, dark=dark, touch=width < 500)
            browser.run("for (const fold of document.querySelectorAll('details')) fold.open = true;")
            browser.run(engine)
            assert browser.run_async(CHECK) == [], (width, dark)
            assert browser.ask("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.slow
def test_the_engine_finds_what_is_wrong(address, tmp_path):
    engine = Path(FOUND.submodule_search_locations[0], "axe.min.js").read_text(encoding="utf-8")
    with Browser(tmp_path / "profile") as browser:
        browser.open(address)
        browser.run(
            "document.querySelector('h1').style.color = '#eee'; document.querySelector('select').ariaLabel = ''"
        )
        browser.run(engine)
        assert any(line.startswith("color-contrast: h1") for line in browser.run_async(CHECK))
