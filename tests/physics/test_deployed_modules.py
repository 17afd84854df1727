"""Torch modules on cells that age: exact where nothing is random, batch-norm statistics that follow drift."""

import copy

import pytest
import torch
from torch import nn

from dse.crossbar.analog import Crossbars, analog_layers, on_crossbars
from dse.crossbar.pairs import PairArray
from dse.crossbar.spec import AdcSpec, ArraySpec, DacSpec
from dse.data.images import Split
from dse.deployment.compensation import compensation_named
from dse.deployment.matrices import KeptMatrix, ProgrammedMatrix
from dse.deployment.modules import DeployedModule
from dse.deployment.norms import BatchNorms
from dse.deployment.run import deploy
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.outcome import Outcome
from dse.devices.card import read_cell, read_programmed_cell
from dse.devices.spec import CellSpec, ProgrammedCellSpec
from dse.errors import SettingError
from dse.streams import stream
from dse.tasks.recognition.measure import Accuracy
from tests.data import load

OFF = {"programming_noise_scale": 0.0, "drift_scale": 0.0, "read_noise_scale": 0.0}
EQUAL = {**OFF, "drift_scale": 1.0, "drift_spread_scale": 0.0, "drift_mean_min": 0.06, "drift_mean_max": 0.06}
EIGHT = Crossbars(dac=DacSpec(bits=8), adc=AdcSpec(bits=8), tile_rows=32)


class Residual(nn.Module):
    """A small network with what deep ones have: convolutions, batch normalisation, a shortcut, a head with bias."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.second, self.norm2 = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.head = nn.Linear(6, 10)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        x = torch.relu(x + self.norm2(self.second(x)))
        return self.head(x.mean(dim=(2, 3)))


def images(count=400):
    random = torch.Generator().manual_seed(5)
    return Split(torch.rand(count, 64, generator=random), torch.arange(count) % 10)


def inputs(split, chosen):
    return split.floats(chosen).reshape(-1, 1, 8, 8)


def quietly(make):
    """Make a module without a trace in the global generator, from which torch draws initial weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make()


def perceptron():
    return on_crossbars(quietly(lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10))), Crossbars())


def trained():
    """A network with weights and statistics as a training would leave them; its classes are what it says itself."""
    network = quietly(Residual)
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random) * 0.4)
        for norm in (network.norm, network.norm2):
            norm.weight.copy_(0.5 + torch.rand(6, generator=random))
        network.train()
        for chosen in torch.split(torch.arange(400), 100):
            for _ in range(20):
                network(inputs(images(), chosen))
    return network.eval()


def labelled(network):
    split = images()
    with torch.no_grad():
        labels = network(inputs(split, torch.arange(len(split)))).argmax(dim=1)
    return Split(split.images, labels)


def deployed(network, crossbars=Crossbars(), **changes):  # noqa: B008  frozen
    cell = ProgrammedCellSpec.parse({**read_programmed_cell("pcm_joshi2020"), **changes})
    analog = on_crossbars(network, crossbars)
    matrices = {n: ProgrammedMatrix(layer.weight, cell, seed=3, name=n) for n, layer in analog_layers(analog)}
    cells = {n: 2 * layer.weight.numel() for n, layer in analog_layers(analog)}
    return DeployedModule(analog, matrices, cells, inputs, images(), calibration_samples=400)


ACCURACY = (Accuracy,)


def measured(life, split):
    return life.measured(split, ACCURACY)["accuracy"]


def test_without_imperfections_it_is_the_digital_network_to_the_last_bit():
    network = trained()
    life = deployed(network, **OFF)
    life.renew(0)
    life.age(3e7)
    assert measured(life, labelled(network)) == 1.0
    x = inputs(images(), torch.arange(100))
    with torch.no_grad():
        assert torch.equal(life.network(x), network(x))


@pytest.mark.parametrize("how", ["gdc", "gdc_columns"])
@pytest.mark.parametrize("crossbars", [Crossbars(), EIGHT], ids=["ideal", "8 bits"])
def test_drift_compensation_is_exact_where_all_exponents_are_equal(how, crossbars):
    life = deployed(trained(), crossbars, **EQUAL)
    life.renew(0)
    life.age(3e7)
    life.compensate(compensation_named(how))
    expected = (1.0 + 3e7 / 20.0) ** 0.06
    tolerance = 1e-4 if crossbars.adc.bits == "ideal" else 0.1  # the gain is fitted to fresh cells
    for own in life.layers:
        assert own.layer.output_scale.numpy() == pytest.approx(expected, rel=tolerance)


def test_batch_norm_statistics_recover_a_pure_scale():
    network = trained()
    scaled = copy.deepcopy(network)
    with torch.no_grad():
        scaled.first.weight.mul_(0.5)
        scaled.second.weight.mul_(0.8)
    batches = [inputs(images(), chosen) for chosen in torch.split(torch.arange(400), 100)]
    norms, fresh = BatchNorms(scaled), BatchNorms(network)
    norms.estimate(scaled, batches)
    fresh.estimate(network, batches)
    assert scaled.norm.running_mean.numpy() == pytest.approx(0.5 * network.norm.running_mean.numpy(), rel=1e-5)
    assert scaled.norm.running_var.numpy() == pytest.approx(0.25 * network.norm.running_var.numpy(), rel=1e-5)
    with torch.no_grad():
        assert scaled(batches[0]).numpy() == pytest.approx(network(batches[0]).numpy(), abs=2e-3)
    assert scaled.norm.momentum == 0.1
    norms.restore()
    assert torch.equal(scaled.norm.running_mean, trained().norm.running_mean)


