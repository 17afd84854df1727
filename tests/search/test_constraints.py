"""Constraints of a study: what samplers are told, what they make of it, and what a resume and an extension keep."""

import json
import re
import shutil

import optuna
import polars as pl
import pytest

from dse.analysis.costs.priced import open_priced
from dse.analysis.costs.prices import prices
from dse.analysis.fronts.feasible import Feasibility
from dse.analysis.fronts.table import front_table, hypervolume_table
from dse.analysis.queries.status import status
from dse.analysis.tables.tables import open_tables, search_trials
from dse.errors import ResultsError, SettingError
from dse.pricing.bounds import Bound
from dse.pricing.card import read_cost_card
from dse.progress import _Follower
from dse.results.merge import merge
from dse.results.schema import RESULT_COLUMNS
from dse.results.store import read_about, read_table
from dse.search.criteria import Criteria, Verdict
from dse.search.dashboard import to_storage
from dse.search.executor import LocalExecutor
from dse.search.runs import resume, start
from dse.search.samplers import optuna_proposer
from dse.search.study import parse_study
from dse.search.tally import Judged, Progress
from tests.search.free import sized, study_text
from tests.search.scrambled import Scrambled, run_with_stops

CARD = read_cost_card("bottom_up_28nm")
WRITES = 'worst_writes = "<= 250"'
AREA = 'cells_m2 = "<= 1e-9"'
WITHOUT_KEY = [name for name in RESULT_COLUMNS if name != "study_key"]


def text_of(*constraints, trials=24, sampler="tpe", seeds=1, lookahead=4):
    text = study_text(trials, sampler, objectives=2, lookahead=lookahead, seeds=seeds)
    return text.replace("[workload]", "\n".join(["[constraints]", *constraints, "[workload]"])) if constraints else text


def run_to_the_end(text, folder, simulate=sized):
    start(parse_study(text, folder.parent), folder, lambda: LocalExecutor(simulate))
    return folder


def results(folder):
    return read_table(folder).select(WITHOUT_KEY)


@pytest.fixture
def told(monkeypatch):
    """Values and violations that the sampler is told, by trial."""
    found = {}

    class Listens(optuna_proposer.OptunaProposer):
        def tell(self, number, values, violations=()):
            found[number] = values, violations
            super().tell(number, values, violations)

    monkeypatch.setattr(optuna_proposer, "OptunaProposer", Listens)
    return found


def beyond(value, bound):
    return (value - bound) / max(abs(value), abs(bound))


@pytest.mark.slow
def test_the_sampler_is_told_by_how_much_means_over_seeds_meet_or_miss_each_bound(told, tmp_path):
    """In the order of names: an area, which the table does not store, and writes of the most written cell."""
    run_to_the_end(text_of(WRITES, AREA, seeds=2), tmp_path / "r")
    tables = open_tables(tmp_path / "r")
    areas = dict(prices(tables, [CARD], ["cells_m2"]).select("trial", "cells_m2").iter_rows())
    writes = dict(tables.trials.group_by("trial").agg(pl.col("worst_writes").mean()).iter_rows())
    assert len(told) == 20
    for number, (values, violations) in told.items():
        assert len(values) == 2
        expected = [beyond(areas[number], 1e-9), beyond(writes[number], 250.0)]
        assert violations == pytest.approx(expected, rel=1e-12)
    assert {max(violations) > 0.0 for _, violations in told.values()} == {True, False}


@pytest.mark.slow
def test_a_study_without_constraints_tells_of_none(told, tmp_path):
    run_to_the_end(text_of(), tmp_path / "r")
    assert {len(violations) for _, violations in told.values()} == {0}


def test_a_trial_that_failed_or_lacks_a_bounded_quantity_has_no_verdict():
    criteria = Criteria(["accuracy"], CARD, [Bound("loss", "<=", 1.0)])
    assert criteria.quantities == ["accuracy", "loss"]
    assert criteria.verdict([[0.5, 0.5], None]) is None
    assert criteria.verdict([[0.5, float("nan")]]) is None
    assert criteria.verdict([[0.5, 0.5], [0.7, 3.5]]) == Verdict(
        [
            0.6,
        ],
        [0.5],
    )
    row = {"accuracy": 0.5, "loss": None, "metrics": {}, "layers": []}
    assert criteria.of([row]) == [None]


