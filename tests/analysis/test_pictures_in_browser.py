"""Pictures of the page as files: SVG that stands alone, PNG of the size that is said, CSV with what is drawn."""

import csv
import io
import struct
from base64 import b64decode
from xml.etree import ElementTree

import pytest

from dse.analysis.report.page import page as page_of
from dse.analysis.report.subject import Subject
from tests.analysis.browser import Browser, executable
from tests.analysis.synthetic import study

pytestmark = [
    pytest.mark.skipif(executable() is None, reason="Chromium or its driver is not installed"),
    pytest.mark.slow,  # the page is drawn and clicked on in test_report_in_browser.py
]

CONTENTS = """
const read = (blob) => new Promise((done) => {
  const reader = new FileReader();
  reader.onload = () => done(reader.result);
  reader.readAsDataURL(blob);
});
window.saved = null;
Promise.all(window.kept.map(read)).then((all) => { window.saved = all; });
"""
PNG = bytes([0x89, *b"PNG", 13, 10, 26, 10])


@pytest.fixture(scope="module")
def opened(subject, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page_of(subject, ["importance"]), encoding="utf-8")
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        browser.open(path.as_uri())
        yield browser
        assert browser.errors() == []
        assert [address for address in browser.requests() if not address.startswith("data:")] == [path.as_uri()]


def saved(browser, selector):
    """Return the files that a picture offers, by their ends."""
    browser.run(
        """
      window.kept = [];
      window.make ??= URL.createObjectURL.bind(URL);
      URL.createObjectURL = (blob) => { window.kept.push(blob); return window.make(blob); };
      document.querySelector(arguments[0]).click();
    """,
        selector,
    )
    browser.wait("document.querySelector('dialog')?.dataset.ready")
    names = browser.ask("[...document.querySelectorAll('dialog a')].map((link) => link.download)")
    browser.run(CONTENTS)
    contents = browser.wait("window.saved")
    browser.ask("document.querySelector('dialog > button').click()")
    return {
        name.rsplit(".", 1)[1]: b64decode(text.split(",", 1)[1]) for name, text in zip(names, contents, strict=True)
    }


def test_a_pareto_view_is_saved_with_its_data(opened, subject):
    files = saved(opened, "#front .save")
    assert set(files) == {"svg", "png", "csv"}
    root = ElementTree.fromstring(files["svg"])
    width, height = (float(root.get(name)) for name in ("width", "height"))
    assert files["png"][:8] == PNG
    assert struct.unpack(">II", files["png"][16:24]) == (round(4 * width), round(4 * height))
    assert "var(" not in files["svg"].decode()
    rows = list(csv.DictReader(io.StringIO(files["csv"].decode())))
    assert [int(row["trial"]) for row in rows] == subject.drawn["trial"].to_list()
    held = {row["trial"]: row for row in subject.drawn.iter_rows(named=True)}
    first, second = subject.objectives[:2]
    for row in rows:
        own = held[int(row["trial"])]
        for name in (first, second):
            expected = own[name]
            assert row[name] == "" if expected is None else float(row[name]) == pytest.approx(expected, rel=1e-5)
    assert f"ci95_{second}" in rows[0]


@pytest.mark.parametrize("panel", ["whatif", "parallel", "curves", "energy", "wear"])
def test_every_panel_saves_its_pictures(opened, panel):
    files = saved(opened, f"#{panel} .save")
    assert set(files) == {"svg", "png", "csv"}
    assert files["png"][:8] == PNG
    assert len(files["csv"].splitlines()) > 2
    ElementTree.fromstring(files["svg"])


def test_a_front_of_more_than_a_thousand_is_painted_whole_and_found_by_the_pointer(browser, subject, tmp_path):
    def metrics(p):
        return {
            "accuracy": p["training.learning_rate"],
            "energy_per_sample_j": 1e-9 * (1 + p["training.learning_rate"]),
        }

    tables = study(metrics, count=1200)
    large = Subject(subject.where, tables, tables.objectives)
    assert len(large.front) == 1200
    path = tmp_path / "page.html"
    path.write_text(page_of(large, ["importance"]), encoding="utf-8")
    browser.open(path.as_uri())
    assert browser.ask("document.querySelectorAll('#front path.mark').length") == 0
    # Every tenth of them is under the pointer, in the colour of the front.
    seen = browser.run(
        "const plot = document.querySelector('#front .overlay'), box = plot.getBoundingClientRect(), seen = new Set();"
        "for (let part = 0; part <= 1; part += 0.005) {"
        "  plot.dispatchEvent(new PointerEvent('pointermove', { bubbles: true, clientX: box.x + part * box.width,"
        "    clientY: box.y + (1 - part) * (box.height - 42) }));"
        "  const ring = document.querySelector('#front .ring'); if (ring) seen.add(ring.dataset.ring);"
        "} return [...seen];"
    )
    assert len(seen) > 20
    painted = browser.run(
        "const canvas = document.querySelector('#front canvas');"
        "const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);"
        "let count = 0; for (let i = 3; i < data.length; i += 4) count += data[i] > 200; return count;"
    )
    assert painted > 1000
    assert browser.errors() == []
