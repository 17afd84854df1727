"""A study that is asked for more trials, seeds and objectives keeps its promises."""

import json
import re
import subprocess
from importlib.resources import files

import polars as pl
import pytest

from dse.errors import ResultsError
from dse.results.store import read_about, read_table
from dse.search.executor import LocalExecutor, code_version, package_versions
from dse.search.extend import refuse_changes
from dse.search.ledger import other_design
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


@pytest.mark.slow
def test_more_trials_give_the_table_of_a_study_that_asked_for_them_at_once(begun, tmp_path):
    wanted = study_of(edited(MORE_TRIALS), tmp_path)
    resume(begun, LocalExecutor, wanted=wanted)
    start(wanted, tmp_path / "at once", LocalExecutor)
    assert results(begun).equals(results(tmp_path / "at once"))
    assert read_about(begun)["trials"] == 21


@pytest.mark.slow
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
    assert read_about(begun)["history"][0]["proposed"] == 9  # one was decided, and under way


@pytest.mark.slow
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
    assert [entry["proposed"] for entry in read_about(begun)["history"]] == [9, 14]


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_changed_description_is_an_extension(begun, tmp_path):
    wanted = study_of(edited(('name = "small"', 'name = "small"\ndescription = "new"')), tmp_path)
    resume(begun, LocalExecutor, wanted=wanted)
    assert (begun / read_about(begun)["source"] / "study.toml").read_text() == wanted.text


@pytest.mark.slow
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


DIGITAL_FIRST = ("[space]", 'device.card = "my.toml"\n[space]\n"architecture" = ["float", "mixed_precision"]')
DIGITAL_LAST = (
    "[space]",
    '[space]\n"architecture" = ["mixed_precision", "float"]\n"device.card" = ["pcm_gst", "my.toml"]',
)
KEPT_FIRST = ("[space]", 'deployment.device.card = "my.toml"\n[space]\n"deployment.reprogram" = [false, true]')


def with_card(folder, kind="cells", old="value = 0.88", new="value = 0.88"):
    text = (files("device_library") / kind / f"{'pcm_gst' if kind == 'cells' else 'pcm_joshi2020'}.toml").read_text()
    assert kind != "cells" or old in text
    (folder / "my.toml").write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("change", [DIGITAL_FIRST, DIGITAL_LAST])
def test_an_edited_card_is_another_study_wherever_digital_designs_stand(change, tmp_path):
    with_card(tmp_path)
    before = study_of(edited(change), tmp_path).key
    assert before == study_of(edited(change), tmp_path).key
    with_card(tmp_path, new="value = 0.8")
    now = study_of(edited(change, MORE_TRIALS), tmp_path)
    assert study_of(edited(change), tmp_path).key != before
    assert now.meaning["other_cards"]["device.card"]["my.toml"]["mean_offset_us"] == 0.8


def test_an_edited_card_of_programmed_cells_is_another_study_where_the_first_designs_keep_theirs(tmp_path):
    with_card(tmp_path, "programmed_cells")
    before = study_of(edited(KEPT_FIRST), tmp_path).key
    text = (tmp_path / "my.toml").read_text()
    number = re.search(r"value = (\d+\.\d+)", text)
    assert number
    (tmp_path / "my.toml").write_text(text.replace(number[0], f"value = {float(number[1]) * 0.9}", 1))
    assert study_of(edited(KEPT_FIRST), tmp_path).key != before


@pytest.mark.parametrize("change", [("[space]", 'device.card = "my.toml"\n[space]'), ("[space]", "[space]")])
def test_cards_that_stand_in_a_design_are_said_once(change, tmp_path):
    with_card(tmp_path)
    assert "other_cards" not in study_of(edited(change), tmp_path).meaning


@pytest.fixture
def of_a_card(tmp_path):
    """Results of a study whose first choice is digital, with a card of its own, stopped after nine simulations."""
    with_card(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        start(study_of(edited(DIGITAL_FIRST), tmp_path), tmp_path / "r", lambda: Stops(9))
    return tmp_path / "r"


def held(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*") if path.parent.name != "log"}


@pytest.mark.slow
@pytest.mark.parametrize("named", [True, False])
def test_an_extension_with_an_edited_card_is_refused_and_leaves_the_results(of_a_card, named, tmp_path, monkeypatch):
    """By the card, which is named; were it not in the key, by the designs of the stored trials."""
    with_card(tmp_path, new="value = 0.8")
    wanted = study_of(edited(DIGITAL_FIRST, MORE_TRIALS), tmp_path)
    before = held(of_a_card)
    message = r"other_cards\.device\.card\.my\.toml\.mean_offset_us was 0\.88 and is 0\.8"
    with monkeypatch.context() as patch:
        if not named:
            patch.setattr("dse.search.extend.refuse_changes", lambda old, new: None)
            message = "a card or the study file that is kept with the results was changed"
        with pytest.raises(ResultsError, match=message):
            resume(of_a_card, LocalExecutor, wanted=wanted)
    assert held(of_a_card) == before
    with_card(tmp_path)
    resume(of_a_card, LocalExecutor, wanted=study_of(edited(DIGITAL_FIRST, MORE_TRIALS), tmp_path))
    assert read_table(of_a_card).num_rows == 21


def test_a_stored_trial_of_another_design_is_told_with_where_it_can_come_from():
    packages = json.loads(package_versions())

    def told(code=None, **other):
        return str(other_design(3, "a", "b", code or code_version(), json.dumps({**packages, **other})))

    assert "a card or the study file that is kept with the results was changed" in told()
    assert "it was mips and is " in told(arithmetic="mips")
    for elsewhere in (told(code="0.0.9+0"), told(optuna="1.0"), str(other_design(3, "a", "b", "0.0.9+0", ""))):
        assert "another version of the framework or of Optuna" in elsewhere
