"""Every byte of a folder of results that decides an answer is checked, and what does not fit is told and set aside."""

import io
import json
import os
import random
import shutil

import polars as pl
import pytest

from dse.errors import ResultsError
from dse.results.encoding import from_sealed, to_line, to_part
from dse.results.reading import _warned, read_rows
from dse.results.rows import to_rows, to_table
from dse.results.store import Store, create, encode_about, read_about, read_table
from tests.conftest import simulated
from tests.results.rows import ABOUT, row
from tests.studies import SMALL_STUDY

CARD = """
title = "mine"
base = "bottom_up_28nm"
[adc_per_code_j]
value = 2.5e-14
unit = "J/code"
source = "made up"
"""
FREE = '\n[price]\ncard = "mine.toml"\n[free]\nadc_fixed_j = [1e-12, 5e-11]\n'


@pytest.fixture(scope="module")
def priced(tmp_path_factory):
    """The results of a small study with a card and a free axis of its own."""
    place = tmp_path_factory.mktemp("priced")
    (place / "mine.toml").write_text(CARD)
    return simulated(SMALL_STUDY + FREE, place)


@pytest.fixture
def fresh(priced, tmp_path):
    """Makes a copy of results under a name of its own."""
    count = iter(range(10**6))

    def make(of=priced):
        return shutil.copytree(of, tmp_path / f"r{next(count)}")

    return make


def answers(here, folder):
    """What commands say of a folder, without the folder's name: the front, a query and prices, with their status."""
    found = []
    for command in (("front",), ("query", "SELECT * FROM trials"), ("price", "--columns", "energy_per_sample_j")):
        done = here(command[0], folder, *command[1:], "--format", "csv")
        found.append((done.exit_code, done.stdout))
    return found


def decides(folder):
    """What answers are made of: rows, description, and the files that are kept with them."""
    about = read_about(folder)
    table, damages = read_rows(folder_place(folder), about)
    kept = {name: (folder / name).read_bytes() for name in about["checksums"] if (folder / name).exists()}
    return to_rows(table), about, kept, damages


def folder_place(folder):
    from dse.results.address import place_of  # noqa: PLC0415

    return place_of(folder)


@pytest.mark.slow
def test_no_flip_of_a_byte_in_any_file_changes_an_answer_silently(fresh, caplog, noted):
    """A thousand bytes of all files, in turn: what is read is as it was, or something is told."""
    folder = fresh()
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in ("lock", "owner")]
    assert {path.relative_to(folder).parts[0] for path in files} >= {
        *("source", "trials", "study.json", "study.json.copy", "parts.json"),
    }
    before = decides(folder)
    draw = random.Random(5)
    sizes = [path.stat().st_size for path in files]
    told = 0
    for _ in range(1000):
        path = draw.choices(files, [max(size, 2000) for size in sizes])[0]
        content = path.read_bytes()
        at, bit = draw.randrange(len(content)), 1 << draw.randrange(8)
        path.write_bytes(content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :])
        caplog.clear()
        _warned.clear()  # this process was told of some already
        try:
            read_table(folder)
            if not caplog.text:
                assert decides(folder) == before, (path, at, bit)
            told += bool(caplog.text)
        except ResultsError:
            told += 1
        path.write_bytes(content)
    assert told > 700
    assert decides(folder) == before
    noted("flips of a byte that changed an answer without a word", 0, 1000)
    noted("flips of a byte that were told", told, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["source/mine.toml", "source/study.toml"])
@pytest.mark.parametrize("change", ["digit", "gone", "link"])
def test_a_kept_file_that_was_changed_is_refused_where_it_counts_and_told_elsewhere(
    fresh, here, caplog, tmp_path, name, change, noted
):
    folder = fresh()
    path = folder / name
    (tmp_path / "copy").write_bytes(path.read_bytes())
    if change == "digit":
        path.write_bytes(path.read_bytes().replace(b"1e-14", b"1e-13").replace(b"2.5e-14", b"2.5e-13") + b" ")
    else:
        path.unlink()
    if change == "link":
        path.symlink_to(tmp_path / "copy")
    reason = {"digit": "it does not have the checksum", "gone": "it is missing", "link": "it is a link"}[change]
    for command in (("front",), ("price",), ("resume", "--executor", "local", "--quiet")):
        done = here(command[0], folder, *command[1:])
        assert done.exit_code == 2, done.output
        assert f"{name} is damaged: {reason}" in done.stderr
    caplog.clear()
    assert here("query", folder, "SELECT count(*) FROM trials").exit_code == 0
    assert here("status", folder).exit_code == 0
    assert name in here("status", folder).stdout
    noted("edits and losses of files that were told", 1, 1)


