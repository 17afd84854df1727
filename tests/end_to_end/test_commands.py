"""The command line as a user meets it: what it prints, what it refuses, and with which status."""

import io
import json
from importlib.resources import files

import polars as pl
import pytest

from tests.studies import SMALL_STUDY


def edited(tmp_path, old, new):
    assert old in SMALL_STUDY
    path = tmp_path / "edited.toml"
    path.write_text(SMALL_STUDY.replace(old, new))
    return path


BITS = '"accumulator.bits" = [4, 8]'
MISTAKES = {
    "unknown device": ("[design]", '[design]\ndevice.card = "pcm_gts"', ["unknown device 'pcm_gts'", "pcm_gst'?"]),
    "unknown table": ("[budget]", "[bugdet]", ["unknown key 'bugdet'; did you mean 'budget'?"]),
    "unknown path": (BITS, '"accumulator.bit" = [4, 8]', ["unknown parameter 'accumulator.bit'", "accumulator.bits'?"]),
    "unknown setting": ("training.epochs", "training.epoch", ["'training.epoch'", "did you mean 'training.epochs'?"]),
    "choice out of range": (BITS, '"accumulator.bits" = [4, 64]', ["accumulator.bits = 64", "from 1 to 32"]),
    "range out of range": ("low = 4, high = 8", "low = 4, high = 80", ["adc.bits.high = 80", "from 2 to 16"]),
    "wrong type": ("training.epochs = 1", 'training.epochs = "many"', ['training.epochs = "many"', "an integer"]),
    "float for integer": ("training.epochs = 1", "training.epochs = 1.5", ["training.epochs = 1.5", "an integer"]),
    "empty range": ("low = 4, high = 8", "low = 8, high = 8", ["adc.bits is empty", "low = 8 is not below high = 8"]),
    "empty choice": (BITS, '"accumulator.bits" = []', ["accumulator.bits has no choices"]),
    "unknown range key": ("low = 4, high = 8", "low = 4, hihg = 8", ["unknown key 'hihg'; did you mean 'high'?"]),
    "unknown objective": ('"worst_writes"', '"worst_write"', ["unknown objective 'worst_write'", "worst_writes'?"]),
    "fixed and varied": ("[space]", "adc.bits = 8\n[space]", ["adc.bits: fixed in [design] and varied in [space]"]),
    "idle setting": (
        "[space]",
        'architecture = "float"\n[space]',
        ['accumulator.bits has no effect where architecture = "float"'],
    ),
    "idle in control": (
        'architecture = "float"',
        'architecture = "float"\nadc.bits = 8',
        ["controls.digital_float: adc.bits has no effect here"],
    ),
    "no price": ("low = 4, high = 8", "low = 4, high = 16", ["adc.bits = 16 has no price", "are priced up to 12 bits"]),
    "missing budget": ("[budget]\ntrials = 14", "", ["'budget' is missing"]),
    "not TOML": ("[search]", "[search", ["is not valid TOML"]),
    "escaping card": ("[design]", '[design]\ndevice.card = "../x.toml"', ["must lie in or below the folder"]),
    "unknown cost card": ("[budget]", '[price]\ncard = "gold"\n[budget]', ["unknown cost card 'gold'"]),
    "given twice": (
        "[space]",
        "[space]\naccumulator.bits = [2]",
        ["accumulator.bits is given twice"],
    ),
    "list as an end": ("low = 4, high = 8", "low = [4], high = 8", ["adc.bits.low = [4] is not allowed"]),
    "list as a device": (
        "[design]",
        '[design]\ndevice.card = ["pcm_gst"]',
        ["device.card = ['pcm_gst'] is not"],
    ),
    "path as a name": ('"small"', '"../small"', ['name = "../small" is not allowed', "letters, digits"]),
    "hidden workload": ("[design]", '[design]\n"workload.dataset" = "mnist"', ["a table of its own, [workload]"]),
    "idle drift": (
        "training.epochs = 1",
        "training.epochs = 1\ndevice.drift_exponent = 0.1",
        ["device.drift_exponent has no effect", "drift begins 38.6 s after a pulse"],
    ),
    "idle noise": (
        "training.epochs = 1",
        "training.epochs = 1\ndevice.write_noise_scale = 0.0\ndevice.std_slope = 0.1",
        ["device.std_slope has no effect where device.write_noise_scale = 0.0"],
    ),
    "infinity": ("low = 0.5, high = 4.0", "low = 0.5, high = inf", ["high = inf is not allowed", "up to 1000.0"]),
    "nesting without end": ('name = "small"', "name = " + "[" * 3000, ["is not valid TOML"]),
    "no held-out images": ('"digits"', '"digits"\nvalidation = 0.0', ["validation_accuracy needs workload.validation"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_study_file_is_named_with_what_is_allowed(mistake, ask, tmp_path):
    old, new, wanted = MISTAKES[mistake]
    done = ask("check", edited(tmp_path, old, new))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not [text for text in wanted if text not in done.stderr], done.stderr


def test_a_mistake_ends_a_process_with_status_2_and_no_traceback(dse, tmp_path):
    """What the tests of mistakes in this process take for granted."""
    done = dse("check", edited(tmp_path, "[search]", "[search"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "is not valid TOML" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_study_without_a_space_is_refused(ask, tmp_path):
    start, rest = SMALL_STUDY.split("[space]")
    (tmp_path / "s.toml").write_text(start + "[controls" + rest.split("[controls", 1)[1])
    done = ask("check", tmp_path / "s.toml")
    assert done.returncode == 2
    assert "the space is empty; name a parameter in [space]" in done.stderr


def test_several_mistakes_are_reported_at_once(ask, tmp_path):
    path = edited(tmp_path, "startup = 6\nlookahead = 4", "startup = -1\nlokahead = 4")
    message = ask("check", path).stderr
    assert "search.startup = -1 is not allowed; give an integer from 0 to 1000000" in message
    assert "unknown key 'search.lokahead'; did you mean 'lookahead'?" in message


def test_check_says_what_a_study_will_do(ask, small_study):
    done = ask("check", small_study)
    assert done.returncode == 0
    assert "14 trials x 1 seed, 1 control\n" in done.stdout
    assert "adc.bits: 4 to 8" in done.stdout
    assert "plain path" not in done.stdout


def test_check_says_what_keeps_a_network_off_compiled_code(ask, tmp_path):
    done = ask("check", edited(tmp_path, "[space]", '[space]\n"array.wires.row_ohm" = [0.0, 1.0]'))
    assert done.returncode == 0
    assert "array.wires: wires mix the cells of an array at every update, and a perceptron takes" in done.stdout
    refused = ask("check", edited(tmp_path, "[space]", '[space]\n"array.wires.row_ohm" = [0.0, -1.0]'))
    assert refused.returncode == 2
    assert "array.wires.row_ohm = -1.0 is not allowed; give a number from 0" in refused.stderr


def test_run_shows_progress_the_front_the_folder_and_what_to_do_next(dse, small_study, tmp_path):
    done = dse("run", small_study, "--executor", "local", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "15/15 done" in done.stderr
    assert "designs are on the front" in done.stdout
    assert "digital_float" in done.stdout
    assert f"results: {tmp_path / 'out'}" in done.stdout
    assert f" front {tmp_path / 'out'} --plot front.png" in done.stdout


def test_front_query_and_show_speak_to_people_and_programs(ask, undisturbed, tmp_path):
    table = ask("front", undisturbed, "--plot", tmp_path / "front.png")
    assert "pJ" in table.stdout or "nJ" in table.stdout
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    rows = json.loads(ask("front", undisturbed, "--format", "json").stdout)
    csv = pl.read_csv(io.StringIO(ask("front", undisturbed, "--format", "csv").stdout))
    assert csv["trial"].to_list() == [row["trial"] for row in rows]
    ask("front", undisturbed, "--format", "parquet", "--output", tmp_path / "front.parquet")
    assert pl.read_parquet(tmp_path / "front.parquet")["trial"].to_list() == csv["trial"].to_list()

    sql = "SELECT trial, sum(set_pulses_update) AS pulses FROM layers GROUP BY trial ORDER BY trial"
    pulses = json.loads(ask("query", undisturbed, sql, "--format", "json").stdout)
    assert len(pulses) == 15
    assert pulses[0] == {"trial": 0, "pulses": 0}

    whole = json.loads(ask("show", undisturbed, 1, "--format", "json").stdout)
    assert whole["design"]["device"]["card"] == "pcm_gst"
    assert [layer["rows"] for layer in whole["runs"][0]["layers"]] == [65, 17]
    assert whole["runs"][0]["curve"][0]["accuracy"] == whole["runs"][0]["accuracy"]
    text = ask("show", undisturbed, 1).stdout
    assert "mvm_forward" in text
    assert "accumulator.bits = " in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["front", "RESULTS", "--objectives", "acuracy"], "did you mean 'accuracy'?"),
        (["front", "RESULTS", "--plot", "front.gif"], "the ending must be one of .png, .svg, .pdf"),
        (["show", "RESULTS", "99"], "no trial 99; the table has 0 to 14"),
        (["query", "RESULTS", "SELECT nonsense FROM trials"], "the query failed"),
        (["query", "RESULTS", "SELECT * FROM runs"], "there is no table"),
        (["front", "RESULTS", "--objectives", "accuracy,accuracy"], "an objective is named twice"),
        (["front", "/nowhere"], "is no results folder"),
        (["resume", "/nowhere"], "is no results folder"),
        (["run", "/nowhere.toml"], "cannot read the study file /nowhere.toml: No such file"),
        (["frnt", "RESULTS"], "did you mean 'front'?"),
    ],
)
def test_a_mistake_on_the_command_line_ends_with_status_2(arguments, message, ask, undisturbed):
    done = ask(*[str(undisturbed) if a == "RESULTS" else a for a in arguments])
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_of_another_study_is_refused_and_one_of_this_is_resumed(ask, undisturbed, small_study, tmp_path):
    same = ask("run", small_study, "--executor", "local", "--out", undisturbed)
    assert same.returncode == 2
    assert f"already holds this study; go on with it by `dse resume {undisturbed}`" in same.stderr
    other = ask("run", edited(tmp_path, "seed = 3", "seed = 4"), "--executor", "local", "--out", undisturbed)
    assert other.returncode == 2
    assert "holds the results of another study; choose another folder with --out" in other.stderr
    assert ask("resume", undisturbed, "--executor", "local").returncode == 0


@pytest.mark.slow
def test_run_with_resume_goes_on_with_this_study_and_no_other(ask, undisturbed, small_study, tmp_path):
    def go_on(study):
        return ask("run", study, "--executor", "local", "--quiet", "--out", undisturbed, "--resume")

    before = (undisturbed / "study.json").read_bytes()
    assert go_on(small_study).returncode == 0
    for change in (("seed = 3", "seed = 4"), ("trials = 14", "trials = 15"), ('"worst_writes"]', '"loss"]')):
        other = go_on(edited(tmp_path, *change))
        assert other.returncode == 2
        assert "holds the results of another study than this file describes" in other.stderr
        assert f"`dse resume {undisturbed} --study FILE`" in other.stderr
        assert "another folder with --out" in other.stderr
    assert (undisturbed / "study.json").read_bytes() == before


@pytest.mark.slow
def test_an_edited_study_is_not_resumed(ask, small_study, tmp_path):
    assert ask("run", small_study, "--executor", "local", "--out", tmp_path / "r").returncode == 0
    copy = tmp_path / "r" / "source" / "study.toml"
    copy.write_text(copy.read_text().replace("high = 8 }", "high = 9 }"))
    done = ask("resume", tmp_path / "r", "--executor", "local")
    assert done.returncode == 2
    assert "source/study.toml is damaged: it does not have the checksum that it had" in done.stderr
    assert "edit a copy and name it" in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "is damaged: it is no table"),
        ("{", "is unreadable"),
        ('{"schema": 9}', "with schema 9"),
        ("{}", "no schema"),
    ],
)
def test_a_damaged_description_of_a_folder_is_told(content, message, ask, tmp_path):
    (tmp_path / "study.json").write_text(content)
    done = ask("front", tmp_path)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize("out", ["file/results", "/proc/nowhere/results", "file"])
