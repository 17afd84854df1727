"""The results folder survives whatever happens to its writer, and readers never see half a state."""

import os
import signal
import textwrap
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dse.errors import ResultsError
from dse.results.encoding import PART_NAME, to_line
from dse.results.rows import check_row
from dse.results.schema import SCHEMA
from dse.results.store import UNITE_PARTS, Store, create, discard, read_about, read_table
from tests.forked import Forked, finished
from tests.results.rows import ABOUT, describe, row
from tests.waiting import HANGS_S, wait_until


@pytest.fixture
def folder(tmp_path):
    create(tmp_path / "r", ABOUT, {"study.toml": b""})
    return tmp_path / "r"


def trials(folder):
    return read_table(folder)["trial"].to_pylist()


def test_what_is_appended_is_read_back_at_once_and_after_sealing(folder):
    with Store(folder) as store:
        store.append([row(2), row(0)])
        assert trials(folder) == [0, 2]
        store.append([row(1)])
    assert trials(folder) == [0, 1, 2]
    (part,) = (folder / "trials").iterdir()
    assert PART_NAME.fullmatch(part.name)[2] == "3"
    assert not list((folder / "log").iterdir())
    assert read_table(folder)["wall_s"].to_pylist() == [0.1, 1.1, 2.1]


def test_columns_carry_unit_and_meaning(folder):
    with Store(folder) as store:
        store.append([row(0)])
    (part,) = (folder / "trials").iterdir()
    schema = pq.read_schema(part)
    assert schema.equals(SCHEMA)
    assert schema.field("energy_per_sample_j").metadata[b"unit"] == b"J"
    assert all(schema.field(name).metadata[b"meaning"] for name in schema.names)


def test_a_log_is_sealed_when_it_is_long(folder, monkeypatch):
    monkeypatch.setattr("dse.results.store.SEAL_ROWS", 3)
    with Store(folder) as store:
        for n in range(7):
            store.append([row(n)])
        assert len(list((folder / "trials").iterdir())) == 2
        assert len(list((folder / "log").iterdir())) == 1
    assert trials(folder) == list(range(7))


def test_a_log_of_few_large_rows_is_sealed_too(folder, monkeypatch):
    monkeypatch.setattr("dse.results.store.SEAL_BYTES", 2 * len(to_line(row(0))))
    with Store(folder) as store:
        for n in range(5):
            store.append([row(n)])
        assert len(list((folder / "trials").iterdir())) == 2
    assert trials(folder) == list(range(5))