def edited(about):
    """Descriptions that somebody changed, by what was changed."""
    return {
        "a parameter": {**about, "parameters": [name.replace("s", "z") for name in about["parameters"]]},
        "the seeds": {**about, "seeds": 3},
        "the history": {**about, "history": [{"x": 1}]},
        "the key": {**about, "study_key": "0" * 20},
        "no checksum": {key: value for key, value in about.items() if key != "checksum"},
    }


@pytest.mark.slow
@pytest.mark.parametrize("what", [*edited({"parameters": []}), "gone", "no JSON"])
def test_a_description_that_was_changed_is_read_from_its_copy_and_mended(fresh, here, caplog, what, noted):
    folder = fresh()
    before = answers(here, folder)
    path = folder / "study.json"
    content = path.read_bytes()
    if what == "gone":
        path.unlink()
    else:
        changed = edited(json.loads(content)).get(what)
        path.write_text("{oops" if changed is None else json.dumps(changed))
    assert answers(here, folder) == before
    assert "study.json is damaged: " in caplog.text
    assert "Its copy is read instead; `dse resume` mends it" in caplog.text
    assert here("resume", folder, "--executor", "local", "--quiet").exit_code == 0
    assert from_sealed(path.read_bytes()) == from_sealed(content)
    caplog.clear()
    assert answers(here, folder) == before
    assert not caplog.text
    noted("edits and losses of files that were told", 1, 1)


def test_a_copy_that_was_changed_is_mended(fresh, here):
    folder = fresh()
    content = (folder / "study.json.copy").read_bytes()
    (folder / "study.json.copy").write_bytes(b"{}")
    assert here("resume", folder, "--executor", "local", "--quiet").exit_code == 0
    assert (folder / "study.json.copy").read_bytes() == content


@pytest.fixture
def mine(tmp_path):
    create(tmp_path / "mine", ABOUT, {"study.toml": b""})
    with Store(tmp_path / "mine") as store:
        store.append([{**row(trial), "study_key": "k"} for trial in range(3)])
    return tmp_path / "mine"


def foreign(trial):
    return {**row(trial), "study_key": "another"}


def test_a_part_of_another_study_is_set_aside(mine, caplog, noted):
    name, content = to_part(to_table([foreign(7)]), 1)
    (mine / "trials" / name).write_bytes(content)
    assert read_table(mine)["trial"].to_pylist() == [0, 1, 2]
    assert f"trials/{name} is damaged: it does not belong here: it holds rows of another study" in caplog.text
    with Store(mine):
        pass
    assert (mine / "damaged" / name).read_bytes() == content
    caplog.clear()
    assert read_table(mine)["trial"].to_pylist() == [0, 1, 2]
    assert not caplog.text
    noted("edits and losses of files that were told", 1, 1)


def test_a_line_of_another_study_is_set_aside(mine, caplog, noted):
    log = to_line(foreign(7)) + to_line({**row(8), "study_key": "k"})
    (mine / "log" / "000009-x.jsonl").write_bytes(log)
    assert read_table(mine)["trial"].to_pylist() == [0, 1, 2, 8]
    assert "log/000009-x.jsonl is damaged: line 1 is not what was written" in caplog.text
    with Store(mine):
        pass
    assert (mine / "damaged" / "000009-x.jsonl").read_bytes() == log
    assert read_table(mine)["trial"].to_pylist() == [0, 1, 2, 8]
    noted("edits and losses of files that were told", 1, 1)


def test_rows_of_the_study_before_it_was_extended_belong_to_it(mine):
    with Store(mine) as store:
        store.describe({**store.about, "study_key": "k2", "history": [{"study_key": "k"}]})
        store.append([{**row(3), "study_key": "k2"}])
    assert read_table(mine)["trial"].to_pylist() == [0, 1, 2, 3]


