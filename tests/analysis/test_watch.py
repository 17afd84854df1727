"""A study served while it runs: who may read, what is answered, and that nothing is written."""

import contextlib
import http.client
import json
import platform
import shutil
import signal
import socket
import threading
from datetime import UTC, datetime

import numpy as np
import pytest

from dse.analysis.fronts.table import hypervolume_table
from dse.analysis.live import watching
from dse.analysis.live.server import Server, is_loopback
from dse.analysis.live.watching import Watching, growth
from dse.analysis.tables.tables import open_tables
from dse.designs.outcome import Failure
from dse.errors import QueryError
from dse.results.store import Store, has_results, read_about, read_table
from dse.results.under_way import Notice, UnderWay
from dse.search.executor import LocalExecutor
from dse.search.runs import start
from dse.search.study import parse_study
from tests.analysis.browser import Browser, executable
from tests.forked import Forked
from tests.search.free import free, study_text
from tests.studies import SMALL_STUDY
from tests.waiting import wait_until

LOCAL = "127.0.0.1"


@pytest.fixture(autouse=True)
def without_rest(monkeypatch):
    monkeypatch.setattr(watching, "REST_S", 0.0)


@contextlib.contextmanager
def served(where, token=None, host=LOCAL):
    with Server(Watching(where, without=["importance"]), host, 0, token) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(server, path="/", **headers):
    connection = http.client.HTTPConnection(LOCAL, server.server_address[1], timeout=60)
    connection.request("GET", path, headers={name.capitalize(): value for name, value in headers.items()})
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read().decode()
    connection.close()
    return found


