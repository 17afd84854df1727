"""Any quantity can be an objective: samplers are told what a closed form and `dse price` say, to the last bit."""

import json

import pytest

from dse.analysis.costs.priced import open_priced
from dse.analysis.costs.prices import prices
from dse.analysis.fronts.pareto import is_on_front, points_of
from dse.analysis.fronts.table import front_table, hypervolume_table
from dse.analysis.queries.sql import query
from dse.analysis.queries.status import status
from dse.analysis.tables.tables import open_tables, search_trials
from dse.errors import SettingError
from dse.pricing.card import read_cost_card
from dse.results.schema import RESULT_COLUMNS
from dse.results.store import read_table
from dse.search.executor import LocalExecutor
from dse.search.runs import start
from dse.search.samplers import optuna_proposer
from dse.search.study import parse_study
from tests.search.free import sized, study_text
from tests.search.scrambled import run_with_stops

CARD = read_cost_card("bottom_up_28nm")
QUANTITIES = ["cells_m2", "forward_per_sample_s", "trainings_to_first_cell"]


def text_of(objectives, trials=24, sampler="tpe", seeds=1, lookahead=4):
    text = study_text(trials, sampler, objectives=2, lookahead=lookahead, seeds=seeds)
    return text.replace('["validation_accuracy", "loss"]', json.dumps(objectives))


def closed_form(row):
    """Return the quantities of a row of `sized`: two layers of 65 x 64 with 1000 events of each kind, 1000 samples."""
    design = json.loads(row["design"])
    cells, bits = int(8000 * design["network"]["width"]), design["adc"]["bits"]
    conversion = CARD.adc_fixed_s + bits * (CARD.adc_per_bit_s + CARD.adc_per_bit_line_s * 65)
    conversion += 2**bits * CARD.adc_per_code_s
    read = CARD.read_time_s + min(CARD.columns_per_adc, 64) * conversion
    digital = 2000 / (CARD.digital_lanes * CARD.clock_hz)  # activations and additions of parts
    limits = (CARD.set_endurance_pulses, CARD.reset_endurance_cycles, CARD.binary_endurance_cycles)
    return {
        "cells_m2": 2 * cells * CARD.cell_area_m2,
        "forward_per_sample_s": 2 * (1000 * read + digital) / 1000,
        "trainings_to_first_cell": min(limits) / row["worst_writes"],
    }


@pytest.fixture
def told(monkeypatch):
    """What the sampler is told, by trial."""
    found = {}

    class Listens(optuna_proposer.OptunaProposer):
        def tell(self, number, values, violations=()):
            found[number] = values
            super().tell(number, values, violations)

    monkeypatch.setattr(optuna_proposer, "OptunaProposer", Listens)
    return found


def run_to_the_end(text, folder, simulate=sized):
    start(parse_study(text, folder.parent), folder, lambda: LocalExecutor(simulate))


@pytest.mark.slow
def test_objectives_are_those_of_the_closed_form_and_of_the_price_to_the_last_bit(told, tmp_path):
    run_to_the_end(text_of(QUANTITIES), tmp_path / "r")
    rows = read_table(tmp_path / "r").to_pylist()
    assert sorted(told) == list(range(24 - 4))
    tables = open_tables(tmp_path / "r")
    priced = prices(tables, [CARD], QUANTITIES)
    for number, values in told.items():
        expected = closed_form(rows[number])
        assert values == pytest.approx([expected[name] for name in QUANTITIES], rel=1e-12)
        assert values == [priced[name][number] for name in QUANTITIES]