def feasible_share(folder):
    """Return the share of feasible designs among the trials that a model proposed."""
    trials = open_tables(folder).trials
    return float((trials["worst_writes"] <= 250).tail(len(trials) - 16).mean())


@pytest.mark.slow
@pytest.mark.parametrize(("sampler", "trials"), [("tpe", 80), ("nsga2", 150)])
def test_a_search_with_a_constraint_spends_more_trials_in_the_feasible_region(sampler, trials, tmp_path):
    """Of random designs one in nine is feasible, and a search without the constraint has fewer."""
    free, held = (
        feasible_share(run_to_the_end(text_of(*own, trials=trials, sampler=sampler), tmp_path / str(len(own))))
        for own in ((), (WRITES,))
    )
    assert held > 2 * free
    assert held > 0.4


@pytest.mark.parametrize("sampler", ["random", "quasi_random"])
def test_draws_do_not_depend_on_constraints(sampler, tmp_path):
    plain, held = (run_to_the_end(text_of(*own, sampler=sampler), tmp_path / str(len(own))) for own in ((), (WRITES,)))
    assert results(plain).equals(results(held))


@pytest.mark.slow
@pytest.mark.parametrize(("sampler", "trials"), [("tpe", 60), ("nsga2", 60)])
def test_stops_and_answers_in_another_order_change_nothing(sampler, trials, tmp_path):
    """NSGA-II forgets generations on the way, and keeps the violations of parents."""
    text = text_of(WRITES, AREA, trials=trials, sampler=sampler)
    whole = run_to_the_end(text, tmp_path / "whole")
    folder = tmp_path / "r"
    run_with_stops(text, folder)
    assert read_table(folder).select(RESULT_COLUMNS).equals(read_table(whole).select(RESULT_COLUMNS))


def test_constraints_enter_the_key_of_a_study_only_when_there_are_some(tmp_path):
    """The key without any is that of before there were constraints, recorded on 2026-11-29."""
    keys = {
        name: parse_study(text, tmp_path).key
        for name, text in {
            "none": text_of(),
            "empty": text_of().replace("[workload]", "[constraints]\n[workload]"),
            "one": text_of(WRITES),
            "spelt otherwise": text_of('worst_writes = "<=2.5e2"'),
            "two": text_of(WRITES, AREA),
            "two, turned": text_of(AREA, WRITES),
            "other": text_of('worst_writes = "<= 251"'),
        }.items()
    }
    assert keys["none"] == keys["empty"] == "2cbd53d732af196bf9ad"
    assert keys["one"] == keys["spelt otherwise"]
    assert keys["two"] == keys["two, turned"]
    assert len(set(keys.values())) == 4


@pytest.mark.parametrize(
    ("constraint", "change", "message"),
    [
        ('area_m3 = "<= 1e-6"', None, "constraints.area_m3: unknown constraint 'area_m3'; did you mean 'area_m2'"),
        ('loss = "< 1"', None, "constraints.loss: constraint '< 1' of loss is not understood; give >= or <= and a"),
        ("loss = 1.0", None, "constraint '1.0' of loss is not understood; give >= or <= and a number, in quotes"),
        ('loss = "<= inf"', None, "constraints.loss: 'inf' is not a number; write it as"),
        ('validation_accuracy = ">= 2"', None, 'constraint ">= 2" of validation_accuracy is met by no value: it is '),
        ('loss = ">= 0.5"', None, 'constraints.loss = ">= 0.5" excludes the best of an objective to minimise; give "'),
        ('validation_accuracy = "<= 0.9"', None, 'excludes the best of an objective to maximise; give ">= 0.9", or'),
        ('area_m2 = "<= 1e-6"', ('"adc.bits" = { low = 4, high = 10 }', '"adc.bits" = [4, "ideal"]'),
         'adc.bits = "ideal" has no price on card bottom_up_28nm; choose other bits, or leave area_m2 out of the co'),
        ('bits_per_character = "<= 3"', None, "the constraint on bits_per_character is not measured on network.name"),
        ('retention_s = ">= 1"', None, "the constraint on retention_s needs a deployment"),
        ('years_to_first_cell = ">= 5"', ("[space]", '[space]\narchitecture = ["mixed_precision", "float"]'),
         'the constraint on years_to_first_cell has no value where architecture = "float"'),
        ('energy_per_image_j = "<= 1"\nenergy_per_sample_j = "<= 1"', None, "is given by its former name, too"),
    ],
)  # fmt: skip
def test_a_constraint_that_makes_no_sense_is_refused(constraint, change, message, tmp_path):
    text = text_of(constraint)
    with pytest.raises(SettingError, match=re.escape(message)):
        parse_study(text if change is None else text.replace(*change), tmp_path)


