"""Results united, taken over, replayed, watched and looked at, through the command line."""

import json
import logging
import shutil
import signal
import socket
import urllib.error
import urllib.request

import optuna
import pyarrow as pa
import pytest

from dse.designs.outcome import Failure
from dse.errors import ResultsError
from dse.progress import configure_logging, duration
from dse.results.merge import merge
from dse.results.rows import result_fields, to_rows
from dse.results.store import Store, create, read_about, read_table
from dse.search.dashboard import to_storage
from dse.search.executor import LocalExecutor, host_of
from dse.search.generations import Generations
from dse.search.replay import replay
from dse.search.reuse import rows_to_reuse
from dse.search.runs import resume, start
from tests.end_to_end.edits import LOSS_TOO, Stops, edited, results, study_of
from tests.forked import Forked
from tests.studies import SMALL_STUDY
from tests.waiting import HANGS_S, ended, wait_until


@pytest.fixture
def begun(tmp_path):
    """Results of the small study, stopped after nine simulations."""
    with pytest.raises(KeyboardInterrupt):
        start(study_of(SMALL_STUDY, tmp_path), tmp_path / "r", lambda: Stops(9))
    return tmp_path / "r"


@pytest.mark.slow
def test_damaged_rows_are_simulated_again_on_resume(undisturbed, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(undisturbed, copy)
    (part,) = (copy / "trials").iterdir()
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    assert read_table(copy).num_rows == 0
    resume(copy, LocalExecutor)
    assert results(copy).equals(results(undisturbed))
    assert [p.name for p in (copy / "damaged").iterdir()] == [part.name]


@pytest.mark.slow
def test_designs_simulated_before_are_taken_over_and_say_so(undisturbed, tmp_path):
    """Other prices, the same search by quasi-random points: nothing has to be simulated but what is new."""
    jobs = []

    class Counts(LocalExecutor):
        def submit(self, job):
            jobs.append(job.trial)
            super().submit(job)

    wanted = study_of(edited(("trials = 14", 'trials = 7\n[price]\ncard = "bottom_up_14nm"')), tmp_path)
    start(wanted, tmp_path / "new", Counts, reuse=[undisturbed])
    start(wanted, tmp_path / "plain", LocalExecutor)
    assert results(tmp_path / "new").equals(results(tmp_path / "plain"))
    rows = read_table(tmp_path / "new").to_pylist()
    taken = [row for row in rows if row["came_from"] is not None]
    assert len(taken) >= 7
    assert len(taken) + len(jobs) == 8
    assert taken[1]["came_from"] == f"{undisturbed} trial 1"
    assert taken[1]["energy_per_sample_j"] != read_table(undisturbed).to_pylist()[1]["energy_per_sample_j"]


def test_rows_of_other_code_or_data_are_not_taken_over(undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr("dse.search.reuse.code_version", lambda: "another")
    start(
        study_of(edited(("trials = 14", "trials = 2")), tmp_path), tmp_path / "new", LocalExecutor, reuse=[undisturbed]
    )
    assert read_table(tmp_path / "new")["came_from"].null_count == 3


def test_rows_of_an_accelerator_are_not_taken_over(undisturbed, monkeypatch):
    """Their last digits are those of the accelerator, and a processor says others."""
    assert len(rows_to_reuse([undisturbed])) == 15
    device = Generations("cuda:1")
    monkeypatch.setattr(
        "dse.search.reuse.to_rows",
        lambda table: [{**row, "host": host_of(device) if row["trial"] < 4 else row["host"]} for row in to_rows(table)],
    )
    assert len(rows_to_reuse([undisturbed])) == 11


@pytest.mark.slow
def test_results_of_one_study_unite_and_resume(begun, undisturbed, tmp_path):
    assert merge([begun, undisturbed], tmp_path / "c") == 15
    assert results(tmp_path / "c").equals(results(undisturbed))
    rows = read_table(tmp_path / "c").to_pylist()
    assert rows[3]["came_from"] == f"{begun} trial 3"
    assert rows[14]["came_from"] == f"{undisturbed} trial 14"
    resume(tmp_path / "c", LocalExecutor)


@pytest.mark.slow
def test_results_of_different_studies_unite_in_a_table(here, undisturbed, tmp_path):
    start(study_of(edited(("seed = 3", "seed = 4"), LOSS_TOO), tmp_path), tmp_path / "b", LocalExecutor)
    done = here("merge", undisturbed, tmp_path / "b", "--out", tmp_path / "c")
    assert "30 rows of 2 results" in done.stdout
    table = read_table(tmp_path / "c")
    assert table["trial"].to_pylist() == list(range(30))
    assert table.slice(15)["design_key"].equals(read_table(tmp_path / "b")["design_key"])
    front = json.loads(here("front", tmp_path / "c", "--format", "json").stdout)
    assert {row["trial"] // 15 for row in front} == {0, 1}
    assert here("price", tmp_path / "c").exit_code == 0
    refused = here("resume", tmp_path / "c", "--executor", "local")
    assert refused.exit_code == 2
    assert "unites several studies" in refused.stderr


def test_what_cannot_be_compared_is_not_united(undisturbed, tmp_path):
    text = edited(("trials = 14", 'trials = 2\n[price]\ncard = "bottom_up_14nm"'))
    start(study_of(text, tmp_path), tmp_path / "b", LocalExecutor)
    with pytest.raises(ResultsError, match="were priced on other cards"):
        merge([undisturbed, tmp_path / "b"], tmp_path / "c")
    with pytest.raises(ResultsError, match="named twice"):
        merge([undisturbed, undisturbed], tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_crash_gives_way_to_a_result_and_a_conflict_of_two_is_told(undisturbed, tmp_path):
    about = {key: value for key, value in read_about(undisturbed).items() if key not in ("source", "files")}
    create(tmp_path / "b", about, {"study.toml": SMALL_STUDY.encode()})
    rows = to_rows(read_table(undisturbed))
    crash = {**rows[4], **result_fields(Failure("crashed", "its process died")), "data_checksum": None}
    with Store(tmp_path / "b") as store:
        store.append([crash])
    merge([tmp_path / "b", undisturbed], tmp_path / "c")
    assert results(tmp_path / "c").equals(results(undisturbed))
    with Store(tmp_path / "b") as store:
        store.append([{**rows[5], "accuracy": 0.123}])
    with pytest.raises(ResultsError, match="holds trial 5 seed 0 with another result"):
        merge([undisturbed, tmp_path / "b"], tmp_path / "d")


def test_a_replay_agrees_to_the_last_bit(undisturbed):
    for trial in (0, 5):
        (one,) = replay(undisturbed, trial)
        assert one.differences == one.made == ()
        assert one.fields > 100


def test_a_replay_that_differs_says_in_what_and_what_made_the_row(here, undisturbed, tmp_path):
    table = read_table(undisturbed)
    rows = table.to_pylist()
    next(entry for entry in rows[5]["curve"] if entry["name"] == "loss")["value"] += 1e-16
    rows[5]["layers"][1]["set_pulses_update"] += 1
    rows[5]["host"] = "elsewhere"
    rows[5]["packages"] = rows[5]["packages"].replace('"numpy": "', '"numpy": "0.')
    about = {key: value for key, value in read_about(undisturbed).items() if key not in ("source", "files")}
    changed = pa.Table.from_pylist(rows, schema=table.schema)
    create(tmp_path / "b", about, {"study.toml": SMALL_STUDY.encode()}, changed)
    done = here("replay", tmp_path / "b", 5)
    assert done.exit_code == 3
    assert "2 differ" in done.stdout
    assert "layers[1].set_pulses_update" in done.stdout
    assert "curve[0].loss" in done.stdout
    assert "host was elsewhere" in done.stdout
    assert "numpy was 0." in done.stdout
    assert here("replay", tmp_path / "b", 5, "--seed", 9).exit_code == 2


@pytest.mark.slow
@pytest.mark.parametrize("interrupted", [False, True])
def test_a_study_on_a_full_disk_waits_and_ends_like_any_other(
    interrupted, here, small_disk, small_study, undisturbed, tmp_path
):
    """The disk is really full; space is made while the study waits, or the study is stopped first."""
    folder, ballast = small_disk.path / "r", small_disk.path / "ballast"
    ballast.write_bytes(b"x" * 272_000)
    log = tmp_path / "log"
    arguments = ("run", small_study, "--executor", "local", "--out", folder, "--quiet")
    process = Forked(*small_disk.dse, *arguments, stderr=log)
    wait_until(lambda: log.exists() and "paused" in log.read_text(), "the pause", process)
    stored = read_table(folder).num_rows
    if interrupted:
        process.send_signal(signal.SIGINT)
        assert ended(process) == 130
        assert read_table(folder).num_rows == stored
    ballast.unlink()
    assert ended(process) == (130 if interrupted else 0)
    message = log.read_text()
    assert "no space is left. Finished trials are safe; trying again" in message
    assert "Traceback" not in message
    if interrupted:
        assert f"resume {folder}" in message
        assert here("resume", folder, "--executor", "local", "--quiet").exit_code == 0
    assert results(folder).equals(results(undisturbed))


@pytest.mark.slow
def test_status_tells_from_outside_who_runs_how_far_and_what_failed(here, small_study, tmp_path):
    folder = tmp_path / "r"
    long = tmp_path / "long.toml"
    long.write_text(edited(("trials = 14", "trials = 4000")))
    process = Forked("-m", "dse", "run", long, "--executor", "local", "--out", folder, "--quiet")
    try:
        wait_until(lambda: folder.exists() and read_table(folder).num_rows >= 5, "five rows", process)
        now = json.loads(here("status", folder, "--format", "json").stdout)
        text = here("status", folder).stdout
    finally:
        process.kill()
        process.wait()
    assert now["running"].startswith(f"process {process.pid} on ")
    assert now["total"] == 4001
    assert 5 <= now["done"] < 4001
    assert now["per_minute"] > 0
    assert now["left_s"] > 0
    assert f"running: process {process.pid}" in text
    assert " left" in text
    after = json.loads(here("status", folder, "--format", "json").stdout)
    assert after["running"] is None
    assert after["left_s"] is None
    assert "not running; last result 20" in here("status", folder).stdout


@pytest.mark.slow
def test_logs_are_json_lines_where_asked_for(here, small_study, tmp_path):
    done = here("run", small_study, "--executor", "local", "--out", tmp_path / "r", "--log-format", "json")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines[-1]["event"] == "progress"
    assert lines[-1]["done"] == lines[-1]["total"] == 15
    assert lines[-1]["front"] > 0
    assert lines[-1]["volume"] >= 1
    assert {line["level"] for line in lines} == {"info"}
    quiet = here("resume", tmp_path / "r", "--executor", "local", "--quiet")
    assert "done" not in quiet.stderr


def test_text_logs_go_to_standard_error(capsys):
    try:
        configure_logging("text")
        logging.getLogger("dse.results").warning("paused")
        assert capsys.readouterr().err == "paused\n"
    finally:
        logger = logging.getLogger("dse")
        logger.handlers.clear()
        logger.propagate = True


@pytest.mark.parametrize(
    ("seconds", "text"), [(5.4, "5 s"), (65, "1 min 05 s"), (3700, "1 h 01 min"), (200_000, "2 d 7 h")]
)
def test_durations_read_well(seconds, text):
    assert duration(seconds) == text


def test_optunas_dashboard_opens_on_a_study(here, undisturbed, tmp_path):
    (summary,) = optuna.get_all_study_summaries(to_storage(undisturbed))
    assert summary.study_name == "small"
    done = here("dashboard", undisturbed, "--export", tmp_path / "small.journal")
    assert done.exit_code == 0
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "small.journal"))
    study = optuna.load_study(study_name="small", storage=optuna.storages.JournalStorage(backend))
    rows = read_table(undisturbed).to_pylist()[1:]
    assert [trial.values[0] for trial in study.trials] == [row["validation_accuracy"] for row in rows]
    assert [trial.params for trial in study.trials] == [json.loads(row["parameters"]) for row in rows]
    assert here("dashboard", undisturbed, "--export", tmp_path / "small.journal").exit_code == 2


def answer_of(address):
    try:
        with urllib.request.urlopen(address, timeout=HANGS_S) as answer:
            return json.loads(answer.read())
    except ConnectionError:
        return None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ConnectionError):
            return None  # nobody listens there yet
        raise


@pytest.mark.slow
def test_the_dashboard_answers_over_http(undisturbed):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = Forked("-m", "dse", "dashboard", undisturbed, "--port", port)
    try:
        found = wait_until(lambda: answer_of(f"http://127.0.0.1:{port}/api/studies"), "the dashboard", process)
    finally:
        process.kill()
        process.wait()
    assert [study["study_name"] for study in found["study_summaries"]] == ["small"]
