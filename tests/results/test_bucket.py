"""Results in an object store: the same promises, against a real server that can go away."""

import itertools
import json
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from dse.errors import ResultsError
from dse.results import store as store_module
from dse.results.bucket import Bucket
from dse.results.lease import Lease, newest_lease
from dse.results.store import Store, create, discard, has_results, read_about, read_table
from tests.results.rows import ABOUT, row
from tests.waiting import HANGS_S, wait_until

numbers = itertools.count()


@pytest.fixture
def address(s3, monkeypatch):
    monkeypatch.setattr("dse.results.lease.BEAT_S", 0.1)
    monkeypatch.setattr("dse.results.lease.LEASE_S", 1.0)
    monkeypatch.setattr("dse.results.store.FIRST_DELAY_S", 0.1)
    where = s3.address(f"r{next(numbers)}")
    create(where, ABOUT, {"study.toml": b"", "cards/a.toml": b"x"})
    return where


@pytest.fixture
def patient(monkeypatch):
    """A lease that does not run out where its holder lives, however seldom it comes to its turn on a busy machine."""
    monkeypatch.setattr("dse.results.lease.LEASE_S", HANGS_S)


def trials(where):
    return read_table(where)["trial"].to_pylist()


@pytest.mark.slow
def test_rows_are_readable_as_soon_as_they_are_acknowledged_and_after_sealing(address, monkeypatch):
    monkeypatch.setattr(store_module, "SEAL_ROWS", 3)
    with Store(address) as store:
        for n in range(7):
            store.append([row(n)])
            assert trials(address) == list(range(n + 1))
    place = Bucket(address)
    assert not place.names("log")
    assert len(place.names("trials")) == 3
    assert trials(address) == list(range(7))


@pytest.mark.slow
def test_small_parts_are_united(address, monkeypatch):
    monkeypatch.setattr(store_module, "SEAL_ROWS", 1)
    monkeypatch.setattr(store_module, "UNITE_PARTS", 4)
    with Store(address) as store:
        for n in range(13):
            store.append([row(n)])
    assert len(Bucket(address).names("trials")) < 6
    assert trials(address) == list(range(13))


@pytest.mark.slow
def test_a_damaged_part_is_set_aside(address, caplog):
    for n in range(2):
        with Store(address) as store:
            store.append([row(n)])
    place = Bucket(address)
    part = place.names("trials")[0]
    place.write(part, place.read(part)[:-1])
    assert trials(address) == [1]
    assert f"{part} is damaged" in caplog.text
    with Store(address):
        pass
    assert place.names("damaged") == [part.replace("trials", "damaged")]
    assert trials(address) == [1]


def test_nothing_is_made_where_something_is(address, s3):
    with pytest.raises(ResultsError, match="holds something already"):
        create(address, ABOUT, {})
    assert has_results(address)
    assert not has_results(s3.address("nothing"))
    with pytest.raises(ResultsError, match="no results folder"):
        read_about(s3.address("nothing"))


def test_discard_removes_results_without_rows_only(address):
    with Store(address) as store:
        store.append([row(0)])
    discard(address)
    assert trials(address) == [0]


def test_discard_leaves_nothing(address):
    discard(address)
    assert not has_results(address)
    create(address, ABOUT, {"study.toml": b""})


def test_a_start_that_was_killed_leaves_the_place_usable(s3):
    where = s3.address(f"r{next(numbers)}")
    Bucket(where).write("source/study.toml", b"half a start")
    create(where, ABOUT, {"study.toml": b"whole"})
    assert Bucket(where).read("source/study.toml") == b"whole"
    Bucket(s3.address("mine")).write("x/y", b"mine")
    with pytest.raises(ResultsError, match="holds something already"):
        create(s3.address("mine"), ABOUT, {"study.toml": b""})


@pytest.mark.slow
def test_a_store_that_goes_away_pauses_the_writer_and_loses_nothing(address, s3, caplog):
    """The server is stopped for a while; the writer waits, says so, and goes on by itself."""

    def start_again():
        wait_until(lambda: "paused" in caplog.text, "the pause")
        s3.tell("start")

    with Store(address, patience_s=HANGS_S) as store:
        store.append([row(0)])
        s3.tell("stop")
        back = threading.Thread(target=start_again)
        back.start()
        store.append([row(1)])
        back.join()
        assert trials(address) == [0, 1]
    assert "paused: cannot write to" in caplog.text
    assert "resumed" in caplog.text
    assert trials(address) == [0, 1]


