"""A query reads the tables of its study and nothing else, and says in one message what is wrong with it."""

import http.server
import threading

import polars as pl
import pytest

from dse.analysis.queries.sql import query
from dse.analysis.queries.statement import check_statement
from dse.analysis.tables.mixed import with_words_apart
from dse.analysis.tables.tables import open_tables
from dse.errors import QueryError


@pytest.fixture(scope="module")
def tables(undisturbed):
    return open_tables(undisturbed)


@pytest.fixture
def secret(tmp_path):
    """A file, as every table function could read it."""
    path = tmp_path / "secret.csv"
    path.write_text("a\nconfidential\n")
    return path


READS = [
    "SELECT * FROM read_csv('{file}')",
    "SELECT * FROM READ_CSV('{file}')",
    "SELECT * FROM read_csv ('{file}')",
    "SELECT * FROM read_csv/* */('{file}')",
    "SELECT * FROM read_csv -- x\n('{file}')",
    "SELECT * FROM \"read_csv\"('{file}')",
    "SELECT * FROM `read_csv`('{file}')",
    "SELECT * FROM read_parquet('{file}')",
    "SELECT * FROM read_json('{file}')",
    "SELECT * FROM read_ndjson('{file}')",
    "SELECT * FROM read_ipc('{file}')",
    "SELECT * FROM scan_csv('{file}')",
    "SELECT * FROM (read_csv('{file}'))",
    "SELECT * FROM trials, read_csv('{file}')",
    "SELECT * FROM trials JOIN read_csv('{file}') AS x ON 1 = 1",
    "WITH x AS (SELECT * FROM read_csv('{file}')) SELECT * FROM x",
    "SELECT trial FROM trials WHERE trial IN (SELECT a FROM read_csv('{file}'))",
    "SELECT trial FROM trials UNION ALL SELECT a FROM read_csv('{file}')",
    "EXPLAIN SELECT * FROM read_csv('{file}')",
    "SELECT * FROM '{file}'",
    "SELECT * FROM trials, '{file}'",
    "SELECT * FROM something_else('{file}')",
    "SELECT * FROM ('{file}')",
    'SELECT * FROM "{file}"',
]


@pytest.mark.parametrize("sql", READS)
def test_no_query_reads_a_file(tables, secret, sql):
    with pytest.raises(QueryError) as raised:
        query(tables, sql.format(file=secret))
    assert "confidential" not in str(raised.value)
    with pytest.raises(QueryError) as other:
        query(tables, sql.format(file=secret.with_name("absent.csv")))
    assert str(other.value).replace("absent", "secret") == str(raised.value)  # nor whether there is one


def test_no_query_contacts_an_address(tables):
    """Asked of a server of ours, which counts."""
    asked = []

    class Count(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)

        do_HEAD = do_GET  # noqa: N815  a name of the library

    with http.server.HTTPServer(("127.0.0.1", 0), Count) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for name in ("read_parquet", "read_csv", "read_json", "read_ipc"):
            with pytest.raises(QueryError, match="no files and no addresses"):
                query(tables, f"SELECT * FROM {name}('http://127.0.0.1:{server.server_port}/x')")
        server.shutdown()
        thread.join()
    assert asked == []


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE trials",
        "DELETE FROM trials",
        "TRUNCATE TABLE trials",
        "CREATE TABLE x AS SELECT * FROM trials",
        "INSERT INTO trials VALUES (1)",
        "UPDATE trials SET trial = 1",
        "COPY trials TO 'x.csv'",
        "SET x = 1",
        "EXPLAIN DROP TABLE trials",
        "WITH x AS (SELECT 1) DELETE FROM trials",
        "WITH x AS (DELETE FROM trials) SELECT * FROM x",
        "SELECT 1; DROP TABLE trials",
        "SELECT trial FROM trials; SELECT 2",
        "/* SELECT */ DROP TABLE trials",
        "'SELECT'",
        "",
        " ;; ",
        "-- nothing",
        "FROM trials",
        "SELECT 'open",
        'SELECT "open FROM trials',
        "SELECT 1 /* open",
    ],
)
def test_what_is_no_single_statement_that_reads_is_refused(tables, sql):
    with pytest.raises(QueryError) as raised:
        query(tables, sql)
    assert "Traceback" not in str(raised.value)
    assert query(tables, "SELECT count(*) AS n FROM trials")["n"].to_list() == [15]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("select count(*) from trials", 1),
        ("SELECT trial FROM trials ORDER BY trial LIMIT 3;", 3),
        ("WITH best AS (SELECT trial, loss FROM designs), b AS (SELECT * FROM best) SELECT * FROM b LIMIT 2", 2),
        ("SELECT 'DROP TABLE; read_csv(x)' AS a, \"adc.bits\" FROM trials -- read_csv('x')\nLIMIT 1", 1),
        ("SELECT t.trial, l.rows FROM trials AS t JOIN layers l ON t.trial = l.trial LIMIT 4", 4),
        ("SELECT d.trial FROM designs d, trials t WHERE d.trial = t.trial LIMIT 2", 2),
        ("SELECT trial FROM (SELECT trial FROM trials) AS x LIMIT 1", 1),
        ("SELECT trial FROM trials UNION ALL SELECT trial FROM designs", 30),
        ("SELECT EXTRACT(YEAR FROM DATE '2026-01-02') AS y FROM trials LIMIT 1", 1),
        ("SELECT set_pulses_update, replace(chi_storage, 'a', 'b') AS c FROM layers LIMIT 1", 1),
        ("SHOW TABLES", 6),
        ('SELECT trial AS "update" FROM trials LIMIT 1', 1),
    ],
)
def test_what_reads_the_tables_is_answered(tables, sql, rows):
    assert len(query(tables, sql)) == rows


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT * FROM trialz", "there is no table 'trialz'; did you mean 'trials'?"),
        ("SELECT * FROM rank", "there is no table 'rank'; did you mean 'ranks'?"),
        (
            'SELECT "accumulator.bitz" FROM trials',
            "there is no column 'accumulator.bitz'; did you mean 'accumulator.bits'",
        ),
        ("SELECT acuracy FROM designs", "there is no column 'acuracy'; did you mean 'accuracy'"),
        ("SELECT trial FROM trials WHERE", "the query failed: "),
        ("SELECT nosuch(trial) FROM trials", "the query failed: "),
        ("SELECT sum(origin + 1) FROM trials", "the query failed: "),
    ],
)
def test_an_error_is_one_message_with_the_columns_of_the_tables_named(tables, sql, message, ask, undisturbed):
    with pytest.raises(QueryError) as raised:
        query(tables, sql)
    text = str(raised.value)
    assert message in text
    assert "Resolved plan" not in text
    assert "\n  layers: " not in text
    assert len(text) < 2500
    said = ask("query", undisturbed, sql)
    assert said.returncode == 2
    assert "Traceback" not in said.stderr


