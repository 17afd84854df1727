"""Tiki-Taka: what leaves the array of gradients for the weights, what that takes, and that a perceptron learns."""

from typing import Any

import pytest
import torch

import dse
from dse.crossbar.events import Events
from dse.designs.design import compose
from dse.designs.hardware import platform_of
from dse.errors import SettingError
from dse.pricing.card import read_cost_card
from dse.testing.base import check_pauses, learner_of, outcome_of
from dse.updates.pulse_trains.layer import PulsedLayer
from dse.updates.tiki_taka.gradient_array import GradientArray

EXACT: dict[str, Any] = {"dac.bits": "ideal", "adc.bits": "ideal"}
SMALL: dict[str, Any] = {
    "architecture": "tiki_taka",
    "workload.dataset": "digits",
    "workload.images": 40,
    "network.hidden": [6],
    "training.epochs": 2,
    "training.batch_size": 4,
    "training.learning_rate": 0.5,
    "device.card": "reram_gong2018",
    "transfer.lines": 20,
}
AGAD: dict[str, Any] = {"transfer.reference": "running_mean", "transfer.chopper": 0.2}


def gradients(rows: int = 3, cols: int = 2, **settings: Any) -> GradientArray:
    given = {"architecture": "tiki_taka", "device.card": "ideal_two_way", **EXACT}
    given |= {name.replace("__", "."): value for name, value in settings.items()}
    own = platform_of(compose(given)).layer(rows, cols, seed=1, number=0)
    assert isinstance(own, PulsedLayer)
    assert isinstance(own.between, GradientArray)
    return own.between


def bits(own: GradientArray) -> int | None:
    """Return the bits of the words of references."""
    own.survey(0.0)
    return own.usage(0).chi_bits


def test_what_is_read_of_a_line_leaves_the_filter_as_whole_pulses_and_the_rest_stays() -> None:
    """Four steps up of a cell, half of which is read on, are worth two pulses at once; the array keeps its content."""
    own, events = gradients(transfer__part=0.6), Events()
    sent = torch.zeros(3, 2, dtype=torch.int64)
    sent[0, 1], sent[1, 0] = 4, -4
    own.gather(sent, 0.0)
    first, second, third, again = (own.transfer(0.0, events) for _ in range(4))
    assert first is not None
    assert second is not None
    assert third is not None
    assert again is not None
    assert (first.tolist(), second.tolist()) == ([[0, 2], [0, 0], [0, 0]], [[0, 0], [-2, 0], [0, 0]])
    assert not third.any()
    assert again.tolist() == [[0, 2], [0, 0], [0, 0]]  # 2.4 + 0.4 of the first time: H keeps 0.8
    assert own.filter.chi[0, 1] == pytest.approx(0.8 * own.filter.threshold, rel=1e-3)


def test_a_transfer_counts_reads_of_single_lines_and_words_of_filter_and_references() -> None:
    own, events = gradients(transfer__lines=2), Events()
    own.transfer(0.0, events)
    counted = [
        getattr(own.events, name) for name in ("mvm_forward", "dac_forward", "adc_forward", "drive_time_forward")
    ]
    assert counted == [2, 2, 4, 2.0]
    assert [events.chi_reads, events.chi_writes, events.chi_adds] == [4, 4, 4]
    assert [own.events.chi_reads, own.events.chi_writes, own.events.chi_adds] == [4, 0, 4]
    other = gradients(transfer__reference="none")
    other.transfer(0.0, Events())
    assert other.events.chi_reads == bits(other) == 0
    assert (bits(own), bits(gradients(**_named(AGAD)))) == (32, 64)


def _named(settings: dict[str, Any]) -> dict[str, Any]:
    return {name.replace(".", "__"): value for name, value in settings.items()}


@pytest.mark.parametrize("card", ["reram_gong2018", "pcm_gst"])
def test_an_array_that_nothing_pulsed_reads_as_its_reference(card: str) -> None:
    """Cells begin where steps up and down are equal, and what is off there goes through the filter no more."""
    own = (
        gradients(device__card=card, device__read_noise_scale=0.0)
        if card == "pcm_gst"
        else gradients(device__card=card)
    )
    shown = own.array.sense(0.0).weight
    assert torch.allclose(shown, own.reference, atol=1e-6)
    assert (card == "pcm_gst") == (not own.reference.any())
    unknown = gradients(device__card=card, transfer__reference="none")
    assert not unknown.reference.any()


