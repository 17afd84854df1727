"""What a driver leaves behind is taken in by the next one: whole lines, for the designs that they name, once."""

import errno
import json
import os

import pytest

from dse.designs.design import compose
from dse.results.store import Store, create, read_about, read_table
from dse.search import loop
from dse.search.executor import Job, LocalExecutor, work
from dse.search.ledger import Rows
from dse.search.runs import start
from dse.search.spool import Leftovers, answers_of, decode, encode, is_here, keeping, lines_of, open_spool
from dse.search.study import parse_study
from tests.search.free import check, free, study_text

JOBS = [Job(trial, 0, compose({"adc.bits": 4 + trial})) for trial in range(4)]

DAMAGE = [b"{}\n", b"[1]\n", b"\xff\xfe\n", b'{"trial": 0, "seed": 0, "design": null}\n', b"3\n"]


def test_an_answer_survives_its_line_to_the_last_bit():
    answer = work(JOBS[0], free)
    assert decode(encode(answer), JOBS[0]) == answer


@pytest.mark.parametrize("other", [Job(1, 0, JOBS[0].design), Job(0, 1, JOBS[0].design), Job(0, 0, JOBS[1].design)])
def test_a_line_of_another_job_is_refused(other):
    with pytest.raises(ValueError, match="belong"):
        decode(encode(work(JOBS[0], free)), other)


def test_lines_of_a_call_are_there_while_it_runs_and_a_torn_one_is_passed_over(tmp_path):
    spool = open_spool(tmp_path, "session")
    with keeping(spool, "call") as keep:
        keep(encode(work(JOBS[0], free)))
        assert len(lines_of(spool, "call")) == 1
        keep(encode(work(JOBS[1], free))[:-40])
    (line,) = lines_of(spool, "call")
    assert decode(line, JOBS[0]).result["loss"] == work(JOBS[0], free).result["loss"]
    left = Leftovers(tmp_path)
    assert left.take(JOBS[0]).kept_in == spool / "call.jsonl"
    assert left.take(JOBS[0]) is None
    assert left.take(JOBS[1]) is None
    left.clear()
    assert not list(spool.glob("*.jsonl"))


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_costs_its_lines_alone(tmp_path, damage):
    spool = open_spool(tmp_path, "session")
    (spool / "bad.jsonl").write_bytes(damage + encode(work(JOBS[1], free)))
    left = Leftovers(tmp_path)
    assert left.take(JOBS[0]) is None
    assert left.take(JOBS[1]) is not None


@pytest.mark.parametrize("at", range(0, 400, 7))
def test_a_flipped_byte_of_a_line_costs_that_line_alone(tmp_path, at):
    """Of a line with a checksum, no byte can be changed that is not missed."""
    spool = open_spool(tmp_path, "session")
    first, second = (encode(work(job, free)) for job in JOBS[:2])
    place = at * len(first) // 400
    changed = first[:place] + bytes([first[place] ^ 4]) + first[place + 1 :]
    (spool / "call.jsonl").write_bytes(changed + second)
    assert [a.job.trial for a in answers_of(lines_of(spool, "call"), JOBS[:2])] == [1]
    left = Leftovers(tmp_path)
    assert left.take(JOBS[0]) is None
    assert left.take(JOBS[1]) is not None


@pytest.fixture
def full(monkeypatch):
    """A disk that takes so many bytes, and a part of the write that is too long for it."""

    def fill(room):
        write = os.write

        def limited(handle, content):
            nonlocal room
            if room <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written = write(handle, content[:room])
            room -= written
            return written

        monkeypatch.setattr(os, "write", limited)

    return fill


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_what_a_full_disk_cannot_keep_is_not_kept_and_no_error(tmp_path, full, kept):
    """The answers reach the driver all the same; whole lines stay, for the case that it dies."""
    spool = open_spool(tmp_path, "session")
    lines = [encode(work(job, free)) for job in JOBS[:3]]
    full(sum(map(len, lines[:kept])) + 20)
    with keeping(spool, "call") as keep:
        for line in lines:
            keep(line)
    assert [line + b"\n" for line in lines_of(spool, "call")] == lines[:kept]
    assert [answer.job.trial for answer in answers_of(lines_of(spool, "call"), JOBS)] == list(range(kept))