def test_a_place_where_no_folder_can_be_is_told(out, ask, small_study, tmp_path):
    (tmp_path / "file").write_text("mine")
    done = ask("run", small_study, "--executor", "local", "--out", tmp_path / out)
    assert done.returncode == 2
    assert "choose another with --out" in done.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_a_study_file_with_a_byte_order_mark_is_read(ask, tmp_path):
    (tmp_path / "s.toml").write_text("\ufeff" + SMALL_STUDY)
    assert ask("check", tmp_path / "s.toml").returncode == 0


def test_missing_data_is_told_with_what_to_do_and_leaves_no_folder(ask, tmp_path):
    path = edited(tmp_path, '"digits"', '"mnist"')
    done = ask("run", path, "--executor", "local", "--out", tmp_path / "r", env={"DSE_DATA_DIR": str(tmp_path)})
    assert done.returncode == 2
    assert "Download it with `dse data mnist`" in done.stderr
    assert "set DSE_DATA_DIR" in done.stderr
    assert not (tmp_path / "r").exists()


def test_unreadable_data_is_told(ask, tmp_path):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8bnonsense")
    path = edited(tmp_path, '"digits"', '"mnist"')
    done = ask("run", path, "--executor", "local", "--out", tmp_path / "r", env={"DSE_DATA_DIR": str(tmp_path)})
    assert done.returncode == 2
    assert "is unreadable" in done.stderr


