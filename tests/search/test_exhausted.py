"""A space that has no more designs ends a search, whoever proposes and however often it stops."""

import json
import logging

import pytest

from dse.designs.space import Choice, FloatRange, IntRange
from dse.progress import progress
from dse.results.rows import to_rows
from dse.results.store import Store, read_about, read_table
from dse.search import proposals
from dse.search.executor import LocalExecutor
from dse.search.runs import resume, start
from dse.search.samplers import SAMPLERS
from dse.search.study import parse_study
from dse.search.tried import Tried
from tests.search.free import free, study_text
from tests.search.scrambled import Scrambled

SPACE = """"accumulator.bits" = [4, 8]
"adc.bits" = { low = 5, high = 7 }
[search]"""
SAMPLED = [sampler.name for sampler in SAMPLERS]


def text_of(trials=60, sampler="random", lookahead=3):
    """Return a study whose space has six designs."""
    fixed = """[design]
accumulator.epsilon = 1.0
device.write_noise_scale = 1.0
training.learning_rate = 1.0
network.width = 1.0
[space]
"""
    head, _, rest = study_text(trials, sampler, lookahead=lookahead).partition("[space]")
    return head + fixed + SPACE + rest.partition("[search]")[2]


def rows_of(folder):
    return to_rows(read_table(folder))


@pytest.mark.one_in(3)
@pytest.mark.parametrize("sampler", SAMPLED)
def test_a_search_ends_when_all_designs_were_tried(sampler, tmp_path):
    folder = tmp_path / "r"
    start(parse_study(text_of(sampler=sampler), tmp_path), folder, lambda: LocalExecutor(free))
    rows = rows_of(folder)
    assert len({row["design_key"] for row in rows}) == 6
    assert rows[-1]["same_as"] is None  # the last of them ended it
    about = read_about(folder)
    assert (about["exhausted"], about["trials"]) == (6, len(rows))
    if sampler == "model":
        assert len(rows) == 6


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "model"])
def test_order_kills_and_resumes_do_not_change_where_it_ends(sampler, tmp_path):
    text = text_of(sampler=sampler)
    start(parse_study(text, tmp_path), tmp_path / "whole", lambda: LocalExecutor(free))
    with pytest.raises(KeyboardInterrupt):
        start(
            parse_study(text, tmp_path),
            tmp_path / "stopped",
            lambda: Scrambled(3, seed=1, stop_after=2, simulate=free),
        )
    assert read_about(tmp_path / "stopped")["exhausted"] is None
    resume(tmp_path / "stopped", lambda: Scrambled(4, seed=2, simulate=free))
    columns = ["trial", "seed", "design_key", "same_as", "parameters", "loss"]
    whole, stopped = (read_table(tmp_path / name).select(columns) for name in ("whole", "stopped"))
    assert whole.equals(stopped)
    assert read_about(tmp_path / "whole")["trials"] == read_about(tmp_path / "stopped")["trials"]


@pytest.mark.slow
def test_a_study_that_went_on_with_copies_before_opens_resumes_and_replays(tmp_path, monkeypatch, ask):
    folder = tmp_path / "r"
    study = parse_study(text_of(trials=30), tmp_path)
    with monkeypatch.context() as patch:  # as an earlier version did
        patch.setattr(proposals.Proposals, "exhausted", None)
        start(study, folder, lambda: LocalExecutor(free))
    before = rows_of(folder)
    assert len(before) == 30
    resume(folder, lambda: LocalExecutor(free))
    assert rows_of(folder) == before
    assert read_about(folder)["trials"] == 30
    with Store(folder) as store:  # and one that was stopped among its copies
        store.describe({key: value for key, value in store.about.items() if key != "exhausted"})
    resume(folder, lambda: LocalExecutor(free))
    assert "the space has 6 designs; all were tried" in ask("status", folder).stdout