@pytest.mark.slow
def test_the_mean_over_seeds_is_told(told, tmp_path):
    run_to_the_end(text_of(["validation_accuracy", "trainings_to_first_cell"], trials=8, seeds=3), tmp_path / "r")
    rows = read_table(tmp_path / "r").to_pylist()
    for number, values in told.items():
        own = [row for row in rows if row["trial"] == number]
        lives = [closed_form(row)["trainings_to_first_cell"] for row in own]
        assert values == pytest.approx([sum(row["validation_accuracy"] for row in own) / 3, sum(lives) / 3], rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_stops_and_answers_in_another_order_change_nothing(sampler, tmp_path):
    text = text_of(QUANTITIES, trials=70, sampler=sampler)
    run_to_the_end(text, tmp_path / "whole")
    folder = tmp_path / "r"
    run_with_stops(text, folder)
    whole, stopped = (read_table(where).select(RESULT_COLUMNS) for where in (tmp_path / "whole", folder))
    assert stopped.equals(whole)


@pytest.mark.slow
def test_the_search_moves_to_the_best_of_a_price(tmp_path):
    """The smallest area is that of the narrowest network, of which draws would make one in six."""
    run_to_the_end(text_of(["cells_m2"], trials=60), tmp_path / "r")
    widths = open_tables(tmp_path / "r").trials["network.width"].to_list()
    assert sum(width == 0.25 for width in widths[-20:]) > 10


@pytest.mark.slow
def test_cells_that_nothing_wears_live_for_ever_and_the_search_goes_on(told, tmp_path):
    def unworn(job):
        outcome = sized(job)
        if job.trial % 3:
            return outcome
        layers = tuple(replace_wear(layer) for layer in outcome.layers)
        return type(outcome)(**{**vars(outcome), "layers": layers})

    def replace_wear(layer):
        return type(layer)(**{**vars(layer), "wear": dict.fromkeys(layer.wear, 0.0)})

    for sampler in ("tpe", "nsga2"):
        text = text_of(["trainings_to_first_cell", "cells_m2"], trials=120, sampler=sampler)
        run_to_the_end(text, tmp_path / sampler, unworn)
        assert {values[0] == float("inf") for values in told.values()} == {True, False}
        assert len(front_table(open_priced(tmp_path / sampler, None, study=False), ["trainings_to_first_cell"])) > 0
        assert status(tmp_path / sampler).done == 120


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A study of area, latency and lifetime, which its table does not store."""
    folder = tmp_path_factory.mktemp("quantities") / "r"
    run_to_the_end(text_of(["validation_accuracy", *QUANTITIES]), folder)
    return folder


@pytest.mark.slow
def test_the_front_is_that_of_the_priced_objectives(results):
    tables = open_priced(results, None)
    assert tables.objectives == ["validation_accuracy", *QUANTITIES]
    designs = search_trials(tables)
    on = is_on_front(points_of(designs, tables.objectives), ["maximise", "minimise", "minimise", "maximise"])
    assert front_table(tables, tables.objectives)["trial"].sort().to_list() == designs.filter(on)["trial"].to_list()
    assert hypervolume_table(tables, tables.objectives)["designs"][0] == len(designs)
    assert status(results).front == int(on.sum())


@pytest.mark.slow
def test_a_query_knows_the_objectives_whether_they_are_stored_or_not(results):
    tables = open_priced(results, None)
    found = query(tables, "SELECT trial, cells_m2 FROM designs WHERE cells_m2 < 1e-9 ORDER BY cells_m2")
    assert found["cells_m2"].is_sorted()
    assert "rank" in query(tables, "SELECT * FROM ranks").columns


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    "command",
    [
        ("front",),
        ("front", "--ranks", "--knee"),
        ("front", "--hypervolume"),
        ("status",),
        ("show", "3"),
        ("importance",),
        ("query", "SELECT trial, cells_m2 FROM trials"),
        ("report", "--without", "importance"),
        ("require", "--target", "cells_m2 <= 5e-10"),
        ("ranges", "--show", "designs"),
    ],
)
@pytest.mark.usefixtures("few_forests")
def test_every_command_takes_a_study_with_priced_objectives(command, results, ask, tmp_path):
    name, *options = command
    if name == "report":
        options += ["--output", tmp_path / "page.html"]
    said = ask(name, results, *options)
    assert said.returncode == 0, said.stderr
    assert "error" not in said.stderr


@pytest.mark.parametrize(
    ("objective", "change", "message"),
    [
        ("area_m3", None, "unknown objective 'area_m3'; did you mean 'area_m2'"),
        ("area_m2", ('"adc.bits" = { low = 4, high = 10 }', '"adc.bits" = [4, "ideal"]'),
         'adc.bits = "ideal" has no price on card bottom_up_28nm; choose other bits, or leave area_m2 out of the obj'),
        ("latency_per_sample_s", ("high = 10 }", "high = 14 }"), r"adc.bits = 14 has no price .*are priced"),
        ("years_to_first_cell", ("[space]", '[space]\narchitecture = ["mixed_precision", "float"]'),
         'years_to_first_cell has no value where architecture = "float": a digital network has no cells that wear'),
        ("flip_trainings_to_first_cell", None, 'is infinite in every design: accumulators wear where accumulator.stor'),
        ("deployment_per_sample_j", None, "the objective deployment_per_sample_j needs a deployment"),
        ("adc_m2", None, "unknown objective 'adc_m2'"),
    ],
)  # fmt: skip
def test_a_quantity_that_designs_cannot_have_is_refused(objective, change, message, tmp_path):
    text = text_of(["validation_accuracy", objective])
    with pytest.raises(SettingError, match=message):
        parse_study(text if change is None else text.replace(*change), tmp_path)


@pytest.mark.parametrize(
    ("objective", "change"),
    [
        ("cells_m2", ('"adc.bits" = { low = 4, high = 10 }', '"adc.bits" = [4, "ideal"]')),
        ("area_m2", ("[space]", '[space]\n"dac.bits" = [8, "ideal"]')),
        ("years_to_first_cell", ("high = 10 }", "high = 14 }")),
        ("energy_per_inference_j", None),
        ("flip_trainings_to_first_cell", ("[space]", '[space]\n"accumulator.storage" = ["sram", "pcm"]')),
    ],
)
def test_a_quantity_that_every_design_has_is_taken(objective, change, tmp_path):
    text = text_of(["validation_accuracy", objective])
    assert parse_study(text if change is None else text.replace(*change), tmp_path).goals[0] == "maximise"
