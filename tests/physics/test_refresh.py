"""What a refresh writes: what it misses stays in chi or is written, and nothing is counted that did not happen."""

from typing import Any

import pytest
import torch

from dse.crossbar.events import Events
from dse.crossbar.pairs import PairArray
from dse.designs.design import compose
from dse.designs.hardware import hardware_of
from dse.updates.layers import CrossbarLayer

QUIET = {"device.read_noise_scale": 0.0, "device.drift_exponent": 0.0, "accumulator.bits": "float"}
TARGET_US = 4.0
ROWS, COLS = 40, 50


def layer_of(**settings: Any) -> CrossbarLayer:
    """Return a layer whose pairs are all due for a refresh, with a difference of 4 uS."""
    hardware = hardware_of(compose({**QUIET, **settings}))
    assert hardware is not None
    layer = CrossbarLayer(ROWS, COLS, hardware, seed=1, layer=0)
    layer.array.cells.g_us[0], layer.array.cells.g_us[1] = 9.0, 9.0 - TARGET_US
    layer.sense(0.0)
    return layer


def differences_us(array: PairArray) -> torch.Tensor:
    g = array.conductance_us(1.0)
    return g[0] - g[1]


def rms_miss_us(array: PairArray) -> float:
    return float((differences_us(array) - TARGET_US).square().mean().sqrt())


def test_rounds_of_verification_bring_pairs_within_the_tolerance() -> None:
    """Without noise of reads a pair is within it, or no pulse would bring it nearer, or its rounds are used up."""
    misses: list[float] = []
    for rounds in (0, 1, 3, 30):
        layer = layer_of(**{"refresh.verify_rounds": rounds, "refresh.tolerance_us": 1.0})
        layer.maintain(1.0)
        misses.append(rms_miss_us(layer.array))
        events, cells = layer.events, layer.array.cells
        assert events.refreshed_pairs == ROWS * COLS
        assert events.resets == int(cells.reset_pulses.sum()) == 2 * ROWS * COLS
        assert events.set_pulses_refresh == int(cells.set_pulses.sum())
        looks = events.refresh_reads - 2 * ROWS * COLS
        assert looks == 0 if rounds == 0 else 2 * ROWS * COLS <= looks <= 2 * ROWS * COLS * rounds
    assert 1.2 < misses[0] < 2.6  # one write, open loop
    assert misses[1] < 0.7 * misses[0]
    assert misses[2] < 0.9 * misses[1]
    # All but cells at the end of their window, which no pulse raises.
    response = layer.array.cells.spec.mean_response_us(1)
    nearest = max(1.0, (response[1] - response[0]) / 2)
    beyond = (differences_us(layer.array) - TARGET_US).abs() > nearest + 1e-5
    assert float(beyond.float().mean()) < 0.02


@pytest.mark.parametrize("rounds", [0, 2])
def test_what_a_refresh_missed_is_in_chi(rounds: int) -> None:
    kept = {"accumulator.refresh_misses": "kept", "accumulator.headroom_bits": 5}
    layer = layer_of(**kept, **{"refresh.verify_rounds": rounds})
    layer.maintain(1.0)
    assert rms_miss_us(layer.array) > 0.3
    held = differences_us(layer.array)[0] + layer.accumulator.chi * layer.array.beta_us
    torch.testing.assert_close(held, torch.full_like(held, TARGET_US), atol=1e-5, rtol=0)
    size = ROWS * COLS
    assert (layer.events.chi_reads, layer.events.chi_writes, layer.events.chi_adds) == (size, size, size)
    assert layer.events.chi_saturated == 0


def test_what_was_missed_leaves_as_pulses_of_the_next_update() -> None:
    layer = layer_of(**{"accumulator.refresh_misses": "kept"})
    layer.maintain(1.0)
    chi = layer.accumulator.chi.clone()
    pulses = layer.accumulator.add(torch.zeros(ROWS, COLS), Events())
    assert pulses is not None
    assert torch.equal(pulses, torch.trunc(chi / layer.accumulator.threshold).to(torch.int64))
    assert int(pulses.abs().sum()) > ROWS * COLS / 2
    assert float(layer.accumulator.chi.abs().max()) < layer.accumulator.threshold
