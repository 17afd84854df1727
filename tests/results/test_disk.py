"""A disk that is full makes a writer wait; readers beside a writer see every acknowledged row, once."""

import errno
import os
import resource
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from dse.errors import ResultsError
from dse.results.schema import RESULT_COLUMNS
from dse.results.store import Store, create, read_table
from dse.search import loop
from dse.search.executor import LocalExecutor
from dse.search.runs import described
from dse.search.study import parse_study
from tests.results.disk import DISKS, small_disk_in
from tests.results.rows import ABOUT, row
from tests.search.free import free, study_text
from tests.waiting import HANGS_S, wait_until


@pytest.fixture(params=DISKS)
def small_disk(request, tmp_path):
    """Every disk of 300 kB that there is here."""
    with small_disk_in(tmp_path, request.param) as disk:
        yield disk


def trials(folder):
    return read_table(folder)["trial"].to_pylist()


def test_a_full_disk_pauses_the_writer_until_there_is_space(small_disk, caplog):
    create(small_disk.path / "r", ABOUT, {"study.toml": b""})
    ballast = small_disk.path / "ballast"
    ballast.write_bytes(b"x" * 200_000)
    acknowledged = []

    def make_room():
        wait_until(lambda: "paused" in caplog.text, "the pause")
        # While it waits, everything acknowledged is readable.
        assert trials(small_disk.path / "r")[: len(acknowledged)] == acknowledged
        ballast.unlink()

    other = threading.Thread(target=make_room)
    other.start()
    with Store(small_disk.path / "r", patience_s=HANGS_S) as store:
        for n in range(100):
            store.append([row(n, reason="x" * 1000)])
            acknowledged.append(n)
    other.join()
    assert "no space is left. Finished trials are safe; trying again in 0.5 s" in caplog.text
    assert "can be written again" in caplog.text
    assert trials(small_disk.path / "r") == list(range(100))


def test_a_full_disk_is_an_error_at_the_end_of_patience_and_leaves_results_that_open(small_disk):
    create(small_disk.path / "r", ABOUT, {"study.toml": b""})
    acknowledged = 0
    with Store(small_disk.path / "r") as store:
        try:
            for n in range(1000):
                store.append([row(n, reason="x" * 1000)])
                acknowledged += 1
        except ResultsError as error:
            message = str(error)
    assert "no space is left. Finished trials are safe; solve that" in message
    assert 10 < acknowledged < 1000
    assert trials(small_disk.path / "r") == list(range(acknowledged))


def test_a_disk_that_is_full_at_the_end_keeps_the_log(small_disk, caplog):
    create(small_disk.path / "r", ABOUT, {"study.toml": b""})
    with Store(small_disk.path / "r") as store:
        store.append([row(n) for n in range(10)])
        with pytest.raises(OSError, match="No space"):
            small_disk.fill()
    assert "the last rows stay in the log" in caplog.text
    assert trials(small_disk.path / "r") == list(range(10))


OPERATIONS = ("open", "write", "pwrite", "fsync", "fdatasync", "replace", "mkdir", "unlink")


@pytest.fixture
def fails_at(monkeypatch, tmp_path):
    """Lets the n-th operation that changes something below a folder fail as on a full disk, and counts them."""

    def arm(place, number):
        counted = []

        def one(name, real):
            def operation(*arguments, **options):
                first = arguments[0]
                path = Path(f"/proc/self/fd/{first}").readlink() if isinstance(first, int) else os.fspath(first)
                reads = name == "open" and not arguments[1] & (os.O_WRONLY | os.O_RDWR)
                if not reads and str(path).startswith(str(place)):
                    counted.append(name)
                    if len(counted) == number:
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return real(*arguments, **options)

            return operation

        for name in OPERATIONS:
            # What is synchronised would take most of the time.
            real = getattr(os, name) if "sync" not in name else lambda _: None
            monkeypatch.setattr(os, name, one(name, real))
        return counted

    yield arm
    monkeypatch.undo()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs the names of open files")
def test_a_study_goes_on_after_any_operation_that_found_the_disk_full(tmp_path, fails_at, monkeypatch, noted):
    """Every operation in turn: the study pauses, goes on, and ends with the table of an undisturbed one."""
    study = parse_study(study_text(4, "random"), tmp_path)
    kept = [name for name in RESULT_COLUMNS if name != "study_key"]

    def run(folder, number):
        for name, value in (("FIRST_DELAY_S", 1e-4), ("SEAL_ROWS", 2), ("UNITE_PARTS", 2)):
            monkeypatch.setattr(f"dse.results.store.{name}", value)
        create(folder, {**described(study), "code": "0", "packages": "{}"}, study.files())
        counted = fails_at(folder, number)
        with Store(folder, patience_s=10.0) as store:
            loop.run(study, store, [], LocalExecutor(free))
            store.finish()
        monkeypatch.undo()
        return read_table(folder).select(kept), counted

    whole, counted = run(tmp_path / "whole", 0)
    assert whole.num_rows == 4
    assert len(counted) > 30
    assert set(counted) >= set(OPERATIONS) - {"mkdir"}
    for number in range(1, len(counted) + 1):
        table, _ = run(tmp_path / f"r{number}", number)
        assert table.equals(whole), (number, counted[number - 1])
    noted("operations that found the disk full", len(counted), len(counted))


@pytest.mark.slow
def test_a_limit_on_file_sizes_is_overcome_by_a_new_log(tmp_path, caplog):
    """A log that cannot grow is left as it was, and another begun."""
    create(tmp_path / "r", ABOUT, {"study.toml": b""})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with Store(tmp_path / "r", patience_s=HANGS_S) as store:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
            for n in range(60):
                store.append([row(n)])
            assert len(list((tmp_path / "r" / "log").iterdir())) > 2
            assert trials(tmp_path / "r") == list(range(60))
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert trials(tmp_path / "r") == list(range(60))


@pytest.mark.slow
def test_readers_beside_a_writer_see_every_acknowledged_row_once(tmp_path):
    """Rows are appended, sealed and united as fast as they can be, while the table is read again and again."""
    folder = tmp_path / "r"
    create(folder, ABOUT, {"study.toml": b""})
    code = textwrap.dedent(f"""
        from pathlib import Path
        from dse.results import store as s
        from tests.results.rows import row
        s.SEAL_ROWS, s.UNITE_PARTS, s.UNITE_BELOW = 2, 3, (6, 18)
        with s.Store(Path({str(folder)!r})) as store:
            for n in range(100000):
                store.append([row(n)])
                print(n, flush=True)
    """)
    writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    reads = 0
    os.set_blocking(writer.stdout.fileno(), False)
    seen = b""

    def read_again():
        nonlocal seen, reads
        seen += writer.stdout.read() or b""
        acknowledged = int((seen.rsplit(b"\n", 2)[-2] if seen.count(b"\n") else b"-1") or -1)
        found = trials(folder)
        assert found == list(range(len(found)))
        assert len(found) > acknowledged
        reads += 1
        return acknowledged > 50 and reads >= 20

    try:
        wait_until(read_again, "fifty rows and twenty reads", writer)
    finally:
        writer.kill()
        writer.wait()
