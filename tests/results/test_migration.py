"""Results of earlier versions of the schema.

`schema4/` holds tables of five small studies, as the framework wrote them before settings and quantities had their new
names, parts and logs as they were: perceptrons, deployed ones, networks of convolutions, a generator (its rows half in
a part and half in a log), an LSTM (all rows in a log). `schema5/` holds two, of before trainings could pause: deployed
perceptrons under a constraint in a part, and the log of such a study that was killed.
"""

import json
import re
import shutil
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from dse import renamed
from dse.analysis.costs.prices import own_card
from dse.analysis.tables.tables import open_tables
from dse.data.base import data_folder
from dse.designs.design import compose
from dse.errors import ResultsError
from dse.portable import arithmetic
from dse.pricing.price import price
from dse.results.encoding import read_lines, to_part
from dse.results.migration import check_columns, current_table
from dse.results.rows import to_rows
from dse.results.schema import RESULT_COLUMNS, SCHEMA, VERSION
from dse.results.store import Store, read_about, read_table
from dse.results.version_4 import COLUMNS as COLUMNS_4
from dse.results.version_4 import migrate_design
from dse.search.runs import check_is_of, open_study
from dse.search.study import parse_study, read_study

OLD = Path(__file__).parent / "schema4"
NAMES = ("perceptron", "deployed", "cnn", "gan", "lstm")
DEEP = ("cnn", "gan", "lstm")
"""Those whose products a library computes, in code that it chooses by the processor."""
MADE_ON = "x86-64"
"""The kind of processor that made the tables."""
COMPARED = [name for name in RESULT_COLUMNS if name not in ("study_key", "trail")]
SINCE = {"never_pulsed", "above_threshold", "at_window_end", "weight_steps"}
"""Wear of layers that is measured since."""


def as_measured(table):
    """Return what is compared of rows, without what earlier versions did not measure."""
    rows = table.select(COMPARED).to_pylist()
    for row in rows:
        for layer in row["layers"] or ():
            layer["wear"] = [(name, value) for name, value in layer["wear"] if name not in SINCE]
    return pa.Table.from_pylist(rows, schema=table.select(COMPARED).schema)


"""Columns of results that old tables have."""
WITHOUT_DATA = {"lstm": not (data_folder() / "ptb").is_dir()}


def as_they_are(name):
    """Return the rows of a table of version 4 as Python objects of version 4, in order."""
    rows = [row for part in (OLD / name).glob("trials/*") for row in pq.read_table(part).to_pylist()]
    rows += [json.loads(line) for log in (OLD / name).glob("log/*") for line in log.read_text().splitlines()]
    return sorted(rows, key=lambda row: (row["trial"], row["seed"]))


def rows_of(where):
    return to_rows(read_table(where))


@pytest.fixture
def old(tmp_path):
    """Return a copy of a table of version 4, which a test may write to."""

    def copy(name):
        shutil.copytree(OLD / name, tmp_path / name)
        return tmp_path / name

    return copy


def without(folder, kept):
    """Keep of the one part of a folder the rows that are wanted, in a part of version 4."""
    (part,) = (folder / "trials").iterdir()
    table = pq.read_table(part)
    assert check_columns(table) == 4
    name, content = to_part(table.filter(pa.array([kept(trial) for trial in table["trial"].to_pylist()])), 2)
    part.unlink()
    (folder / "trials" / name).write_bytes(content)


@pytest.mark.parametrize("name", NAMES)
def test_every_number_is_where_it_was_under_its_new_name(name):
    tables = open_tables(OLD / name)
    for row in as_they_are(name):
        here = (pl.col("trial") == row["trial"]) & (pl.col("seed") == row["seed"])
        new = tables.trials.row(by_predicate=here, named=True)
        for column in COLUMNS_4.names:
            if column not in ("layers", "curve", "deployments", "design", "design_key", "parameters"):
                assert new[renamed.QUANTITIES.get(column, column)] == row[column]
        for column, table in (("layers", tables.layers), ("curve", tables.curves), ("deployments", tables.deployments)):
            found = table.filter(here).to_dicts()
            assert len(found) == len(row[column])
            for was, now in zip(row[column], found, strict=True):
                assert {key: now[key] for key in was} == was


@pytest.mark.parametrize("name", NAMES)
def test_every_design_is_the_one_that_its_study_composes_today(name):
    study = open_study(OLD / name, read_about(OLD / name))
    designs = list(study.controls.values())
    for row in rows_of(OLD / name):
        if row["design"] is None:
            assert row["failure_kind"] == "invalid"
            continue
        parameters = json.loads(row["parameters"])
        design = designs[row["trial"]] if row["origin"] != "search" else study.design(parameters)
        assert row["design_key"] == design.key
        assert json.loads(row["design"]) == design.as_dict()


