"""A study that is asked for more trials, seeds and objectives keeps its promises."""

import subprocess

import polars as pl
import pytest

from dse.errors import ResultsError
from dse.results.store import read_about, read_table
from dse.search.executor import LocalExecutor
from dse.search.extend import refuse_changes
from dse.search.runs import resume, start
from tests.end_to_end.edits import LOSS_TOO, Stops, edited, results, study_of
from tests.studies import SMALL_STUDY

MORE_TRIALS = ("trials = 14", "trials = 20")
MORE_SEEDS = ("trials = 14", "trials = 14\nseeds = 2")


@pytest.fixture
def begun(tmp_path):
    """Results of the small study, stopped after nine simulations."""
    with pytest.raises(KeyboardInterrupt):
        start(study_of(SMALL_STUDY, tmp_path), tmp_path / "r", lambda: Stops(9))
    return tmp_path / "r"


def test_more_trials_give_the_table_of_a_study_that_asked_for_them_at_once(begun, tmp_path):
    wanted = study_of(edited(MORE_TRIALS), tmp_path)
    resume(begun, LocalExecutor, wanted=wanted)
    start(wanted, tmp_path / "at once", LocalExecutor)
    assert results(begun).equals(results(tmp_path / "at once"))
    assert read_about(begun)["trials"] == 21


def test_more_seeds_and_objectives_keep_the_trials_that_were_proposed(begun, tmp_path):
    before = results(begun)
    wanted = study_of(edited(MORE_SEEDS, LOSS_TOO), tmp_path)
    resume(begun, LocalExecutor, wanted=wanted)
    after = pl.from_arrow(read_table(begun))
    assert len(after) == 30
    assert sorted(after["seed"].unique()) == [0, 1]
    kept = after.filter(pl.col("seed") == 0).head(len(before))
    assert kept["design_key"].to_list() == before["design_key"].to_pylist()
    assert read_about(begun)["objectives"][-1] == "loss"
    assert read_about(begun)["history"][0]["proposed"] == 8


def test_an_extended_study_is_a_function_of_its_files_and_of_when_they_took_over(begun, tmp_path):
    """Interrupted again after the extension, resumed without naming the file, with answers in another order."""
    wanted = study_of(edited(MORE_SEEDS, LOSS_TOO), tmp_path)
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", begun, copy], check=True)
    resume(begun, LocalExecutor, wanted=wanted)
    with pytest.raises(KeyboardInterrupt):
        resume(copy, lambda: Stops(7), wanted=wanted)
    with pytest.raises(KeyboardInterrupt):
        resume(copy, lambda: Stops(5))
    resume(copy, LocalExecutor)
    assert results(copy).equals(results(begun))
    more = study_of(edited(("trials = 14", "trials = 18\nseeds = 2"), LOSS_TOO), tmp_path)
    for folder in (begun, copy):
        resume(folder, LocalExecutor, wanted=more)
    assert results(copy).equals(results(begun))
    assert [entry["proposed"] for entry in read_about(begun)["history"]] == [8, 14]


def test_a_kill_while_a_study_is_extended_leaves_it_as_it_was_or_extended(begun, tmp_path, monkeypatch):
    wanted = study_of(edited(MORE_SEEDS), tmp_path)

    def killed(self, about):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("dse.results.store.Store.describe", killed)
        with pytest.raises(KeyboardInterrupt):
            resume(begun, LocalExecutor, wanted=wanted)
    assert read_about(begun)["seeds"] == 1
    resume(begun, LocalExecutor, wanted=wanted)
    assert read_table(begun).num_rows == 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("trials = 14", "trials = 13"), "budget.trials was 14 and cannot shrink to 13"),
        (('"worst_writes"]', '"loss"]'), "the objective worst_writes cannot go"),
        (("low = 4, high = 8", "low = 4, high = 9"), r"space.adc.bits.high was 8 and is 9"),
        (("training.epochs = 1", "training.epochs = 2"), "fixed.training.epochs was 1 and is 2"),
        (("lookahead = 4", "lookahead = 5"), "search.lookahead was 4 and is 5"),
        (("training.epochs = 1", "training.epochs = 1\nadc.range = 2.0"), "fixed.adc.range = 2.0 is new"),
    ],
)
def test_a_changed_meaning_is_refused_setting_by_setting(change, message, tmp_path):
    with pytest.raises(ResultsError, match=message):
        refuse_changes(study_of(SMALL_STUDY, tmp_path), study_of(edited(change), tmp_path))


def test_a_changed_description_is_an_extension(begun, tmp_path):
    wanted = study_of(edited(('name = "small"', 'name = "small"\ndescription = "new"')), tmp_path)
    resume(begun, LocalExecutor, wanted=wanted)
    assert (begun / read_about(begun)["source"] / "study.toml").read_text() == wanted.text


def test_a_trial_in_flight_when_a_study_stopped_is_proposed_as_it_was(undisturbed, tmp_path):
    """Answers come newest first, so that later trials are stored and earlier ones are not."""
    with pytest.raises(KeyboardInterrupt):
        start(study_of(SMALL_STUDY, tmp_path), tmp_path / "r", lambda: Stops(9, slots=4))
    stored = read_table(tmp_path / "r")["trial"].to_pylist()
    missing = set(range(max(stored))) - set(stored)
    assert missing
    resume(tmp_path / "r", LocalExecutor, wanted=study_of(edited(MORE_SEEDS), tmp_path))
    first_seed = pl.from_arrow(read_table(tmp_path / "r")).filter(pl.col("seed") == 0)
    known = read_table(undisturbed)["design_key"].to_pylist()
    assert first_seed["design_key"].to_list()[: max(stored) + 1] == known[: max(stored) + 1]
