"""Settings of a deployment: what acts, and what is refused and why."""

from pathlib import Path
from typing import Any

import pytest

from dse.analysis.queries.sql import query
from dse.analysis.tables.tables import open_tables
from dse.designs.design import compose
from dse.errors import SettingError
from dse.search.executor import LocalExecutor
from dse.search.runs import start
from dse.search.study import Study, parse_study

CELL = "deployment.device."
FLOAT = {"architecture": "float"}


def study(objectives: str, design: str = "", rest: str = "") -> Study:
    text = f"""
name = "life"
objectives = [{objectives}]
[design]
training.epochs = 1
network.hidden = [8]
{design}
[space]
"training.learning_rate" = {{ low = 0.5, high = 4.0, log = true }}
{rest}
[budget]
trials = 2
"""
    return parse_study(text, Path())


def refusal(settings: dict[str, Any]) -> str:
    with pytest.raises(SettingError) as caught:
        compose(settings)
    return str(caught.value)


def study_refusal(*tables: str) -> str:
    with pytest.raises(SettingError) as caught:
        study(*tables)
    return str(caught.value)


def test_a_design_without_a_deployment_does_not_know_of_one() -> None:
    assert "deployment" not in compose({}).as_dict()
    assert "deployment" not in compose(FLOAT).as_dict()


def test_one_setting_makes_a_deployment() -> None:
    design = compose({**FLOAT, "deployment.repetitions": 3})
    assert design.deployment is not None
    assert design.deployment.times_s == (1.0, 3600.0, 86400.0, 2592000.0, 31536000.0)
    assert design.deployment.device is not None
    assert design.deployment.device.card == "pcm_joshi2020"


def test_trained_cells_are_kept_or_programmed_anew() -> None:
    kept, anew = (compose({"deployment.reprogram": again, f"{CELL}drift_scale": 0.5}) for again in (False, True))
    assert kept.deployment is not None
    assert kept.deployment.device is None
    assert anew.deployment is not None
    assert anew.deployment.device is not None
    assert anew.deployment.device.drift_scale == 0.5


@pytest.mark.parametrize(
    "idle",
    [
        {"deployment.dac_bits": 4},
        {"deployment.adc_bits": 4},
        {"deployment.samples_per_read": 7},
        {"deployment.calibration_samples": 77},
        {f"{CELL}drift_scale": 2.0},
    ],
    ids=lambda idle: next(iter(idle)),
)
def test_what_cannot_act_on_kept_cells_is_no_part_of_the_design(idle: dict[str, Any]) -> None:
    base = {"deployment.times_s": [1.0]}
    assert compose({**base, **idle}).key == compose(base).key


@pytest.mark.parametrize(
    ("knob", "idle"),
    [
        ("programming_noise_scale", "programming_std_us"),
        ("drift_scale", "drift_mean_slope"),
        ("drift_scale", "drift_std_max"),
        ("drift_spread_scale", "drift_std_max"),
        ("read_noise_scale", "read_noise_factor"),
    ],
)
def test_constants_of_an_imperfection_that_is_off_are_no_part_of_the_design(knob: str, idle: str) -> None:
    base = {**FLOAT, f"{CELL}{knob}": 0.0}
    assert compose({**base, f"{CELL}{idle}": 0.051}).key == compose(base).key
    on = {**FLOAT, f"{CELL}{knob}": 1.0}
    assert compose({**on, f"{CELL}{idle}": 0.051}).key != compose(on).key


def test_compensations_are_compared_each_once_and_the_chosen_one_last() -> None:
    deployment = compose({**FLOAT, "deployment.compared": ["gdc", "none", "gdc_columns", "none"]}).deployment
    assert deployment is not None
    assert deployment.compensations == ("none", "gdc_columns", "gdc")