def test_a_spool_that_cannot_be_made_is_told_and_done_without(tmp_path, caplog):
    (tmp_path / "spool").write_text("no folder")
    assert open_spool(tmp_path, "session") is None
    assert "what actors have finished and is not in the table by then is simulated again" in caplog.text
    with keeping(None, "call") as keep:
        keep(b"x\n")


def test_a_row_that_was_taken_is_there_whole_however_little_a_write_takes(tmp_path, monkeypatch):
    """Writes of 100 bytes, every third of which finds the disk full."""
    pwrite, calls = os.pwrite, iter(range(10**6))

    def short(handle, content, at):
        if next(calls) % 3 == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(handle, content[:100], at)

    def patiently(action):
        while True:
            try:
                return action()
            except OSError:
                continue

    monkeypatch.setattr(os, "pwrite", short)
    rows = Rows(tmp_path, patiently)
    entries = [{"design_key": f"{n:020x}", "seed": 0, "state": "complete", "text": f"{n:x}" * 60} for n in range(20)]
    for entry in entries:
        rows.add(entry)
    assert [rows.get(entry["design_key"], 0, None) for entry in entries] == entries
    rows.close()


def test_only_the_spool_of_this_driver_is_taken_for_here(tmp_path):
    spool = open_spool(tmp_path, "mine")
    assert is_here(spool, "mine")
    assert not is_here(spool, "another")
    assert not is_here(tmp_path / "elsewhere", "mine")


@pytest.mark.slow
def test_the_next_driver_takes_what_it_finds_and_simulates_the_rest(tmp_path):
    study = parse_study(study_text(20, "nsga2", seeds=2), tmp_path)
    start(study, tmp_path / "whole", lambda: LocalExecutor(free))
    whole = read_table(tmp_path / "whole")
    create(tmp_path / "r", {**read_about(tmp_path / "whole")}, {"study.toml": study.text.encode()})
    spool = open_spool(tmp_path / "r", "gone")
    kept = {}
    for row in whole.to_pylist()[5:15]:
        job = Job(row["trial"], row["seed"], study.design(json.loads(row["parameters"])))
        answer = work(job, free)
        kept[row["trial"], row["seed"]] = answer.started_at
        with keeping(spool, f"gone-{len(kept)}") as keep:
            keep(encode(answer))

    class Counting(LocalExecutor):
        done = 0

        def wait(self, timeout_s):
            answers = super().wait(timeout_s)
            self.done += len(answers)
            assert not any((a.job.trial, a.job.seed) in kept for a in answers)
            return answers

    executor = Counting(free)
    with Store(tmp_path / "r") as store:
        loop.run(study, store, [], executor)
    assert executor.done == 30
    rows = read_table(tmp_path / "r").to_pylist()
    check(rows, 20, seeds=2)
    assert all(row["started_at"] == kept[key] for row in rows if (key := (row["trial"], row["seed"])) in kept)
    assert not list(spool.glob("*.jsonl"))


def test_rows_are_read_back_as_they_were(tmp_path):
    rows = Rows(tmp_path)
    entries = [
        {"design_key": f"{n:020x}", "seed": n % 3, "state": "complete", "loss": 0.1 * n, "layers": [{"a": None}]}
        for n in range(50)
    ]
    entries.append({**entries[7], "state": "paused", "epochs": 2, "loss": 0.5})  # beside the row of the end
    for entry in entries:
        rows.add(entry)
    rows.add({**entries[7], "loss": -1.0})  # the first one stays
    assert [rows.get(e["design_key"], e["seed"], e.get("epochs")) for e in entries] == entries
    assert (entries[0]["design_key"], 1, None) not in rows
    assert list(tmp_path.iterdir()) == []  # a file without a name
    rows.close()
