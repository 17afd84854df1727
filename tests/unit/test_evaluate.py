"""The pure function from a design to an outcome: repeatable, honest about failure, and its sums add up."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dse.crossbar.events import EVENT_NAMES
from dse.crossbar.usage import QUANTILES, WEAR_NAMES
from dse.data.images import Dataset, Split
from dse.designs.design import Design, compose
from dse.designs.evaluate import evaluate
from dse.designs.hardware import hardware_of
from dse.designs.outcome import METRICS, Failure, Outcome
from dse.updates.accumulator import DivergedError
from dse.updates.layers import CrossbarLayer, FloatLayer
from dse.updates.training import TrainingSpec
from dse.updates.usage import quantiles_of, wear_of
from tests.data import load
from tests.perceptron import train

SMALL: dict[str, Any] = {"network.hidden": [12], "training.epochs": 1, "refresh.threshold_us": 3.0}
BUSY: dict[str, Any] = {**SMALL, "accumulator.bits": 6, "accumulator.rounding": "stochastic"}


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", 0.25)


def outcome_of(design: Design, data: Dataset, seed: int = 1) -> Outcome:
    outcome = evaluate(design, seed, data)
    assert isinstance(outcome, Outcome)
    return outcome


class WatchedLayer(CrossbarLayer):
    """A layer that remembers its wear before and after every maintenance."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.history: list[tuple[Tensor, Tensor]] = []

    def remember(self) -> None:
        cells = self.array.cells
        self.history.append((cells.set_pulses.clone(), cells.reset_pulses.clone()))

    def maintain(self, now_s: float) -> None:
        self.remember()
        super().maintain(now_s)
        self.remember()


def watched(data: Dataset, spec: TrainingSpec, maintain_every: int, **settings: Any) -> list[WatchedLayer]:
    """Train a small network and return its layers."""
    hardware = hardware_of(compose({**SMALL, **{k.replace("__", "."): v for k, v in settings.items()}}))
    assert hardware is not None
    sizes = [(65, 12), (13, 10)]
    layers = [WatchedLayer(r, c, hardware, seed=1, layer=i) for i, (r, c) in enumerate(sizes)]
    train(layers, data, spec, sample_time_s=1e-3, maintain_every=maintain_every, seed=1, compiled=False)
    return layers


@pytest.mark.parametrize("settings", [BUSY, {**SMALL, "architecture": "float"}], ids=["crossbar", "float"])
def test_the_same_design_and_seed_give_the_same_outcome(settings: dict[str, Any], digits: Dataset) -> None:
    first = outcome_of(compose(settings), digits)
    assert first == outcome_of(compose(settings), digits)
    assert first != outcome_of(compose(settings), digits, seed=2)


def test_other_trials_in_between_change_nothing(digits: Dataset) -> None:
    first = outcome_of(compose(BUSY), digits)
    outcome_of(compose({**BUSY, "training.learning_rate": 0.5}), digits, seed=9)
    assert first == outcome_of(compose(BUSY), digits)


def test_evaluating_leaves_the_data_alone(digits: Dataset) -> None:
    before = digits.train.images.clone(), digits.train.labels.clone()
    outcome_of(compose(BUSY), digits)
    assert torch.equal(digits.train.images, before[0])
    assert torch.equal(digits.train.labels, before[1])


