"""A study learns from earlier results, whatever their space; its table follows from what they said when it began."""

import json
import math
import shutil
from dataclasses import replace

import moocore
import numpy as np
import pytest

import dse
from dse.designs.design import nest
from dse.designs.space import Choice, FloatRange, IntRange, nearest
from dse.errors import DseError, ResultsError, SettingError
from dse.results.merge import merge
from dse.results.reading import read_about
from dse.results.schema import RESULT_COLUMNS
from dse.results.store import read_table
from dse.search import learning
from dse.search.beside import APART, beside
from dse.search.executor import LocalExecutor
from dse.search.explain import explain
from dse.search.learned import FILE, Learned
from dse.search.plans import plan_of
from dse.search.ray_jobs import pack
from dse.search.runs import open_study, resume, start
from dse.search.samplers.model.belief import Belief
from dse.search.samplers.model.encoding import Encoding
from dse.search.samplers.model.kriging import JITTER, Process, Scales
from dse.search.study import parse_study, read_study
from tests.search.free import free, study_text, values
from tests.search.scrambled import Scrambled

EARLIER = 40


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """The folder of the results `narrow` (other choices, one seed more) and `short` (other epochs)."""
    folder = tmp_path_factory.mktemp("earlier")
    text = study_text(EARLIER, "quasi_random").replace("seed = 1", "seed = 7")
    narrow = text.replace("[4, 6, 8, 12, 16]", "[4, 6, 8]").replace("seeds = 1", "seeds = 2")
    short = text.replace("[space]", "[design]\ntraining.epochs = 3\n[space]").replace("trials = 40", "trials = 10")
    start(parse_study(narrow, folder), folder / "narrow", lambda: LocalExecutor(free))
    start(parse_study(short, folder), folder / "short", lambda: LocalExecutor(free))
    return folder


def text_of(names=("narrow",), trials=24, objectives=2, lookahead=4, more=""):
    text = study_text(trials, "model", objectives=objectives, lookahead=lookahead)
    head = f"learn_from = {json.dumps(list(names))}\n" if names else ""
    return text.replace("[workload]", f"{head}[workload]").replace("[space]", f"{more}[space]")


def table(folder):
    return read_table(folder).select(RESULT_COLUMNS)


# What is read


@pytest.mark.slow
def test_designs_are_placed_by_their_settings_with_means_over_seeds(earlier):
    learned = parse_study(text_of(), earlier).learned
    assert learned.in_words == [f"learns from {EARLIER} earlier designs", f"  {EARLIER} that differ in the space alone"]
    rows = read_table(earlier / "narrow").to_pylist()
    for number, own in enumerate(learned.designs):
        design = json.loads(rows[2 * number]["design"])
        settings = dict(zip(learned.paths, own.settings, strict=True))
        assert settings == json.loads(rows[2 * number]["parameters"])
        means = np.mean([values(design, seed)[:2] for seed in (0, 1)], axis=0)
        assert own.values == pytest.approx(means, rel=1e-12)
        assert (own.beside, own.seeds) == ([], 2)


def test_what_differs_outside_of_the_space_makes_a_group(earlier):
    learned = parse_study(text_of(("narrow", "short")), earlier).learned
    assert learned.in_words[1:3] == [f"  {EARLIER} that differ in the space alone", "  10 with training.epochs = 3"]
    assert [own.beside for own in learned.designs] == [[0.0]] * EARLIER + [[APART]] * 10


def test_a_neighbouring_data_set_is_a_group(earlier):
    learned = parse_study(text_of().replace('"digits"', '"mnist"'), earlier).learned
    assert '  40 with workload.dataset = "digits"' in learned.in_words[1]


