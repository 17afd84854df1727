"""Converters that err: closed forms of offset, gain and bow, noise by its variance, neighbours that share, prices."""

import math
from typing import Any

import pytest
import torch

from dse.crossbar.analog import AnalogConv2d, AnalogLinear, Crossbars
from dse.crossbar.converter_errors import errors_of
from dse.crossbar.events import Events
from dse.crossbar.pairs import PairArray, Sensed
from dse.crossbar.spec import AdcSpec, ArraySpec, DacSpec
from dse.crossbar.usage import FACTS
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.outcome import Outcome
from dse.devices.card import read_cell
from dse.devices.spec import CellSpec
from dse.errors import SettingError
from dse.streams import stream
from tests.data import load

IDEAL = DacSpec(bits="ideal")


def adc(bits: Any = 12, *, shared: Any = "card", **errors: Any) -> AdcSpec:
    return AdcSpec.parse({"bits": bits, "range": 4.0, "columns_per_converter": shared, "errors": errors})


def drawn(spec: AdcSpec, outputs: int = 6, summed: int = 1) -> Any:
    found = errors_of(spec, 0, [(0, outputs)], summed, seed=1, layer=0)
    assert found is not None
    return found


def convert(spec: AdcSpec, y: torch.Tensor) -> torch.Tensor:
    return drawn(spec, y.shape[-1]).convert(y, 4.0, 0, stream(1, "noise"))[0]


def test_offset_and_gain_are_those_of_each_converter() -> None:
    y = torch.linspace(-3.0, 3.0, 7)[:, None].expand(7, 6)
    spec = adc(16, offset_std=0.05, gain_std=0.1)
    errors = drawn(spec)
    wanted = y * (1 + errors.gain[0]) + 4.0 * errors.offset[0]
    assert convert(spec, y) == pytest.approx(wanted.clamp(-4.0, 4.0), abs=4.0 / 2**14)
    assert errors.offset.unique().numel() == errors.gain.unique().numel() == 6


def test_the_bow_is_odd_and_as_large_as_drawn() -> None:
    spec = adc(16, inl_std=0.02)
    at = 4.0 / math.sqrt(3.0)
    y = torch.tensor([-4.0, -at, 0.0, at, 4.0])[:, None].expand(5, 6)
    bow = 4.0 * drawn(spec).inl[0]
    wanted = y + torch.tensor([0.0, -1.0, 0.0, 1.0, 0.0])[:, None] * bow
    assert convert(spec, y) == pytest.approx(wanted, abs=4.0 / 2**14)


def test_noise_has_its_deviation_and_is_new_in_every_conversion() -> None:
    found = convert(adc(16, noise_std=0.01), torch.ones(20_000, 2))
    error = found - 1.0
    # 5 standard errors of a standard deviation over 40,000 draws.
    assert float(error.std()) == pytest.approx(0.04, rel=5 / math.sqrt(2 * error.numel()))
    assert abs(float(error.mean())) < 5 * 0.04 / math.sqrt(error.numel())
    assert found.unique().numel() > 1000


@pytest.mark.parametrize(("correction", "left"), [("offset", 0.1), ("offset_and_gain", 0.0)])
def test_what_is_corrected_leaves_rounding(correction: str, left: float) -> None:
    y = torch.linspace(-2.0, 2.0, 9)[:, None].expand(9, 6)
    spec = adc(14, offset_std=0.05, gain_std=0.1, correction=correction)
    wanted = y if left == 0.0 else y * (1 + drawn(spec).gain[0])
    assert convert(spec, y) == pytest.approx(wanted, abs=1.5 * 4.0 / 2**12)


def test_a_correction_does_not_bring_back_what_was_cut() -> None:
    spec = adc(offset_std=0.2, correction="offset")
    found, cut = drawn(spec).convert(torch.full((1, 6), 4.0), 4.0, 0, stream(1, "noise"))
    high = drawn(spec).offset[0] > 0
    assert 0 < int(high.sum()) < 6
    assert cut == int(high.sum())
    assert bool((found[0, high] < 3.9).all())


