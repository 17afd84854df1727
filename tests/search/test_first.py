"""Designs that a study names are its first trials, whoever proposes the others."""

import json

import pytest

import dse
from dse.errors import DseError, SettingError
from dse.results.rows import to_rows
from dse.results.store import read_table
from dse.search.executor import LocalExecutor
from dse.search.runs import resume, start
from dse.search.samplers import SAMPLERS
from dse.search.study import parse_study
from tests.search.free import free, study_text
from tests.search.scrambled import Scrambled

FIRST = """[[first]]
"accumulator.bits" = 6
"accumulator.epsilon" = 1
device.write_noise_scale = 0.0
"adc.bits" = 9
"training.learning_rate" = 3.5
"network.width" = 1.25
[[first]]
[[first]]
"network.width" = 0.5
"accumulator.bits" = 16
"""
WHOLE = {
    "accumulator.bits": 6,
    "accumulator.epsilon": 1.0,
    "device.write_noise_scale": 0.0,
    "adc.bits": 9,
    "training.learning_rate": 3.5,
    "network.width": 1.25,
}


def text_of(trials=24, sampler="random", seeds=1, first=FIRST):
    text = study_text(trials, sampler, lookahead=3, seeds=seeds)
    return text.replace("[search]", f"{first}[search]\nstartup = 6")


def proposals(folder):
    return [json.loads(row["parameters"]) for row in to_rows(read_table(folder)) if row["seed"] == 0]