def listing(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


@pytest.mark.slow
def test_the_page_and_the_progress_are_served_and_nothing_is_written(undisturbed):
    before = listing(undisturbed)
    with served(undisturbed) as server:
        code, headers, text = get(server)
        assert (code, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert 'id="live"' in text
        assert "connect-src &#39;self&#39;" in text
        assert headers["Cache-Control"] == "no-store"
        code, _, text = get(server, "/progress")
        now = json.loads(text)
        assert (code, now["done"], now["total"], now["running"]) == (200, 15, 15, None)
        assert get(server, "/etc/passwd")[0] == 404
        assert get(server, "/../study.json")[0] == 404
    assert listing(undisturbed) == before


def test_the_growth_ends_at_the_volume_of_the_front(undisturbed):
    found = Watching(undisturbed).progress()["growth"]
    tables = open_tables(undisturbed)
    assert found[-1][0] == 14
    assert found[-1][1] == pytest.approx(hypervolume_table(tables, tables.objectives)["share"][0])
    assert [share for _, share in found] == sorted(share for _, share in found)
    assert growth(np.zeros((3, 3)), tables.objectives) == []


def test_the_table_is_opened_once_for_status_and_growth(undisturbed, monkeypatch):
    opened = []

    def counted(*arguments, **options):
        opened.append(arguments)
        return open_tables(*arguments, **options)

    monkeypatch.setattr("dse.analysis.costs.priced.open_tables", counted)
    found = Watching(undisturbed, objectives=["accuracy", "energy_per_sample_j"]).progress()
    assert len(opened) == 1
    tables = open_tables(undisturbed)
    share = hypervolume_table(tables, ["accuracy", "energy_per_sample_j"])["share"][0]
    assert found["growth"][-1] == (14, pytest.approx(share))
    assert found["volume"] == pytest.approx(hypervolume_table(tables, tables.objectives)["share"][0])


def test_a_page_of_another_name_is_not_served_here(undisturbed):
    with served(undisturbed) as server:
        code, _, text = get(server, "/progress", host="evil.example:80")
        assert (code, "names of this machine alone" in text) == (403, True)
        for name in ("localhost:1", "127.0.0.1:9", "[::1]:8"):
            assert get(server, "/progress", host=name)[0] == 200


def test_what_is_no_address_is_refused_in_words(undisturbed, capfd):
    with served(undisturbed) as server:
        for target, host, code in (("http://[x/", LOCAL, b" 400 "), ("/progress", "[", b" 403 ")):
            with socket.create_connection(server.server_address) as asking:
                asking.sendall(f"GET {target} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
                assert code in asking.recv(60)
    assert "Traceback" not in capfd.readouterr().err


def test_a_page_is_made_anew_when_the_study_asks_for_more(undisturbed, tmp_path):
    copy = shutil.copytree(undisturbed, tmp_path / "copy")
    before = Watching(copy).progress()["stamp"]
    assert Watching(copy).progress()["stamp"] == before
    about = read_about(copy)
    (copy / "study.json").write_text(json.dumps({**about, "constraints": {"accuracy": ">= 0.1"}}))
    (copy / "study.json.copy").unlink()
    assert Watching(copy).progress()["stamp"] != before


def test_beyond_loopback_a_token_is_needed(undisturbed):
    with served(undisturbed, host="0.0.0.0") as server:
        assert server.token
        cookie = f"dse_token_{server.server_address[1]}"  # which another server of this address does not replace
        for path, headers in (("/", {}), ("/?token=wrong", {}), ("/progress", {"cookie": f"{cookie}=wrong"})):
            code, _, text = get(server, path, **headers)
            assert (code, "token is missing or does not fit" in text) == (403, True)
        code, headers, _ = get(server, f"/?token={server.token}")
        assert (code, headers["Location"]) == (303, "/")
        assert headers["Set-Cookie"].startswith(f"{cookie}={server.token}; ")
        assert get(server, f"/\\elsewhere.example?token={server.token}")[0] == 404
        assert "HttpOnly; SameSite=Strict" in headers["Set-Cookie"]
        assert get(server, "/progress", cookie=headers["Set-Cookie"].split(";")[0])[0] == 200
        assert server.token in server.address
    with served(undisturbed, token="mine") as server:
        assert get(server, "/progress")[0] == 403


def test_loopback_addresses_are_told_from_others():
    assert all(map(is_loopback, ("127.0.0.1", "127.8.9.1", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.4", "example.org", "")))


def test_a_port_in_use_and_an_address_elsewhere_are_named(undisturbed):
    with socket.socket() as taken:
        taken.bind((LOCAL, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(QueryError, match=f"port {port} of {LOCAL} is in use; give another with --port"):
            Server(Watching(undisturbed), LOCAL, port)
    with pytest.raises(QueryError, match="is no address of this machine"):
        Server(Watching(undisturbed), "192.0.2.1", 0)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "is no results folder"), ("{", "study.json"), ('{"schema": 99}', "99")],
    ids=["empty", "being_written", "newer"],
)
def test_a_folder_that_cannot_be_read_is_one_message(here, tmp_path, content, said):
    folder = tmp_path / "results"
    folder.mkdir()
    if content is not None:
        (folder / "study.json").write_text(content)
    refused = here("watch", folder, "--port", 0)
    assert refused.exit_code == 2
    assert refused.stderr.count("error:") == 1
    assert said in refused.stderr
    with served(folder) as server:  # as `dse run --watch` does, before there are results
        code, _, text = get(server)
        assert (code, "asks again every three seconds" in text) == (503, True)
        code, _, text = get(server, "/progress")
        assert (code, list(json.loads(text))) == (503, ["error"])


@pytest.mark.slow
def test_a_name_that_is_html_stays_text(undisturbed, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(undisturbed, copy)
    about = json.loads((copy / "study.json").read_text())
    (copy / "study.json").write_text(json.dumps({**about, "name": "<b>bold</b>"}))
    with served(copy) as server:
        code, _, text = get(server)
        assert code == 200
        assert "<b>bold</b>" not in text


@pytest.mark.slow
def test_a_killed_driver_does_not_matter(tmp_path):
    (tmp_path / "long.toml").write_text(SMALL_STUDY.replace("trials = 14", "trials = 4000"))
    where = tmp_path / "results"
    options = ("--executor", "local", "--quiet")
    process = Forked("-m", "dse", "run", str(tmp_path / "long.toml"), "--out", str(where), *options)
    wait_until(lambda: has_results(where) and read_table(where).num_rows >= 3, "three rows", process)
    with served(where) as server:
        running = json.loads(get(server, "/progress")[2])
        assert f"process {process.pid}" in running["running"]
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_until(lambda: json.loads(get(server, "/progress")[2])["running"] is None, "the end of the driver")
        assert json.loads(get(server, "/progress")[2])["done"] >= running["done"] >= 3
        assert get(server)[0] == 200


@pytest.mark.slow
@pytest.mark.skipif(executable() is None, reason="Chromium or its driver is not installed")
def test_a_browser_takes_new_results_in_and_keeps_what_was_chosen(undisturbed, tmp_path):
    with served(undisturbed) as server, Browser(tmp_path / "profile") as browser:
        browser.open(f"{server.address}#designs=3")
        words = browser.wait("document.querySelector('#live span').textContent")
        assert words.startswith("Finished \N{MIDDLE DOT} 15 of 15 simulations")
        assert browser.ask("document.querySelector('#live button').hidden")
        browser.run("document.getElementById('live').dataset.stamp = 'older'; dse.set({set_pulse_j: 5e-12})")
        browser.wait("document.getElementById('live').dataset.stamp !== 'older'")  # the page was loaded again
        assert browser.wait("document.querySelector('#selected thead')?.textContent") == "trial 3"
        assert "set_pulse_j:5e-12" in browser.ask("location.hash")
        assert browser.errors() == []


@pytest.mark.slow
@pytest.mark.skipif(executable() is None, reason="Chromium or its driver is not installed")
def test_what_is_under_way_and_what_failed_is_listed_with_its_actor(tmp_path):
    def fails(job):
        return Failure("diverged", f"trial {job.trial} went astray") if job.trial == 2 else free(job)

    where = tmp_path / "results"
    start(parse_study(study_text(trials=4), tmp_path), where, lambda: LocalExecutor(fails))
    with Store(where) as store, served(where) as server, Browser(tmp_path / "profile") as browser:
        Notice(store.place, lambda: [UnderWay(7, 0, "here, actor ab12cd34", datetime.now(UTC).isoformat())]).renew()
        browser.open(server.address)
        assert browser.wait("document.querySelector('#live-more summary').textContent") == "1 under way, 1 failed"
        browser.ask("document.querySelector('#live-more summary').click()")
        running, failed = browser.ask("[...document.querySelectorAll('#live-more li')].map((line) => line.textContent)")
        assert running.startswith("trial 7 seed 0 on here, actor ab12cd34, for ")
        assert failed == f"trial 2 seed 0 on {platform.node()}: diverged: trial 2 went astray"
        assert browser.errors() == []


@pytest.mark.slow
def test_a_run_with_watch_starts_a_server_that_outlives_it_and_an_object_store_is_read(s3, here, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr("subprocess.Popen", lambda command, **options: started.append((command[3:], options)))
    (tmp_path / "two.toml").write_text(SMALL_STUDY.replace("trials = 14", "trials = 2"))
    where = s3.address("watched")
    done = here("run", tmp_path / "two.toml", "--out", where, "--executor", "local", "--quiet", "--watch")
    assert done.exit_code == 0, done.output
    ((command, options),) = started
    assert command == ["watch", where, "--port", "0", "--idle", "600", "--patient"]
    assert options["start_new_session"]
    assert Watching(where).progress()["done"] == 3
    assert "designs" in Watching(where, without=["importance"]).html()