def test_the_outcome_of_a_crossbar_describes_its_layers(digits: Dataset) -> None:
    design = compose({**BUSY, "training.epochs": 2, "adc.bits": 7, "dac.bits": "ideal"})
    outcome = outcome_of(design, digits)
    assert [(e.rows, e.cols, e.cells) for e in outcome.layers] == [(65, 12, 2 * 65 * 12), (13, 10, 2 * 13 * 10)]
    assert [e.bias_rows for e in outcome.layers] == [1, 1]
    assert [(e.dac_bits, e.adc_bits, e.chi_bits) for e in outcome.layers] == [(None, 7, 6)] * 2
    assert [point.epoch for point in outcome.curve] == [1, 2]
    assert outcome.train_samples == 2 * len(digits.train)
    assert outcome.simulated_time_s == pytest.approx(2 * len(digits.train) * 0.01)
    assert outcome.data_checksum == digits.checksum
    for layer in outcome.layers:
        assert tuple(layer.events) == EVENT_NAMES
        assert tuple(layer.wear) == (*WEAR_NAMES, "never_pulsed", "at_window_end", "weight_steps", "above_threshold")
        assert layer.mean_conductance_us is not None
        assert 0.1 <= layer.mean_conductance_us <= 12.0


def test_metrics_are_the_sums_of_the_layers_and_the_end_of_the_curve(digits: Dataset) -> None:
    outcome = outcome_of(compose(BUSY), digits)
    metrics, layers = outcome.metrics, outcome.layers
    plain = {name: m for name, m in METRICS.items() if not m.priced and not m.deployed}
    own = {name for name, m in plain.items() if not m.tasks or "recognition" in m.tasks}
    assert set(metrics) == own - {"lifetime_samples"}  # these cells do not wear out
    assert metrics["set_pulses"] == sum(e.events["set_pulses_update"] + e.events["set_pulses_refresh"] for e in layers)
    assert metrics["reset_pulses"] == sum(e.events["resets"] for e in layers)
    assert metrics["worst_writes"] == max(e.wear["writes_max"] for e in layers)
    assert metrics["weights"] == 65 * 12 + 13 * 10
    assert metrics["cells"] == 2 * (65 * 12 + 13 * 10)
    last = outcome.curve[-1]
    assert (metrics["accuracy"], metrics["loss"]) == (last.metrics["accuracy"], last.loss)
    assert metrics["validation_accuracy"] == last.metrics["validation_accuracy"]
    assert 0 < metrics["reset_pulses"] < metrics["set_pulses"]


def test_a_digital_design_has_no_cells_no_wear_and_no_time(digits: Dataset) -> None:
    outcome = outcome_of(compose({**SMALL, "architecture": "float"}), digits)
    assert outcome.simulated_time_s is None
    assert (outcome.metrics["cells"], outcome.metrics["worst_writes"], outcome.metrics["worst_flips"]) == (0, 0, 0)
    for layer in outcome.layers:
        assert (layer.cells, layer.dac_bits, layer.adc_bits, layer.chi_bits) == (0, None, None, None)
        assert (layer.dac_backward_bits, layer.adc_backward_bits, layer.chi_storage) == (None, None, None)
        assert (layer.adc_range, layer.adc_backward_range) == (None, None)
        assert layer.mean_conductance_us is None
        assert set(layer.wear.values()) == {0.0}
        assert layer.events["adc_forward"] == layer.events["set_pulses_update"] == layer.events["chi_adds"] == 0