@pytest.mark.slow
def test_patience_has_an_end(address, s3):
    with Store(address, patience_s=0.3) as store:
        store.append([row(0)])
        s3.tell("stop")
        try:
            with pytest.raises(ResultsError, match=r"cannot write to .* Finished trials are safe; solve that"):
                store.append([row(1)])
            with pytest.raises(ResultsError, match="cannot read"):
                read_table(address)
        finally:
            s3.tell("start")
    assert trials(address) == [0]


def test_a_second_writer_is_refused_while_the_first_lives(address, patient):
    with Store(address), pytest.raises(ResultsError, match=r"is in use by another run \(process \d+ on "):
        Store(address).__enter__()
    with Store(address) as store:  # given back: no waiting
        store.append([row(0)])


@pytest.mark.slow
def test_a_killed_writer_loses_no_acknowledged_row_and_its_lease_runs_out(address):
    code = textwrap.dedent(f"""
        from dse.results import lease, store as s
        from tests.results.rows import row
        s.SEAL_ROWS, s.UNITE_PARTS, s.UNITE_BELOW = 3, 3, (9, 27)
        lease.BEAT_S = 0.1
        with s.Store({address!r}) as store:
            for n in range(100000):
                store.append([row(n)])
                print(n, flush=True)
    """)
    writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    for _ in range(20):
        last = writer.stdout.readline()
    with pytest.raises(ResultsError, match="is in use by another run"):
        Store(address).__enter__()
    writer.send_signal(signal.SIGKILL)
    acknowledged = int((writer.stdout.read().split() or [last])[-1])
    writer.wait()
    place = Bucket(address)
    (lease,) = place.names("lease")
    place.write(lease, place.read(lease).replace(b'"lasts_s": 30.0', b'"lasts_s": 1.0'))
    begin = time.monotonic()
    with Store(address) as store:
        assert time.monotonic() - begin >= 1.0  # the lease had to run out
        found = trials(address)
        assert found == list(range(len(found)))
        assert len(found) > acknowledged
        store.append([row(10**6)])
    assert trials(address) == [*found, 10**6]


def test_of_many_that_want_a_free_lease_one_gets_it(address, patient):
    won, refused = [], []

    def contend():
        lease = Lease(Bucket(address))
        try:
            lease.acquire()
            won.append(lease)
        except ResultsError:
            refused.append(lease)

    threads = [threading.Thread(target=contend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(refused)) == (1, 7)
    won[0].release()


@pytest.mark.slow
def test_a_holder_that_was_overtaken_stops_and_overwrites_nothing(address):
    """A machine that slept: its lease stood still, another took over."""
    sleeper = Store(address).__enter__()
    sleeper.append([row(0)])
    sleeper._lock._stop.set()  # no more signs of life
    sleeper._lock._thread.join()
    with Store(address) as other:
        other.append([row(1)])
        sleeper.append([row(0)])  # it has not noticed yet, and harms nothing
        sleeper._lock._is_newest()
        with pytest.raises(ResultsError, match="was taken over by process"):
            sleeper.append([row(2)])
    assert trials(address) == [0, 1]


def test_a_damaged_lease_is_told(address):
    Bucket(address).write("lease/000009.json", b"{")
    with pytest.raises(ResultsError, match=r"lease/000009\.json is damaged"):
        newest_lease(Bucket(address))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("s3://bucket", "give a bucket and a path"),
        ("s3://key:secret@bucket/x", "give a bucket and a path"),
        ("ftp://bucket/x", "s3://BUCKET/PATH or gs://BUCKET/PATH"),
        ("s3://b/x?secret_key=1", "Credentials come from the environment"),
        ("s3://b/x?endpoint_overide=h", "did you mean 'endpoint_override'?"),
        ("s3://b/x?scheme=ftp", "scheme is http or https"),
        ("gs://b/x?region=a", "are for s3"),
        ("s3://[b/x", "is no address"),
    ],
)
def test_an_address_that_is_wrong_is_told(wrong, message):
    with pytest.raises(ResultsError, match=message.replace("?", r"\?")):
        Bucket(wrong)


def test_a_driver_has_a_folder_of_its_machine_beside_a_store(address, s3, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = Store(address).folder
    assert folder.is_relative_to(tmp_path)
    assert folder == Bucket(address).work
    assert folder != Bucket(s3.address("other")).work


def test_a_description_says_what_travels_with_the_results(address):
    assert read_about(address)["files"] == ["cards/a.toml", "study.toml"]
    assert json.loads(Bucket(address).read("study.json"))["source"] == "source"
