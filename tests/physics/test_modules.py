"""Any torch module learns on pairs: the compiled pass equals the plain one, and ideal cells equal gradient descent."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from dse.designs.design import compose
from dse.designs.hardware import hardware_of
from dse.errors import DivergedError, SettingError
from dse.updates.layers import CrossbarLayer, Hardware
from dse.updates.modules import MixedPrecisionSgd

FINE = {
    "device.card": "ideal_linear",
    "device.granularity_us": 1e-4,
    "device.mean_offset_us": 1e-4,
    "device.g_max_us": 1e5,
    "array.conductance_per_weight_us": 100.0,
    "array.initial_mean_us": 1000.0,
    "array.initial_max_us": 2000.0,
    "accumulator.bits": "float",
    "refresh.every_samples": 0,
}
NOISY: dict[str, Any] = {"array.conductance_per_weight_us": 15.0, "array.initial_mean_us": 4.0}


def hardware(settings: dict[str, Any]) -> Hardware:
    found = hardware_of(compose(settings))
    assert found is not None
    return found


def network() -> nn.Module:
    generator = torch.Generator().manual_seed(3)
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 10)
    )
    for parameter in module.parameters():
        if parameter.dim() > 1:
            with torch.no_grad():
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return module


def batches(count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(5)
    return [
        (torch.rand((10, 1, 8, 8), generator=generator), torch.randint(0, 10, (10,), generator=generator))
        for _ in range(count)
    ]


def learn(module: nn.Module, descent: Any, count: int, **step: int) -> list[float]:
    losses: list[float] = []
    for x, labels in batches(count):
        descent.zero_grad()
        loss = nn.functional.cross_entropy(module(x), labels)
        loss.backward()
        descent.step(**step)
        losses.append(loss.item())
    return losses


def built() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)  # of biases; a process of torch begins with a seed of its own
        return network()


def test_an_ideal_cell_with_fine_pulses_is_plain_gradient_descent() -> None:
    digital, analog = built(), built()
    sgd = torch.optim.SGD(digital.parameters(), lr=0.05)
    pulsed = MixedPrecisionSgd(analog, hardware(FINE), lr=0.05, seed=1)
    expected, found = learn(digital, sgd, 20), learn(analog, pulsed, 20, samples=10)
    assert found == pytest.approx(expected, abs=2e-3)
    for a, b in zip(digital.parameters(), analog.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"accumulator.bits": 8, "accumulator.rounding": "stochastic", "accumulator.storage": "pcm"},
        {"accumulator.bits": "float", "array.pairs_per_weight": 2},
        {"accumulator.transfer_every": 3},
        {"accumulator.max_pulses": 1, "accumulator.epsilon": 0.05, "accumulator.bits": 12},
        {"refresh.verify_rounds": 2, "refresh.tolerance_us": 0.5, "accumulator.refresh_misses": "kept"},
        {"clock.sample_time_s": 10.0},
        {"clock.sample_time_s": 10.0, "array.wires.row_ohm": 30.0, "array.pairs_per_weight": 2, "array.tile_rows": 8},
    ],
    ids=[
        "32 bits",
        "8 bits in PCM",
        "floats, two pairs",
        "transfer every third step",
        "a pulse at most",
        "verified refresh, misses kept",
        "drift",
        "drift and wires",
    ],
)
def test_the_compiled_pass_leaves_what_the_plain_accumulator_and_array_leave(settings: dict[str, Any]) -> None:
    own = hardware({**NOISY, "refresh.every_samples": 20, "refresh.threshold_us": 4.5, **settings})
    module = built()
    image_s = settings.get("clock.sample_time_s", 0.01)
    pulsed = MixedPrecisionSgd(module, own, lr=0.5, seed=1, sample_time_s=image_s, drift_every=30)
    twins: list[CrossbarLayer] = []
    for number, parameter in enumerate(module.parameters()):
        if parameter.dim() < 2:
            continue
        layer = CrossbarLayer(parameter.shape[0], parameter[0].numel(), own, seed=1, layer=number, inputs_first=False)
        twins.append(layer)
    for layer, parameter in zip(twins, [p for p in built().parameters() if p.dim() > 1], strict=True):
        layer.array.start_from(parameter.detach().view(layer.rows, -1), own.array.initial_mean_us)
    seen = since = 0
    weights = [p for p in module.parameters() if p.dim() > 1]
    for x, labels in batches(12):
        pulsed.zero_grad()
        nn.functional.cross_entropy(module(x), labels).backward()
        since += 10
        for layer, weight in zip(twins, weights, strict=True):
            assert weight.grad is not None
            layer.sense(seen // 30 * 30 * image_s)
            pulses = layer.accumulator.add(weight.grad.view(layer.rows, -1) * -0.5, layer.events)
            if pulses is not None:
                layer.array.program(pulses, seen * image_s, layer.events)
            if since >= 20:
                layer.maintain((seen + 10) * image_s)
        since %= 20
        seen += 10
        pulsed.step(samples=10)
    pulsed.write_back()
    for layer, parameter, weight in zip(twins, pulsed.parameters_on_crossbars, weights, strict=True):
        layer.sense(seen // 30 * 30 * image_s)
        assert torch.equal(parameter.layer.array.cells.g_us, layer.array.cells.g_us)
        assert torch.equal(parameter.layer.accumulator.word, layer.accumulator.word)
        assert torch.equal(weight.detach().view(layer.rows, -1), layer.sensed.weight)
        for name in ("set_pulses_update", "set_pulses_refresh", "resets", "refresh_reads", "chi_flips"):
            assert getattr(parameter.layer.events, name) == getattr(layer.events, name), name
        given_back = layer.events.refreshed_pairs if own.accumulator.refresh_misses == "kept" else 0
        assert parameter.layer.events.chi_adds == 12 * weight.numel() + given_back
        assert torch.equal(parameter.layer.sensed.weight, layer.sensed.weight)
        variance = parameter.read_variance()
        assert variance is not None
        assert layer.sensed.noise_variance is not None
        assert torch.equal(variance.view(layer.rows, -1), layer.sensed.noise_variance)
    assert sum(layer.events.set_pulses_update for layer in twins) > 0
    assert sum(layer.events.resets for layer in twins) > 0


def test_digital_parameters_move_by_plain_descent_and_a_choice_keeps_a_layer_digital() -> None:
    module = built()
    own = hardware(NOISY)
    pulsed = MixedPrecisionSgd(module, lambda name, _: own if name == "0.weight" else None, lr=0.1, seed=1)
    assert [p.name for p in pulsed.parameters_on_crossbars] == ["0.weight"]
    before = [p.detach().clone() for p in module.parameters()]
    (x, labels), *_ = batches(1)
    nn.functional.cross_entropy(module(x), labels).backward()
    pulsed.step(samples=10)
    for (name, parameter), old in zip(module.named_parameters(), before, strict=True):
        if name != "0.weight":
            torch.testing.assert_close(parameter.detach(), old - 0.1 * parameter.grad)


def test_a_scheduler_changes_the_learning_rate() -> None:
    module = built()
    pulsed = MixedPrecisionSgd(module, hardware(FINE), lr=1.0, seed=1)
    scheduler = torch.optim.lr_scheduler.StepLR(pulsed, 1, gamma=0.0)
    learn(module, pulsed, 1, samples=10)
    scheduler.step()
    before = [p.detach().clone() for p in module.parameters()]
    learn(module, pulsed, 1, samples=10)
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


def test_a_saved_state_goes_on_as_if_nothing_had_happened() -> None:
    own = hardware({**NOISY, "refresh.every_samples": 20, "refresh.threshold_us": 4.5})
    module = built()
    pulsed = MixedPrecisionSgd(module, own, lr=0.5, seed=1)
    learn(module, pulsed, 5, samples=10)
    saved, values = pulsed.state_dict(), {k: v.clone() for k, v in module.state_dict().items()}
    expected = learn(module, pulsed, 3, samples=10)
    other = built()
    again = MixedPrecisionSgd(other, own, lr=0.5, seed=1)
    other.load_state_dict(values)
    again.load_state_dict(saved)
    assert learn(other, again, 3, samples=10) == expected
    for a, b in zip(pulsed.parameters_on_crossbars, again.parameters_on_crossbars, strict=True):
        assert torch.equal(a.layer.array.cells.g_us, b.layer.array.cells.g_us)
    with pytest.raises(SettingError, match="another shape, hardware or seed"):
        MixedPrecisionSgd(built(), own, lr=0.5, seed=2).load_state_dict(saved)


def test_time_passes_for_a_parameter_without_gradient() -> None:
    module = built()
    pulsed = MixedPrecisionSgd(module, hardware(NOISY), lr=0.1, seed=1, sample_time_s=1000.0, drift_every=1)
    before = [p.detach().clone() for p in module.parameters() if p.dim() > 1]
    pulsed.step(samples=10)
    after = [p.detach() for p in module.parameters() if p.dim() > 1]
    for a, b in zip(before, after, strict=True):
        assert float(b.abs().mean()) < 0.95 * float(a.abs().mean())


def test_weights_within_the_window_start_as_they_are_and_others_are_named() -> None:
    module = built()
    before = [p.detach().clone() for p in module.parameters()]
    MixedPrecisionSgd(module, hardware({"array.conductance_per_weight_us": 10.0}), lr=0.1, seed=1)
    for a, b in zip(before, module.parameters(), strict=True):
        torch.testing.assert_close(a, b.detach(), atol=1e-6, rtol=0)
    with pytest.warns(UserWarning, match="exceed what a pair can hold"):
        MixedPrecisionSgd(built(), hardware({"array.conductance_per_weight_us": 100.0}), lr=0.1, seed=1)


def test_a_parameter_in_another_order_of_memory_shows_the_same_weights() -> None:
    """As on another device, the weights are kept in a copy there."""
    weights = []
    for layout in (torch.contiguous_format, torch.channels_last):
        module = nn.utils.skip_init(nn.Conv2d, 3, 4, 3, bias=False)
        values = torch.sin(torch.arange(108.0)).reshape(4, 3, 3, 3) / 5
        module.weight.data = values.clone(memory_format=layout)
        pulsed = MixedPrecisionSgd(module, hardware(NOISY), lr=1.0, seed=1)
        for step in range(20):
            module.weight.grad = torch.cos(torch.arange(108.0) + step).reshape(4, 3, 3, 3)
            pulsed.step(samples=10)
        assert module.weight.is_contiguous(memory_format=layout)
        weights.append(module.weight.detach().clone())
        assert not torch.allclose(weights[-1], values, atol=0.01)
    assert torch.equal(*weights)


def test_what_cannot_work_is_refused_with_its_reason() -> None:
    own = hardware(NOISY)
    with pytest.raises(SettingError, match="float64"):
        MixedPrecisionSgd(built().double(), own, lr=0.1, seed=1)
    with pytest.raises(SettingError, match="two or more dimensions"):
        MixedPrecisionSgd(nn.BatchNorm2d(3), own, lr=0.1, seed=1)
    module = built()
    pulsed = MixedPrecisionSgd(module, own, lr=0.1, seed=1)
    for parameter in module.parameters():
        parameter.data = parameter.data.clone()
    with pytest.raises(SettingError, match="moved in memory"):
        learn(module, pulsed, 1)
    module = built()
    pulsed = MixedPrecisionSgd(module, own, lr=0.1, seed=1)
    module.load_state_dict(built().state_dict())
    with pytest.raises(SettingError, match="changed by others"):
        learn(module, pulsed, 1)
    with pytest.raises(SettingError, match="operand_bits"):
        MixedPrecisionSgd(built(), hardware({**NOISY, "accumulator.operand_bits": 8}), lr=0.1, seed=1)
    with pytest.raises(SettingError, match="cannot be copied"):
        copy.deepcopy(pulsed)
    module = built()
    pulsed = MixedPrecisionSgd(module, own, lr=1e30, seed=1)
    with pytest.raises(DivergedError):
        learn(module, pulsed, 1)