def test_events_of_a_digital_training_are_what_counting_by_hand_gives(digits: Dataset) -> None:
    images = len(digits.train)
    first, last = (e.events for e in outcome_of(compose({**SMALL, "architecture": "float"}), digits).layers)
    assert first["macs_forward"] == images * 65 * 12
    assert last["macs_forward"] == images * 13 * 10
    assert (first["macs_backward"], last["macs_backward"]) == (0, images * 12 * 10)
    assert last["macs_update"] == images * 13 * 10
    assert first["macs_update"] == 12 * int(torch.count_nonzero(digits.train.images) + images)
    assert (first["activations"], last["activations"]) == (images * 12, images * 10)
    assert last["weight_writes"] == -(-images // 10) * 13 * 10
    assert last["weight_reads"] == images * (13 + 12) * 10 + -(-images // 10) * 13 * 10


def test_events_of_a_crossbar_cover_training_alone(digits: Dataset) -> None:
    images = len(digits.train)
    first, last = (e.events for e in outcome_of(compose(SMALL), digits).layers)
    assert (first["mvm_forward"], last["mvm_forward"]) == (images, images)
    assert (first["mvm_backward"], last["mvm_backward"]) == (0, images)
    assert (first["dac_forward"], first["adc_forward"]) == (images * 65, images * 12)
    assert (last["dac_backward"], last["adc_backward"]) == (images * 10, images * 12)
    for layer in (first, last):
        assert layer["chi_reads"] == layer["chi_writes"] == layer["chi_adds"]
    # All hidden outputs and the bias drive the last layer: each of its words is written once a mini-batch of ten.
    assert last["chi_writes"] == -(-images // 10) * 13 * 10
    assert last["macs_update"] == images * 13 * 10
    assert -(-images // 10) * 12 < first["chi_writes"] < first["macs_update"]


def test_one_image_at_a_time_writes_a_word_for_every_product(digits: Dataset) -> None:
    first, *_ = (e.events for e in outcome_of(compose({**SMALL, "training.batch_size": 1}), digits).layers)
    assert (
        first["chi_writes"]
        == first["macs_update"]
        == 12 * int(torch.count_nonzero(digits.train.images) + len(digits.train))
    )


def test_no_digital_weight_is_touched_on_a_crossbar(digits: Dataset) -> None:
    first, _ = (e.events for e in outcome_of(compose(SMALL), digits).layers)
    assert (first["macs_forward"], first["weight_reads"], first["weight_writes"]) == (0, 0, 0)


def test_without_held_out_images_there_is_no_validation_accuracy() -> None:
    outcome = outcome_of(compose({**SMALL, "workload.validation": 0.0}), load("digits", 0.0))
    assert "validation_accuracy" not in outcome.metrics
    assert "validation_accuracy" not in outcome.curve[0].metrics


def test_a_crossbar_whose_updates_explode_is_a_failure_and_no_exception(digits: Dataset) -> None:
    outcome = evaluate(compose({**SMALL, "training.learning_rate": 1e30}), 1, digits)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "diverged"
    assert "beyond what the accumulator can take" in outcome.reason


@pytest.mark.parametrize("architecture", ["float", "mixed_precision"])
def test_numbers_that_are_none_are_a_failure_and_no_exception(architecture: str, digits: Dataset) -> None:
    images = digits.train.floats(torch.arange(len(digits.train)))
    images[0, 0] = math.nan
    broken = replace(digits, train=Split(images, digits.train.labels))
    outcome = evaluate(compose({**SMALL, "architecture": architecture}), 1, broken)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "diverged"


def test_a_digital_weight_beyond_the_floats_is_a_divergence() -> None:
    layer = FloatLayer(3, 2, seed=1, layer=0)
    with pytest.raises(DivergedError, match="no longer finite"):
        layer.update(torch.ones(1, 3), torch.full((1, 2), 1e20), 1e30, 0.0)


def test_events_of_pulses_add_up_to_the_wear_of_the_cells(digits: Dataset) -> None:
    layers = watched(digits, TrainingSpec(epochs=1), 100, accumulator__bits=8)
    for layer in layers:
        cells, events = layer.array.cells, layer.events
        assert events.set_pulses_update + events.set_pulses_refresh == int(cells.set_pulses.sum())
        assert events.resets == int(cells.reset_pulses.sum()) == 2 * events.refreshed_pairs
    assert sum(layer.events.refreshed_pairs for layer in layers) > 0


def test_wear_never_goes_back(digits: Dataset) -> None:
    for layer in watched(digits, TrainingSpec(epochs=1), 100):
        assert len(layer.history) > 10
        layer.remember()
        for (set_before, reset_before), (set_after, reset_after) in zip(
            layer.history[:-1], layer.history[1:], strict=True
        ):
            assert bool((set_after >= set_before).all())
            assert bool((reset_after >= reset_before).all())


@pytest.mark.one_in(4)
@pytest.mark.parametrize(("every", "batch", "rounds"), [(25, 10, 36), (30, 10, 35), (1, 100, 11), (0, 10, 0)])
def test_maintenance_comes_after_whole_mini_batches(every: int, batch: int, rounds: int, digits: Dataset) -> None:
    # 107 mini-batches of 10 and one of 7: after 25 images means after every third, and after the last 27 images.
    assert len(digits.train) == 1077
    layers = watched(digits, TrainingSpec(epochs=1, batch_size=batch), every)
    for layer in layers:
        assert layer.events.refresh_reads == rounds * layer.array.cells.g_us.numel()


def test_quantiles_of_wear_are_values_that_occur() -> None:
    resets = torch.tensor([5] + [0] * 1000, dtype=torch.int32)
    wear = wear_of(torch.arange(1001, dtype=torch.int32), resets, None)
    assert tuple(wear) == WEAR_NAMES
    assert [wear[f"set_{q}"] for q in ("q50", "q90", "q99", "q999", "max")] == [500, 900, 990, 999, 1000]
    assert [wear[f"reset_{q}"] for q in ("q50", "q90", "q99", "q999", "max")] == [0, 0, 0, 0, 5]
    assert wear["writes_max"] == 1000


@pytest.mark.parametrize("largest", [1, 30, 10_000, 10**12], ids=["bits", "few", "ordered", "beyond memory"])
@pytest.mark.parametrize("size", [1, 2, 999, 4000])
def test_quantiles_of_counters_are_places_of_the_ordered_values(size: int, largest: int) -> None:
    counter = np.random.default_rng(size).integers(0, largest, size, endpoint=True)
    expected = [sorted(counter.tolist())[int(q * (size - 1))] for q in QUANTILES]
    assert quantiles_of(counter) == [*expected, counter.max()]


def test_flips_have_quantiles_of_their_own_and_are_no_writes_of_weight_cells() -> None:
    pulses = torch.tensor([1, 2], dtype=torch.int32)
    flips = torch.arange(2002, dtype=torch.int32).flip(0).reshape(7, 11, 26)
    wear = wear_of(pulses, pulses, flips)
    assert tuple(wear) == WEAR_NAMES
    # Of 2,002 sorted values, the one at the share q of the last place, rounded down.
    assert [wear[f"flip_{q}"] for q in ("q50", "q90", "q99", "q999", "max")] == [1000, 1800, 1980, 1998, 2001]
    assert (wear["set_max"], wear["reset_max"], wear["writes_max"]) == (2, 2, 4)


def test_what_does_not_wear_has_no_flips() -> None:
    wear = wear_of(torch.tensor([3], dtype=torch.int32), torch.tensor([4], dtype=torch.int32), None)
    assert {name: value for name, value in wear.items() if name.startswith("flip")} == dict.fromkeys(
        [f"flip_{q}" for q in ("q50", "q90", "q99", "q999", "max")], 0.0
    )


def layers_like(design: Design, data: Dataset, seed: int = 1) -> list[CrossbarLayer]:
    """Return the layers of a design after its training, which `evaluate` keeps to itself."""
    hardware = hardware_of(design)
    assert hardware is not None
    assert design.clock is not None
    assert design.adc is not None
    assert design.refresh is not None
    layers = [CrossbarLayer(r, c, hardware, seed=seed, layer=i) for i, (r, c) in enumerate([(65, 12), (13, 10)])]
    train(
        layers,
        data,
        design.training,
        sample_time_s=design.clock.sample_time_s,
        drift_every=design.clock.drift_every_samples,
        maintain_every=design.refresh.every_samples,
        calibrate_every=design.adc.calibrate_every_samples if design.adc.ranging == "calibrated" else 0,
        seed=seed,
    )
    return layers


@pytest.mark.parametrize("bits", [6, "float"])
def test_the_outcome_reports_how_the_binary_cells_of_accumulators_wear(bits: int | str, digits: Dataset) -> None:
    design = compose({**SMALL, "accumulator.bits": bits, "accumulator.storage": "pcm"})
    outcome = outcome_of(design, digits)
    for layer, twin in zip(outcome.layers, layers_like(design, digits), strict=True):
        assert twin.accumulator.flips is not None
        assert layer.chi_storage == "pcm"
        ordered = sorted(twin.accumulator.flips.reshape(-1).tolist())
        assert len(ordered) == layer.rows * layer.cols * (32 if bits == "float" else bits)
        for q, name in ((0.5, "q50"), (0.9, "q90"), (0.99, "q99"), (0.999, "q999"), (1.0, "max")):
            assert layer.wear[f"flip_{name}"] == ordered[int(q * (len(ordered) - 1))]
        assert layer.events["chi_flips"] == sum(ordered)
    assert outcome.metrics["worst_flips"] == max(layer.wear["flip_max"] for layer in outcome.layers) > 0


@pytest.mark.parametrize("storage", ["sram", "dram"])
def test_storage_that_does_not_wear_is_named_and_has_no_flips(storage: str, digits: Dataset) -> None:
    outcome = outcome_of(compose({**BUSY, "accumulator.storage": storage}), digits)
    assert outcome.metrics["worst_flips"] == 0
    for layer in outcome.layers:
        assert layer.chi_storage == storage
        assert layer.events["chi_flips"] == 0
        assert {layer.wear[f"flip_{q}"] for q in ("q50", "q90", "q99", "q999", "max")} == {0.0}


def test_what_holds_the_accumulators_changes_no_training(digits: Dataset) -> None:
    sram, dram, pcm = (
        outcome_of(compose({**BUSY, "accumulator.storage": storage}), digits) for storage in ("sram", "dram", "pcm")
    )
    assert sram.curve == dram.curve == pcm.curve
    for a, b in zip(sram.layers, pcm.layers, strict=True):
        assert {**b.events, "chi_flips": 0} == a.events
        assert {name: value for name, value in b.wear.items() if not name.startswith("flip")} == {
            name: value for name, value in a.wear.items() if not name.startswith("flip")
        }


@pytest.mark.parametrize(
    ("adc", "forward", "backward"),
    [
        ({}, 8.0, 4.0),
        ({"adc.range": 3.0, "adc.backward_range": 1.5}, 3.0, 1.5),
        ({"adc.bits": "ideal"}, None, None),
        ({"adc.bits": "ideal", "adc.backward_bits": 6, "adc.backward_range": 1.5}, None, 1.5),
        ({"adc.range": 3.0, "adc.backward_bits": "ideal"}, 3.0, None),
    ],
)
def test_the_outcome_reports_the_ranges_of_converters_that_have_one(
    adc: dict[str, Any], forward: float | None, backward: float | None, digits: Dataset
) -> None:
    for layer in outcome_of(compose({**SMALL, **adc}), digits).layers:
        assert (layer.adc_range, layer.adc_backward_range) == (forward, backward)


def test_the_outcome_reports_the_last_calibrated_ranges(digits: Dataset) -> None:
    settings = {"adc.ranging": "calibrated", "adc.calibrate_every_samples": 100, "adc.headroom": 0.8}
    design = compose({**SMALL, **settings})
    first, last = outcome_of(design, digits).layers
    twins = layers_like(design, digits)
    assert [first.adc_range, first.adc_backward_range] == twins[0].array.ranges
    assert [last.adc_range, last.adc_backward_range] == twins[1].array.ranges
    assert first.adc_backward_range == 4.0  # no error passes through the first layer
    assert 8.0 not in (first.adc_range, last.adc_range)
    assert last.adc_backward_range != 4.0


@pytest.mark.parametrize(
    ("settings", "bits"),
    [
        ({"dac.bits": 7, "adc.bits": 6}, (7, 7, 6, 6)),
        ({"dac.bits": 7, "dac.backward_bits": 5, "adc.bits": 6, "adc.backward_bits": 4}, (7, 5, 6, 4)),
        (
            {"dac.bits": "ideal", "dac.backward_bits": 5, "adc.bits": 6, "adc.backward_bits": "ideal"},
            (None, 5, 6, None),
        ),
        ({"dac.bits": "ideal", "adc.bits": "ideal"}, (None, None, None, None)),
    ],
)
def test_the_outcome_reports_the_bits_of_each_direction(
    settings: dict[str, Any], bits: tuple[int | None, ...], digits: Dataset
) -> None:
    for e in outcome_of(compose({**SMALL, **settings}), digits).layers:
        assert (e.dac_bits, e.dac_backward_bits, e.adc_bits, e.adc_backward_bits) == bits


def test_all_pairs_of_a_weight_are_counted_as_cells(digits: Dataset) -> None:
    outcome = outcome_of(compose({**SMALL, "array.pairs_per_weight": 3, "refresh.every_samples": 500}), digits)
    assert [e.cells for e in outcome.layers] == [6 * 65 * 12, 6 * 13 * 10]
    assert outcome.metrics["cells"] == 6 * (65 * 12 + 13 * 10)
    assert outcome.metrics["weights"] == 65 * 12 + 13 * 10
    assert [e.events["refresh_reads"] for e in outcome.layers] == [2 * e.cells for e in outcome.layers]


def test_late_transfers_read_every_word_and_write_those_that_give_pulses(digits: Dataset) -> None:
    """108 mini-batches with a transfer at each fourth: 27 times all words are read beside those of the updates."""
    for e in outcome_of(compose({**SMALL, "accumulator.transfer_every": 4}), digits).layers:
        assert e.events["chi_reads"] - e.events["chi_adds"] == 27 * e.rows * e.cols
        written = e.events["chi_writes"] - e.events["chi_adds"]
        assert 0 < written <= min(27 * e.rows * e.cols, e.events["set_pulses_update"])


def test_a_survey_is_the_mean_conductance_summed_in_order(digits: Dataset) -> None:
    design = compose({**SMALL, "training.epochs": 2})
    for layer, twin in zip(outcome_of(design, digits).layers, layers_like(design, digits), strict=True):
        at_the_end = twin.array.cells.conductance_us(2 * len(digits.train) * 0.01).reshape(-1).tolist()
        exact = math.fsum(at_the_end) / len(at_the_end)
        assert twin.conductance_surveys_us[-1] == pytest.approx(exact, rel=1e-12)
        assert len(twin.conductance_surveys_us) == 2
        assert layer.mean_conductance_us == pytest.approx(math.fsum(twin.conductance_surveys_us) / 2, rel=1e-12)


def test_the_most_written_cell_counts_both_kinds_of_pulse() -> None:
    wear = wear_of(torch.tensor([3, 5, 0], dtype=torch.int32), torch.tensor([4, 0, 6], dtype=torch.int32), None)
    assert (wear["set_max"], wear["reset_max"], wear["writes_max"]) == (5, 6, 7)


def test_the_published_perceptron_has_198760_weights_in_397520_cells() -> None:
    images = Split(torch.zeros(20, 784, dtype=torch.uint8), torch.arange(20) % 10, 255.0)
    data = Dataset(name="blank", train=images, validation=None, test=images, classes=10, checksum="")
    design = compose({"workload.dataset": "mnist", "network.hidden": [250], "training.epochs": 1})
    metrics = outcome_of(design, data).metrics
    assert (metrics["weights"], metrics["cells"]) == (198_760, 397_520)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_finite_number_is_a_failure_and_no_traceback(
    value: float, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A metric that overflows, as a squared error far outside the training: no table holds such a number."""
    monkeypatch.setattr("dse.designs.evaluate.learned", lambda epoch: {**epoch.metrics, "accuracy": value})
    found = evaluate(compose(SMALL), 1, digits)
    assert found == Failure("diverged", f"accuracy is {value}, which is no finite number")
