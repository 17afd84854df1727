"""Cells that wear out while they learn: what is drawn, what worn cells do and cost, and how long a network lasts."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from dse.crossbar.endurance import endurance_of
from dse.crossbar.events import Events
from dse.crossbar.pairs import PairArray
from dse.crossbar.spec import AdcSpec, ArraySpec, DacSpec, RefreshSpec
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.outcome import Outcome
from dse.designs.report import endured
from dse.devices.base import AbstractCell
from dse.devices.card import model_of, read_cell
from dse.errors import SettingError
from dse.search.study import parse_study
from dse.tasks.curve import Epoch
from dse.updates.standing import standing_of
from tests.data import load
from tests.unit.test_price import CARD, CROSSBAR
from tests.unit.test_price_hardware import adc_m2, row, said

SHAPE = (2, 1, 4, 3)


def cell(card: str = "ideal_linear", **given: Any) -> AbstractCell:
    return model_of(card).parse({**read_cell(card), **given})


def array(own: AbstractCell, rows: int = 4, cols: int = 3) -> PairArray:
    spec = ArraySpec(initial_mean_us=2.0, initial_std_us=0.0)
    return PairArray(rows, cols, own, spec, DacSpec(), AdcSpec(), seed=1, layer=0)


def test_lifetimes_are_lognormal_and_drawn_apart() -> None:
    given = {
        f"{kind}_endurance_{what}": value
        for kind in ("set", "reset")
        for what, value in (("pulses", 1e6), ("spread", 0.5))
    }
    found = endurance_of(cell("pcm_gst", **given), (20_000,), seed=1, layer=0)
    assert found is not None
    logs = torch.stack([found.set_pulses, found.reset_pulses]).double().log()
    # 5 standard errors of a mean, a standard deviation and a correlation over 20,000 draws.
    assert logs.mean(dim=1).tolist() == pytest.approx([math.log(1e6)] * 2, abs=5 * 0.5 / math.sqrt(20_000))
    assert logs.std(dim=1).tolist() == pytest.approx([0.5] * 2, rel=5 / math.sqrt(40_000))
    assert abs(float(torch.corrcoef(logs)[0, 1])) < 5 / math.sqrt(20_000)
    again = endurance_of(cell("pcm_gst", **given), (20_000,), seed=1, layer=0)
    assert again is not None
    assert torch.equal(found.set_pulses, again.set_pulses)


def test_cells_of_the_library_endure_everything_unless_a_card_says_otherwise() -> None:
    assert endurance_of(cell("pcm_gst"), SHAPE, seed=1, layer=0) is None
    wearing = endurance_of(cell("pcm_gst_wearing"), SHAPE, seed=1, layer=0)
    assert wearing is not None
    assert read_cell("pcm_gst_wearing")["mean_slope"] == read_cell("pcm_gst")["mean_slope"]


@pytest.mark.parametrize(("state", "level"), [("held", None), ("set", "g_max_us"), ("reset", "g_min_us")])
def test_a_worn_cell_sticks_and_its_pulses_are_sent_in_vain(state: str, level: str | None) -> None:
    spec = cell(set_endurance_pulses=3.0, worn_state=state)
    own, events = array(spec), Events()
    pulses = torch.zeros(4, 3, dtype=torch.int64)
    pulses[0, 0], pulses[1, 1] = 2, -5
    own.program(pulses, 0.0, events)
    before = own.conductance_us(0.0).clone()
    assert events.set_pulses_update == 7
    assert int(own.cells.wear()["set"].max()) == 3
    plus = torch.zeros(4, 3, dtype=torch.int64)
    plus[1, 1] = -4
    own.program(plus, 1.0, events)
    assert events.set_pulses_update == 11
    after = own.conductance_us(1.0)
    assert torch.equal(before, after)
    stuck = float(after[1, 0, 1, 1])
    assert stuck == pytest.approx(2.0 + 3 * spec.granularity_us if level is None else getattr(spec, level))
    assert int(own.endurance.worn(own.cells).sum()) == 1 if own.endurance else False
    assert float(after[0, 0, 0, 0]) == pytest.approx(2.0 + 2 * spec.granularity_us)
    # What the table says of cells is what products see of them.
    found = standing_of(own, 11.0)
    assert found["worn"] == 1 / 24
    assert found["at_window_end"] == found["above_threshold"] == (1 / 24 if state == "set" else 0.0)


def test_what_nobody_wears_out_is_as_ever() -> None:
    plain, lasting = (
        array(cell("pcm_gst")),
        array(cell("pcm_gst", set_endurance_pulses=1e12, reset_endurance_pulses=1e12)),
    )
    pulses = (torch.arange(12).reshape(4, 3) - 5) % 4 - 1
    for own in (plain, lasting):
        for time_s in (1.0, 2.0, 3.0):
            own.program(pulses, time_s, Events())
        own.refresh(RefreshSpec(threshold_us=1.0), 4.0, Events())
    assert torch.equal(plain.conductance_us(50.0), lasting.conductance_us(50.0))


def test_a_cell_that_was_erased_too_often_takes_neither_kind_of_pulse() -> None:
    own, events = array(cell("pcm_gst", reset_endurance_pulses=2.0, read_noise_scale=0.0)), Events()
    rule = RefreshSpec(threshold_us=1e-3, difference_us=1e3, max_pulses=0)
    for turn in range(5):
        own.refresh(rule, float(turn), events)
    assert events.resets > 4 * 24
    assert bool((own.cells.wear()["reset"] == 2).all())
    level = own.conductance_us(9.0).clone()
    own.program(torch.ones(4, 3, dtype=torch.int64), 9.0, events)
    assert torch.equal(own.conductance_us(9.0), level)


def test_pulses_down_wear_as_those_up_do() -> None:
    own, events = array(cell("ideal_two_way", set_endurance_pulses=4.0)), Events()
    for turn in range(6):
        own.program(torch.full((4, 3), 1 if turn % 2 else -1, dtype=torch.int64), float(turn), events)
    assert int(own.cells.wear()["set"].max()) <= 4
    assert events.set_pulses_update == 6 * 12


def remapping(tile_rows: Any = "whole", *, inputs_first: bool = True, spare_rows: int = 1) -> PairArray:
    spec = ArraySpec(
        initial_mean_us=2.0, initial_std_us=0.0, tile_rows=tile_rows, spare_rows=spare_rows, remap_worn_share=0.5
    )
    own = cell("ideal_linear", set_endurance_pulses=3.0)
    return PairArray(4, 3, own, spec, DacSpec(), AdcSpec(), seed=1, layer=0, inputs_first=inputs_first)


QUIET = RefreshSpec(threshold_us=100.0, max_pulses=50)


@pytest.mark.parametrize("inputs_first", [True, False])
def test_a_spare_row_takes_the_place_of_the_most_worn_one_and_holds_what_it_held(inputs_first: bool) -> None:
    own, events = remapping(inputs_first=inputs_first), Events()
    pulses = torch.zeros(4, 3, dtype=torch.int64)
    line = (2, slice(None)) if inputs_first else (slice(None), 2)
    pulses[line] = 5
    own.program(pulses, 0.0, events)
    own.program(-pulses, 0.0, events)
    other = torch.zeros(4, 3, dtype=torch.int64)
    other[0, 0] = 5  # worn, but too little of its row
    own.program(other, 0.0, events)
    assert own.endurance is not None
    before, count = own.endurance.worn(own.cells).clone(), 2 * (3 if inputs_first else 4)
    assert int(before.sum()) == count + 1
    own.refresh(QUIET, 1.0, events)
    assert own.remapped.tolist() == [[1]]
    after = own.endurance.worn(own.cells)
    assert int(after.sum()) == 1
    assert (events.refreshed_pairs, events.resets) == (count // 2, count)
    step = own.cells.spec.granularity_us
    own.program(pulses.clamp_max(2), 2.0, events)
    moved = own.sense(2.0).weight[line] * own.beta_us
    assert moved == pytest.approx(torch.full_like(moved, 2 * step), abs=1e-4)


def test_spare_rows_run_out_array_by_array() -> None:
    own, events = remapping(tile_rows=2, spare_rows=1), Events()
    pulses = torch.full((4, 3), 5, dtype=torch.int64)
    for signed in (pulses, -pulses):
        own.program(signed, 0.0, events)
    own.refresh(QUIET, 1.0, events)
    assert own.remapped.tolist() == [[1], [1]]
    assert own.endurance is not None
    assert int(own.endurance.worn(own.cells).sum()) == 2 * 2 * 3
    own.refresh(QUIET, 2.0, events)
    assert own.remapped.tolist() == [[1], [1]]


def test_a_pair_that_is_saturated_and_moves_to_a_spare_row_is_written_once() -> None:
    own, events = remapping(), Events()
    pulses = torch.zeros(4, 3, dtype=torch.int64)
    pulses[2], pulses[0, 0] = 5, 2
    for signed in (pulses, -pulses):
        own.program(signed, 0.0, events)
    level = float(own.conductance_us(0.0)[0, 0, 0, 0])
    before = events.set_pulses_refresh
    # All four pairs that were pulsed are saturated; those of the worn row, at a difference of 0, move.
    own.refresh(RefreshSpec(threshold_us=level - 0.01, max_pulses=50), 1.0, events)
    assert own.remapped.tolist() == [[1]]
    assert (events.refreshed_pairs, events.resets, events.set_pulses_refresh) == (4, 8, before)


def test_remapped_rows_are_part_of_what_a_training_goes_on_from() -> None:
    own, events = remapping(), Events()
    pulses = torch.full((4, 3), 5, dtype=torch.int64)
    for signed in (pulses, -pulses):
        own.program(signed, 0.0, events)
    own.refresh(QUIET, 1.0, events)
    other = remapping()
    other.restore(own.state())
    assert other.remapped.tolist() == own.remapped.tolist()
    for one in (own, other):
        one.program(pulses, 2.0, Events())
    assert torch.equal(own.conductance_us(3.0), other.conductance_us(3.0))


def test_spare_rows_take_area() -> None:
    own, plain = said(CROSSBAR, spare_rows=13), row(CROSSBAR)
    assert own["cells_m2"] == pytest.approx(plain["cells_m2"] * (65 + 13) / 65, rel=1e-12)
    converters = 13 * CARD.dac_area_m2 + (math.ceil(77 / 6) - math.ceil(64 / 6)) * adc_m2(6)
    assert own["converters_m2"] - plain["converters_m2"] == pytest.approx(converters, rel=1e-9)
    assert own["energy_j"] == plain["energy_j"]


SMALL: dict[str, Any] = {"workload.dataset": "digits", "network.hidden": (8,), "training.epochs": 2}
SMALL |= {"training.batch_size": 16, "training.learning_rate": 2.0}


def test_a_network_learns_on_round_worn_cells_and_says_how_many() -> None:
    data = load("digits", 0.25, 200)
    given = {
        **SMALL,
        "device.set_endurance_pulses": 4.0,
        "device.set_endurance_spread": 0.5,
        "device.worn_state": "set",
    }
    outcome, again = (evaluate(compose(given), 0, data) for _ in range(2))
    assert isinstance(outcome, Outcome)
    assert isinstance(again, Outcome)
    assert outcome.metrics == again.metrics
    assert 0.0 < max(layer.wear["worn"] for layer in outcome.layers) < 1.0
    assert outcome.metrics["lifetime_samples"] in {outcome.train_samples // 2, outcome.train_samples}
    plain = evaluate(compose({**SMALL, "training.epochs": 1}), 0, data)
    assert isinstance(plain, Outcome)
    assert "lifetime_samples" not in plain.metrics
    assert "worn" not in plain.layers[0].wear


@pytest.mark.parametrize(
    ("accuracies", "epochs"),
    [([0.5, 0.8, 0.9], 3), ([0.5, 0.9, 0.86, 0.8], 3), ([0.9, 0.5, 0.88, 0.2], 3), ([0.9, 0.8, 0.7], 1)],
)
def test_a_network_lasts_until_it_is_lost_for_good(accuracies: list[float], epochs: int) -> None:
    design = compose({**SMALL, "device.set_endurance_pulses": 100.0})
    curve = [Epoch(n, 0.0, {"validation_accuracy": value, "accuracy": 0.1}) for n, value in enumerate(accuracies, 1)]
    assert endured(design, curve, 70) == {"lifetime_samples": 70 * epochs}
    assert endured(compose(SMALL), curve, 70) == {}


def test_endless_cells_are_the_default_and_change_no_design() -> None:
    plain = compose(SMALL)
    given = {"device.set_endurance_pulses": "endless", "device.set_endurance_spread": 0.3}
    given |= {"array.tolerated_loss": 0.2, "array.spare_rows": 3}
    assert compose({**SMALL, **given}).key == plain.key
    assert not {"set_endurance_pulses", "worn_state"} & plain.as_dict()["device"].keys()
    assert not {"tolerated_loss", "spare_rows"} & plain.as_dict()["array"].keys()


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"device.set_endurance_pulses": 0.0}, 'a number from 1.0 .* or "endless"'),
        ({"device.set_endurance_pulses": 5.0, "device.worn_state": "open"}, 'one of "held", "set", "reset"'),
        ({"device.set_endurance_pulses": 5.0, "device.set_endurance_spread": -1.0}, "a number from 0.0 to 5.0"),
        (
            {"device.set_endurance_pulses": 5.0, "array.spare_rows": 10},
            "array.spare_rows = 10 exceed the 9 rows of the smallest array",
        ),
        (
            {
                "network.name": "cnn",
                "network.hidden": None,
                "device.set_endurance_pulses": 5.0,
                "array.spare_rows": 300,
            },
            "spare_rows = 300 exceed the 256 rows of an array",
        ),
        (
            {
                "network.name": "cnn",
                "network.hidden": None,
                "device.set_endurance_pulses": 5.0,
                "array.spare_rows": 10,
            },
            "array.spare_rows = 10 exceed the 9 rows of the smallest array",
        ),
    ],
)
def test_what_no_cell_endures_is_refused(given: dict[str, Any], wrong: str) -> None:
    with pytest.raises(SettingError, match=wrong):
        compose({name: value for name, value in {**SMALL, **given}.items() if value is not None})


STUDY = """
name = "wearing"
objectives = ["validation_accuracy", "lifetime_samples"]
[workload]
dataset = "digits"
[space]
"accumulator.bits" = [4, 8]
[budget]
trials = 2
"""


def test_a_lifetime_needs_cells_that_wear_out() -> None:
    with pytest.raises(SettingError, match="the objective lifetime_samples has no value where cells do not wear out"):
        parse_study(STUDY, Path())
    study = parse_study(STUDY + '[design]\n"device.card" = "pcm_gst_wearing"\n', Path())
    assert study.spec.objectives[1] == "lifetime_samples"