def test_wrong_constraints_settings_and_parameters_are_reported_at_once(tmp_path):
    text = text_of('area_m3 = "<= 1"\nloss = "0.3"\n[design]\ntraining.epoch = 3\ndac.bits = 1')
    text = text.replace('"adc.bits" = { low = 4, high = 10 }', '"adc.bits" = [4, 99]\n"dac.bitz" = [4]')
    with pytest.raises(SettingError) as caught:
        parse_study(text, tmp_path, "one.toml")
    head, *lines = str(caught.value).splitlines()
    assert head == "one.toml: "
    starts = [
        "constraints.area_m3: unknown constraint",
        "constraints.loss: constraint '0.3' of loss is not understood",
        "unknown parameter 'training.epoch'; did you mean",
        "dac.bits = 1 is not allowed; give",
        "space: adc.bits = 99 is not allowed; give",
        "unknown parameter 'dac.bitz'; did you mean",
    ]
    assert [line[: len(start)] for line, start in zip(lines, starts, strict=True)] == starts


def test_a_former_name_is_taken(tmp_path):
    study = parse_study(text_of('energy_per_image_j = "<= 1e-7"'), tmp_path)
    assert study.constraints == [Bound("energy_per_sample_j", "<=", 1e-7)]


@pytest.fixture(scope="module")
def constrained(tmp_path_factory):
    return run_to_the_end(text_of(WRITES, AREA, trials=40, sampler="quasi_random"), tmp_path_factory.mktemp("c") / "r")


@pytest.mark.slow
def test_the_front_is_that_of_the_feasible_designs(constrained):
    tables = open_priced(constrained, None)
    designs = search_trials(tables)
    feasible = designs.filter((pl.col("worst_writes") <= 250) & (pl.col("cells_m2") <= 1e-9))
    assert 0 < len(feasible) < len(designs)
    better = [
        row
        for row in feasible.iter_rows(named=True)
        if not any(
            other["validation_accuracy"] >= row["validation_accuracy"]
            and other["loss"] <= row["loss"]
            and (other["validation_accuracy"], other["loss"]) != (row["validation_accuracy"], row["loss"])
            for other in feasible.iter_rows(named=True)
        )
    ]
    table = front_table(tables, tables.objectives)
    assert sorted(table["trial"]) == sorted(row["trial"] for row in better)
    assert len(front_table(tables, tables.objectives, ranked=True, knee=True)) == len(feasible)
    volume = hypervolume_table(tables, tables.objectives).row(0, named=True)
    assert (volume["designs"], volume["infeasible"]) == (len(feasible), len(designs) - len(feasible))
    assert volume["reference_loss"] == feasible["loss"].max()
    now = status(constrained)
    assert (now.front, now.infeasible, now.nearest) == (len(better), len(designs) - len(feasible), None)
    assert now.constraints == {
        "cells_m2 <= 0.001 mm2": int((designs["cells_m2"] > 1e-9).sum()),
        "worst_writes <= 250": int((designs["worst_writes"] > 250).sum()),
    }