def test_fixed_inputs_act_with_drift_compensation_alone() -> None:
    keys = {
        how: {compose({**FLOAT, "deployment.compensation": how, "deployment.gdc_vectors": n}).key for n in (4, 5)}
        for how in ("none", "gdc", "gdc_columns")
    }
    assert {how: len(own) for how, own in keys.items()} == {"none": 1, "gdc": 2, "gdc_columns": 2}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"deployment.compensation": "adabs"}, ("batch-norm", "this network has none", '"gdc"')),
        ({"deployment.compensation": "gdc_adabs"}, ("this network has none",)),
        ({"deployment.compared": ["none", "adabs"]}, ('"adabs"', "this network has none")),
        ({"deployment.compensation": "gcd"}, ('"gcd" is not allowed', '"gdc"')),
        ({"deployment.times_s": [2.0, 1.0]}, ("[2.0, 1.0] must ascend",)),
        ({"deployment.times_s": []}, ("at least one entry",)),
        ({"deployment.repetitions": 0}, ("deployment.repetitions = 0", "from 1")),
        ({"deployment.repetition": 2}, ("did you mean 'deployment.repetitions'",)),
        ({**FLOAT, f"{CELL}card": "pcm_josi2020"}, ("unknown programmed cell", "did you mean 'pcm_joshi2020'")),
        ({**FLOAT, f"{CELL}card": "pcm_gst"}, ("unknown programmed cell 'pcm_gst'",)),
    ],
)
def test_a_refusal_says_what_came_and_what_is_allowed(settings: dict[str, Any], words: tuple[str, ...]) -> None:
    message = refusal(settings)
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        (('"retained_accuracy"',), ("retained_accuracy needs a deployment", "deployment.times_s")),
        (('"accuracy_1d"', "deployment.times_s = [1.0, 3600.0]"), ("accuracy_1d needs 86400",)),
        (('"accuracy"', "deployment = {}"), ("design.deployment is empty",)),
        (
            ('"energy_per_sample_j"', 'architecture = "float"\ndeployment.adc_bits = "ideal"'),
            ("deployment.adc_bits", "no price"),
        ),
        (
            ('"accuracy"', "deployment.repetitions = 2", '"deployment.adc_bits" = [4, 8]'),
            ("deployment.adc_bits has no effect", "mixed_precision"),
        ),
    ],
    ids=["no deployment", "no day", "empty", "no price", "idle"],
)
def test_a_study_that_could_not_answer_is_refused(tables: tuple[str, ...], words: tuple[str, ...]) -> None:
    message = study_refusal(*tables)
    assert all(word in message for word in words), message


def test_a_study_of_deep_digital_networks_is_not_refused_for_what_their_defaults_bring() -> None:
    deep = 'network.name = "resnet8"\narchitecture = "float"\ndeployment.compensation = "gdc_adabs"'
    text = f'name = "deep"\nobjectives = ["retained_accuracy"]\n[design]\n{deep}\n'
    text += "[controls.aware]\ntraining.weight_noise = 0.04\n[budget]\ntrials = 0\n"
    assert list(parse_study(text, Path()).controls) == ["aware"]


def test_drift_acts_after_the_longest_training_where_cells_are_kept() -> None:
    assert "no effect" in study_refusal('"accuracy"', "device.drift_exponent = 0.05")
    study('"retained_accuracy"', "device.drift_exponent = 0.05\ndeployment.repetitions = 2")


@pytest.mark.slow
def test_accuracies_over_life_go_into_a_table(tmp_path: Path) -> None:
    own = study(
        '"validation_retained_accuracy", "energy_per_sample_j"',
        "deployment.times_s = [1.0, 86400.0]\ndeployment.repetitions = 2",
        '"deployment.compensation" = ["none", "gdc"]\n[controls.digital]\narchitecture = "float"',
    )
    start(own, tmp_path / "results", LocalExecutor)
    tables = open_tables(tmp_path / "results")
    found = query(tables, "SELECT compensation, count(*) AS n FROM deployments WHERE trial = 0 GROUP BY compensation")
    assert dict(found.rows()) == {"none": 2, "gdc": 2}
    metrics = tables.trials.filter(trial=0).row(0, named=True)
    gdc = tables.deployments.filter(trial=0, compensation="gdc").sort("time_s")
    assert metrics["programmed_accuracy"] == gdc["accuracy"][0]
    assert metrics["accuracy_1d"] == metrics["retained_accuracy"] == gdc["accuracy"][1]
    assert metrics["validation_retained_accuracy"] == gdc["validation_accuracy"][1]
    assert 1.0 <= metrics["retention_s"] <= 86400.0
    assert tables.trials["energy_per_sample_j"].null_count() == 0


def test_lines_that_only_wires_cross_are_refused_without_wires() -> None:
    text = """
name = "life"
objectives = ["retained_accuracy"]
[design]
architecture = "float"
network.name = "cnn"
deployment.unused_lines = "present"
{}
[space]
"training.learning_rate" = [0.5, 4.0]
[budget]
trials = 2
"""
    with pytest.raises(SettingError, match=r"deployment\.unused_lines has no effect"):
        parse_study(text.format(""), Path())
    assert parse_study(text.format("deployment.wires.row_ohm = 1.0"), Path()).spec.name == "life"