def test_drift_takes_accuracy_and_both_compensations_give_it_back():
    network = trained()
    life = deployed(network, drift_scale=2.0)
    found = deploy(
        life, labelled(network), None, measures=ACCURACY, times_s=[3e7], repetitions=3,
        compensations=("none", "gdc", "gdc_columns", "adabs", "gdc_adabs"),
    )  # fmt: skip
    accuracy = {e.compensation: e.metrics["accuracy"] for e in found}
    assert all(accuracy[how] > accuracy["none"] + 0.1 for how in accuracy if how != "none"), accuracy


def test_what_one_compensation_did_does_not_reach_the_next():
    network = trained()
    split = labelled(network)
    life = deployed(network)
    alone = deploy(life, split, None, measures=ACCURACY, times_s=[1e6], repetitions=2, compensations=("none",))
    after = deploy(
        life, split, None, measures=ACCURACY, times_s=[1e6], repetitions=2, compensations=("gdc_adabs", "none")
    )
    assert after[1] == alone[0]


def test_every_mini_batch_has_a_read_of_its_own():
    life = deployed(trained(), programming_noise_scale=0.0)
    life.renew(0)
    seen = []
    life.layers[0].layer.register_forward_hook(lambda layer, *_: seen.append(layer.effective_weight.clone()))
    measured(life, images())
    assert len(seen) == 4
    assert not any(torch.equal(a, b) for n, a in enumerate(seen) for b in seen[n + 1 :])


def test_a_network_without_batch_normalisation_refuses_to_estimate_it():
    life = DeployedModule(perceptron(), {"1": _matrix(10, 64)}, {"1": 1280}, inputs, images())
    life.renew(0)
    with pytest.raises(SettingError, match="the network has none"):
        life.compensate(compensation_named("adabs"))


def _matrix(*shape):
    cell = ProgrammedCellSpec.parse(read_programmed_cell("pcm_joshi2020"))
    return ProgrammedMatrix(torch.randn(shape, generator=torch.Generator().manual_seed(1)), cell, seed=0, name=0)


def test_calibrations_are_counted_once():
    life = deployed(trained(), EIGHT, **OFF)
    deploy(
        life,
        images(200),
        None,
        measures=[Accuracy],
        times_s=[1.0, 10.0],
        repetitions=2,
        compensations=("none", "gdc_adabs"),
    )
    conv, head = life.layers[1].events, life.layers[2].events
    # 400 images of 64 places for ranges and for two estimates; 32 fixed inputs at time 0 and twice later.
    products = 3 * 400 * 64 + 3 * 32
    assert conv.mvm_deployment == products
    assert conv.dac_deployment == products * 54
    assert conv.adc_deployment == products * 6 * 2  # two tiles of rows
    assert (conv.partial_adds_deployment, head.partial_adds_deployment) == (products * 6, 0)
    assert head.mvm_deployment == 3 * 400 + 3 * 32
    assert conv.resets_deployment == 2 * 6 * 54
    assert all(own.layer.events.mvm_forward == 0 for own in life.layers)


def test_kept_cells_pass_their_noise_to_products():
    array = PairArray(10, 64, CellSpec.parse(read_cell("pcm_gst")), ArraySpec(), DacSpec(), AdcSpec(), seed=1, layer=0)
    network = perceptron()
    life = DeployedModule(network, {"1": KeptMatrix(array, 100.0, seed=1, name=0)}, {"1": 1280}, inputs, images())
    life.renew(0)
    life.age(1e5)
    first = measured(life, images())
    assert measured(life, images()) == first
    layer = life.layers[0].layer
    assert torch.equal(layer.effective_weight, array.sense(1e5 + 100.0).weight)
    assert torch.equal(layer.read_noise, array.sense(1e5 + 100.0).noise_variance)
    x = inputs(images(), torch.arange(5))
    layer.noise["evaluation"] = stream(0, "a")
    with torch.no_grad():
        assert not torch.equal(network(x), network(x))


DEEP = {"network.name": "cnn", "network.width": 0.25, "training.epochs": 1, "deployment.repetitions": 2}
TWO_TIMES = {"deployment.times_s": [1.0, 3e7]}


def run(settings):
    outcome = evaluate(compose({**DEEP, **TWO_TIMES, **settings}), 0, load("digits", 0.25))
    assert isinstance(outcome, Outcome)
    return outcome


def test_a_digital_design_on_ideal_cells_is_the_digital_network():
    ideal = {
        "deployment.device.card": "ideal_programmed",
        "deployment.dac_bits": "ideal",
        "deployment.adc_bits": "ideal",
    }
    outcome = run({"architecture": "float", **ideal, "deployment.compensation": "none"})
    assert {e.metrics["accuracy"] for e in outcome.deployments} == {outcome.metrics["accuracy"]}
    assert outcome.layers[0].deployed_cells == 2 * outcome.layers[0].rows * outcome.layers[0].cols


def test_a_design_on_crossbars_keeps_its_cells_where_nothing_is_random_or_drifts():
    still = {"device.drift_exponent": 0.0, "device.read_noise_scale": 0.0, "deployment.compensation": "none"}
    outcome = run(still)
    # Images per mini-batch differ between training and deployment, and torch's convolution may round by their number.
    assert all(
        e.metrics["accuracy"] == pytest.approx(outcome.metrics["accuracy"], abs=0.006) for e in outcome.deployments
    )


@pytest.mark.slow
def test_the_same_deep_design_has_the_same_life():
    settings = {"architecture": "float", "training.weight_noise": 0.04, "deployment.compensation": "gdc_adabs"}
    first = run(settings)
    assert first.deployments == run(settings).deployments
    assert [e.compensation for e in first.deployments] == ["none", "none", "gdc_adabs", "gdc_adabs"]
    assert first.layers[1].events["mvm_deployment"] > 0
    assert first.metrics["retained_accuracy"] == first.deployments[-1].metrics["accuracy"]
