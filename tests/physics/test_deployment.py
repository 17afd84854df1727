"""Life after training: what must hold exactly, and that compensation gives back what drift takes."""

from typing import Any

import numpy as np
import pytest
import torch

from dse.crossbar.events import Events
from dse.crossbar.pairs import PairArray, Sensed
from dse.crossbar.spec import AdcSpec, ArraySpec, DacSpec
from dse.data.images import Split
from dse.deployment.compensation import compensation_named
from dse.deployment.compensation.gdc import drift_factor
from dse.deployment.evaluation import retention_s
from dse.deployment.matrices import KeptMatrix, ProgrammedMatrix
from dse.deployment.perceptron import DeployedPerceptron, PerceptronLayer
from dse.deployment.run import deploy
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.outcome import Outcome
from dse.devices.card import read_cell, read_programmed_cell
from dse.devices.spec import CellSpec, ProgrammedCellSpec
from dse.errors import SettingError
from dse.streams import Stream, stream
from dse.tasks.recognition.measure import Accuracy
from tests.data import load

CELL = "deployment.device."
IDEAL = {"deployment.dac_bits": "ideal", "deployment.adc_bits": "ideal"}
OFF = {f"{CELL}{knob}": 0.0 for knob in ("programming_noise_scale", "drift_scale", "read_noise_scale")}
FLOAT = {"architecture": "float", "training.epochs": 2, "network.hidden": [16], "deployment.repetitions": 2}


def run(settings, seed=0):
    outcome = evaluate(compose(settings), seed, load("digits", 0.25))
    assert isinstance(outcome, Outcome)
    return outcome


def life(outcome, how):
    return [e for e in outcome.deployments if e.compensation == how]


def test_programming_and_ageing_without_imperfections_is_the_digital_network() -> None:
    outcome = run({**FLOAT, **IDEAL, **OFF, "deployment.compensation": "none"})
    for e in outcome.deployments:
        assert e.metrics["accuracy"] == pytest.approx(outcome.metrics["accuracy"], abs=1e-15)
        assert e.metrics["validation_accuracy"] == pytest.approx(outcome.metrics["validation_accuracy"], abs=1e-15)
        assert e.deviations == {"accuracy": 0.0, "validation_accuracy": 0.0}
    assert len(outcome.deployments) == 5


def test_kept_cells_without_drift_and_read_noise_are_the_trained_network() -> None:
    still = {"device.drift_exponent": 0.0, "device.read_noise_scale": 0.0, "deployment.compensation": "none"}
    outcome = run({**still, "training.epochs": 2})
    assert all(
        e.metrics["accuracy"] == pytest.approx(outcome.metrics["accuracy"], abs=1e-15) for e in outcome.deployments
    )


def test_kept_cells_drift_from_their_own_last_pulse() -> None:
    cell = CellSpec.parse(read_cell("pcm_gst"))
    array = PairArray(65, 10, cell, ArraySpec(), DacSpec(), AdcSpec(), seed=1, layer=0)
    array.cells.pulsed_at_s[:, :, :, :5] = 900.0  # pulsed late in a training of 1000 s; the others never
    matrix = KeptMatrix(array, 1000.0, seed=1, name=0)
    matrix.age(1e6)
    seen, fresh = matrix.read(stream(0, "reads")).weight, array.sense(0.0).weight.numpy()
    left = [((1e6 + since) / 38.6) ** -0.04 for since in (100.0, 1000.0)]
    assert seen[:, :5].numpy() == pytest.approx(left[0] * fresh[:, :5], abs=1e-6)
    assert seen[:, 5:].numpy() == pytest.approx(left[1] * fresh[:, 5:], abs=1e-6)


def test_products_are_those_of_the_trained_array_to_the_last_bit() -> None:
    cell = CellSpec.parse(read_cell("pcm_gst"))
    array = PairArray(65, 10, cell, ArraySpec(), DacSpec(bits=6), AdcSpec(bits=6), seed=1, layer=0)
    x = torch.rand(7, 65, generator=torch.Generator().manual_seed(2)) * (torch.arange(65) % 3 > 0)

    class Held:
        def read(self, noise: Stream) -> Sensed:
            return array.sense(100.0)

    held: Any = Held()
    dac, adc = DacSpec(bits=6), AdcSpec(bits=6)
    layer = PerceptronLayer(matrix=held, cells=1300, rows=65, cols=10, dac=dac, adc=adc, adc_range=8.0)
    mine = layer.product(x.numpy(), Stream(array.evaluation_noise.key), adc_range=8.0)
    assert np.array_equal(mine, array.forward(array.sense(100.0), x).numpy())