@pytest.mark.parametrize("name", NAMES)
def test_trials_of_one_design_still_share_a_key_and_others_do_not(name):
    new = {(row["trial"], row["seed"]): row for row in rows_of(OLD / name)}
    keys = {}
    for row in as_they_are(name):
        now = new[row["trial"], row["seed"]]
        assert keys.setdefault(row["design_key"], now["design_key"]) == now["design_key"]
        assert now["same_as"] == row["same_as"]
        if row["same_as"] is not None:
            assert now["design_key"] == new[row["same_as"], row["seed"]]["design_key"]
    assert len(set(keys.values())) == len(keys)


def test_a_design_keeps_what_its_own_variants_have():
    settings = {"network.name": "lstm", "workload.dataset": "ptb", "training.sequence_length": 7}
    content = compose({**settings, "clock.sample_time_s": 0.5}).as_dict()
    was = json.loads(json.dumps(content).replace("sample_time_s", "image_time_s"))
    was["training"] |= {"adversarial_loss": "hinge", "dropout": 0.0}
    was["network"]["latent"] = 64
    assert migrate_design(was) == content


def test_a_design_of_a_variant_that_is_not_here_is_kept_whole():
    variant = {"network": {"name": "transformer", "heads": 4}, "workload": {"dataset": "digits"}}
    found = migrate_design({**variant, "clock": {"image_time_s": 1}})
    assert found == {**variant, "clock": {"sample_time_s": 1}}


@pytest.mark.parametrize("name", NAMES)
def test_what_results_say_of_themselves_has_the_new_names(name):
    about, was = read_about(OLD / name), json.loads((OLD / name / "study.json").read_text())
    assert about["schema"] == VERSION
    assert about["former_keys"] == [was["study_key"]]
    assert "energy_per_sample_j" in about["objectives"]
    assert not any("image" in text for text in (*about["objectives"], *about["parameters"]))


@pytest.mark.parametrize("name", NAMES)
def test_results_with_a_former_key_are_those_of_their_study_and_of_no_other(name):
    kept = OLD / name / "source" / "study.toml"
    check_is_of(read_study(kept, warn=False), OLD / name)
    text = re.sub(r"trials = \d+", "trials = 99", kept.read_text())
    with pytest.raises(ResultsError, match="results of another study"):
        check_is_of(parse_study(text, kept.parent, warn=False), OLD / name)


@pytest.mark.parametrize("name", NAMES)
def test_prices_of_an_old_table_are_those_that_it_stores(name):
    tables = open_tables(OLD / name)
    found = price(tables.layers, own_card(OLD / name, tables), ["energy_per_sample_j"])
    joined = tables.trials.join(found, on=["trial", "seed"], suffix="_again")
    assert len(joined) > 0
    assert joined["energy_per_sample_j"].equals(joined["energy_per_sample_j_again"])


@pytest.mark.one_in(9)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "command",
    [
        ("show", 0),
        ("show", 1, "--format", "json"),
        ("front",),
        ("front", "--ranks", "--knee"),
        ("front", "--hypervolume"),
        ("front", "--objectives", "energy_per_image_j,worst_writes"),
        ("status",),
        ("price",),
        ("price", "--columns", "latency_per_image_s,adc_per_image_j"),
        ("ranges", "--worlds", 5),
        ("query", "SELECT * FROM curves"),
        ("query", "SELECT trial, energy_per_sample_j, train_samples FROM trials ORDER BY energy_per_sample_j"),
    ],
    ids=lambda command: " ".join(map(str, command)),
)
def test_every_reading_command_reads_an_old_table(name, command, here):
    first, *rest = command
    done = here(first, OLD / name, *rest)
    assert done.exit_code == 0, done.output
    assert not [old for old in (*renamed.QUANTITIES, *renamed.SETTINGS) if old in done.stdout]


@pytest.mark.one_in(9)
@pytest.mark.parametrize("name", NAMES)
def test_a_page_of_an_old_table_shows_the_curves_that_it_has(name, here, tmp_path):
    done = here("report", OLD / name, "--output", tmp_path / "page.html", "--without", "importance")
    assert done.exit_code == 0, done.output
    objective = read_about(OLD / name)["objectives"][0].replace("retained_", "")
    assert f'"metrics":["{objective}",' in (tmp_path / "page.html").read_text().replace(": ", ":").replace(", ", ",")


def test_old_and_new_results_compare_as_one_study(here):
    done = here("compare", OLD / "perceptron", OLD / "perceptron", "--show", "fronts")
    assert done.exit_code == 0, done.output


