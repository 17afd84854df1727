"""Inputs in time: bits that drive lines one after the other, and pulses as wide as inputs; definitions and counts."""

import math
from typing import Any

import pytest
import torch

from dse.crossbar.analog import AnalogConv2d, AnalogLinear, Crossbars
from dse.crossbar.converters import quantise_signed
from dse.crossbar.events import Events
from dse.crossbar.pairs import PairArray, Sensed
from dse.crossbar.planes import planes_of
from dse.crossbar.spec import AdcSpec, ArraySpec, DacSpec
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.outcome import Outcome
from dse.devices.card import read_cell
from dse.devices.spec import CellSpec
from dse.pricing.card import read_cost_card
from dse.pricing.known import known
from dse.results.rows import result_fields
from dse.search.criteria import prices_of
from dse.streams import stream
from tests.data import load
from tests.unit.test_price import CARD, CROSSBAR, KEPT
from tests.unit.test_price_hardware import conversion_s, said

SERIAL = DacSpec(bits=4, coding="bit_serial")
IDEAL = AdcSpec(bits="ideal")


def normal(*shape: int, number: int = 0) -> torch.Tensor:
    return stream(5, "values", number).next_normal(math.prod(shape)).reshape(shape)


def array(dac: DacSpec, adc: AdcSpec) -> PairArray:
    return PairArray(9, 6, CellSpec.parse(read_cell("ideal_linear")), ArraySpec(), dac, adc, seed=1, layer=0)


def linear(crossbars: Crossbars, rows: int = 10, cols: int = 6) -> AnalogLinear:
    own = torch.nn.Linear(rows, cols, bias=False, device="meta").to_empty(device="cpu")
    own.weight = torch.nn.Parameter(0.3 * normal(cols, rows))
    layer = AnalogLinear(own, crossbars, seed=1, number=0)
    layer.counting = True
    return layer


@pytest.mark.parametrize(("signed", "count"), [(False, 4), (True, 3)])
def test_planes_are_bits_that_add_up_to_the_inputs(signed: bool, count: int) -> None:
    largest = 2**count - 1
    codes = torch.arange(-largest if signed else 0, largest + 1)
    driven, scales = codes[None] / largest * 2.5, torch.tensor([2.5])
    planes = planes_of(driven, SERIAL, 0, signed=signed, scales=scales)
    assert [worth * largest for _, worth in planes] == pytest.approx([2.0**bit for bit in range(count)])
    assert sum(plane * worth for plane, worth in planes) == pytest.approx(driven, abs=1e-6)
    for plane, _ in planes:
        assert {round(abs(float(value)), 5) for value in plane.unique()} == {0.0, 2.5}


@pytest.mark.parametrize("dac", [DacSpec(bits=4), DacSpec(bits="ideal", coding="bit_serial")])
def test_other_inputs_drive_all_at_once(dac: DacSpec) -> None:
    x = torch.rand(2, 3, generator=torch.Generator().manual_seed(1))
    ((plane, worth),) = planes_of(x, dac, 0, signed=False)
    assert plane is x
    assert worth == 1.0


def test_ideal_converters_make_no_difference() -> None:
    sensed, x, d = Sensed(normal(9, 6), None), normal(4, 9, number=1).abs().clamp_max(1.0), normal(4, 6, number=2)
    serial, levels = (array(dac, IDEAL) for dac in (SERIAL, DacSpec(bits=4)))
    assert serial.forward(sensed, x) == pytest.approx(levels.forward(sensed, x), abs=1e-5)
    assert serial.backward(sensed, d, Events()) == pytest.approx(levels.backward(sensed, d, Events()), abs=1e-5)
    x = normal(4, 10, number=3)
    deep = [linear(Crossbars(dac=dac, tile_rows=4)) for dac in (SERIAL, DacSpec(bits=4))]
    assert deep[0](x).detach() == pytest.approx(deep[1](x).detach(), abs=1e-5)


def test_every_bit_of_a_perceptron_is_converted_and_counted() -> None:
    adc = AdcSpec(bits=6, range=3.0, backward_range=3.0)
    own, sensed, events = array(SERIAL, adc), Sensed(normal(9, 6), None), Events()
    x = normal(4, 9, number=1).abs().clamp_max(1.0)
    codes = torch.round(x * 15).to(torch.int64)
    bits = [((codes >> bit) & 1).float() for bit in range(4)]
    parts = [quantise_signed(bit @ sensed.weight, 6, 3.0) * 2.0**n / 15 for n, bit in enumerate(bits)]
    assert own.forward(sensed, x, events) == pytest.approx(sum(parts), abs=1e-5)
    ones = int(sum(bit.sum() for bit in bits))
    found = events.mvm_forward, events.line_drives_forward, events.drive_time_forward, events.dac_forward
    assert found == (16, ones, ones, 16 * 9)
    assert (events.adc_forward, events.partial_adds_forward) == (16 * 6, 12 * 6)
    own.backward(sensed, normal(4, 6, number=2), events)
    found = events.mvm_backward, events.dac_backward, events.adc_backward, events.partial_adds_backward
    assert found == (12, 12 * 6, 12 * 8, 8 * 8)
    assert events.adc_cut_forward > 0


