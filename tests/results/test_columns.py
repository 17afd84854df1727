"""Some columns of a table, and all of it a few rows at a time: what is read is what a reading of everything gives."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dse.analysis.costs import priced
from dse.analysis.queries.sql import query
from dse.analysis.queries.statement import needed_columns
from dse.analysis.tables import nested
from dse.analysis.tables.parameters import _column, chosen_of, parameter_columns
from dse.analysis.tables.tables import open_tables
from dse.errors import ResultsError
from dse.results import encoding, reading
from dse.results.encoding import to_line
from dse.results.reading import read_batches, read_rows
from dse.results.rows import to_rows
from dse.results.schema import COLUMNS
from dse.results.store import Store, create, read_table
from tests.results.rows import ABOUT, row
from tests.studies import ROOT

OLD = ROOT / "tests" / "results" / "schema4" / "perceptron"


@pytest.fixture
def mixed(tmp_path, monkeypatch):
    """Parts in several groups of rows, rows that stand twice, pauses, and a log that nobody has sealed."""
    monkeypatch.setattr(encoding, "ROWS", 3)
    monkeypatch.setattr(reading, "BATCH", 2)
    folder = tmp_path / "r"
    create(folder, ABOUT, {"study.toml": b""})
    with Store(folder) as store:
        store.append([row(n) for n in range(7, 0, -1)])
        store.seal()
        store.append([{**row(n), "state": "paused", "epochs": 1} for n in (2, 3)])
        store.append([row(n) for n in (7, 8)])
    (folder / "log" / "000009-x.jsonl").write_bytes(to_line(row(1)) + to_line(row(9)))
    return folder


@pytest.mark.parametrize("where", ["mixed", "old"])
def test_some_columns_are_those_of_the_whole(where, mixed):
    folder = mixed if where == "mixed" else OLD
    whole = read_table(folder, paused=True)
    for columns in (["trial"], ["wall_s", "layers"], ["metrics", "parameters", "seed"]):
        assert read_table(folder, paused=True, columns=columns).equals(whole.select(columns))
    ends = read_table(folder)
    assert read_table(folder, columns=["design"]).equals(ends.select(["design"]))


def test_all_rows_come_once_when_they_come_in_batches(mixed):
    def by_place(rows):
        return sorted(rows, key=lambda own: (own["trial"], own["seed"], own["state"]))

    batches = list(read_batches(mixed))
    assert max(batch.num_rows for batch in batches[1:]) <= 2
    found = [own for batch in batches for own in to_rows(batch)]
    assert by_place(found) == by_place(to_rows(read_table(mixed, paused=True)))
    assert sum(batch.num_rows for batch in read_batches(OLD)) == read_table(OLD).num_rows


def test_parts_are_united_without_loss_and_each_row_once(mixed, monkeypatch):
    before = read_table(mixed, paused=True)
    monkeypatch.setattr("dse.results.store.UNITE_PARTS", 2)
    with Store(mixed):
        pass
    (part,) = (mixed / "trials").iterdir()
    assert read_table(mixed, paused=True).equals(before)
    groups = pq.ParquetFile(part).metadata
    found = [groups.row_group(n).num_rows for n in range(groups.num_row_groups)]
    assert found == [3, 3, 3, 2]  # and not batches of two as they were read


def test_a_byte_that_is_wrong_in_a_column_that_nobody_asked_for_is_told(mixed, caplog):
    part = max((mixed / "trials").iterdir(), key=lambda path: path.stat().st_size)
    content = part.read_bytes()
    found = content.rfind(b"wall_s", 0, len(content) // 2)
    at = found if found > 0 else len(content) // 3
    part.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    table, damages = read_rows(reading.place_of(mixed), columns=["trial"])
    assert [damage.name for damage in damages] == [f"trials/{part.name}"]
    assert table.num_rows < 11
    with Store(mixed):
        pass
    assert (mixed / "damaged" / part.name).exists()


def test_a_part_that_changes_under_a_run_ends_it_with_a_message(mixed):
    batches = read_batches(mixed)
    next(batches)
    for part in (mixed / "trials").iterdir():
        part.write_bytes(b"x" + part.read_bytes()[1:])
    with pytest.raises(ResultsError, match="has changed while it was read"):
        list(batches)


def test_tables_of_lists_are_read_when_they_are_asked_for_and_hold_the_rows_of_then(undisturbed, tmp_path, monkeypatch):
    folder = shutil.copytree(undisturbed, tmp_path / "r")
    asked = []
    real = nested.read_table
    monkeypatch.setattr(
        nested, "read_table", lambda where, **given: asked.append(given["columns"]) or real(where, **given)
    )
    tables = open_tables(folder, ())
    assert tables.designs.height == 15
    assert "design" not in tables.trials.columns
    assert not asked
    (folder / "log" / "000009-x.jsonl").write_bytes(to_line({**to_rows(read_table(folder))[0], "trial": 99}))
    assert 99 not in tables.layers["trial"]
    assert asked == [["trial", "seed", "train_samples", "layers"]]
    assert 99 in open_tables(folder).layers["trial"]


def test_a_query_reads_what_it_names():
    assert needed_columns("SELECT trial, max(\"wall_s\") FROM trials WHERE Host = 'a'", COLUMNS) == [
        *("trial", "host", "wall_s"),
    ]
    assert needed_columns("SELECT count(*) FROM trials", COLUMNS) == []
    assert needed_columns("SELECT *, 1 FROM trials", COLUMNS) is None
    assert needed_columns("SELECT count(*), trials.* FROM trials", COLUMNS) is None
    assert needed_columns("DESCRIBE trials", COLUMNS) is None


def test_a_query_reads_the_metrics_and_parameters_that_it_may_name(undisturbed, here, monkeypatch):
    asked = []
    real = priced.open_tables
    monkeypatch.setattr(
        priced, "open_tables", lambda *own, **given: asked.append((own[2:], given)) or real(*own, **given)
    )
    for sql, metrics, chosen in [
        ("SELECT count(*) FROM designs WHERE accuracy >= 0", {"count", "designs", "accuracy"}, False),
        ('SELECT max(d."accumulator.bits") AS x FROM designs d JOIN rungs r USING (trial)', {"accumulator.bits"}, True),
        ("SELECT count(*) FROM intervals", None, True),
    ]:
        found = here("query", undisturbed, sql, "--format", "json")
        assert found.exit_code == 0, found.output
        assert json.loads(found.stdout) == json.loads(query(open_tables(undisturbed), sql).write_json())
        (((names,), given),) = asked
        assert names is None if metrics is None else metrics <= {*names}
        assert given["chosen"] is chosen
        asked.clear()
    wrong = here("query", undisturbed, "SELECT acuracy FROM designs")
    assert "did you mean 'accuracy'?" in wrong.stderr
    assert "accumulator.bits" in wrong.stderr


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COLUMNS('^.*_s$') FROM trials",
        'SELECT "^.*_s$" FROM trials',
        "SELECT trials.trial FROM trials NATURAL JOIN rungs",
        "WITH q AS (FROM trials) FROM q",
        "WITH q AS (SELECT trial FROM designs) FROM trials",
        "SELECT trial FROM designs UNION FROM trials",
    ],
)
def test_a_query_that_takes_columns_without_their_names_reads_all(sql):
    assert needed_columns(sql, COLUMNS) is None


def test_a_pattern_finds_the_columns_that_a_star_has(undisturbed, here):
    found = here("query", undisturbed, "SELECT COLUMNS('^.*_s$') FROM trials", "--format", "json")
    assert found.exit_code == 0, found.output
    whole = open_tables(undisturbed).trials
    assert [*json.loads(found.stdout)[0]] == [name for name in whole.columns if name.endswith("_s")]


def test_a_query_makes_no_table_that_it_does_not_name(undisturbed):
    tables = open_tables(undisturbed)
    query(tables, "SELECT count(*) FROM trials")
    assert "layers" not in vars(tables.nested)
    assert "designs" not in vars(tables)


CHOSEN = {
    "whole numbers": [1, 2, None, 3],
    "numbers": [1, 2.5, 0.1, 1e-30],
    "words": ["a", "2020-01-01", None, "8"],
    "numbers and words": [8, "float", 2, None],
    "switches": [True, False, None, True],
    "lists": [[1, 2], [3], None, []],
    "nothing": [None, None, None, None],
    "large": [2**62, -1, 0, 5],
}


@pytest.mark.parametrize("kind", CHOSEN)
def test_parameters_are_the_columns_of_their_values(kind):
    chosen = [{"a.b": value, "other": n} if value is not None else {"other": n} for n, value in enumerate(CHOSEN[kind])]
    texts = [json.dumps(own) for own in chosen]
    together = [chosen_of(pa.chunked_array([texts]))]
    by_file = [chosen_of(pa.chunked_array([[text, text]])) for text in texts]
    twice = parameter_columns(by_file, ["a.b", "other", "absent"])
    found = parameter_columns(together, ["a.b", "other", "absent"])
    for one, other in zip(found, twice, strict=True):
        assert other.gather_every(2).equals(one, check_dtypes=True, check_names=True, null_equal=True)
    for name, column in zip(("a.b", "other", "absent"), found, strict=True):
        wanted = _column(name, [own.get(name) for own in chosen])
        assert column.name == name
        assert column.dtype == wanted.dtype
        assert column.equals(wanted, null_equal=True)
    assert parameter_columns([chosen_of(pa.chunked_array([["{}", "{}"]]))], ["x"])[0].to_list() == [None, None]
