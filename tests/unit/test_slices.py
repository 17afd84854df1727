"""Weights cut into digits: words by definition, products by what digits are worth, counts, prices, refusals."""

import math
from typing import Any

import pytest
import torch

from dse.crossbar.analog import AnalogLinear, Crossbars
from dse.crossbar.analog.base import calibrate_on
from dse.crossbar.converters import quantise_signed
from dse.crossbar.events import Events
from dse.crossbar.pairs import Sensed
from dse.crossbar.spec import AdcSpec, DacSpec
from dse.crossbar.wire_spec import WireSpec
from dse.crossbar.wiring import ArrayWires
from dse.deployment.matrices import ProgrammedMatrix
from dse.deployment.slices import SlicedMatrix, digits_of
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.outcome import Outcome
from dse.devices.card import read_programmed_cell
from dse.devices.spec import ProgrammedCellSpec
from dse.errors import SettingError
from dse.streams import stream
from tests.data import load
from tests.unit.test_price import DEPLOYED
from tests.unit.test_price_hardware import conversion_s, said

READS = stream(1, "reads")


def cell(card: str = "ideal_programmed") -> ProgrammedCellSpec:
    return ProgrammedCellSpec.parse(read_programmed_cell(card))


def normal(*shape: int, number: int = 0) -> torch.Tensor:
    return stream(5, "values", number).next_normal(math.prod(shape)).reshape(shape)


def sliced(weight: torch.Tensor, bits: int, slices: int, card: str = "ideal_programmed", **more: Any) -> SlicedMatrix:
    return SlicedMatrix(weight, cell(card), bits=bits, slices=slices, seed=1, name=0, **more)


@pytest.mark.parametrize(("bits", "slices", "digits"), [(7, 1, [7]), (7, 3, [3, 2, 2]), (4, 4, [1, 1, 1, 1])])
def test_a_magnitude_is_cut_as_evenly_as_can_be(bits: int, slices: int, digits: list[int]) -> None:
    assert digits_of(bits, slices) == digits


@pytest.mark.parametrize(("bits", "slices"), [(8, 1), (8, 3), (5, 4)])
def test_digits_add_up_to_the_rounded_weights(bits: int, slices: int) -> None:
    weight = normal(6, 9)
    limit, largest = weight.abs().max(), 2 ** (bits - 1) - 1
    seen = sliced(weight, bits, slices).read(READS)
    assert len(seen.slices) == slices
    assert seen.weight == pytest.approx(torch.round(weight / limit * largest) / largest * limit, abs=1e-6)
    for own, length in zip(seen.slices, digits_of(bits - 1, slices), strict=True):
        levels = own.weight * (2**length - 1)
        assert levels == pytest.approx(torch.round(levels), abs=1e-5)
        assert float(own.weight.abs().max()) <= 1.0


def test_digits_are_programmed_apart() -> None:
    weight = normal(60, 90)
    met, wanted = (
        sliced(weight, 8, 2, card).read(stream(1, "reads")) for card in ("pcm_joshi2020", "ideal_programmed")
    )
    errors = torch.stack([a.weight - b.weight for a, b in zip(met.slices, wanted.slices, strict=True)]).flatten(1)
    assert (errors.std(dim=1) > 0.01).all()
    assert abs(float(torch.corrcoef(errors)[0, 1])) < 5 / math.sqrt(weight.numel())
    assert met.weight == pytest.approx(sum(own.weight * own.worth for own in met.slices), abs=1e-6)


def layer_of(seen: Sensed, crossbars: Crossbars) -> AnalogLinear:
    own = torch.nn.Linear(9, 6, bias=False, device="meta").to_empty(device="cpu")
    own.weight = torch.nn.Parameter(seen.weight.clone())
    layer = AnalogLinear(own, crossbars, seed=1, number=0)
    layer.slices, layer.counting = seen.slices, True
    return layer