def test_a_control_without_cells_has_no_card_where_cards_vary(tmp_path):
    """And says nothing of the epochs of the others, which its architecture does not tell."""
    own = study_text(4, "quasi_random").replace("[search]", '[controls.float]\narchitecture = "float"\n[search]')
    own = own.replace("[space]", "[design]\ntraining.epochs = 3\n[space]")
    own = own.replace('"digits"', '"digits"\nimages = 60')
    start(parse_study(own, tmp_path), tmp_path / "short", LocalExecutor)
    more = "[design]\ntraining.epochs = 5\n"
    text = text_of(("short",), more=more).replace("[space]", '[space]\n"device.card" = ["pcm_gst", "pcm_aihwkit"]')
    study = parse_study(text, tmp_path)
    assert study.key
    cards = [own.settings[study.learned.paths.index("device.card")] for own in study.learned.designs]
    assert sorted(cards, key=str) == [None, *["pcm_gst"] * 4]
    said = "\n".join(study.learned.in_words)
    assert "4 with training.epochs = 3" in said
    assert "the space alone" not in said


def test_what_an_earlier_study_varied_has_an_axis_of_its_own(earlier):
    text = text_of(more="[design]\nnetwork.width = 1.0\n")
    text = text.replace('"network.width" = { low = 0.25, high = 1.5, step = 0.25 }\n', "")
    learned = parse_study(text, earlier).learned
    assert learned.axes == ["network.width from 0.25 to 1.5, here 1.0"]
    widths = [json.loads(row["parameters"])["network.width"] for row in read_table(earlier / "narrow").to_pylist()[::2]]
    assert [own.beside[0] for own in learned.designs] == pytest.approx([(width - 1.0) / 1.25 for width in widths])


def test_other_choices_without_order_have_an_axis_of_their_own(tmp_path):
    def with_cards(text, cards):
        return text.replace("[space]", f'[space]\n"device.card" = {json.dumps(cards)}')

    text = with_cards(study_text(8, "quasi_random"), ["pcm_gst", "pcm_gst_history_free"])
    start(parse_study(text, tmp_path), tmp_path / "r", lambda: LocalExecutor(free))
    learned = parse_study(with_cards(text_of(("r",)), ["pcm_gst", "pcm_aihwkit"]), tmp_path).learned
    assert learned.axes == ["another choice of device.card"]
    assert [str(kind) for kind in learned.kinds] == ["8 that differ in the space alone"]
    cards = [json.loads(row["parameters"])["device.card"] for row in read_table(tmp_path / "r").to_pylist()]
    assert [own.beside for own in learned.designs] == [[APART * (card != "pcm_gst")] for card in cards]


def test_a_setting_that_the_earlier_space_lacked_has_its_default(earlier):
    learned = parse_study(text_of().replace("[space]", '[space]\n"dac.bits" = [4, 8]'), earlier).learned
    assert {own.settings[0] for own in learned.designs} == {8}
    assert learned.axes == []


def test_what_follows_from_a_name_makes_no_axis():
    of_cards = {"a": 1.0, "b": 2.0, "c": 3.0}
    differences = [{"device.card": (card, "d"), "device.x": (x, 9.0)} for card, x in of_cards.items() for _ in range(3)]
    found = beside(differences)
    assert found.axes == ["group 1", "group 2", "group 3"]
    assert {tuple(own) for own in found.places} == {tuple(row) for row in (APART * np.eye(3)).tolist()}
    assert [kind.differs for kind in found.kinds] == [{"device.card": card} for card in "abc"]


def test_the_rarest_groups_share_an_axis():
    names = ["a"] * 6 + ["b"] * 5 + ["c"] * 4 + ["d"] * 3 + ["e"] * 2
    found = beside([{"workload.dataset": (name, "z")} for name in names] + [{}])
    assert found.axes == [f"group {number}" for number in (1, 2, 3, 4)]
    assert found.places[0] == [APART, 0.0, 0.0, 0.0]
    assert found.places[-2] == found.places[-3] == [0.0, 0.0, 0.0, APART]
    assert found.places[-1] == [0.0] * 4
    assert [kind.designs for kind in found.kinds] == [1, 6, 5, 4, 5]