def perceptron(how_bits="ideal", **changes) -> DeployedPerceptron:
    cell = ProgrammedCellSpec.parse({**read_programmed_cell("pcm_joshi2020"), **changes})
    weights = [
        torch.randn(rows, cols, generator=torch.Generator().manual_seed(rows)) for rows, cols in ((65, 30), (31, 10))
    ]
    layers = [
        PerceptronLayer(
            matrix=ProgrammedMatrix(w, cell, seed=3, name=n),
            cells=2 * w.numel(),
            rows=w.shape[0],
            cols=w.shape[1],
            dac=DacSpec(bits=how_bits),
            adc=AdcSpec(bits=how_bits),
            adc_range=None,
            vectors=16,
        )
        for n, w in enumerate(weights)
    ]
    images = torch.rand(200, 64, generator=torch.Generator().manual_seed(9))
    split = Split(images, torch.arange(200) % 10)
    network = DeployedPerceptron(layers, split, samples_per_read=50)
    network.renew(0)
    return network


EQUAL = {
    "programming_noise_scale": 1.0, "read_noise_scale": 0.0, "drift_spread_scale": 0.0,
    "drift_mean_min": 0.06, "drift_mean_max": 0.06,
}  # fmt: skip


@pytest.mark.parametrize("how", ["gdc", "gdc_columns"])
def test_drift_compensation_is_exact_where_all_exponents_are_equal(how) -> None:
    network = perceptron(**EQUAL)
    network.age(3e7)
    network.compensate(compensation_named(how))
    expected = (1.0 + 3e7 / 20.0) ** 0.06
    for layer in network.layers:
        assert layer.factor == pytest.approx(expected, rel=2e-5)
    network.compensate(compensation_named("none"))
    assert all((layer.factor == 1.0).all() for layer in network.layers)


def test_a_factor_for_each_column_undoes_what_columns_lose() -> None:
    before = np.abs(np.random.default_rng(1).normal(size=(16, 5))).astype(np.float32)
    loss = np.array([0.5, 0.8, 1.0, 0.25, 0.9], np.float32)
    assert drift_factor(before, before * loss, by_column=True) == pytest.approx(1 / loss, rel=1e-6)
    assert drift_factor(before, before * loss, by_column=False).shape == (1,)
    assert drift_factor(before, 0 * before, by_column=True).tolist() == [1.0] * 5


def test_fixed_inputs_stay_within_the_range_of_a_converter() -> None:
    network = perceptron(how_bits=8, read_noise_scale=0.0)
    for layer in network.layers:
        assert layer.response().max() <= layer.range * (1 + 1e-6)


def test_drift_takes_accuracy_and_compensation_gives_it_back() -> None:
    strong = {**FLOAT, "training.epochs": 15, f"{CELL}drift_scale": 3.0, "deployment.repetitions": 4}
    outcome = run({**strong, "deployment.times_s": [1.0, 3.15e7]})
    (fresh, worn), (_, restored) = life(outcome, "none"), life(outcome, "gdc")
    assert worn.metrics["accuracy"] < fresh.metrics["accuracy"] - 0.1
    assert restored.metrics["accuracy"] > worn.metrics["accuracy"] + 0.1


def test_a_time_does_not_depend_on_the_other_times() -> None:
    many, one = run(FLOAT), run({**FLOAT, "deployment.times_s": [86400.0]})
    assert [e for e in many.deployments if e.time_s == 86400.0] == list(one.deployments)


def test_the_same_design_and_seed_give_the_same_life_and_another_seed_another() -> None:
    assert run(FLOAT).deployments == run(FLOAT).deployments
    assert run(FLOAT).deployments != run(FLOAT, seed=1).deployments


