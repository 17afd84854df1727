"""An LSTM on crossbars: torch's own where nothing is lost, chi conserved through time, events as counted by hand."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dse.crossbar.events import EVENT_NAMES
from dse.data.base import TextInfo
from dse.data.text import Text
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.hardware import hardware_of, platform_of
from dse.designs.outcome import Outcome
from dse.networks.lstm.module import CharacterLstm, lstm_of
from dse.networks.lstm.spec import Lstm
from dse.tasks.language.learner import bits_per_character
from dse.updates.mixed_precision.descent import CrossbarDescent
from tests.studies import FINE

SYMBOLS = 5
LSTM: dict[str, Any] = {
    "workload.dataset": "ptb",
    "network.name": "lstm",
    "network.hidden": [4, 3],
    "training.epochs": 2,
    "training.batch_size": 4,
    "training.sequence_length": 6,
    "training.learning_rate": 1.0,
    "refresh.every_samples": 0,
    "adc.calibrate_every_samples": 50,
}


@pytest.fixture(scope="module")
def words() -> Text:
    """A text whose next character follows from the last two."""
    characters = [1, 2]
    while len(characters) < 300:
        characters.append((2 * characters[-1] + characters[-2] + len(characters) % 2) % SYMBOLS)
    whole = torch.tensor(characters, dtype=torch.uint8)
    return Text("ptb", whole, whole[:80], whole[100:190], alphabet=b"abcde", checksum="00")


def outcome_of(settings: dict[str, Any], data: Text, seed: int = 1) -> Outcome:
    outcome = evaluate(compose(settings), seed, data)
    assert isinstance(outcome, Outcome)
    return outcome


def test_a_layer_is_the_lstm_of_torch_in_both_directions() -> None:
    network = lstm_of((4, 3), SYMBOLS, seed=1)
    for layer, inputs in zip(network.layers, (SYMBOLS, 4), strict=True):
        units = layer.units
        with torch.random.fork_rng():
            reference = nn.LSTM(inputs, units)
        # torch's gates are i, f, z, o.
        order = torch.cat([torch.arange(units) + units * gate for gate in (0, 1, 3, 2)])
        pairs = [(reference.weight_ih_l0, layer.from_input.weight), (reference.weight_hh_l0, layer.from_state.weight)]
        with torch.no_grad():
            for other, own in [*pairs, (reference.bias_ih_l0, layer.from_input.bias)]:
                other.copy_(own[order])
            reference.bias_hh_l0.zero_()
        draws = torch.Generator().manual_seed(2)
        x = torch.randn(7, 2, inputs, generator=draws, requires_grad=True)
        state = [torch.randn(2, units, generator=draws, requires_grad=True) for _ in range(2)]
        gradients: list[list[Tensor]] = []
        for module, given in ((layer, tuple(state)), (reference, tuple(s[None] for s in state))):
            y, after = module(x, given)
            loss = y.square().sum() + sum(part.sum() for part in after)
            own = [*(pair[module is layer] for pair in pairs), x, *state]
            gradients.append([y, *after, *torch.autograd.grad(loss, own)])
        gradients[0][3:5] = [gradient[order] for gradient in gradients[0][3:5]]
        for a, b in zip(*gradients, strict=True):
            torch.testing.assert_close(a, b.reshape(a.shape), atol=1e-5, rtol=1e-5)


def test_bits_per_character_are_those_of_the_definition(words: Text) -> None:
    network = lstm_of((4, 3), SYMBOLS, seed=1)
    length = (len(words.test) - 1) // 32
    bits = 0.0
    for start in range(0, 32 * length, length):
        states = network.start(1)
        for place in range(start, start + length):
            with torch.no_grad():
                logits, states = network(words.test[place].long().view(1, 1), states)
            bits -= float(functional.log_softmax(logits, 2)[0, 0, int(words.test[place + 1])]) / math.log(2.0)
    assert bits_per_character(network, words.test) == pytest.approx(bits / (32 * length), rel=1e-5)


def test_ideal_cells_with_fine_pulses_learn_as_the_digital_control_does(words: Text) -> None:
    settings = {**LSTM, "training.learning_rate": 4.0, "training.gradient_clip": 1.0, "training.epochs": 6}
    control = outcome_of({**settings, "architecture": "float"}, words)
    found = outcome_of({**settings, **FINE}, words)
    for name in ("loss", "validation_bits_per_character", "bits_per_character"):
        curves = [[point.metrics.get(name, point.loss) for point in outcome.curve] for outcome in (control, found)]
        assert curves[1] == pytest.approx(curves[0], abs=2e-3)
    assert control.curve[-1].loss < control.curve[0].loss - 0.2  # something was learned


def test_the_clip_bounds_the_step_of_an_update(words: Text) -> None:
    settings = {**LSTM, "architecture": "float", "training.epochs": 1, "training.gradient_clip": 1e-9}
    still = outcome_of(settings, words)
    untrained = lstm_of((4, 3), SYMBOLS, seed=1)
    assert still.metrics["bits_per_character"] == pytest.approx(bits_per_character(untrained, words.test), abs=1e-6)
    assert outcome_of({**settings, "training.gradient_clip": "none"}, words).curve != still.curve


def test_chi_is_conserved_through_time(words: Text) -> None:
    design = compose({**LSTM, "accumulator.bits": "float", "array.conductance_per_std_us": 2.0})
    network = platform_of(design).placed(lstm_of((4, 3), SYMBOLS, seed=1), seed=1)
    hardware = hardware_of(design)
    assert hardware is not None
    descent = CrossbarDescent(
        network,
        hardware,
        conductance_per_std_us=2.0,
        with_accumulator=False,
        seed=1,
        sample_time_s=1e-3,
        drift_every=1000,
    )
    weights = [dict(network.named_parameters())[pair.name] for pair in descent.pairs]
    gathered = [torch.zeros_like(weight) for weight in weights]
    states, characters = network.start(2), words.train.long()
    for start in range(0, 60, 6):
        part = torch.stack([characters[start : start + 7], characters[start + 100 : start + 107]], dim=1)
        descent.prepare(0.0)
        logits, states = network(part[:-1], states)
        functional.cross_entropy(logits.flatten(0, 1), part[1:].flatten()).backward()
        for total, weight in zip(gathered, weights, strict=True):
            assert weight.grad is not None
            total.sub_(weight.grad, alpha=20.0)
        descent.step(20.0, 12)
    descent.optimiser.write_back()
    for pair, total in zip(descent.pairs, gathered, strict=True):
        cells, accumulator = pair.layer.array.cells, pair.layer.accumulator
        up, down = cells.set_pulses.reshape(2, *pair.layer.array.cells.set_pulses.shape[-2:])
        kept = (up - down).reshape(total.shape) * accumulator.threshold + accumulator.chi.reshape(total.shape)
        torch.testing.assert_close(kept, total, atol=2e-5, rtol=1e-4)
        assert pair.layer.events.set_pulses_update == int(cells.set_pulses.sum()) > 0


def counts_by_hand(words: Text) -> list[dict[str, int]]:
    """Return the events of every layer of the small network that follow from shapes."""
    steps, streams, epochs = (len(words.train) - 1) // 4, 4, 2
    vectors = steps * streams * epochs
    parts = -(-steps // 6)
    rest = {"partial_adds_forward": 0, "partial_adds_backward": 0}
    table: list[dict[str, int]] = []
    # (inputs, outputs, vectors that pass back, activations of a vector)
    shapes = [
        (SYMBOLS, 16, 0, 0),
        (4, 16, vectors - epochs * parts * streams, 5 * 4),
        (4, 12, vectors, 0),
        (3, 12, vectors - epochs * parts * streams, 5 * 3),
        (3, SYMBOLS, vectors, SYMBOLS),
    ]
    for rows, cols, back, activations in shapes:
        table.append(
            {
                "mvm_forward": vectors,
                "dac_forward": vectors * rows,
                "adc_forward": vectors * cols,
                "mvm_backward": back,
                "dac_backward": back * cols,
                "adc_backward": back * rows,
                "macs_update": vectors * rows * cols,
                "activations": vectors * activations,
                **rest,
            }
        )
    return table


def test_events_are_those_counted_by_hand(words: Text) -> None:
    found = outcome_of(LSTM, words)
    for layer, wanted in zip(found.layers, counts_by_hand(words), strict=True):
        assert {name: layer.events[name] for name in wanted} == wanted
    assert found.layers[0].events["line_drives_forward"] == found.layers[0].events["mvm_forward"]  # one of the symbols
    assert found.train_samples == 2 * 4 * ((len(words.train) - 1) // 4)
    assert [layer.layer for layer in found.layers] == [*range(5)]


def test_a_digital_control_counts_the_same_products(words: Text) -> None:
    found = outcome_of({**LSTM, "architecture": "float"}, words)
    updates = 2 * -(-((len(words.train) - 1) // 4) // 6)
    for layer, wanted in zip(found.layers, counts_by_hand(words), strict=True):
        weights = layer.rows * layer.cols
        expected = dict.fromkeys(EVENT_NAMES, 0) | {
            "macs_forward": wanted["mvm_forward"] * weights,
            "macs_backward": wanted["mvm_backward"] * weights,
            "macs_update": wanted["macs_update"],
            "activations": wanted["activations"],
            "weight_writes": updates * weights,
            "weight_reads": (wanted["mvm_forward"] + wanted["mvm_backward"] + updates) * weights,
        }
        assert layer.events == expected


@pytest.mark.slow
def test_the_same_design_and_seed_give_the_same_outcome(words: Text) -> None:
    settings = {**LSTM, "accumulator.bits": 6, "accumulator.rounding": "stochastic", "refresh.every_samples": 100}
    first = outcome_of(settings, words)
    assert first == outcome_of(settings, words)
    assert first != outcome_of(settings, words, seed=2)
    assert "accuracy" not in first.metrics


def test_the_network_has_as_many_weights_as_its_width_says() -> None:
    (network,) = Lstm(hidden=(128, 128), width=0.5).build(TextInfo(1000, 50), None, seed=1)
    assert isinstance(network, CharacterLstm)
    matrices = [part.weight.shape for part in network.modules() if isinstance(part, nn.Linear)]
    assert matrices == [(256, 50), (256, 64), (256, 64), (256, 64), (50, 64)]