def test_numbers_over_decades_are_on_a_log_scale():
    found = beside([{"a.b": (10.0**k, 1.0)} for k in range(1, 5)])
    assert [own[0] for own in found.places] == pytest.approx([0.25, 0.5, 0.75, 1.0])


SPACE = {
    "even": FloatRange(0.0, 2.0),
    "log": FloatRange(1.0, 100.0, log=True),
    "step": IntRange(4, 10, step=2),
    "whole": IntRange(1, 16, log=True),
    "numbers": Choice((2, 4, 8)),
    "names": Choice(("a", "b")),
}


@pytest.mark.parametrize(
    ("path", "value", "place", "near"),
    [
        ("even", 3.0, [1.5], 2.0),
        ("even", -9.0, [-1.0], 0.0),
        ("log", 1000.0, [1.5], 100.0),
        ("log", -1.0, [-1.0], 1.0),
        ("step", 13, [1.5], 10),
        ("step", 7, [0.5], 8),
        ("whole", 64, [1.5], 16),
        ("numbers", 6, [0.75], 4),
        ("numbers", 12, [1.5], 8),
        ("numbers", 1, [-0.25], 2),
        ("numbers", None, [0.5], 2),
        ("names", "b", [0.0, APART], "b"),
        ("names", "c", [0.0, 0.0], "a"),
        ("even", "x", [0.5], 1.0),
    ],
)
def test_values_outside_lie_further_along_the_axis(path, value, place, near):
    space = {path: SPACE[path]}
    encoding = Encoding(space, beside=1)
    assert encoding.outside({path: value}, [0.25]).tolist() == pytest.approx([*place, 0.25])
    assert nearest(SPACE[path], value) == near
    inside = encoding.points([{path: near}])[0]
    assert encoding.outside({path: near}, [0.0]).tolist() == pytest.approx(inside.tolist())
    at = encoding.design(encoding.nearest({path: value}))[path]
    assert at == (near if isinstance(near, str) else pytest.approx(near, rel=1e-9, abs=1e-9))


# What comes of it


def volumes(study, trials, until):
    """Return hypervolumes of the first trials, replayed with the closed form."""
    plan, waiting, seen = plan_of(study), [], []
    while len(seen) < trials:
        while not plan.is_next_ready():
            plan.settle(*waiting.pop(0))
        step = plan.ask()
        seen.append(values(nest(step.parameters), 0)[: len(study.spec.objectives)])
        waiting.append((step.number, {0: list(seen[-1])}))
    costs = np.array(seen, np.float64) * [-1.0, 1.0]
    return [moocore.hypervolume(costs[:count], ref=[-0.2, 2.0]) for count in until]


@pytest.mark.parametrize("names", [("narrow",), ("narrow", "short")])
def test_a_front_is_found_in_fewer_trials(names, earlier):
    """Over 4 seeds, 8 trials had 0.99 times the volume of 24 trials that learned from nothing."""
    (alone,) = volumes(parse_study(text_of(()), earlier), 16, [16])
    learning, later = volumes(parse_study(text_of(names), earlier), 16, [8, 16])
    assert learning > 1.05 * alone
    assert later >= learning


def test_four_designs_at_least_are_drawn_blindly(earlier):
    study = parse_study(text_of(), earlier)
    assert study.startup == 4
    few = parse_study(text_of(("short",)), earlier)
    assert few.startup == 16 - 10
    assert parse_study(text_of(()), earlier).startup == 16
    plain, learning = (plan_of(parse_study(text_of(names), earlier)) for names in ((), ("narrow",)))
    assert [plain.ask().parameters for _ in range(4)] == [learning.ask().parameters for _ in range(4)]