def test_deployment_changes_nothing_about_the_training() -> None:
    plain = {key: value for key, value in FLOAT.items() if not key.startswith("deployment.")}
    for settings in (plain, {"training.epochs": 2}):
        with_life, without = run({**settings, "deployment.times_s": [1.0]}), run(settings)
        assert with_life.curve == without.curve
        assert without.deployments == ()
        same = {k: v for k, v in with_life.metrics.items() if k in without.metrics}
        assert same == without.metrics


def test_events_of_a_deployment_are_those_of_one_repetition() -> None:
    outcome = run({**FLOAT, "deployment.times_s": [1.0, 10.0], "deployment.gdc_vectors": 8})
    events = outcome.layers[0].events
    assert events["resets_deployment"] == 2 * 65 * 16
    assert events["set_pulses_deployment"] == events["single_reads_deployment"] == 10 * 65 * 16
    products = 1000 + 3 * 8  # ranges over 1,000 images; fixed inputs at time 0 and at each of two times
    assert events["mvm_deployment"] == products
    assert events["dac_deployment"] == products * 65
    assert events["adc_deployment"] == products * 16
    assert 0 < events["drive_time_deployment"] < products * 65
    kept = run({"training.epochs": 1, "deployment.times_s": [1.0], "deployment.compensation": "none"}).layers[0].events
    assert not any(value for name, value in kept.items() if name.endswith("_deployment"))


def test_batch_norm_statistics_are_refused_where_there_are_none() -> None:
    with pytest.raises(SettingError, match="the network has none"):
        perceptron().compensate(compensation_named("adabs"))


def test_retention_is_interpolated_in_the_logarithm_of_time() -> None:
    times = [1.0, 10.0, 1000.0]
    assert retention_s(times, [0.9, 0.9, 0.8], 0.05) == pytest.approx(100.0)
    assert retention_s(times, [0.9, 0.95, 0.9], 0.05) == 1000.0
    assert retention_s([0.0, 100.0], [0.9, 0.7], 0.1) == pytest.approx(10.0)


def test_an_error_lasts_until_it_has_grown() -> None:
    times = [1.0, 10.0, 1000.0]
    assert retention_s(times, [0.1, 0.1, 0.2], 0.05, "minimise") == pytest.approx(100.0)
    assert retention_s(times, [0.1, 0.05, 0.1], 0.05, "minimise") == 1000.0


def test_counting_begins_at_zero() -> None:
    events = Events()
    ProgrammedMatrix(
        torch.ones(3, 2), ProgrammedCellSpec.parse(read_programmed_cell("pcm_joshi2020")), seed=0, name=0, reads=5
    ).count_programming(events)
    assert (events.set_pulses_deployment, events.resets_deployment, events.single_reads_deployment) == (60, 12, 65)
    assert stream(0, "x").events == 0


def test_test_images_and_held_out_ones_are_read_with_noise_of_their_own() -> None:
    network = perceptron()
    keys = {layer.matrix.noise(purpose).key for layer in network.layers for purpose in ("evaluation", "selection")}
    assert len(keys) == 4
    seen: list[str] = []

    class Watched:
        def __getattr__(self, name: str):
            return lambda *_: None

        def measured(self, split: Split, measures: object, purpose: str) -> dict[str, float]:
            seen.append(purpose)
            return {"accuracy": 1.0}

    split = Split(torch.zeros(1, 64), torch.zeros(1, dtype=torch.int64))
    deploy(Watched(), split, split, measures=[Accuracy], times_s=[1.0], repetitions=1, compensations=["none"])
    assert seen == ["evaluation", "selection"]


@pytest.mark.slow
def test_what_is_programmed_anew_was_read_with_the_noise_of_a_read() -> None:
    again = {"training.epochs": 1, "deployment.reprogram": True, **OFF, "device.drift_exponent": 0.0}
    still = run({**again, "device.read_noise_scale": 0.0})
    noisy = [run({**again, "device.read_noise_scale": scale}) for scale in (1e-9, 10.0)]
    # The training hardly differs, the copy does.
    assert noisy[0].deployments[0].metrics["accuracy"] == pytest.approx(
        still.deployments[0].metrics["accuracy"], abs=0.02
    )
    assert noisy[1].deployments[0].metrics["accuracy"] < noisy[1].metrics["accuracy"] + 0.05