def test_with_signs_that_turn_gradients_pass_and_an_offset_of_the_reference_averages_out() -> None:
    """A wrong reference alone moves no weight in the mean; without turns it moves it at every reading."""

    def moved(chopper: float) -> float:
        own = gradients(1, 400, transfer__chopper=chopper, transfer__part=0.5)
        own.reference += 1.0
        sums = torch.stack([found for _ in range(200) if (found := own.transfer(0.0, Events())) is not None])
        return float(sums.double().mean())

    assert abs(moved(0.5)) < 0.2 * abs(moved(0.0))


def test_a_line_that_turned_its_sign_reads_gradients_with_their_own() -> None:
    own = gradients(1, 1, transfer__part=1.0, transfer__chopper=0.5)
    own.signs[0] = -1
    own.gather(torch.full((1, 1), 3), 0.0)
    assert own.array.sense(0.0).weight.item() < 0.0
    passed = own.transfer(0.0, Events())
    assert passed is not None
    assert passed.item() > 0


def test_a_running_mean_becomes_the_reference_when_a_sign_turns() -> None:
    own = gradients(2, 1, **_named(AGAD), transfer__mean_part=1.0)
    own.gather(torch.full((2, 1), 5), 0.0)
    reading = own.array.sense(0.0).weight.clone()
    for _ in range(60):
        own.transfer(0.0, Events())
    assert torch.allclose(own.reference, reading, atol=1e-6)


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(SettingError, match=r"with transfer\.chopper = 0 none turns"):
        compose({**SMALL, "transfer.reference": "running_mean"})
    with pytest.raises(SettingError, match=r"transfer\.every = 1000 exceeds the 20 updates of the training"):
        compose({**SMALL, "transfer.every": 1000})
    assert compose({**SMALL, "accumulator.transfer_every": 3}).key == compose(SMALL).key


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, AGAD])
def test_the_account_holds_both_arrays_and_a_training_that_pauses_goes_on_to_the_last_bit(more: dict[str, Any]) -> None:
    design = compose({**SMALL, **more})
    check_pauses(design)
    found = outcome_of(design)
    weights, gradients_of = found.layers[:2], found.layers[2:]
    assert [layer.layer for layer in found.layers] == [0, 1, 2, 3]
    assert [layer.infers for layer in found.layers] == [True, True, False, False]
    for own, other in zip(weights, gradients_of, strict=True):
        assert (own.rows, own.cols, own.cells) == (other.rows, other.cols, other.cells)
        assert min(own.wear["set_max"], other.wear["set_max"]) > 0
        assert own.events["chi_adds"] > 0
        assert other.events["adc_forward"] == own.events["chi_adds"]
    assert other.inference_bits == 0


def test_an_array_of_gradients_is_cut_as_the_weights_of_a_deep_layer_are() -> None:
    lines = {"array.tile_rows": 20, "array.tile_columns": 6, "array.unused_lines": "present"}
    deep = {**SMALL, "network.name": "cnn", "network.width": 0.25, "training.epochs": 1, **lines}
    del deep["network.hidden"]
    layers = outcome_of(compose(deep)).layers
    half = len(layers) // 2
    cut = [(own.rows, own.cols, own.row_tiles, own.column_tiles, own.events["array_rows"]) for own in layers]
    assert cut[:half] == cut[half:]
    assert max(own.row_tiles for own in layers) == 4
    assert [own.layer for own in layers] == list(range(2 * half))


def test_prices_hold_reads_and_pulses_of_both_arrays() -> None:
    found = dse.evaluate(SMALL, seed=0)
    pulses = sum(layer.events["set_pulses_update"] for layer in found.layers)
    price, costly = found.price("reram_28nm"), read_cost_card("reram_28nm").set_pulse_j
    assert price["set_pulses_j"] == pytest.approx(pulses * costly)
    assert price["set_pulses_j"] > 1e3 * (found.price("ecram_28nm")["set_pulses_j"] or 0.0) > 0.0


@pytest.mark.slow
def test_a_perceptron_learns_on_a_cell_of_a_hundred_noisy_steps() -> None:
    """Chance is 0.10; steps up and down differ by half, and the noise of a pulse is as large as a step."""
    cell = {"device.granularity_us": 0.16, "device.step_noise_floor": 1.0, "device.write_noise_us": 0.0}
    whole = {"workload.images": "all", "network.hidden": [32], "training.batch_size": 1, "transfer.lines": 1}
    pace = {"training.learning_rate": 0.2, "transfer.part": 0.01, "array.initial_std_us": 1.6}
    learner = learner_of(compose({**SMALL, **cell, **whole, **pace}))
    for epoch in range(2):
        learner.learn(epoch * learner.samples)
    assert learner.measure(0.0)["accuracy"] > 0.5