@pytest.mark.slow
def test_rows_of_all_studies_that_are_united_belong_together_and_no_others(undisturbed, priced, here, tmp_path, caplog):
    other = SMALL_STUDY.replace("seed = 3", "seed = 4")
    second = simulated(other, tmp_path)
    assert here("merge", undisturbed, second, "--out", tmp_path / "both").exit_code == 0
    assert read_table(tmp_path / "both").num_rows == 30
    assert not caplog.text
    (part,) = (priced / "trials").iterdir()
    shutil.copy(part, tmp_path / "both" / "trials")
    assert read_table(tmp_path / "both").num_rows == 30
    assert "it holds rows of another study" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["table", "csv"])
def test_a_part_that_is_gone_is_told_in_every_form(fresh, here, caplog, format_, noted):
    folder = fresh()
    (part,) = (folder / "trials").iterdir()
    part.unlink()
    here("front", folder, "--format", format_)
    assert f"trials/{part.name} is damaged: it is missing, with 15 rows" in caplog.text
    assert "is missing" in here("status", folder).stdout
    before = answers(here, fresh())
    assert here("resume", folder, "--executor", "local", "--quiet").exit_code == 0
    caplog.clear()
    assert [pl.read_csv(io.StringIO(text)).height for _, text in answers(here, folder)] == [
        pl.read_csv(io.StringIO(text)).height for _, text in before
    ]
    assert not caplog.text
    noted("edits and losses of files that were told", 1, 1)


def test_a_list_of_parts_that_is_damaged_or_gone_is_told_and_made_anew(mine, caplog):
    content = (mine / "parts.json").read_bytes()
    for spoil in (lambda: (mine / "parts.json").write_bytes(b"{}"), (mine / "parts.json").unlink):
        spoil()
        caplog.clear()
        assert read_table(mine).num_rows == 3
        assert "parts.json is damaged: whether parts are missing cannot be told" in caplog.text
        with Store(mine):
            pass
        assert (mine / "parts.json").read_bytes() == content


def test_a_line_that_lost_its_end_is_not_taken_for_a_torn_one(mine, caplog, noted):
    """A torn line was never acknowledged; a line whose last byte was changed had been."""
    (mine / "log" / "000009-x.jsonl").write_bytes(to_line({**row(8), "study_key": "k"})[:-1] + b"\x0b")
    assert read_table(mine)["trial"].to_pylist() == [0, 1, 2]
    assert "log/000009-x.jsonl is damaged: line 1" in caplog.text
    noted("edits and losses of files that were told", 1, 1)


@pytest.mark.parametrize("name", ["log", "trials", "staging", "lock", "."])
def test_a_run_whose_files_are_taken_away_does_not_end_as_if_nothing_were(mine, name):
    """What was acknowledged and is gone is counted; what is written after that is safe."""

    def run():
        with Store(mine) as store:
            store.append([{**row(3), "study_key": "k"}])
            place = mine / name
            shutil.rmtree(place) if place.is_dir() else place.unlink()
            for trial in (4, 5):
                store.append([{**row(trial), "study_key": "k"}])
            store.finish()
        raise ResultsError("nothing was lost")

    with pytest.raises(ResultsError) as raised:
        run()
    said = {
        "log": "was removed while this run wrote to it",
        "trials": "3 rows that were stored in",
        "staging": "nothing was lost",
        "lock": "was removed or replaced",
        ".": "was removed or replaced",
    }
    assert said[name] in str(raised.value)


def test_a_log_that_was_cut_is_missed_when_it_is_sealed(mine):
    def run():
        with Store(mine) as store:
            store.append([{**row(trial), "study_key": "k"} for trial in (3, 4)])
            (log,) = (mine / "log").iterdir()
            os.truncate(log, 0)
            store.finish()

    with pytest.raises(ResultsError, match=r"2 rows that were stored in .* are not there any more"):
        run()
    assert read_table(mine)["trial"].to_pylist() == [0, 1, 2]


def test_a_table_has_its_checksum_once(mine):
    about = json.loads((mine / "study.json").read_text())
    assert json.loads(encode_about({**about, "name": "x"}))["checksum"] != about["checksum"]
    assert from_sealed(encode_about({**about, "name": "x"})) == (
        {**{key: value for key, value in about.items() if key != "checksum"}, "name": "x"},
        True,
    )
