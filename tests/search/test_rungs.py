"""Searches that pause trainings and give seeds to some: the table is a function of the study file all the same."""

import pytest

from dse.analysis.fronts.pareto import front
from dse.analysis.tables.tables import open_tables, search_trials
from dse.errors import ResultsError, SettingError
from dse.results.address import place_of
from dse.results.encoding import sealed
from dse.results.schema import RESULT_COLUMNS
from dse.results.store import read_table
from dse.search import decisions
from dse.search.checkpoint import pack
from dse.search.executor import LocalExecutor
from dse.search.rung_schedule import Rules
from dse.search.runs import resume, start
from dse.search.study import parse_study
from tests.search.scrambled import Scrambled

TEXT = """
name = "rungs"
objectives = ["validation_accuracy", "worst_writes"]
[workload]
dataset = "digits"
images = 60
[design]
network.hidden = [4]
training.epochs = 4
[space]
"accumulator.bits" = [2, 4, 8, "float"]
"accumulator.epsilon" = { low = 0.5, high = 4.0, log = true }
"training.learning_rate" = { low = 0.05, high = 1.0, log = true }
[controls.base]
accumulator.bits = 8
[search]
startup = 9
lookahead = 4
sampler = "model"
rungs = [1, 2]
[budget]
trials = 16
seeds = 2
seeds_for = "front"
"""


def whole(folder):
    return read_table(folder, paused=True).select(RESULT_COLUMNS)


