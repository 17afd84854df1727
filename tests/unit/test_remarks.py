"""What is said of valid studies: what costs time, and that epsilon and the learning rate are one knob, which holds."""

from pathlib import Path
from typing import Any

import pytest

from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.outcome import Outcome
from dse.search.remarks import remarks
from dse.search.study import parse_study

SMALL: dict[str, Any] = {
    "workload.dataset": "digits",
    "workload.images": 60,
    "network.hidden": [6],
    "training.epochs": 1,
    "adc.calibrate_every_samples": 60,
}
STUDY = """
name = "knobs"
objectives = ["validation_accuracy"]
[workload]
dataset = "digits"
[space]
{space}
[budget]
trials = 1
"""
EPSILON = '"accumulator.epsilon" = { low = 0.5, high = 2.0 }'
RATE = '"training.learning_rate" = [1.0, 2.0]'


@pytest.mark.parametrize(("space", "said"), [((EPSILON, RATE), 1), ((EPSILON,), 0), ((RATE,), 0)])
def test_a_space_that_varies_both_is_told(space: tuple[str, ...], said: int) -> None:
    study = parse_study(STUDY.format(space="\n".join(space)), Path())
    lines = [line for line in remarks(study) if "one knob" in line]
    assert len(lines) == said


FRONT = 'seeds_for = "front"'


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (f"trials = 4\n{FRONT}", 'seeds_for = "front" has no effect with one seed'),
        ("trials = 4", ""),
        (f"trials = 4\nseeds = 2\n{FRONT}", ""),
        (f"epochs = 29\nseeds = 3\n{FRONT}", "budget.epochs = 29 ends before a design has all of budget.seeds = 3"),
        (f"epochs = 30\nseeds = 3\n{FRONT}", ""),
    ],
)
def test_seeds_that_no_design_can_get_are_told(budget: str, said: str) -> None:
    text = STUDY.format(space=RATE).replace("trials = 1", budget) + "[design]\ntraining.epochs = 10\n"
    lines = [line for line in remarks(parse_study(text, Path())) if "seed" in line]
    assert [said in line for line in lines] == ([True] if said else [])


LSTM = 'name = "lstm"\nobjectives = ["validation_bits_per_character"]\n[workload]\ndataset = "ptb"\n'
EACH = '"array.read_noise_per" = ["product", "mini_batch"]'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[design]\nnetwork.name = "lstm"', ""),
        ('[design]\nnetwork.name = "lstm"\narray.read_noise_per = "product"', ""),
        ('[design]\nnetwork.name = "lstm"\narray.read_noise_per = "mini_batch"', "1.5 to 1.9 times"),
        (f'[design]\nnetwork.name = "lstm"\n[space]\n{EACH}', "1.5 to 1.9 times"),
        ('[design]\nnetwork.name = "lstm"\n[resources]\ngpus = 1', "2 to 4 times"),
    ],
)
def test_a_study_is_told_what_slows_recurrent_layers_down(text: str, said: str) -> None:
    space = "" if "[space]" in text else '\n[space]\n"adc.bits" = [4, 8]'
    lines = remarks(parse_study(f"{LSTM}{text}{space}\n[budget]\ntrials = 1\n", Path()))
    assert [said in line for line in lines] == ([True] if said else [])


@pytest.mark.parametrize(("resources", "said"), [("", False), ("[resources]\ngpus = 1\n", True)])
def test_a_study_is_told_how_perceptrons_learn_on_accelerators(resources: str, said: bool) -> None:
    lines = remarks(parse_study(STUDY.format(space=RATE) + resources, Path()))
    assert any("in one launch" in line for line in lines) == said


SLOW = "some 300 times as long"
ONE_BY_ONE = "2 to 4 times as long"