def test_neighbours_of_a_tile_share_a_converter() -> None:
    spec = adc(shared=3, offset_std=0.1)
    found = errors_of(spec, 0, [(0, 7), (7, 10)], 2, seed=1, layer=0)
    assert found is not None
    first, second = found.offset
    groups = [slice(0, 3), slice(3, 6), slice(6, 7), slice(7, 10)]
    assert [first[own].unique().numel() for own in groups] == [1] * 4
    assert torch.cat([first, second]).unique().numel() == 8


def test_other_errors_and_other_directions_are_drawn_apart() -> None:
    both = drawn(adc(offset_std=0.1, gain_std=0.1, noise_std=0.1))
    assert torch.equal(both.offset, drawn(adc(offset_std=0.1)).offset)
    back = errors_of(adc(offset_std=0.1), 1, [(0, 6)], 1, seed=1, layer=0)
    assert back is not None
    assert not torch.equal(both.offset, back.offset)


@pytest.mark.parametrize("bits", [6, "ideal"])
def test_errors_of_nothing_are_none(bits: Any) -> None:
    assert errors_of(adc(bits, **({} if bits == 6 else {"gain_std": 0.1})), 0, [(0, 2)], 1, seed=1, layer=0) is None


def normal(*shape: int, number: int = 0) -> torch.Tensor:
    return stream(5, "values", number).next_normal(math.prod(shape)).reshape(shape)


def linear(crossbars: Crossbars, rows: int = 10, cols: int = 6) -> AnalogLinear:
    own = torch.nn.Linear(rows, cols, bias=False, device="meta").to_empty(device="cpu")
    own.weight = torch.nn.Parameter(0.3 * normal(cols, rows))
    return AnalogLinear(own, crossbars, seed=1, number=0)


def test_each_tile_of_a_layer_has_converters_of_its_own() -> None:
    spec = adc(16, offset_std=0.05)
    layer = linear(Crossbars(dac=IDEAL, adc=spec, tile_rows=4, tile_columns=3))
    exact = linear(Crossbars())
    x = normal(5, 10, number=1)
    scale = x.abs().amax(dim=1, keepdim=True)
    errors = layer.converter_errors(0)
    assert errors is not None
    assert errors.offset.shape == (3, 6)
    wanted = exact(x) + errors.offset.sum(dim=0) * 4.0 * scale
    assert layer(x).detach() == pytest.approx(wanted.detach(), abs=3 * 4.0 / 2**14)


def test_backward_converters_err_by_rows_whatever_the_layer() -> None:
    """A convolution of one place is a linear layer: rows of both have the same converters."""
    spec = AdcSpec.parse({"bits": 14, "backward_range": 4.0, "errors": {"offset_std": 0.05, "gain_std": 0.1}})
    crossbars = Crossbars(dac=IDEAL, adc=spec, tile_columns=2)
    flat = linear(crossbars, 12, 4)
    own = torch.nn.Conv2d(3, 4, 2, bias=False, device="meta").to_empty(device="cpu")
    own.weight = torch.nn.Parameter(flat.weight.detach().reshape(4, 3, 2, 2))
    conv = AnalogConv2d(own, crossbars, seed=1, number=0)
    x = normal(5, 3, 2, 2, number=1).requires_grad_()
    row = x.detach().flatten(1).requires_grad_()
    conv(x).flatten(1).square().sum().backward()
    flat(row).square().sum().backward()
    assert x.grad is not None
    assert row.grad is not None
    assert torch.allclose(x.grad.flatten(1), row.grad, atol=2e-3)
    without = linear(Crossbars(), 12, 4)
    plain = row.detach().requires_grad_()
    without(plain).square().sum().backward()
    assert plain.grad is not None
    assert not torch.allclose(plain.grad, row.grad, atol=2e-2)


def array(spec: AdcSpec) -> PairArray:
    cell = CellSpec.parse(read_cell("ideal_linear"))
    return PairArray(9, 6, cell, ArraySpec(), IDEAL, spec, seed=1, layer=0)


