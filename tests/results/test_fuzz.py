"""Whatever stands in a study file, a card or a results folder: a clear message, never a traceback, a hang or a loss.

Fixed examples of hypothesis (derandomised): the same inputs every time.
"""

import json
import re
import shutil
from importlib.resources import files

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dse.results.encoding import read_lines, to_line, to_part
from dse.results.rows import to_rows, to_table
from dse.results.store import encode_parts, read_table
from tests.results.rows import describe
from tests.studies import SMALL_STUDY

CARD = (files("device_library") / "cells" / "pcm_gst.toml").read_text()
COSTS = (files("device_library") / "costs" / "bottom_up_28nm.toml").read_text()
NUMBERS = ["nan", "inf", "-inf", "-1", "0", "-0.0", "1e400", "1e-320", "9" * 30, "0x10", "07", "1_0", "1.5"]
WORDS = ['""', '"x"', "'\\u0000'", '"\\uD7FF"', '"float"', '"ideal"', '"."', '".toml"', '"../x.toml"', '"/etc/passwd"']
HOSTILE = ['"a\\u0000.toml"', '"x/../../y.toml"', '"!!python/object/apply:os.system"', "\"__import__('os')\""]
TABLES = [
    "{}",
    "[]",
    "[[]]",
    "[1, 'a', {}]",
    "{ low = 1 }",
    "{ low = 1, high = nan }",
    "{ low = 1, high = 4, step = 0 }",
]
CHARACTERS = st.characters(exclude_categories=["Cs"])
"""All that UTF-8 can write, said without a codec: hypothesis would go through a million characters to know it."""
TOKENS = [*NUMBERS, *WORDS, *HOSTILE, *TABLES, "true", "1979-05-27T07:32:00Z"]
fuzz = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def broken_text(draw, text):
    """Text in which values are replaced, lines removed, repeated or swapped, or characters put in."""
    for _ in range(draw(st.integers(1, 3))):
        lines = text.split("\n")
        at = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(["value", "value", "value", "remove", "repeat", "key", "insert", "cut"]))
        if kind == "value":
            lines[at] = re.sub(r"= .*", lambda _: "= " + draw(st.sampled_from(TOKENS)), lines[at])
        elif kind == "remove":
            del lines[at]
        elif kind == "repeat":
            lines.insert(at, lines[at])
        elif kind == "key":
            lines[at] = draw(st.text(CHARACTERS, max_size=12)) + lines[at]
        elif kind == "insert":
            place = draw(st.integers(0, len(lines[at])))
            lines[at] = lines[at][:place] + draw(st.text(CHARACTERS, min_size=1, max_size=4)) + lines[at][place:]
        else:
            lines = lines[: at + 1]
        text = "\n".join(lines)
    return text


@st.composite
def broken_bytes(draw, content):
    """Bytes that are cut, flipped, put in, or something else altogether."""
    kind = draw(st.sampled_from(["cut", "flip", "insert", "replace"]))
    at = draw(st.integers(0, len(content) - 1))
    if kind == "cut":
        return content[:at]
    if kind == "flip":
        return content[:at] + bytes([content[at] ^ (1 << draw(st.integers(0, 7)))]) + content[at + 1 :]
    if kind == "insert":
        return content[:at] + draw(st.binary(min_size=1, max_size=8)) + content[at:]
    return draw(st.binary(max_size=64))


def answered(done):
    """Return whether a command did its work, or said in words what is wrong."""
    assert done.exit_code in (0, 2), done.output
    assert "Traceback" not in done.output
    if done.exit_code == 2:
        assert "rror: " in done.stderr
        assert len(done.stderr) > 20
    return done.exit_code == 0