def test_more_trials_of_an_exhausted_space_are_none(tmp_path):
    folder = tmp_path / "r"
    start(parse_study(text_of(), tmp_path), folder, lambda: LocalExecutor(free))
    before = rows_of(folder)
    more = parse_study(text_of(trials=90), tmp_path)
    resume(folder, lambda: LocalExecutor(free), wanted=more)
    assert [row["design_key"] for row in rows_of(folder)] == [row["design_key"] for row in before]
    assert read_about(folder)["exhausted"] == 6


def test_progress_says_it_in_one_sentence(tmp_path, caplog, own_logging):
    logging.getLogger("dse").addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, "dse"), progress(["loss"], quiet=False) as report:
        start(parse_study(text_of(), tmp_path), tmp_path / "r", lambda: LocalExecutor(free), report)
    assert caplog.records[-1].getMessage().endswith("; the space has 6 designs; all were tried")


def test_the_command_says_it_and_programs_read_it(small_study, tmp_path, ask):
    text = small_study.read_text()
    head, _, rest = text.partition("[space]")
    small_study.write_text(f'{head}[space]\n"adc.bits" = [6, 8]\n[search]{rest.partition("[search]")[2]}')
    said = ask("run", small_study, "--out", tmp_path / "r", "--executor", "local")
    assert said.returncode == 0, said.stderr
    assert "the space has 2 designs; all were tried" in said.stdout
    status = json.loads(ask("status", tmp_path / "r", "--format", "json").stdout)
    assert (status["exhausted"], status["done"]) == (2, status["total"])


def tried(space, most=100, fixed=""):
    study = parse_study(f'name = "s"\nobjectives = ["loss"]\n{fixed}[space]\n{space}\n[budget]\ntrials = 1\n', None)
    return Tried(study.space, study.design, most), study


def test_what_differs_in_settings_without_effect_alone_is_one_design():
    """Four designs with a digital network would differ in converters that it does not have."""
    found, _ = tried('architecture = ["mixed_precision", "float"]\n"adc.bits" = [5, 6, 7, 8]')
    assert found.designs == 5
    for bits in (5, 6, 7, 8):
        found.add({"architecture": "mixed_precision", "adc.bits": bits})
    assert not found.all
    found.add({"architecture": "float", "adc.bits": 7})
    assert found.all


def test_settings_that_contradict_each_other_are_tried_like_others():
    space = '"array.initial_min_us" = [0.1, 3.0, 0.2]\n"array.initial_max_us" = [2.0, 8.0, 9.0]'
    assert tried(space)[0].designs == 9


def test_a_space_without_end_or_with_more_designs_than_trials_is_never_exhausted():
    assert tried('"accumulator.epsilon" = { low = 0.5, high = 4.0 }')[0].designs is None
    assert tried('"network.hidden" = [[4], [8]]\n"adc.bits" = [5, 6]')[0].designs == 4
    space = """"accumulator.bits" = { low = 2, high = 11 }
"adc.bits" = { low = 4, high = 12 }
"dac.bits" = { low = 2, high = 16 }"""
    assert tried(space)[0].designs is None
    assert tried(space, most=2000)[0].designs == 10 * 9 * 15


@pytest.mark.parametrize(
    "parameter",
    [
        Choice((2, 8.0, "float", True, (4, 4))),
        IntRange(3, 17, step=4),
        IntRange(2, 16, log=True),
        FloatRange(0.25, 1.5, step=0.25),
        FloatRange(0.1, 0.75, step=0.1),
    ],
)
def test_each_value_has_a_number(parameter):
    count = parameter.count()
    places = [parameter.at((k + 0.5) / 1000) for k in range(1000)]
    assert {parameter.number(value) for value in places} == set(range(count))
    assert [parameter.number(parameter.numbered(k)) for k in range(count)] == list(range(count))
    for other in ("none", 99, None):
        with pytest.raises(ValueError):  # noqa: PT011  whose text is the value
            parameter.number(other)