def test_every_digit_of_every_tile_is_converted_and_counted() -> None:
    seen = sliced(normal(6, 9), 7, 2).read(READS)
    adc = AdcSpec(bits=6, range=2.0)
    layer = layer_of(seen, Crossbars(dac=DacSpec(bits="ideal"), adc=adc, tile_rows=5))
    x = normal(4, 9, number=1)
    scale = x.abs().amax(dim=1, keepdim=True)
    wanted = torch.zeros(4, 6)
    for own in seen.slices:
        for rows in (slice(0, 5), slice(5, 9)):
            wanted += quantise_signed(x[:, rows] / scale @ own.weight[:, rows].t(), 6, 2.0) * scale * own.worth
    assert layer(x).detach() == pytest.approx(wanted, abs=1e-4)
    events = layer.events
    assert (events.mvm_forward, events.adc_forward, events.partial_adds_forward) == (4, 4 * 6 * 4, 4 * 6 * 3)


def test_a_range_fits_the_largest_digit() -> None:
    seen = sliced(normal(6, 9), 7, 2).read(READS)
    layer = layer_of(seen, Crossbars(dac=DacSpec(bits="ideal"), adc=AdcSpec(bits=8)))
    layer.counting = False
    x = normal(4, 9, number=1)
    calibrate_on(layer, [x])
    scale = x.abs().amax(dim=1, keepdim=True)
    wanted = max(float((x / scale @ own.weight.t()).abs().max()) for own in seen.slices)
    assert layer.ranges[0] == pytest.approx(wanted, rel=1e-5)


def test_without_converters_digits_are_the_whole() -> None:
    seen = sliced(normal(6, 9), 7, 3).read(READS)
    x = normal(4, 9, number=1)
    assert layer_of(seen, Crossbars())(x).detach() == pytest.approx(x @ seen.weight.t(), abs=1e-4)


def test_digits_lie_side_by_side_on_the_wires() -> None:
    weight, spec = normal(6, 9), WireSpec(row_ohm=20.0)
    one, two = (sliced(weight, 7, n, wires=ArrayWires(spec, inputs_first=False)).read(READS) for n in (1, 2))
    plain = sliced(weight, 7, 1).read(READS).weight
    lost = [float((plain - seen.weight).abs().sum()) for seen in (one, two)]
    assert 0 < lost[0] < lost[1]  # rows cross twice as many bit lines


def test_programming_counts_the_cells_of_all_digits() -> None:
    weight, one, two = normal(6, 9), Events(), Events()
    ProgrammedMatrix(weight, cell(), seed=1, name=0).count_programming(one)
    sliced(weight, 7, 2).count_programming(two)
    assert two.resets_deployment == 2 * one.resets_deployment == 4 * 54


@pytest.mark.parametrize(("bits", "slices"), [("analog", 1), (6, 1), (6, 4)])
@pytest.mark.parametrize("inputs_first", [False, True])
def test_columns_beside_an_offset_column_hold_the_weights(bits: Any, slices: int, inputs_first: bool) -> None:
    weight = normal(7, 9)
    more = {"reference": "column", "inputs_first": inputs_first, "tile_columns": 4}
    own = sliced(weight, bits, slices, **more)
    seen, limit = own.read(READS), weight.abs().max()
    largest = (2**6 - 1) / 2
    rounded = limit * (torch.round((weight / limit + 1) * largest) / largest - 1)
    assert seen.weight == pytest.approx(weight if bits == "analog" else rounded, abs=1e-5)
    assert max(float(part.weight.abs().max()) for part in seen.slices) <= 1.0 + 1e-6
    tiles, lines = (3, 7) if inputs_first else (2, 9)
    assert own.size == 63 * slices + tiles * lines
    events = Events()
    own.count_programming(events)
    assert events.resets_deployment == own.size


def test_what_an_offset_column_errs_by_all_outputs_of_its_array_err_by() -> None:
    weight = torch.zeros(8, 50)
    seen = sliced(weight, "analog", 1, "pcm_joshi2020", reference="column", tile_columns=4).read(stream(1, "reads"))
    error = seen.weight - weight
    together = error.reshape(2, 4, 50).mean(dim=1)
    # The mean of four columns keeps what the offset column of their array errs by: half of the variance, not a fifth.
    share = float(together.var()) / float(error.var())
    assert share == pytest.approx(0.5 + 0.5 / 4, abs=0.2)
    assert not torch.equal(together[0], together[1])