def test_every_bit_of_every_tile_of_a_deep_layer_is_converted_and_counted() -> None:
    adc = AdcSpec(bits=6, range=2.0, backward_range=2.0)
    layer = linear(Crossbars(dac=SERIAL, adc=adc, tile_rows=4, tile_columns=3))
    x = normal(5, 10, number=1).requires_grad_()
    y = layer(x)
    scale = x.detach().abs().amax(dim=1, keepdim=True)
    codes = torch.round(x.detach() / scale * 7)
    wanted = torch.zeros(5, 6)
    for bit in range(3):
        plane = ((codes.abs().int() >> bit) & 1) * codes.sign()
        for rows in (slice(0, 4), slice(4, 8), slice(8, 10)):
            part = plane[:, rows] @ layer.weight.detach()[:, rows].t()
            wanted += quantise_signed(part, 6, 2.0) * scale * 2.0**bit / 7
    assert y.detach() == pytest.approx(wanted, abs=1e-4)
    y.sum().backward()
    events = layer.events
    assert (events.mvm_forward, events.adc_forward, events.partial_adds_forward) == (15, 15 * 6 * 3, 5 * 6 * 8)
    assert (events.dac_forward, events.dac_backward) == (15 * 10 * 2, 15 * 6 * 3)
    assert (events.mvm_backward, events.adc_backward) == (15, 15 * 10 * 2)
    assert events.partial_adds_backward == 5 * 10 * 5


def test_a_convolution_of_one_place_is_a_linear_layer() -> None:
    adc = AdcSpec(bits=8, range=2.0, backward_range=2.0)
    crossbars = Crossbars(dac=SERIAL, adc=adc, tile_columns=2)
    flat = linear(crossbars, 12, 4)
    own = torch.nn.Conv2d(3, 4, 2, bias=False, device="meta").to_empty(device="cpu")
    own.weight = torch.nn.Parameter(flat.weight.detach().reshape(4, 3, 2, 2))
    conv = AnalogConv2d(own, crossbars, seed=1, number=0)
    conv.counting = True
    x = normal(5, 3, 2, 2, number=1).requires_grad_()
    row = x.detach().flatten(1).requires_grad_()
    conv(x).sum().backward()
    flat(row).sum().backward()
    assert x.grad is not None
    assert row.grad is not None
    assert x.grad.flatten(1) == pytest.approx(row.grad, abs=1e-4)
    assert conv.events == flat.events


SMALL: dict[str, Any] = {"workload.dataset": "digits", "network.hidden": (8,), "training.epochs": 1}
SMALL |= {"training.batch_size": 64, "dac.bits": 4, "deployment.times_s": (1.0,)}


@pytest.mark.parametrize("coding", ["bit_serial", "pulse_width"])
def test_a_design_counts_what_is_known_before(coding: str) -> None:
    data = load("digits", 0.25, 200)
    design = compose({**SMALL, "workload.images": 200, "dac.coding": coding})
    outcome = evaluate(design, 0, data)
    assert isinstance(outcome, Outcome)
    card, names = read_cost_card("bottom_up_28nm"), ["latency_per_inference_s", "forward_adc_j", "forward_dac_j"]
    assert known(design, card, names) == prices_of([result_fields(outcome)], card, names)[0]
    layer = outcome.layers[0]
    assert layer.dac_bits == (1 if coding == "bit_serial" else 4)
    samples = design.train_samples
    assert layer.events["mvm_forward"] == samples * (4 if coding == "bit_serial" else 1)
    assert layer.events.get("pulse_steps") == (None if coding == "bit_serial" else 15)


def test_levels_are_the_default_and_change_no_design() -> None:
    plain = compose(SMALL)
    assert compose({**SMALL, "dac.coding": "levels"}).key == plain.key
    assert "coding" not in plain.as_dict()["dac"]
    assert compose({**SMALL, "dac.coding": "pulse_width"}).key != plain.key


def test_pulse_width_learns_as_levels_do_in_compiled_code() -> None:
    data = load("digits", 0.25, 200)
    own, plain = (evaluate(compose({**SMALL, "dac.coding": coding}), 0, data) for coding in ("pulse_width", "levels"))
    assert isinstance(own, Outcome)
    assert isinstance(plain, Outcome)
    assert own.metrics == plain.metrics


def test_wide_pulses_take_steps_and_drivers_of_one_bit() -> None:
    steps = {"pulse_steps": 127, "pulse_steps_backward": 15}
    card = CARD.with_values({"pulse_step_s": 3e-9})
    own, plain = said(KEPT, card=card, **steps), said(KEPT, card=card)
    for phase, many in (("forward", 127), ("backward", 15)):
        assert own[f"{phase}_array_j"] == pytest.approx(plain[f"{phase}_array_j"] * many * 3e-9 / 2e-7, rel=1e-12)
        assert own[f"{phase}_dac_j"] == pytest.approx(KEPT[f"dac_{phase}"] * (1e-13 + 3e-14), rel=1e-12)
    amount = 1.5e-6 * 0.3**2
    products = 9_000.25 * (2 * 16) * amount * 127 * 3e-9
    assert own["deployment_array_j"] == pytest.approx(products + 10_500 * amount * 2e-7, rel=1e-12)
    assert own["refresh_j"] == plain["refresh_j"]
    quiet = {**CROSSBAR, "activations": 0, "partial_adds_forward": 0}
    assert said(quiet, card=card, **steps)["latency_per_inference_s"] == pytest.approx(
        127 * 3e-9 + 6 * conversion_s(9, 65), rel=1e-12
    )