def test_a_torn_last_line_is_passed_over_and_the_rest_is_kept(folder):
    line = to_line(row(1))
    (folder / "log" / "000001.jsonl").write_bytes(to_line(row(0)) + line[: len(line) // 2])
    assert trials(folder) == [0]
    with Store(folder) as store:
        store.append([row(1)])
    assert trials(folder) == [0, 1]


def damage_line(content):
    """Change a digit of the result, which stays valid JSON."""
    return content.replace(b'"wall_s":0.1', b'"wall_s":0.9')


@pytest.mark.parametrize("line", [b"{oops\n", b"{}\n", b"[]\n", b"\n", b"\xff\n", damage_line(to_line(row(0)))])
def test_a_damaged_line_is_reported_set_aside_and_the_rest_is_kept(folder, line, caplog):
    (folder / "log" / "000001-x.jsonl").write_bytes(line + to_line(row(1)))
    assert trials(folder) == [1]
    assert "log/000001-x.jsonl is damaged: line 1 is not what was written" in caplog.text
    with Store(folder):
        pass
    assert "kept as damaged/000001-x.jsonl" in caplog.text
    caplog.clear()
    assert trials(folder) == [1]
    assert not caplog.text
    assert (folder / "damaged" / "000001-x.jsonl").read_bytes() == line + to_line(row(1))


def truncate(content):
    return content[:-20]


def flip(content):
    return content[:60] + bytes([content[60] ^ 1]) + content[61:]


@pytest.mark.parametrize("spoil", [truncate, flip, lambda _: b"", lambda c: c + b"x"])
def test_a_damaged_part_is_reported_set_aside_and_the_rest_is_kept(folder, spoil, caplog):
    for n in range(2):
        with Store(folder) as store:
            store.append([row(n)])
    part = min((folder / "trials").iterdir())
    part.write_bytes(spoil(part.read_bytes()))
    spoilt = part.read_bytes()
    assert trials(folder) == [1]
    assert f"{part} is damaged" in caplog.text
    assert "`dse resume` sets it aside" in caplog.text
    with Store(folder) as store:
        store.append([row(0)])
    caplog.clear()
    assert trials(folder) == [0, 1]
    assert not caplog.text
    assert (folder / "damaged" / part.name).read_bytes() == spoilt


def test_a_part_under_a_name_that_is_none_is_set_aside(folder, caplog):
    (folder / "trials" / "mine.parquet").write_bytes(b"PAR1")
    (folder / "trials" / "a-folder").mkdir()
    assert trials(folder) == []
    assert "its name is not that of a part" in caplog.text
    with Store(folder) as store:
        store.append([row(0)])
    assert trials(folder) == [0]
    assert sorted(p.name for p in (folder / "damaged").iterdir()) == ["a-folder", "mine.parquet"]


def test_a_log_and_its_part_together_count_each_row_once(folder):
    with Store(folder) as store:
        store.append([row(0), row(1)])
        (log,) = (folder / "log").iterdir()
        content = log.read_bytes()
    log.write_bytes(content)  # killed between the part and the end of the log
    assert trials(folder) == [0, 1]
    with Store(folder):
        pass
    assert trials(folder) == [0, 1]
    assert not list((folder / "log").iterdir())


@pytest.mark.slow
def test_small_parts_are_united_while_a_study_runs(folder, monkeypatch):
    monkeypatch.setattr("dse.results.store.SEAL_ROWS", 2)
    monkeypatch.setattr("dse.results.store.UNITE_BELOW", (16, 128))
    with Store(folder) as store:
        for n in range(300):
            store.append([row(n)])
            assert len(list((folder / "trials").iterdir())) < 2 * UNITE_PARTS + 300 / 128
    assert trials(folder) == list(range(300))
    sizes = [int(PART_NAME.fullmatch(p.name)[2]) for p in (folder / "trials").iterdir()]
    assert sum(sizes) == 300
    assert max(sizes) >= 128


def test_staged_leftovers_are_removed_and_never_read(folder):
    (folder / "staging" / "000001.parquet").write_bytes(b"half a part")
    assert trials(folder) == []
    with Store(folder) as store:
        store.append([row(0)])
    assert trials(folder) == [0]


@pytest.mark.slow
def test_a_second_writer_is_refused_and_told_who_holds_the_folder(folder, tmp_path):
    with Store(folder):
        code = (
            f"from pathlib import Path\nfrom dse.results.store import Store\nStore(Path({str(folder)!r})).__enter__()"
        )
        done = finished("-c", code, place=tmp_path)
    assert f"is in use by another run (process {os.getpid()} on " in done.stderr


@pytest.mark.slow
def test_the_lock_of_a_killed_writer_is_free(folder):
    code = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from dse.results.store import Store
        Store(Path({str(folder)!r})).__enter__()
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    assert Forked("-c", code).wait(HANGS_S) == -signal.SIGKILL
    with Store(folder) as store:
        store.append([row(0)])


@pytest.mark.slow
def test_a_full_disk_loses_nothing_that_was_acknowledged(folder, tmp_path):
    """A real limit of the file system's kind: writes beyond it fail with an error of the operating system."""
    code = textwrap.dedent(f"""
        import resource
        from pathlib import Path
        from dse.designs.outcome import Failure
        from dse.errors import ResultsError
        from dse.results.rows import result_fields
        from dse.results.schema import COLUMNS
        from dse.results.store import Store
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, resource.RLIM_INFINITY))
        fields = result_fields(Failure("diverged", "x" * 300))
        acknowledged = 0
        try:
            with Store(Path({str(folder)!r})) as store:
                for n in range(1000):
                    store.append([{{**dict.fromkeys(COLUMNS), **fields, "trial": n, "seed": 0}}])
                    acknowledged += 1
        except ResultsError as error:
            print(acknowledged, error)
    """)
    count, message = finished("-c", code, place=tmp_path).stdout.split(" ", 1)
    assert "no space is left. Finished trials are safe" in message
    assert int(count) > 3
    assert trials(folder)[: int(count)] == list(range(int(count)))
    with Store(folder) as store:
        store.append([row(5000)])
    assert trials(folder)[-1] == 5000


@pytest.mark.one_in(8)
@pytest.mark.parametrize("seed", range(8))
def test_a_killed_writer_loses_no_acknowledged_row(folder, seed, tmp_path):
    """SIGKILL while rows are appended, sealed and united as fast as they can be."""
    code = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from dse.designs.outcome import Failure
        from dse.results import store as s
        from dse.results.rows import result_fields
        from dse.results.schema import COLUMNS
        s.SEAL_ROWS, s.UNITE_PARTS, s.UNITE_BELOW = 3, 3, (9, 27)
        fields = result_fields(Failure("diverged", "x"))
        with s.Store(Path({str(folder)!r})) as store:
            for n in range(100000):
                store.append([{{**dict.fromkeys(COLUMNS), **fields, "trial": n, "seed": 0}}])
                print(n, flush=True)
    """)
    said = tmp_path / "acknowledged"
    writer = Forked("-c", code, stdout=said)
    wait_until(lambda: said.exists() and said.read_text().count("\n") >= 5 + 3 * seed, "rows", writer)
    writer.kill()
    writer.wait()
    acknowledged = int(said.read_text().split()[-1])
    found = trials(folder)
    assert found == list(range(len(found)))
    assert len(found) >= acknowledged + 1
    with Store(folder) as store:
        store.append([row(10**6)])
    assert trials(folder) == [*found, 10**6]


def test_a_row_with_a_misspelt_or_missing_column_is_a_defect():
    wrong = row(0)
    wrong["acuracy"] = wrong.pop("accuracy")
    with pytest.raises(ValueError, match="acuracy"):
        check_row(wrong)


def test_floats_survive_the_log_and_the_part_to_the_last_bit(folder):
    value = 0.1 + 0.2
    with Store(folder) as store:
        store.append([{**row(0), "wall_s": value}])
        assert read_table(folder)["wall_s"].to_pylist() == [value]
    assert read_table(folder)["wall_s"].to_pylist() == [value]


def test_what_is_no_results_folder_is_refused(tmp_path):
    with pytest.raises(ResultsError, match=r"no results folder \(it has no study\.json\)"):
        read_table(tmp_path)
    (tmp_path / "x").write_text("mine")
    with pytest.raises(ResultsError, match="exists and is no results folder"):
        create(tmp_path, ABOUT, {})
    assert (tmp_path / "x").read_text() == "mine"


def test_a_table_of_another_schema_is_refused(folder):
    about = read_about(folder)
    describe(folder, {**about, "schema": 99, "code": "9.9"})
    with pytest.raises(
        ResultsError,
        match=r"written with schema 99; this version of the framework reads 4, 5, 6\. Use the version .* 9\.9",
    ):
        read_table(folder)


def test_discard_removes_an_empty_folder_only(folder, tmp_path):
    with Store(folder) as store:
        store.append([row(0)])
    assert not discard(folder)
    assert trials(folder) == [0]
    create(tmp_path / "empty", ABOUT, {})
    assert discard(tmp_path / "empty")
    assert not Path(tmp_path / "empty").exists()