@pytest.mark.slow
@pytest.mark.parametrize("sampler", [sampler.name for sampler in SAMPLERS])
def test_they_are_the_first_trials_and_the_points_after_them_are_those_of_any_study(sampler, tmp_path):
    folder, other = tmp_path / "r", tmp_path / "other"
    start(parse_study(text_of(12, sampler), tmp_path), folder, lambda: LocalExecutor(free))
    start(parse_study(text_of(12, "quasi_random", first=""), tmp_path), other, lambda: LocalExecutor(free))
    found, points = proposals(folder), proposals(other)
    assert found[0] == WHOLE
    assert list(map(type, found[0].values())) == [int, float, float, int, float, float]
    assert found[1] == points[1]
    assert found[2] == {**points[2], "network.width": 0.5, "accumulator.bits": 16}
    if sampler != "random":
        assert found[3:6] == points[3:6]


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "nsga2", "model"])
def test_a_study_with_them_is_stopped_resumed_and_extended_like_any(sampler, tmp_path):
    whole, folder = tmp_path / "whole", tmp_path / "r"
    start(parse_study(text_of(sampler=sampler), tmp_path), whole, lambda: LocalExecutor(free))
    shorter = parse_study(text_of(15, sampler), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        start(shorter, folder, lambda: Scrambled(3, seed=1, stop_after=2, simulate=free))
    resume(folder, lambda: Scrambled(3, seed=2, simulate=free))
    resume(folder, lambda: LocalExecutor(free), wanted=parse_study(text_of(sampler=sampler), tmp_path))
    assert proposals(folder) == proposals(whole)
    # Other seeds keep what was proposed.
    resume(folder, lambda: LocalExecutor(free), wanted=parse_study(text_of(30, sampler, seeds=2), tmp_path))
    assert proposals(folder)[:24] == proposals(whole)


@pytest.mark.slow
def test_they_are_in_the_key_of_a_study_only_where_there_are_some(tmp_path):
    plain, with_some, with_others = (
        parse_study(text_of(first=own), tmp_path) for own in ("", FIRST, FIRST.replace("9", "8"))
    )
    assert "first" not in plain.meaning
    assert len({plain.key, with_some.key, with_others.key}) == 3


def test_an_extension_cannot_change_them(tmp_path):
    folder = tmp_path / "r"
    start(parse_study(text_of(4), tmp_path), folder, lambda: LocalExecutor(free))
    with pytest.raises(DseError, match="first was"):
        resume(folder, LocalExecutor, wanted=parse_study(text_of(8, first=FIRST.replace("9", "8")), tmp_path))
    with pytest.raises(DseError, match=r"first = .* is gone"):
        resume(folder, LocalExecutor, wanted=parse_study(text_of(8, first=""), tmp_path))


SPACE = """
name = "s"
objectives = ["loss"]
[space]
"adc.bits" = { low = 4, high = 10 }
"network.hidden" = [[4], [8]]
"network.width" = { low = 0.25, high = 1.5, step = 0.25 }
"accumulator.epsilon" = { low = 0.5, high = 4.0, log = true }
architecture = ["mixed_precision", "float"]
[budget]
trials = 2
"""


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ('"adc.bits" = 50', r"first 1: adc.bits = 50 is not in the space, which has 4 to 10"),
        ('"adc.bits" = 5.0', r"first 1: adc.bits = 5.0 is not in the space"),
        ('"adc.bits" = true', r"first 1: adc.bits = true is not in the space"),
        ("network.hidden = [9]", r"first 1: network.hidden = \[9\] is not in the space, which has one of \[4\], \[8\]"),
        ("network.width = 0.8", r"first 1: network.width = 0.8 is not in the space.* in steps of 0.25"),
        ("accumulator.epsilon = 5", r"first 1: accumulator.epsilon = 5 is not in the space"),
        ('accumulator.epsilon = "x"', r"first 1: accumulator.epsilon = \"x\" is not in the space"),
        ("accumulator.epsilon = nan", r"first 1: accumulator.epsilon = nan is not in the space"),
        ('"adc.bitz" = 5', r"adc.bitz.*did you mean 'adc.bits'"),
        ('"dac.bits" = 5', r"first 1: dac.bits does not vary; name it in \[space\], or leave it out here"),
        ('architecture = "float"\n"adc.bits" = 5', r"first 1: adc.bits has no effect in this design"),
        ('architecture = "float"\n"adc.bits" = 5', r"accumulator.epsilon = .* from the quasi-random point"),
        ("[[first]]\n[[first]]", r"\[\[first\]\] has 3 designs, and budget.trials = 2"),
    ],
)
def test_what_is_no_design_of_the_space_is_one_message(first, message, tmp_path):
    with pytest.raises(SettingError, match=message):
        parse_study(SPACE.replace("[budget]", f"[[first]]\n{first}\n[budget]"), tmp_path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("first = 3", "first = 3 is not allowed; give a list .* each a table"),
        ("first = [3]", r"first\[0\] = 3 is not allowed; give a list .* each a table"),
        ('first = { "adc.bits" = 5 }', r"first: one table is no list; write \[\[first\]\]"),
    ],
)
def test_what_is_no_list_of_tables_is_one_message(given, message, tmp_path):
    with pytest.raises(SettingError, match=message):
        parse_study(f"{given}\n{SPACE}", tmp_path)


def test_a_design_that_is_there_twice_is_refused(tmp_path):
    float_alone = '[[first]]\narchitecture = "float"\nnetwork.width = 1.0\nnetwork.hidden = [4]\n'
    with pytest.raises(SettingError, match="first 2 is the design of first 1; remove one of them"):
        parse_study(SPACE.replace("[budget]", f"{float_alone}{float_alone}[budget]"), tmp_path)


def test_the_front_door_takes_them(tmp_path):
    space = {"adc.bits": dse.IntRange(4, 10), "accumulator.bits": [4, 8]}
    study = dse.Study(
        name="s",
        objectives=["loss"],
        space=space,
        trials=3,
        first=[{"adc.bits": 7}, {"adc.bits": 5, "accumulator.bits": 8}],
    )
    given = study.checked.first
    assert list(map(dict, given)) == [{"adc.bits": 7}, {"adc.bits": 5, "accumulator.bits": 8}]
    with pytest.raises(SettingError, match=r"first 1: adc.bits = 70"):
        dse.Study(name="s", objectives=["loss"], space=space, trials=3, first=[{"adc.bits": 70}])


def test_the_command_check_shows_them(tmp_path, ask):
    path = tmp_path / "s.toml"
    path.write_text(text_of())
    shown = ask("check", path).stdout
    assert "first: accumulator.bits = 6, accumulator.epsilon = 1.0" in shown
    assert "first: any\n" in shown