def study_of(text, folder):
    return parse_study(text, folder)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The results of the study, run to its end without a stop."""
    folder = tmp_path_factory.mktemp("rungs")
    start(study_of(TEXT, folder), folder / "r", LocalExecutor)
    return folder / "r"


@pytest.mark.slow
def test_the_table_is_that_of_any_order_of_completion(straight, tmp_path):
    for slots in (1, 3):
        start(study_of(TEXT, tmp_path), tmp_path / f"{slots}", lambda slots=slots: Scrambled(slots, seed=slots))
        assert whole(tmp_path / f"{slots}").equals(whole(straight))


@pytest.mark.slow
def test_the_table_is_that_of_a_study_that_was_stopped_again_and_again(straight, tmp_path):
    folder = tmp_path / "r"
    with pytest.raises(KeyboardInterrupt):
        start(study_of(TEXT, tmp_path), folder, lambda: Scrambled(3, seed=0, stop_after=4))
    for seed in range(1, 20):
        try:
            resume(folder, lambda seed=seed: Scrambled(3, seed=seed, stop_after=3))
            break
        except KeyboardInterrupt:
            continue
    assert seed > 5
    assert whole(folder).equals(whole(straight))


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["paused", "decisions"])
def test_the_table_is_that_of_a_study_that_lost_what_saves_time_alone(lost, straight, tmp_path, caplog):
    folder = tmp_path / "r"
    for seed in range(4):
        try:
            go = start if seed == 0 else resume
            args = (study_of(TEXT, tmp_path), folder) if seed == 0 else (folder,)
            go(*args, lambda seed=seed: Scrambled(3, seed=seed, stop_after=9))
        except KeyboardInterrupt:
            for file in (folder / lost).iterdir():
                damaged = file.read_bytes()
                file.write_bytes(damaged[: len(damaged) // 2] + b"?" + damaged[len(damaged) // 2 + 1 :])
    resume(folder, LocalExecutor)
    assert whole(folder).equals(whole(straight))
    told = [text for text in caplog.messages if "/decisions/" in text and "not what was written" in text]
    assert bool(told) == (lost == "decisions")


@pytest.mark.slow
def test_the_table_is_that_of_a_study_whose_trainings_paused_under_other_code(straight, tmp_path, monkeypatch):
    """Such code may make another state under the same names; that of here is made after the stop."""
    folder, changed = tmp_path / "r", {}

    def packed(state, of):
        content = pack(state, of)
        halved = {name: values * 0.5 if values.dtype.kind == "f" else values for name, values in state.items()}
        changed[content] = pack(halved, of)
        return content

    with monkeypatch.context() as other:
        for module in ("executor", "runs"):
            other.setattr(f"dse.search.{module}.code_version", lambda: "0.0+other")
        other.setattr("dse.search.executor.pack", packed)
        with pytest.raises(KeyboardInterrupt):
            start(study_of(TEXT, tmp_path), folder, lambda: Scrambled(3, seed=0, stop_after=20))
    kept = list((folder / "paused").iterdir())
    assert len(kept) > 3
    for file in kept:
        file.write_bytes(changed[file.read_bytes()])
    with pytest.raises(ResultsError, match=r"was begun by other code: code was 0\.0\+other"):
        resume(folder, LocalExecutor)
    resume(folder, LocalExecutor, other_code=True)
    assert whole(folder).equals(whole(straight))


@pytest.mark.slow
def test_steps_keep_to_their_shares_and_pause_at_the_rungs(straight):
    table = read_table(straight, paused=True)
    rows = [row for row in table.to_pylist() if row["origin"] == "search"]
    assert {row["epochs"] for row in rows if row["state"] == "paused"} == {1, 2}
    assert {row["epochs"] for row in rows if row["state"] == "complete"} == {4}
    first = {row["trial"] for row in rows if row["state"] == "paused" and row["epochs"] == 1}
    second = {row["trial"] for row in rows if row["state"] == "paused" and row["epochs"] == 2}
    ended = {row["trial"] for row in rows if row["state"] == "complete"}
    assert (len(first), len(second), len(ended)) == (16, 8, 4)
    assert ended < second < first
    steps = [row["step"] for row in rows if row["seed"] == 0]
    assert sorted(steps) == sorted(set(steps))


@pytest.mark.slow
def test_rows_at_rungs_are_those_of_shorter_trainings(straight):
    rows = {(row["trial"], row["seed"], row["epochs"]): row for row in read_table(straight, paused=True).to_pylist()}
    checked = 0
    for (trial, seed, epochs), row in rows.items():
        later = rows.get((trial, seed, 4))
        if epochs == 4 or later is None or row["state"] == "failed":
            continue
        assert row["curve"] == [own for own in later["curve"] if own["epoch"] <= epochs]
        checked += 1
    assert checked >= 8


@pytest.mark.slow
def test_the_front_is_certified(straight):
    tables = open_tables(straight)
    best = front(search_trials(tables), tables.objectives)
    assert len(best) > 0
    assert set(best["seeds"]) == {2}


def test_what_was_decided_is_written_down_with_its_reasons(straight):
    found = decisions.read_decisions(place_of(straight))
    assert sorted(found) == list(range(9, max(found) + 1))  # all but those of the start
    kinds = {step.kind for step in found.values()}
    assert kinds <= {"new", "on", "seeds", "certify"}
    assert {"new", "on"} <= kinds
    for step in found.values():
        if step.kind == "on":
            assert step.why["gain"] >= 0.0
            for value, (low, high) in zip(step.why["expected"], step.why["range"], strict=True):
                assert low <= value <= high


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "rungs = [1, 2]",
            "rungs = [2, 4]",
            r"no training pauses at 4, since the longest has 4 epochs; give",
        ),
        ("rungs = [1, 2]", "rungs = [2, 1]", r"do not ascend"),
        ("rungs = [1, 2]", "rungs = [1, 2]\nkeep = [0.5]", "1 shares for 2 rungs"),
        ("rungs = [1, 2]", "rungs = [1, 2]\nkeep = [0.5, 1.01]", "search.keep"),
        ("rungs = [1, 2]", "rungs = [1, 2]\nkeep = [0.0, 0.5]", "search.keep"),
        ("rungs = [1, 2]", "rungs = [0]", "search.rungs"),
        ("trials = 16", "epochs = 3", "budget.epochs = 3 is too small for one design, which takes 4 epochs"),
        ("trials = 16\n", "", "give budget.trials, budget.epochs, or both"),
        ('seeds_for = "front"', 'seeds_for = "some"', "budget.seeds_for"),
        (
            '"worst_writes"]',
            '"worst_writes", "retained_accuracy"]',
            "retained_accuracy is measured on a deployment, at the end of a training alone",
        ),
    ],
)
def test_what_cannot_be_is_one_message(old, new, said, tmp_path):
    text = TEXT.replace(old, new)
    if "retained" in new:
        text = text.replace("training.epochs = 4", "training.epochs = 4\ndeployment.times_s = [25.0]")
    with pytest.raises(SettingError, match=said):
        study_of(text, tmp_path)


def test_all_may_go_on_from_a_rung(tmp_path):
    search = study_of(TEXT.replace("rungs = [1, 2]", "rungs = [1, 2]\nkeep = [1.0, 0.5]"), tmp_path).spec.search
    rules = Rules(search.rungs, search.shares, 2, for_all=True, trials=9, epochs=None, startup=1, lookahead=1)
    assert rules.shares == [1.0, 1.0, 0.5, 0.5]


def test_keys_of_studies_without_rungs_are_what_they_were(tmp_path):
    plain = TEXT.replace("rungs = [1, 2]\n", "").replace('seeds_for = "front"\n', "")
    said = parse_study(plain, tmp_path).meaning
    assert not {"rungs", "keep"} & said["search"].keys()
    assert not {"seeds_for", "epochs"} & said["budget"].keys()


def test_decisions_that_are_damaged_are_told_and_those_of_others_are_passed_over(tmp_path, caplog):
    one = {"kind": "new", "trial": 0, "parameters": {}, "seeds": [0], "study": "k"}
    studies = ["k", "k", ["k"], "another", "k"]
    good, bad, odd, other, last = (sealed({**one, "number": n, "study": own}) for n, own in enumerate(studies))
    (tmp_path / "decisions").mkdir()
    lines = good + bad.replace(b'"trial":0', b'"trial":1') + odd + other + last[:-1] + b"\x0b"
    (tmp_path / "decisions" / "000001-x.jsonl").write_bytes(lines)
    assert sorted(decisions.read_decisions(place_of(tmp_path), {"k"})) == [0]
    assert "lines 2, 5 are not what was written" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["quasi_random", "tpe"])
def test_any_sampler_goes_with_rungs(sampler, tmp_path):
    text = TEXT.replace('"model"', f'"{sampler}"').replace("trials = 16", "trials = 9")
    text = text.replace("startup = 9", "startup = 6")
    start(study_of(text, tmp_path), tmp_path / "straight", LocalExecutor)
    with pytest.raises(KeyboardInterrupt):
        start(study_of(text, tmp_path), tmp_path / "r", lambda: Scrambled(3, seed=0, stop_after=10))
    resume(tmp_path / "r", lambda: Scrambled(2, seed=1))
    assert whole(tmp_path / "r").equals(whole(tmp_path / "straight"))


@pytest.mark.slow
def test_epochs_are_a_budget_and_more_of_them_extend_the_table(tmp_path):
    text = TEXT.replace("trials = 16", "epochs = 40").replace("startup = 9", "startup = 6")
    start(study_of(text, tmp_path), tmp_path / "r", LocalExecutor)
    first = read_table(tmp_path / "r", paused=True)
    assert 35 <= planned(first) <= 40
    more = study_of(text.replace("epochs = 40", "epochs = 60"), tmp_path)
    resume(tmp_path / "r", LocalExecutor, wanted=more)
    second = read_table(tmp_path / "r", paused=True)
    assert 52 <= planned(second) <= 60
    kept = [name for name in RESULT_COLUMNS if name != "study_key"]
    steps = first["step"].to_pylist()
    again = [row for row in second.select(kept).to_pylist() if row["step"] in steps]
    assert again == first.select(kept).to_pylist()


def planned(table):
    """Return the epochs of the simulations of a search."""
    most = {}
    for row in table.to_pylist():
        if row["origin"] == "search":
            of = row["trial"], row["seed"]
            most[of] = max(most.get(of, 0), row["epochs"])
    return sum(most.values())