def test_names_in_quotes_are_names(tables):
    assert [token.text for token in check_statement("SELECT \"a\"\"b\", 'it''s' FROM `trials`")] == [
        *("SELECT", 'a"b', ",", "'it''s'", "FROM", "trials"),
    ]


def test_numbers_among_words_stay_numbers(replicated):
    """4, 8 and "float" among bits: compared and sorted as numbers, the word in a column of its own."""
    tables = open_tables(replicated)
    bits = query(
        tables, 'SELECT DISTINCT "accumulator.bits" AS b, "accumulator.bits.word" AS w FROM designs ORDER BY b'
    )
    assert bits.filter(bits["b"].is_not_null()).rows() == [(4, None), (8, None)]
    assert (None, "float") in bits.rows()
    assert query(tables, 'SELECT max("accumulator.bits") AS m FROM designs')["m"].to_list() == [8]
    for name in ("trials", "designs", "ranks"):
        found = query(tables, f'SELECT "accumulator.bits" AS b FROM {name} WHERE "accumulator.bits" <= 4')
        assert set(found["b"]) == {4}
        words = query(tables, f"SELECT * FROM {name} WHERE \"accumulator.bits.word\" = 'float'")
        assert len(words) > 0


@pytest.mark.parametrize(
    ("values", "numbers", "words"),
    [
        (["2", "16", "float", None], [2, 16, None, None], [None, None, "float", None]),
        (["0.5", "ideal"], [0.5, None], [None, "ideal"]),
        (["2", "16"], None, None),
        (["a", "b", None], None, None),
        ([None, None], None, None),
    ],
)
def test_words_are_taken_apart_where_there_are_numbers_too(values, numbers, words):
    table = pl.DataFrame({"x": [0] * len(values), "p": pl.Series(values, dtype=pl.String), "y": [1] * len(values)})
    found = with_words_apart(table, ["p", "absent"])
    if numbers is None:
        assert found.equals(table)
    else:
        assert found.columns == ["x", "p", "p.word", "y"]
        assert found["p"].to_list() == numbers
        assert found["p.word"].to_list() == words


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT t.seed, t.trial, layer FROM trials t JOIN layers l ON t.trial = l.trial AND t.seed = l.seed",
        "WITH q AS (SELECT trial, layer FROM layers ORDER BY rows) SELECT layer FROM q JOIN trials USING (trial)",
        "SELECT DISTINCT layer, trial FROM layers",
        "SELECT trial, count(*) AS n FROM layers GROUP BY trial",
        "SELECT trial FROM designs UNION SELECT layer FROM layers",
    ],
)
def test_rows_that_threads_find_come_by_the_columns_of_the_answer(tables, sql):
    found = query(tables, sql)
    assert len(found) > 1
    assert found.rows() == sorted(found.rows())


def test_an_order_that_a_query_asks_for_or_that_of_the_table_stays(tables):
    down = query(tables, "SELECT trial, count(*) AS n FROM layers GROUP BY trial ORDER BY trial DESC")["trial"]
    assert down.to_list() == sorted(down, reverse=True)
    names = query(tables, "SELECT accuracy FROM trials")["accuracy"]
    assert names.to_list() == tables.trials["accuracy"].to_list()
    assert "plan" in str(query(tables, "EXPLAIN SELECT DISTINCT trial FROM layers")).lower()


def test_rows_of_no_order_that_are_cut_are_told(tables, caplog):
    query(tables, "SELECT DISTINCT trial FROM layers LIMIT 2")
    assert "which rows come is not fixed; add ORDER BY" in caplog.text


def test_describe_tells_columns_and_types(tables):
    found = query(tables, "DESCRIBE designs")
    assert dict(found.iter_rows())["trial"] == "Int64"
    assert found["column"].to_list() == tables.designs.columns
    with pytest.raises(QueryError, match="DESCRIBE takes one table"):
        query(tables, "DESCRIBE")