@pytest.mark.slow
def test_a_query_that_names_an_old_column_is_told_the_new_one(here):
    for sql, said in (
        ("SELECT energy_per_image_j FROM trials", "energy_per_image_j is called energy_per_sample_j now"),
        ("SELECT train_images FROM layers", "train_images is called train_samples now"),
        ('SELECT "clock.image_time_s" FROM trials', "clock.image_time_s is called clock.sample_time_s now"),
        ("SELECT ci95_energy_per_image_j FROM ranks", "ci95_energy_per_image_j is called ci95_energy_per_sample_j now"),
    ):
        done = here("query", OLD / "perceptron", sql)
        assert done.exit_code == 2
        assert said in done.stderr


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("name", "trial"), [("perceptron", 4), ("deployed", 5), ("cnn", 0), ("gan", 3), ("lstm", 2)])
def test_a_stored_trial_replays_to_the_last_bit(name, trial, here):
    if WITHOUT_DATA.get(name):
        pytest.skip("its data are not here")
    done = here("replay", OLD / name, trial)
    if name in DEEP and arithmetic() != MADE_ON and done.exit_code == 3:
        # A processor of another kind says so, and agrees in the first digits.
        assert f"arithmetic was None and is {arithmetic()}" in done.stdout
        curves = re.findall(r"^curve\[0\]\.(?:loss|frechet_distance) +(\S+) +(\S+)$", done.stdout, re.MULTILINE)
        assert [float(was) for was, _ in curves] == pytest.approx([float(now) for _, now in curves], rel=1e-2)
        assert curves
        return
    assert done.exit_code == 0, done.output
    assert "all equal to the last bit" in done.stdout


@pytest.mark.slow
def test_a_resumed_study_ends_in_the_table_that_it_would_have_had(old, here):
    whole = read_table(OLD / "perceptron").drop(["study_key"])
    folder = old("perceptron")
    without(folder, lambda trial: trial < 4 or trial >= 10)  # those of the start are proposed as they were
    (part,) = (folder / "trials").iterdir()
    done = here("resume", folder, "--executor", "local", "--quiet", "--other-code")
    assert done.exit_code == 0, done.output
    found = read_table(folder)
    assert as_measured(found).equals(as_measured(whole))
    assert len(set(found["study_key"].to_pylist())) == 2
    # The old part lies there as it was, beside one of this version.
    versions = [check_columns(pq.read_table(path)) for path in sorted((folder / "trials").iterdir())]
    assert versions == [4, VERSION]
    assert part.exists()
    about = json.loads((folder / "study.json").read_text())
    assert (about["schema"], about["study_key"]) == (VERSION, open_study(folder, read_about(folder)).key)
    assert here("resume", folder, "--executor", "local", "--quiet").exit_code == 2  # other code began it still
    again = here("resume", folder, "--executor", "local", "--quiet", "--other-code")
    assert again.exit_code == 0, again.output


def test_a_resume_that_is_refused_leaves_an_old_table_as_it_was(old, here):
    folder = old("gan")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = here("resume", folder, "--executor", "local", "--quiet")
    assert done.exit_code == 2
    assert "--other-code" in done.stderr
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {path: after[path] for path in before} == before


@pytest.mark.slow
def test_an_old_study_can_be_extended(old, here, tmp_path):
    folder = old("gan")
    more = (folder / "source" / "study.toml").read_text().replace("trials = 4", "trials = 5")
    (tmp_path / "more.toml").write_text(more)
    done = here("resume", folder, "--study", tmp_path / "more.toml", "--executor", "local", "--quiet", "--other-code")
    assert done.exit_code == 0, done.output
    rows, was = rows_of(folder), rows_of(OLD / "gan")
    assert [row["trial"] for row in rows] == list(range(6))
    assert rows[:5] == was
    assert here("resume", folder, "--executor", "local", "--quiet", "--other-code").exit_code == 0


@pytest.mark.slow
def test_parts_of_an_old_study_unite_with_those_that_this_version_made(old, here, tmp_path):
    first, second = old("perceptron"), tmp_path / "second"
    shutil.copytree(first, second)
    without(first, lambda trial: trial < 4 or trial >= 10)
    without(second, lambda trial: trial < 8 or trial >= 12)
    assert here("resume", first, "--executor", "local", "--quiet", "--other-code").exit_code == 0
    done = here("merge", second, first, "--out", tmp_path / "both")
    assert done.exit_code == 0, done.output
    assert as_measured(read_table(tmp_path / "both")).equals(as_measured(read_table(OLD / "perceptron")))
    assert here("resume", tmp_path / "both", "--executor", "local", "--quiet", "--other-code").exit_code == 0


def test_old_tables_of_different_studies_unite_in_a_table_to_read(here, tmp_path):
    done = here("merge", OLD / "perceptron", OLD / "deployed", "--out", tmp_path / "both")
    assert done.exit_code == 0, done.output
    assert read_table(tmp_path / "both").num_rows == 44 + 12
    assert read_about(tmp_path / "both")["objectives"] == ["energy_per_sample_j"]


