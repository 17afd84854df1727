"""`dse report`, as a user meets it."""

import errno
import shutil

import pytest

from dse.analysis.tables import render


@pytest.mark.slow
def test_a_report_lands_in_the_results_and_can_be_made_again(ask, undisturbed, tmp_path):
    results = shutil.copytree(undisturbed, tmp_path / "results")
    for _ in range(2):
        done = ask("report", results, "--without", "importance")
        assert done.returncode == 0, done.stderr
        assert str(results / "report.html") in done.stdout
    page = (results / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert 'id="importance"' not in page
    assert ask("front", results).returncode == 0, "the folder is still a results folder"


@pytest.mark.slow
def test_figures_are_written_to_a_folder(ask, undisturbed, tmp_path):
    done = ask("report", undisturbed, "--format", "png", "--output", tmp_path / "figures", "--without", "importance")
    assert done.returncode == 0, done.stderr
    written = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert written == ["curves.png", "energy.png", "front.png", "wear.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (tmp_path / "figures").iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--without", "importanc"], "no panel 'importanc' to leave out; did you mean 'importance'?"),
        (["--objectives", "acuracy"], "unknown objective 'acuracy'; did you mean 'accuracy'?"),
    ],
)
def test_a_mistake_ends_with_status_2(arguments, message, ask, undisturbed):
    done = ask("report", undisturbed, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


LONG = "FOLDER/" + 300 * "n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "R", "--output", "/nowhere/r.html"], "cannot write /nowhere/r.html: there is no folder /nowhere"),
        (["report", "R", "--output", "FOLDER"], "cannot write FOLDER: it is a folder; name a file"),
        (["report", "R", "--output", LONG], "cannot write FOLDER/nnn"),
        (["report", "R", "--format", "svg", "--output", "FOLDER/kept"], "FOLDER/kept is no folder"),
        (["report", "R", "--format", "png", "--output", "FOLDER/kept/a/b"], "FOLDER/kept is no folder"),
        (["front", "R", "--plot", "FOLDER"], "it is a folder; name a file"),
        (["importance", "R", "--format", "csv", "--output", "FOLDER/a/b.csv"], "there is no folder FOLDER/a"),
        (["compare", "R", "R", "--report", "FOLDER"], "it is a folder; name a file"),
        (["dashboard", "R", "--export", "FOLDER"], "it is a folder; name a file"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_read(arguments, message, ask, tmp_path):
    (tmp_path / "kept").write_text("somebody's")
    done = ask(*(argument.replace("FOLDER", str(tmp_path)) for argument in arguments))
    assert done.returncode == 2
    assert message.replace("FOLDER", str(tmp_path)) in done.stderr, "and not that there are no results R"
    assert (tmp_path / "kept").read_text() == "somebody's"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [["report", "--format", "svg", "--without", "importance", "--output", "f"], ["front", "--plot", "f/p.png"]],
)
def test_a_disk_that_is_full_ends_pictures_with_one_message_and_leaves_no_file(
    command, here, undisturbed, tmp_path, monkeypatch
):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(render, "_replace", full)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f").mkdir()
    done = here(command[0], undisturbed, *command[1:])
    assert done.exit_code == 2, done.output
    assert done.stderr.splitlines()[-1].startswith("error: cannot write f/")
    assert "nothing to draw" not in done.stderr
    assert not [*(tmp_path / "f").iterdir()]