@pytest.mark.parametrize(
    ("network", "design", "said"),
    [
        ("perceptron", "", ""),
        ("perceptron", 'architecture = "float"', ""),
        ("perceptron", 'architecture = "tiki_taka"', SLOW),
        ("perceptron", 'architecture = "pulse_trains"', SLOW),
        ("perceptron", 'device.card = "ideal_two_way"', SLOW),
        ("perceptron", 'device.card = "pcm_gst_wearing"', SLOW),
        ("perceptron", "device.set_endurance_pulses = 1e6", SLOW),
        ("perceptron", 'device.set_endurance_pulses = "endless"', ""),
        ("perceptron", "array.wires.row_ohm = 1.0", SLOW),
        ("perceptron", "adc.errors.gain_std = 0.01", SLOW),
        ("perceptron", "array.pairs_per_weight = 2\narray.significance.ratio = 4.0", SLOW),
        ("lstm", "array.pairs_per_weight = 2\narray.significance.ratio = 4.0", "1.2 to 1.4 times as long"),
        ("cnn", "array.pairs_per_weight = 2\narray.significance.ratio = 4.0", "1.2 to 1.4 times as long"),
        ("perceptron", 'dac.coding = "bit_serial"', SLOW),
        ("cnn", 'architecture = "tiki_taka"', ""),
        ("cnn", 'device.card = "ideal_two_way"', "1.2 to 1.4 times as long"),
        ("cnn", "adc.errors.gain_std = 0.01", "1.3 to 1.8 times as long"),
        ("resnet8", "adc.errors.noise_std = 0.01", "1.3 to 1.8 times as long"),
        ("resnet8", "adc.bits = 8", ""),
        ("lstm", 'dac.coding = "bit_serial"', ONE_BY_ONE),
        ("lstm", "adc.errors.gain_std = 0.01", ONE_BY_ONE),
        ("lstm", 'array.output_scale = "layer"', ""),
        ("lstm", 'array.output_scale = "tile"', ONE_BY_ONE),
        ("lstm", "", ""),
    ],
)
def test_what_goes_off_the_quick_path_is_told_with_what_it_costs(network: str, design: str, said: str) -> None:
    data, goal = ("ptb", "validation_bits_per_character") if network == "lstm" else ("digits", "validation_accuracy")
    text = f'name = "paths"\nobjectives = ["{goal}"]\n[workload]\ndataset = "{data}"\n[design]\n{design}\n'
    space = '"training.learning_rate" = [1.0, 2.0]'
    study = parse_study(f'{text}network.name = "{network}"\n[space]\n{space}\n[budget]\ntrials = 1\n', Path())
    lines = [line for line in remarks(study) if "times as long" in line]
    assert [said in line for line in lines] == ([True] if said else [])


def test_a_rule_that_is_varied_is_told_of_once() -> None:
    text = STUDY.format(space='"architecture" = ["mixed_precision", "tiki_taka"]\n"network.hidden" = [[4], [8]]')
    [line] = [line for line in remarks(parse_study(text, Path())) if "times as long" in line]
    assert line.startswith('architecture = "tiki_taka": there is no compiled code for it; a perceptron takes')


@pytest.mark.parametrize(
    "words",
    [
        {"accumulator.bits": "float"},
        {"accumulator.bits": 6, "accumulator.rounding": "stochastic"},
        {"accumulator.bits": 6, "accumulator.transfer_every": 2, "accumulator.headroom_bits": 1},
    ],
)
def test_pulses_follow_the_ratio_of_rate_and_epsilon_alone(words: dict[str, Any]) -> None:
    found: list[Outcome] = []
    for factor in (1.0, 2.0):  # exact in floats
        own = {"accumulator.epsilon": 0.5 * factor, "training.learning_rate": 2.0 * factor}
        design = compose({**SMALL, **words, **own})
        outcome = evaluate(design, 1, design.workload.load())
        assert isinstance(outcome, Outcome)
        found.append(outcome)
    assert found[0] == found[1]
    assert sum(layer.events["set_pulses_update"] for layer in found[0].layers) > 100


def test_a_lifetime_of_the_card_beside_cells_that_wear_by_the_design_is_remarked_once() -> None:
    text = 'name = "lives"\nobjectives = ["validation_accuracy", "{}"]\n[workload]\ndataset = "digits"\n[design]\n{}\n'
    text += "[space]\n'accumulator.bits' = [4, 8]\n[budget]\ntrials = 1\n"
    wearing = "device.set_endurance_pulses = 1e6"
    own = parse_study(text.format("trainings_to_first_cell", wearing), Path())
    [line] = [line for line in remarks(own) if "lifetime_samples" in line]
    assert line.startswith(
        "trainings_to_first_cell follows the endurance on the cost card and not device.set_endurance"
    )
    by_card = parse_study(text.format("trainings_to_first_cell", 'device.card = "pcm_gst_wearing"'), Path())
    assert [line for line in remarks(by_card) if "lifetime_samples" in line]
    endless = 'device.set_endurance_pulses = "endless"'
    for objective, design in (
        ("lifetime_samples", wearing),
        ("trainings_to_first_cell", ""),
        ("trainings_to_first_cell", endless),
    ):
        study = parse_study(text.format(objective, design), Path())
        assert not [line for line in remarks(study) if "lifetime_samples" in line]