@pytest.mark.slow
def test_a_card_beside_the_study_file_travels_with_the_results(ask, small_study, tmp_path):
    text = (files("device_library") / "cells" / "pcm_gst.toml").read_text()
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "mine.toml").write_text(text.replace("value = 0.88", "value = 0.8"))
    path = edited(tmp_path, "[design]", '[design]\ndevice.card = "cards/mine.toml"')
    assert ask("run", path, "--executor", "local", "--out", tmp_path / "r", "--quiet").returncode == 0
    shown = json.loads(ask("show", tmp_path / "r", 1, "--format", "json").stdout)
    assert shown["design"]["device"]["mean_offset_us"] == 0.8
    (tmp_path / "cards" / "mine.toml").unlink()
    assert ask("resume", tmp_path / "r", "--executor", "local").returncode == 0
    (tmp_path / "r" / "source" / "cards" / "mine.toml").write_text(text)
    assert "it does not have the checksum that it had" in ask("resume", tmp_path / "r", "--executor", "local").stderr


@pytest.mark.slow
def test_ray_that_cannot_start_is_told_with_a_way_out(dse, small_study, tmp_path):
    done = dse("run", small_study, "--out", tmp_path / "r", env={"RAY_TMPDIR": "/proc/nowhere"})
    assert done.returncode == 2
    assert "Ray could not be started" in done.stderr
    assert "--executor local" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "r").exists()