@pytest.mark.slow
def test_earlier_designs_that_mislead_are_told_apart(earlier, tmp_path):
    """The losses of another number of epochs say the opposite; a group learns to be far away."""
    text = study_text(40, "quasi_random").replace("[space]", "[design]\ntraining.epochs = 3\n[space]")

    def opposite(job):
        outcome = free(job)
        metrics = {**outcome.metrics, "loss": 2.0 - outcome.metrics["loss"]}
        metrics["validation_accuracy"] = 1.6 - metrics["validation_accuracy"]
        return replace(outcome, metrics=metrics)

    start(parse_study(text, tmp_path), tmp_path / "opposite", lambda: LocalExecutor(opposite))
    alone, misled = (volumes(parse_study(text_of(names, 32), tmp_path), 32, [32])[0] for names in ((), ("opposite",)))
    assert misled > 0.9 * alone


@pytest.mark.slow
def test_rungs_learn_too(earlier, tmp_path):
    more = "[search]\nrungs = [1, 3]"
    text = text_of(more="[design]\ntraining.epochs = 5\n").replace("[search]", more)
    assert parse_study(text, earlier).startup == 16
    plan, waiting, kinds, explained = plan_of(parse_study(text, earlier)), [], [], []
    for _ in range(34):
        while not plan.is_next_ready():
            plan.settle(*waiting.pop(0))
        step = plan.ask()
        kinds.append(step.kind)
        explained.append((step.why or {}).get("earlier"))
        accuracy, loss, _ = values(nest(step.parameters), 0)
        share = (step.until or 5) / 5.0
        waiting.append((step.number, {0: [accuracy * share, loss + 1.0 - share]}))
    assert {"new", "on"} <= set(kinds)
    assert explained[:16] == [None] * 16
    assert set(explained[16:]) == {None, EARLIER}


# Where it is kept


@pytest.mark.slow
def test_the_table_is_the_same_after_a_kill_when_the_earlier_results_are_gone(earlier, tmp_path):
    shutil.copytree(earlier / "narrow", tmp_path / "narrow")
    start(parse_study(text_of(trials=14), tmp_path), tmp_path / "whole", lambda: LocalExecutor(free))
    folder = tmp_path / "r"
    with pytest.raises(KeyboardInterrupt):
        start(
            parse_study(text_of(trials=14), tmp_path), folder, lambda: Scrambled(3, seed=1, stop_after=2, simulate=free)
        )
    shutil.rmtree(tmp_path / "narrow")
    resume(folder, lambda: Scrambled(3, seed=2, simulate=free))
    assert table(folder).equals(table(tmp_path / "whole"))
    (line,) = [line for line in explain(folder, 13).lines if "earlier" in line]
    assert line.strip() == f"the models also knew {EARLIER} designs of earlier results"


@pytest.mark.slow
def test_an_extension_goes_on_with_what_was_learned(earlier, tmp_path):
    shutil.copytree(earlier / "narrow", tmp_path / "narrow")
    start(parse_study(text_of(trials=14), tmp_path), tmp_path / "whole", lambda: LocalExecutor(free))
    folder, path = tmp_path / "r", tmp_path / "more.toml"
    start(parse_study(text_of(trials=9), tmp_path), folder, lambda: LocalExecutor(free))
    path.write_text(text_of(trials=14))
    shutil.rmtree(tmp_path / "narrow")
    with pytest.raises(SettingError, match="learn_from"):
        read_study(path)
    wanted = read_study(path, former=open_study(folder, read_about(folder)))
    resume(folder, lambda: LocalExecutor(free), wanted=wanted)
    assert table(folder).drop("study_key").equals(table(tmp_path / "whole").drop("study_key"))
    # Other earlier results are another study, other objectives are learned anew.
    shutil.copytree(earlier / "narrow", tmp_path / "narrow")
    shutil.copytree(earlier / "short", tmp_path / "short")
    with pytest.raises(ResultsError, match="learn_from names other results"):
        resume(folder, LocalExecutor, wanted=parse_study(text_of(("narrow", "short"), 30), tmp_path))
    resume(folder, lambda: LocalExecutor(free), wanted=parse_study(text_of(trials=16, objectives=3), tmp_path))
    kept = open_study(folder, read_about(folder))
    assert kept.learned.quantities == ["validation_accuracy", "loss", "worst_writes"]
    assert len(table(folder)) == 16


