"""Nothing that lies outside of a folder of results is removed, overwritten or read, whatever links lie in it."""

import os
import shutil

import pytest

from dse.errors import ResultsError
from dse.results.folder import Folder
from dse.results.inside import OutsideError, fresh, read_plain
from dse.results.source import offer_files
from dse.results.store import Store, create, read_about, read_table
from tests.results.rows import ABOUT, row


@pytest.fixture
def folder(tmp_path):
    create(tmp_path / "r", ABOUT, {"study.toml": b""})
    with Store(tmp_path / "r") as store:
        store.append([row(0)])
    return tmp_path / "r"


@pytest.fixture
def outside(tmp_path):
    """A folder of somebody's, with what must stay as it is."""
    place = tmp_path / "thesis"
    (place / "sub").mkdir(parents=True)
    (place / "chapter.jsonl").write_text('{"x": 1}\n')
    (place / "sub" / "figure").write_text("drawn")
    (place / "letter").write_text("precious")
    return place


def everything(place):
    return {path.relative_to(place): path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["log", "trials", "staging", "damaged", "source", "spool"])
def test_a_subfolder_that_is_a_link_is_refused(folder, outside, name, here):
    before = everything(outside)
    shutil.rmtree(folder / name, ignore_errors=True)
    (folder / name).symlink_to(outside)
    with pytest.raises(ResultsError, match=f"{name} is a link, and what lies behind it does not belong"), Store(folder):
        pass
    done = here("resume", folder, "--executor", "local", "--quiet")
    assert done.exit_code == 2
    assert everything(outside) == before


@pytest.mark.parametrize("name", ["study.json", "lock"])
def test_a_file_that_is_a_link_is_refused(folder, outside, name):
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(outside / "letter")
    with pytest.raises(ResultsError, match=f"{name} is a link"), Store(folder):
        pass
    assert (outside / "letter").read_text() == "precious"


def test_a_lock_that_has_another_name_elsewhere_is_refused(folder, outside):
    (folder / "lock").unlink(missing_ok=True)
    os.link(outside / "letter", folder / "lock")
    with pytest.raises(ResultsError, match="lock is no plain file of these results alone"), Store(folder):
        pass
    assert (outside / "letter").read_text() == "precious"


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_the_file_that_names_the_owner_is_replaced(folder, outside, link):
    (folder / "owner").unlink()
    link(outside / "letter", folder / "owner")
    with Store(folder):
        assert str(os.getpid()) in (folder / "owner").read_text()
    assert (outside / "letter").read_text() == "precious"


@pytest.mark.parametrize("place", ["trials", "log"])
def test_a_part_or_log_that_is_a_link_is_damage_and_is_set_aside_as_it_is(folder, outside, place, caplog):
    name = f"{place}/000007-x.jsonl"
    (folder / name).symlink_to(outside / "chapter.jsonl")
    assert read_table(folder)["trial"].to_pylist() == [0]
    assert f"{name} is damaged: it is a link" in caplog.text
    with Store(folder):
        pass
    assert (folder / "damaged" / "000007-x.jsonl").is_symlink()
    assert (outside / "chapter.jsonl").read_text() == '{"x": 1}\n'
    assert read_table(folder)["trial"].to_pylist() == [0]


def test_links_among_half_written_files_are_removed_and_their_targets_stay(folder, outside):
    before = everything(outside)
    (folder / "staging" / "a").symlink_to(outside)
    (folder / "staging" / "study.json").symlink_to(outside / "letter")
    with Store(folder) as store:
        (folder / "staging" / "study.json").symlink_to(outside / "letter")
        store.describe({**store.about, "name": "other"})
    assert read_about(folder)["name"] == "other"
    assert everything(outside) == before


@pytest.mark.parametrize("name", ["../thesis/letter", "log/../../thesis/letter", "/etc/hostname", "a//b", "log/x\0"])
def test_a_name_that_leads_out_is_none(folder, outside, name):
    place = Folder(folder)
    for act in (place.read, place.remove, place.open_log, lambda name: place.write(name, b"")):
        with pytest.raises(OutsideError):
            act(name)
    assert (outside / "letter").read_text() == "precious"


def test_a_pipe_is_no_file(folder):
    (folder / "study.json").unlink()
    os.mkfifo(folder / "study.json")
    with pytest.raises(OutsideError, match="no plain file"):
        read_plain(folder / "study.json")
    with pytest.raises(OutsideError, match="no plain file"):
        read_table(folder)


def test_what_is_made_anew_takes_the_place_of_a_pipe(folder):
    for name in ("report.html", "other.html"):
        os.mkfifo(folder / "report.html")
        (folder / "other.html").write_text("kept")
        assert fresh(folder, name) == folder / name
        assert (folder / "report.html").exists() == (name != "report.html")
        assert (folder / "other.html").read_text() == "kept"


def test_results_that_say_that_they_unite_themselves_are_gone_through_once(folder, monkeypatch):
    asked: list[object] = []
    about = {**read_about(folder), "merged": [str(folder), str(folder)]}
    monkeypatch.setattr("dse.results.source.read_about", lambda place: asked.append(place) or about)
    offer_files(folder)
    assert len(asked) == 1


def test_the_folder_itself_may_be_reached_by_a_link(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    with Store(tmp_path / "link") as store:
        store.append([row(1)])
    assert read_table(folder)["trial"].to_pylist() == [0, 1]


@pytest.mark.slow
def test_a_report_takes_the_place_of_a_link(undisturbed, outside, tmp_path, here):
    results = tmp_path / "results"
    shutil.copytree(undisturbed, results)
    (results / "report.html").symlink_to(outside / "letter")
    (results / "figures").symlink_to(outside)
    before = everything(outside)
    assert here("report", results, "--without", "importance").exit_code == 0
    assert "<html" in (results / "report.html").read_text()
    assert not (results / "report.html").is_symlink()
    assert here("report", results, "--format", "svg", "--without", "importance").exit_code == 0
    assert (results / "figures" / "front.svg").exists()
    (results / "figures" / "front.svg").unlink()
    (results / "figures" / "front.svg").symlink_to(outside / "letter")
    assert here("report", results, "--format", "svg", "--without", "importance").exit_code == 0
    assert everything(outside) == before


@pytest.mark.parametrize("change", ["link", "folder of links", "gone", "pipe"])
def test_a_kept_study_file_is_read_where_it_lies_or_not_at_all(undisturbed, outside, tmp_path, here, change, caplog):
    results = tmp_path / "results"
    shutil.copytree(undisturbed, results)
    (outside / "study.toml").write_bytes((results / "source" / "study.toml").read_bytes() + b"# secret\n")
    (results / "source" / "study.toml").unlink()
    if change == "link":
        (results / "source" / "study.toml").symlink_to(outside / "study.toml")
    elif change == "folder of links":
        (results / "source").rmdir()
        (results / "source").symlink_to(outside)
    elif change == "pipe":
        os.mkfifo(results / "source" / "study.toml")
    for command in (("report", "--without", "importance", "--output", tmp_path / "page.html"), ("price",), ("resume",)):
        done = here(command[0], results, *command[1:])
        assert "secret" not in done.output
        assert "source" in done.stderr + caplog.text
        caplog.clear()
    assert not (tmp_path / "page.html").exists() or "secret" not in (tmp_path / "page.html").read_text()