def test_commands_say_how_many_are_infeasible_and_all_leaves_constraints_out(constrained, ask):
    said = ask("front", constrained)
    infeasible = Feasibility(open_priced(constrained, None)).infeasible
    assert f"{infeasible} of 40 complete designs are infeasible; not met: cells_m2 <= 0.001 mm2 (" in said.stdout
    every = ask("front", constrained, "--all", "--format", "json")
    tables = open_priced(constrained, None, constraints=False)
    assert [row["trial"] for row in json.loads(every.stdout)] == front_table(tables, tables.objectives)[
        "trial"
    ].to_list()
    assert "infeasible" not in every.stderr
    assert "constraints are left out: cells_m2 <= 1e-09" in ask("front", constrained, "--all").stdout
    assert f"infeasible: {infeasible} designs" in ask("status", constrained).stdout


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    "command",
    [
        ("front", "--ranks", "--knee"),
        ("front", "--epsilon", "5%"),
        ("front", "--hypervolume"),
        ("front", "--objectives", "accuracy,weights", "--format", "csv"),
        ("front", "--plot", "front.svg"),
        ("show", "3"),
        ("query", "SELECT count(*) FROM ranks"),
        ("report", "--without", "importance"),
        ("report", "--format", "svg", "--without", "importance"),
        ("require", "--target", "cells_m2 <= 1e-9"),
        ("ranges", "--objectives", "loss,cells_m2", "--worlds", "5"),
    ],
)
def test_every_command_takes_a_study_with_constraints(command, constrained, ask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, *options = command
    options += ["--output", tmp_path / "page"] if name == "report" else []
    said = ask(name, constrained, *options)
    assert said.returncode == 0, said.stderr
    assert "error" not in said.stderr


@pytest.fixture(scope="module")
def hopeless(tmp_path_factory):
    """A study in which no design is feasible."""
    text = text_of('worst_writes = "<= 10"', trials=20, sampler="quasi_random")
    return run_to_the_end(text, tmp_path_factory.mktemp("h") / "r")


@pytest.mark.slow
def test_where_nothing_is_feasible_commands_say_so_and_which_is_nearest(hopeless, ask, tmp_path):
    writes = open_tables(hopeless).trials["worst_writes"]
    near = f"the nearest is trial {writes.arg_min()} with worst_writes = {writes.min()}"
    for command in (("front",), ("front", "--format", "csv"), ("status",), ("front", "--plot", tmp_path / "f.svg")):
        said = ask(command[0], hopeless, *command[1:])
        assert said.returncode == 0
        assert near in said.stdout + said.stderr
    refused = ask("front", hopeless, "--hypervolume")
    assert refused.returncode == 2
    assert f"none of 20 complete designs is feasible; not met: worst_writes <= 10 (20); {near}" in refused.stderr
    page = tmp_path / "page.html"
    assert ask("report", hopeless, "--without", "importance", "--output", page).returncode == 0
    assert near in page.read_text()


@pytest.mark.slow
def test_variants_on_free_axes_are_judged_each_on_its_own(tmp_path):
    free = "\n[free]\ncell_area_m2 = [1e-14, 1e-12]\n"
    folder = run_to_the_end(text_of(AREA, trials=20, sampler="random") + free, tmp_path / "r")
    tables = open_priced(folder, None)
    judged = Feasibility(tables)
    assert tables.variants == 2
    for row, met in zip(judged.designs.iter_rows(named=True), judged.met.tolist(), strict=True):
        assert met is (row["cells_m2"] <= 1e-9)
    by_choice = dict(judged.feasible.group_by("cell_area_m2").len().iter_rows())
    assert by_choice.get(1e-14, 0) > by_choice.get(1e-12, 0)
    assert set(front_table(tables, tables.objectives)["cell_area_m2"]) == {1e-14}


@pytest.mark.slow
def test_the_dashboard_has_the_violations(constrained):
    (name,) = optuna.get_all_study_names(to_storage(constrained))
    study = optuna.load_study(study_name=name, storage=to_storage(constrained))
    judged = Feasibility(open_priced(constrained, None, study=False))
    found = {trial.user_attrs["trial"]: trial.constraints for trial in study.trials}
    for trial, violations in zip(judged.designs["trial"], judged.violations.tolist(), strict=True):
        assert list(found[trial]) == ["cells_m2 <= 0.001 mm2", "worst_writes <= 250"]
        assert list(found[trial].values()) == pytest.approx(violations, rel=1e-12)


@pytest.mark.slow
def test_an_extension_may_add_change_and_remove_constraints_and_simulates_nothing_again(tmp_path):
    class Counts(LocalExecutor):
        jobs = 0

        def submit(self, job):
            Counts.jobs += 1
            super().submit(job)

    folder = run_to_the_end(text_of(trials=30), tmp_path / "r")
    before = results(folder)
    for trials, constraints in ((50, (WRITES,)), (50, ('worst_writes = "<= 300"', AREA)), (60, ())):
        wanted = parse_study(text_of(*constraints, trials=trials), tmp_path)
        resume(folder, lambda: Counts(sized), wanted=wanted)
        about = read_about(folder)
        assert set(about["constraints"]) == {bound.metric for bound in wanted.constraints}
        assert results(folder).slice(0, 30).equals(before)
    assert Counts.jobs <= 30
    assert [entry["proposed"] for entry in about["history"]] == [30, 50, 50]
    trials = open_tables(folder).trials["worst_writes"] <= 250
    assert trials[30:50].sum() > trials[10:30].sum()


@pytest.mark.slow
def test_an_extension_by_a_constraint_is_the_same_when_it_is_stopped_and_resumed(tmp_path):
    folder = tmp_path / "r"
    with pytest.raises(KeyboardInterrupt):
        start(parse_study(text_of(trials=30), tmp_path), folder, lambda: Scrambled(4, 0, stop_after=22, simulate=sized))
    copy = shutil.copytree(folder, tmp_path / "copy")
    wanted = parse_study(text_of(WRITES, trials=45), tmp_path)
    resume(folder, lambda: LocalExecutor(sized), wanted=wanted)
    with pytest.raises(KeyboardInterrupt):
        resume(copy, lambda: Scrambled(3, 1, stop_after=9, simulate=sized), wanted=wanted)
    resume(copy, lambda: Scrambled(4, 2, simulate=sized))
    assert results(copy).equals(results(folder))


def test_a_constraint_on_what_stored_rows_lack_is_refused(tmp_path):
    folder = run_to_the_end(text_of(trials=10), tmp_path / "r")
    lacking = parse_study(text_of('inference_bits = "<= 1e6"', trials=10), tmp_path)
    with pytest.raises(ResultsError, match="the constraint on inference_bits cannot be added: 10 complete rows of the"):
        resume(folder, lambda: LocalExecutor(sized), wanted=lacking)


def test_results_of_one_study_keep_its_constraints_when_they_are_united(constrained, tmp_path):
    copy = shutil.copytree(constrained, tmp_path / "copy")
    merge([constrained, copy], tmp_path / "both")
    assert read_about(tmp_path / "both")["constraints"] == read_about(constrained)["constraints"]
    other = run_to_the_end(text_of(WRITES, trials=10, sampler="random"), tmp_path / "other")
    merge([constrained, other], tmp_path / "several")
    assert read_about(tmp_path / "several")["constraints"] == {}


@pytest.mark.parametrize(("seeds", "judge"), [(1, ""), (3, " (by seed 0)")])
def test_live_progress_follows_the_feasible_front_and_says_by_which_seed(seeds, judge):
    follower = _Follower(["accuracy", "loss"], seeds)
    verdicts = [Verdict([0.1 * n, 1.0], [0.5 if n % 2 else 0.0]) for n in range(6)] + [None]
    rows = [{"origin": "search", "seed": 0, "design_key": str(n), "trial": n, "state": "complete"} for n in range(7)]
    # One that waits at a rung is judged at its end.
    rows, verdicts = [{**rows[0], "design_key": "waits", "state": "paused"}, *rows], [Verdict([9.0, 0.0]), *verdicts]
    follower.take(Progress(7, 10, 0, 1, 7, tuple(map(Judged, rows, verdicts))))
    assert (follower.numbers["front"], follower.numbers["infeasible"]) == (1, 3)
    assert f"1 on the front, 3 infeasible{judge}, " in follower.text()