@pytest.mark.slow
def test_the_key_names_what_was_learned_and_not_where(earlier, tmp_path):
    shutil.copytree(earlier / "narrow", tmp_path / "elsewhere")
    plain, study, other = (parse_study(text_of(names), earlier) for names in ((), ("narrow",), ("short",)))
    moved = parse_study(text_of(("elsewhere",)), tmp_path)
    assert "learn_from" not in plain.meaning
    assert moved.key == study.key
    assert len({plain.key, study.key, other.key}) == 3
    assert parse_study(text_of(()).replace("[workload]", "learn_from = []\n[workload]"), earlier).key == plain.key


@pytest.mark.slow
def test_a_job_of_a_cluster_brings_along_what_was_learned(earlier, tmp_path):
    study = parse_study(text_of(), earlier)
    pack(study, tmp_path)
    assert read_study(tmp_path / "study.toml", kept={}).key == study.key
    assert Learned.read((tmp_path / FILE).read_bytes()) == study.learned
    (tmp_path / FILE).write_text('{"kinds": 3}')
    with pytest.raises(SettingError, match="what the study learned, is unreadable"):
        read_study(tmp_path / "study.toml", kept={})


# What is wrong


@pytest.mark.parametrize(
    ("names", "change", "message"),
    [
        (["gone"], {}, r"learn_from: .*gone is no results folder"),
        (["narrow"], {'"model"': '"tpe"'}, r'sampler = "tpe" does not learn from earlier results; set .* "model"'),
        (["narrow"], {'"loss"': '"accuracy_1d"', "[space]": "[design]\ndeployment.times_s = [1.0, 86400.0]\n[space]"},
         r"no design of narrow has accuracy_1d; give results"),
        ([""], {}, r"learn_from"),
        ("narrow", {}, r"learn_from"),
        ([3], {}, r"learn_from"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_from_is_one_message(names, change, message, earlier):
    text = study_text(24, "model").replace("[workload]", f"learn_from = {json.dumps(names)}\n[workload]")
    for old, new in change.items():
        text = text.replace(old, new)
    with pytest.raises(SettingError, match=message):
        parse_study(text, earlier)


def test_results_of_another_task_are_refused(earlier):
    text = text_of().replace('"validation_accuracy", "loss"', '"bits_per_character", "energy_per_sample_j"')
    text = text.replace('"digits"', '"ptb"').replace("[space]", '[design]\nnetwork.name = "lstm"\n[space]')
    with pytest.raises(SettingError, match=r"narrow holds results of another task, recognition; this study is one of "):
        parse_study(text, earlier)


def test_results_without_a_complete_design_are_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        start(
            parse_study(study_text(4), tmp_path),
            tmp_path / "r",
            lambda: Scrambled(1, seed=1, stop_after=0, simulate=free),
        )
    with pytest.raises(SettingError, match="r holds no complete design yet"):
        parse_study(text_of(("r",)), tmp_path)


def test_merged_results_are_learned_from(earlier, tmp_path):
    merge([earlier / "narrow", earlier / "short"], tmp_path / "both")
    apart, both = parse_study(text_of(("narrow", "short")), earlier), parse_study(text_of(("both",)), tmp_path)
    assert both.learned.kinds == apart.learned.kinds
    assert both.learned.designs == apart.learned.designs


def test_of_too_many_designs_those_of_the_best_ranks_are_taken(earlier, monkeypatch):
    whole = parse_study(text_of(), earlier).learned
    monkeypatch.setattr(learning, "MOST", 10)
    some = parse_study(text_of(), earlier).learned
    assert some.in_words[0] == f"learns from 10 earlier designs of {EARLIER}, those of the best ranks"
    costs = np.array([own.values for own in whole.designs]) * [-1.0, 1.0]
    rank = moocore.pareto_rank(costs)
    taken = [own in some.designs for own in whole.designs]
    assert max(rank[np.array(taken)]) <= min(rank[~np.array(taken)])


def test_the_front_door_and_the_command_check_say_what_is_learned(earlier, ask):
    study = dse.Study(
        name="s",
        objectives=["validation_accuracy", "loss"],
        space={"adc.bits": dse.IntRange(4, 10), "accumulator.bits": [4, 8]},
        workload={"dataset": "digits"},
        trials=3,
        search={"sampler": "model"},
        learn_from=[earlier / "narrow"],
    )
    assert len(study.checked.learned.designs) == EARLIER
    path = earlier / "s.toml"
    path.write_text(text_of(("narrow", "short")))
    shown = ask("check", path).stdout
    assert f"  learns from {EARLIER + 10} earlier designs\n" in shown
    assert "    10 with training.epochs = 3\n" in shown


def test_a_study_with_earlier_results_is_a_dse_error_where_they_are_damaged(earlier, tmp_path):
    shutil.copytree(earlier / "narrow", tmp_path / "narrow")
    (tmp_path / "narrow" / "study.json").write_text("{")
    (tmp_path / "narrow" / "study.json.copy").unlink()
    with pytest.raises(DseError, match=r"learn_from: .*damaged"):
        parse_study(text_of(), tmp_path)


# How models take it


def test_noise_that_values_have_in_common_is_that_of_its_definition():
    random = np.random.default_rng(3)
    x, y, at = random.random((20, 2)), random.standard_normal(20), random.random((5, 2))
    shared = np.where(np.arange(20) < 8, 2.0, 0.0)[:, None]
    scales = Scales(np.log([0.4, 0.8]), 0.3, -3.0)

    def covariance(a, b):
        r = np.sqrt((((a[:, None] - b[None]) / np.exp(scales.lengths)) ** 2).sum(axis=2))
        return math.exp(0.3) * (1.0 + math.sqrt(5.0) * r + 5.0 / 3.0 * r**2) * np.exp(-math.sqrt(5.0) * r)

    whole = covariance(x, x) + (math.exp(-3.0) + JITTER) * np.eye(20) + shared @ shared.T
    mean, deviation = Process(x, y, scales, shared=shared, mean=0.5).predict(at)
    solved = np.linalg.solve(whole, covariance(x, at))
    assert np.allclose(mean, 0.5 + solved.T @ (y - 0.5))
    assert np.allclose(deviation**2, math.exp(0.3) - (covariance(x, at) * solved).sum(axis=0))


@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_an_offset_of_all_earlier_values_tells_nothing(offset):
    """What 40 earlier designs say of a slope is known though all of their values are too high."""
    random = np.random.default_rng(4)
    x = np.concatenate([random.random((46, 2)), np.zeros((46, 1))], axis=1)
    y = (np.sin(4.0 * x[:, :1]) + x[:, 1:2]) @ np.ones((1, 2))
    x[:40, 2], y[:40] = APART, y[:40] + offset
    none = np.empty((46, 0))
    counted = np.arange(46) >= 40
    belief = Belief(x, y, none, x[:0], {}, counted=counted, earlier=40, beside=1)
    at = np.concatenate([random.random((50, 2)), np.zeros((50, 1))], axis=1)
    means, _ = belief.expected(at)
    alone, _ = Belief(x[40:], y[40:], none[40:], x[:0], {}).expected(at)
    truth = (np.sin(4.0 * at[:, :1]) + at[:, 1:2]) @ np.ones((1, 2))
    assert np.sqrt(((means - truth) ** 2).mean()) < 0.3 * np.sqrt(((alone - truth) ** 2).mean())