def test_an_array_of_a_perceptron_passes_through_them_both_ways() -> None:
    own = array(AdcSpec.parse({"bits": 16, "errors": {"offset_std": 0.05}}))
    sensed = Sensed(0.3 * normal(9, 6), None)
    x, d = normal(4, 9, number=1).abs().clamp_max(1.0), normal(4, 6, number=2)
    forward, backward = own.converter_errors(0), own.converter_errors(1)
    assert forward is not None
    assert backward is not None
    assert backward.offset.shape == (1, 8)
    wanted = x @ sensed.weight + 8.0 * forward.offset[0]
    assert own.forward(sensed, x, Events()) == pytest.approx(wanted, abs=1e-3)
    scale = d.abs().amax(dim=1, keepdim=True)
    wanted = d @ sensed.weight[:-1].T + 4.0 * scale * backward.offset[0]
    assert own.backward(sensed, d, Events()) == pytest.approx(wanted, abs=1e-3)


SMALL = {"workload.dataset": "digits", "network.hidden": (8,), "training.epochs": 1, "training.batch_size": 64}
ERRING = {"adc.errors.offset_std": 0.02, "adc.errors.noise_std": 0.01, "adc.errors.correction": "offset"}


def test_designs_that_err_in_nothing_are_those_that_are_stored() -> None:
    plain = compose(SMALL)
    none = {"adc.errors.noise_std": 0.0, "adc.columns_per_converter": "card"}
    assert compose({**SMALL, **none}).key == plain.key
    assert "errors" not in plain.as_dict()["adc"]
    assert "columns_per_converter" not in plain.as_dict()["adc"]
    assert compose({**SMALL, **ERRING}).key != plain.key


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"adc.errors.noise_std": -0.1}, "a number from 0.0 to 1.0"),
        ({"adc.columns_per_converter": 0}, 'an integer from 1 to 65536 or "card"'),
        ({"adc.errors.correction": "all"}, 'one of "none", "offset", "offset_and_gain"'),
    ],
)
def test_what_converters_cannot_be_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        compose({**SMALL, "adc.errors.offset_std": 0.1, **given})


def test_a_perceptron_learns_with_them_and_says_what_they_are() -> None:
    data = load("digits", 0.25, 200)
    given = {**SMALL, **ERRING, "adc.columns_per_converter": 4, "deployment.times_s": (1.0,)}
    outcome, again, plain = (
        evaluate(compose(own), 0, data) for own in (given, given, {**SMALL, "deployment.times_s": (1.0,)})
    )
    assert isinstance(outcome, Outcome)
    assert isinstance(again, Outcome)
    assert isinstance(plain, Outcome)
    assert outcome.metrics == again.metrics
    for layer in outcome.layers:
        found = {name: layer.events[name] for name in FACTS if name in layer.events}
        assert found == {"columns_per_adc": 4, "corrects_offset": 1}
    assert not set(FACTS) & plain.layers[0].events.keys()
    assert outcome.metrics["loss"] != plain.metrics["loss"]


def test_digits_of_a_weight_lie_side_by_side_and_share_converters_as_columns_do() -> None:
    spec = adc(shared=3, offset_std=0.1)
    found = errors_of(spec, 0, [(0, 4), (4, 7)], 2, seed=1, layer=0, digits=2)
    assert found is not None
    assert found.offset.shape == (2 * 2, 7)  # two tiles of summed lines of the first digit, then of the second
    taken = {  # by tile of outputs: digits of outputs as columns from left to right, three to a converter
        first: [[((c - first) * 2 + digit) // 3 for digit in range(2)] for c in range(first, last)]
        for first, last in ((0, 4), (4, 7))
    }
    for tile in range(2):
        of: dict[tuple[int, int], set[float]] = {}
        for first, columns in taken.items():
            for place, digits in enumerate(columns):
                for digit, converter in enumerate(digits):
                    own = float(found.offset[digit * 2 + tile, first + place])
                    of.setdefault((first, converter), set()).add(own)
        assert len(of) == 3 + 2
        assert all(len(values) == 1 for values in of.values())
        assert len(set().union(*of.values())) == 5
    whole = errors_of(spec, 0, [(0, 8), (8, 14)], 2, seed=1, layer=0)
    assert whole is not None
    assert set(whole.offset.flatten().tolist()) == set(found.offset.flatten().tolist())