def test_an_offset_column_is_read_with_noise_of_its_own() -> None:
    spec = cell("pcm_joshi2020").model_copy(update={"programming_noise_scale": 0.0})
    own = SlicedMatrix(torch.zeros(8, 50), spec, bits="analog", slices=1, seed=1, name=0, reference="column")
    reads = stream(1, "reads")
    first, second = (own.read(reads).weight for _ in range(2))
    deviations = (first - second).std(dim=1)
    # 5 standard errors of a standard deviation over the 50 cells of an output.
    assert deviations / deviations.median() == pytest.approx(torch.ones(8), abs=5 / math.sqrt(2 * 50))


def test_an_offset_column_has_a_conductance_of_its_own() -> None:
    own = sliced(normal(6, 9), "analog", 1, reference="column")
    low, high = 0.4 * cell().g_max_us, 0.6 * cell().g_max_us
    assert low < own.mean_conductance_us() < high


SMALL: dict[str, Any] = {"workload.dataset": "digits", "network.hidden": (8,), "training.epochs": 1}
SMALL |= {"architecture": "float", "deployment.times_s": (1.0,), "deployment.repetitions": 1}


def test_whole_analog_weights_are_the_default_and_change_no_design() -> None:
    plain = compose(SMALL)
    given = {"deployment.weight_bits": "analog", "deployment.slices": 1, "deployment.reference": "pair"}
    assert compose({**SMALL, **given}).key == plain.key
    assert not {"weight_bits", "slices", "reference"} & plain.as_dict()["deployment"].keys()


@pytest.mark.parametrize(
    ("given", "said_"),
    [
        ({"deployment.weight_bits": 4, "deployment.slices": 4}, "slices = 4 .* more than its bits .* give at most 3"),
        ({"deployment.weight_bits": 1}, 'an integer from 2 to 16 or "analog"'),
        ({"deployment.weight_bits": 4, "deployment.slices": 0}, "an integer from 1 to 16"),
        (
            {"deployment.reference": "column", "deployment.weight_bits": 4, "deployment.slices": 5},
            "slices = 5 of a weight are more than its bits; give at most 4",
        ),
        (
            {"deployment.reference": "column", "deployment.wires.row_ohm": 1.0},
            'deployment.reference = "column" is not worked out with wires; give "pair"',
        ),
    ],
)
def test_more_slices_than_bits_are_refused(given: dict[str, Any], said_: str) -> None:
    with pytest.raises(SettingError, match=said_):
        compose({**SMALL, **given})


def test_a_perceptron_is_deployed_in_digits() -> None:
    data = load("digits", 0.25, 200)
    given = {**SMALL, "deployment.weight_bits": 5, "deployment.slices": 2}
    beside = {**SMALL, "deployment.reference": "column"}
    outcome, plain, column = (evaluate(compose(own), 0, data) for own in (given, SMALL, beside))
    assert isinstance(outcome, Outcome)
    assert isinstance(column, Outcome)
    for layer in column.layers:
        assert layer.deployed_cells == layer.rows * (layer.cols + 1)
    assert isinstance(plain, Outcome)
    for own, other in zip(outcome.layers, plain.layers, strict=True):
        assert own.deployed_cells == 2 * other.deployed_cells
        assert own.events["adc_deployment"] == 2 * other.events["adc_deployment"]
        assert own.events["resets_deployment"] == 2 * other.events["resets_deployment"]
        assert own.events["mvm_deployment"] == other.events["mvm_deployment"]
        assert own.events["deployed_slices"] == 2
        assert own.events["partial_adds_deployment"] == other.events["adc_deployment"]
        assert "partial_adds_deployment" not in other.events


def test_columns_of_digits_share_converters_in_turn() -> None:
    own, plain = said({**DEPLOYED, "single_reads_deployment": 0}, deployed_slices=3), said(DEPLOYED)
    products = 1_100 * (2e-7 + 6 * conversion_s(7, 65))
    pulses = 2_080 * 4e-8 / 2 + 10_400 * 5e-8 / 2
    assert own["deployment_per_sample_s"] == pytest.approx((products + pulses) / 1000, rel=1e-12)
    reads = said(DEPLOYED, deployed_slices=3)["deployment_per_sample_s"] - own["deployment_per_sample_s"]
    wanted = 10_500 / math.ceil(48 / 6) * (2e-7 + 0.5 * conversion_s(7, 65)) / 1000
    assert reads == pytest.approx(wanted, rel=1e-9)
    assert plain["energy_j"] == said(DEPLOYED, deployed_slices=3)["energy_j"]