@fuzz
@given(text=broken_text(SMALL_STUDY))
def test_a_broken_study_file_is_told(text, here, tmp_path, noted):
    (tmp_path / "s.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    answered(here("check", tmp_path / "s.toml"))
    noted("broken files that were answered in words, or taken where they are valid", 1, 1)


@fuzz
@given(content=st.binary(max_size=200))
def test_a_study_file_of_any_bytes_is_told(content, here, tmp_path, noted):
    (tmp_path / "s.toml").write_bytes(content)
    assert not answered(here("check", tmp_path / "s.toml"))
    noted("broken files that were answered in words, or taken where they are valid", 1, 1)


@pytest.mark.slow
@fuzz
@given(card=broken_text(CARD), costs=broken_text(COSTS))
def test_a_broken_card_is_told(card, costs, here, tmp_path, noted):
    (tmp_path / "cell.toml").write_bytes(card.encode("utf-8", "surrogatepass"))
    (tmp_path / "costs.toml").write_bytes(costs.encode("utf-8", "surrogatepass"))
    text = SMALL_STUDY.replace("[design]", '[price]\ncard = "costs.toml"\n[design]\ndevice.card = "cell.toml"')
    (tmp_path / "s.toml").write_text(text)
    answered(here("check", tmp_path / "s.toml"))
    noted("broken files that were answered in words, or taken where they are valid", 1, 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(CHARACTERS, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(CHARACTERS, max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def fresh(undisturbed, tmp_path):
    """Makes a new copy of results for each example, so that none sees what another left."""

    def make():
        shutil.rmtree(tmp_path / "r", ignore_errors=True)
        shutil.copytree(undisturbed, tmp_path / "r")
        return tmp_path / "r"

    return make


def content_of(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != "lock"}


def ask(here, folder):
    """Ask a folder by every reading command; none may change it."""
    before = content_of(folder)
    told = [
        answered(here("front", folder)),
        answered(here("status", folder)),
        answered(here("show", folder, 1)),
        answered(here("query", folder, "SELECT count(*) FROM trials")),
        answered(here("price", folder)),
        answered(here("compare", folder, folder)),
    ]
    assert content_of(folder) == before
    return told


@pytest.mark.slow
@fuzz
@given(data=st.data())
def test_a_broken_description_is_told(data, here, fresh, noted):
    folder = fresh()
    about = json.loads((folder / "study.json").read_text())
    original = dict(about)
    (folder / "study.json.copy").unlink()  # with which nothing would be lost; see test_checksums.py
    del about["checksum"]
    if data.draw(st.booleans()):
        for key in data.draw(st.lists(st.sampled_from([*about, "history", "merged", "reuse"]), min_size=1, max_size=2)):
            about[key] = data.draw(JSON)
        content = json.dumps(about).encode()
    else:
        content = data.draw(broken_bytes(json.dumps(about).encode()))
    (folder / "study.json").write_bytes(content)
    ask(here, folder)
    answered(here("resume", folder, "--executor", "local", "--quiet"))
    (folder / "study.json").write_text(json.dumps(original))
    assert read_table(folder).num_rows == 15
    noted("broken files that were answered in words, or taken where they are valid", 1, 1)


@pytest.mark.slow
@fuzz
@given(data=st.data())
def test_a_broken_part_is_told_and_the_rest_is_kept(data, here, fresh, caplog, noted):
    folder = fresh()
    (part,) = (folder / "trials").iterdir()
    content = part.read_bytes()
    extra = {**to_rows(read_table(folder))[0], "trial": 99}
    (folder / "log" / "000009-x.jsonl").write_bytes(to_line(extra))
    broken = data.draw(broken_bytes(content))
    part.write_bytes(broken)
    ask(here, folder)
    whole = broken == content
    assert whole or "is damaged" in caplog.text
    assert read_table(folder)["trial"].to_pylist() == [*(range(15) if whole else ()), 99]
    caplog.clear()
    noted("broken files that were answered in words, or taken where they are valid", 1, 1)


@pytest.mark.slow
@settings(fuzz, max_examples=20)
@given(data=st.data())
def test_a_broken_log_is_told_and_the_rest_is_kept(data, here, fresh, noted):
    folder = fresh()
    row = to_rows(read_table(folder))[0]
    lines = [to_line({**row, "trial": trial}) for trial in (97, 98, 99)]
    broken = data.draw(st.one_of(broken_bytes(lines[1]), broken_row({**row, "trial": 98}))).replace(b"\n", b"")
    (folder / "log" / "000009-x.jsonl").write_bytes(lines[0] + broken + b"\n" + lines[2])
    ask(here, folder)
    found = read_table(folder)["trial"].to_pylist()
    assert found[:16] == [*range(15), 97]
    assert found[-1] == 99
    noted("broken files that were answered in words, or taken where they are valid", 1, 1)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("name", ["study_key", "trial", "state"])
@pytest.mark.parametrize("value", [["x"], {"x": 1}, 1.5, True])
def test_a_line_of_a_wrong_kind_under_its_checksum_is_damaged(name, value, undisturbed):
    row = to_rows(read_table(undisturbed))[0]
    table, damaged = read_lines(to_line({**row, name: value}) + to_line(row), {row["study_key"]})
    assert (table["trial"].to_pylist(), damaged) == ([row["trial"]], [1])


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("parameters", "{"),
        ("parameters", "[1]"),
        ("parameters", "[" * 5000),
        ("design", "[" * 5000),
        ("design", '"x"'),
        ("packages", "{"),
        ("layers", []),
    ],
)
def test_a_part_whose_rows_hold_no_json_under_its_checksum_is_told_of(column, value, here, fresh):
    folder = fresh()
    rows = to_rows(read_table(folder))
    rows[-1][column] = value
    for part in (folder / "trials").iterdir():
        part.unlink()
    name, content = to_part(to_table(rows), 1)
    (folder / "trials" / name).write_bytes(content)
    (folder / "parts.json").write_bytes(encode_parts([f"trials/{name}"]))
    trial = str(rows[-1]["trial"])
    asked = [["front", folder], ["show", folder, trial], *([] if column == "layers" else [["replay", folder, trial]])]
    answers = [here(*command) for command in asked]
    assert [answered(answer) for answer in answers][-1] == (column == "layers")
    assert any("no JSON object" in answer.stderr for answer in answers) == (column != "layers"), (
        "without layers it is shown"
    )


@st.composite
def broken_row(draw, row):
    """A row of wrong content under a checksum that is right."""
    key = draw(st.sampled_from([name for name in row if name not in ("layers", "curve")]))
    try:
        return to_line({**row, key: draw(JSON)})
    except ValueError:
        return b"{}"


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000, b"\xff\xfe", b'"' + b"a" * 10**5]
)
def test_nesting_and_size_without_end_are_told(content, here, fresh):
    folder = fresh()
    (folder / "study.json.copy").unlink()
    (folder / "study.json").write_bytes(content)
    assert not any(ask(here, folder))
    (folder / "source" / "study.toml").write_bytes(content)
    answered(here("check", folder / "source" / "study.toml"))