def test_an_earlier_version_refuses_a_folder_as_soon_as_this_one_writes_to_it(old):
    folder = old("lstm")
    with Store(folder):  # seals the log
        assert json.loads((folder / "study.json").read_text())["schema"] == VERSION
    (part,) = (folder / "trials").iterdir()
    assert check_columns(pq.read_table(part)) == VERSION
    assert rows_of(folder) == rows_of(OLD / "lstm")


def test_damaged_lines_of_an_old_log_are_told_and_the_rest_is_read():
    (log,) = (OLD / "lstm" / "log").iterdir()
    lines = log.read_bytes().split(b"\n")[:-1]
    lines[2] = lines[2].replace(b'"trial":2', b'"trial":3')
    lines[4] = lines[4][:-20]
    table, damaged = read_lines(b"\n".join(lines) + b"\n")
    assert damaged == [3, 5]
    assert sorted(table["trial"].to_pylist()) == [0, 1, 3, 5]


def test_an_unknown_version_is_refused_by_name(old):
    folder = old("gan")
    about = json.loads((folder / "study.json").read_text())
    for version in (3, VERSION + 1):
        (folder / "study.json").write_text(json.dumps({**about, "schema": version}))
        with pytest.raises(ResultsError, match=f"schema {version}; this version of the framework reads 4, 5, 6"):
            read_about(folder)


def test_a_table_with_other_columns_than_its_version_is_none():
    (part,) = (OLD / "cnn" / "trials").iterdir()
    table = pq.read_table(part)
    assert current_table(table).schema.equals(SCHEMA)
    for wrong in (table.drop(["loss"]), table.replace_schema_metadata({"dse_schema": str(VERSION)})):
        with pytest.raises(ValueError, match="its columns are not those of version"):
            current_table(wrong)
    with pytest.raises(ValueError, match="schema 0"):
        current_table(table.replace_schema_metadata(None))


OLD_5 = Path(__file__).parent / "schema5"


def of_version_5(name):
    """Return the rows of a table of version 5 as Python objects of version 5, in order."""
    rows = [row for part in (OLD_5 / name).glob("trials/*") for row in pq.read_table(part).to_pylist()]
    rows += [json.loads(line) for log in (OLD_5 / name).glob("log/*") for line in log.read_text().splitlines()]
    return sorted(rows, key=lambda row: (row["trial"], row["seed"]))


@pytest.mark.parametrize(("name", "count"), [("perceptron", 18), ("killed", 14)])
def test_rows_of_version_5_are_whole_trainings_of_their_epochs(name, count):
    was, now = of_version_5(name), rows_of(OLD_5 / name)
    assert len(was) == len(now) == count
    for old_row, row in zip(was, now, strict=True):
        assert (row.pop("step"), row.pop("trail")) == (None, {})
        assert row.pop("epochs") == json.loads(row["design"])["training"]["epochs"] == 2
        for own in ("schema", "crc"):
            old_row.pop(own, None)
        old_row["metrics"] = dict(old_row["metrics"])
        for layer in old_row["layers"]:
            layer |= {"events": dict(layer["events"]), "wear": dict(layer["wear"])}
        assert row == old_row


@pytest.mark.parametrize("name", ["perceptron", "killed"])
def test_a_trial_of_version_5_replays_to_the_last_bit(name, here):
    for trial in (0, 3):
        done = here("replay", OLD_5 / name, trial)
        assert done.exit_code == 0, done.output
        assert "all equal to the last bit" in done.stdout


@pytest.mark.slow
def test_a_killed_study_of_version_5_ends_in_the_table_of_one_of_this_version(tmp_path, here):
    shutil.copytree(OLD_5 / "killed", tmp_path / "killed")
    shutil.copy(OLD_5 / "perceptron" / "source" / "study.toml", tmp_path / "study.toml")
    done = here("resume", tmp_path / "killed", "--executor", "local", "--quiet")
    assert done.exit_code == 2
    assert "--other-code" in done.stderr
    done = here("run", tmp_path / "study.toml", "--executor", "local", "--quiet", "--out", tmp_path / "new")
    assert done.exit_code == 0, done.output
    start = pc.less(
        read_table(tmp_path / "new")["trial"], 5
    )  # a control and what is proposed without regard to results
    was, now = (read_table(own).filter(start) for own in (OLD_5 / "perceptron", tmp_path / "new"))
    assert was.num_rows == 10
    assert as_measured(was).equals(as_measured(now))
    assert set(was["study_key"].to_pylist()) == set(now["study_key"].to_pylist())