def test_a_study_file_cannot_reach_out_of_its_folder(here, tmp_path):
    """Neither by "..", nor by an absolute path, nor by a link; whether the target exists is not told either."""
    (tmp_path / "secret.toml").write_text(CARD)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.toml").symlink_to(tmp_path / "secret.toml")
    (inside / "folder").symlink_to(tmp_path)
    for name in ("../secret.toml", str(tmp_path / "secret.toml"), "link.toml", "folder/secret.toml", "../nothing.toml"):
        for table in ("device.card", "price.card"):
            line = (
                f'[design]\ndevice.card = "{name}"' if table == "device.card" else f'[price]\ncard = "{name}"\n[design]'
            )
            (inside / "s.toml").write_text(SMALL_STUDY.replace("[design]", line))
            done = here("check", inside / "s.toml")
            assert done.exit_code == 2
            assert "must lie in or below the folder of the study file" in done.stderr


@pytest.mark.slow
def test_a_description_cannot_reach_out_of_its_folder(here, fresh):
    folder = fresh()
    about = json.loads((folder / "study.json").read_text())
    for change in (
        {"source": ".."},
        {"source": "/"},
        {"files": ["study.toml", "../x"]},
        {"files": ["/x", "study.toml"]},
    ):
        describe(folder, {**about, **change})
        done = here("resume", folder, "--executor", "local", "--quiet")
        assert done.exit_code == 2
        assert "does not name the files of the study" in done.stderr
