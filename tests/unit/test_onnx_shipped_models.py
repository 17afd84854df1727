"""Trained networks as packages ship them: with ideal arrays they give what onnxruntime gives, within float rounding."""

import numpy as np
import torch

from dse.crossbar.analog import Crossbars, analog_layers, on_crossbars, weighted_layers
from dse.data.base import BareInfo
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.files import Content
from dse.networks.onnx.fit import Wanted
from dse.networks.onnx.module import built, look
from dse.networks.onnx.spec import Onnx
from tests.model_files import DIRECTION, FILE_TYPE, VOICE
from tests.onnx_models import some, theirs

TOLERANCE = 2e-6
"""Largest difference of outputs in [0, 1]; sums of some hundred products differ by this much between two orders."""


def signals(count, windows):
    """Return tones that come and go, in windows of 576 of which 64 overlap, shape (count, windows, 576)."""
    draws = np.random.default_rng(3)
    found = np.empty((count, windows, 576), np.float32)
    for own in found:
        time = np.arange(512 * windows + 64) / 16000
        base = draws.uniform(100, 300)
        tone = sum(np.sin(2 * np.pi * base * n * time) / n for n in range(1, 8))
        sound = 0.1 * tone * np.repeat(draws.random(windows + 1) > 0.5, 512)[: len(time)]
        sound += 0.003 * draws.standard_normal(len(time))
        own[:] = [sound[512 * n : 512 * n + 576] for n in range(windows)]
    return found


def network(shipped, tmp_path, shape, given):
    path = tmp_path / "net.onnx"
    path.write_bytes(shipped.content())
    content = Content.at(path)
    found = {"sha256": "0", "size": 1, **look(content, Wanted())}
    spec = Onnx.model_validate({"file": path.name, "found": found})
    return spec, built(content, Wanted(), BareInfo(4, shape=shape, given=given)).eval()


def on_ideal_arrays(net, x):
    placed = on_crossbars(net, Crossbars()).eval()
    with torch.no_grad():
        return placed, placed(torch.from_numpy(x.astype(np.float32))).numpy()


def test_voice_activity_is_what_onnxruntime_gives(tmp_path):
    x, state = signals(3, 24), np.zeros((1, 1, 128), np.float32)
    spec, net = network(VOICE, tmp_path, (1, 24, 576), (24, 576))
    placed, found = on_ideal_arrays(net, x[:, None])
    wanted = [theirs(VOICE.content(), {"input": own, "h": state, "c": state})[0] for own in x]
    np.testing.assert_allclose(found[:, :, 0] + 0.5, wanted, rtol=0, atol=TOLERANCE)
    # Six convolutions, and two arrays of the LSTM.
    assert len(list(analog_layers(placed))) == 8
    assert spec.facts.digital == ()


def test_the_direction_of_text_is_what_onnxruntime_gives(tmp_path):
    x = some(3, 3, 48, 192)
    spec, net = network(DIRECTION, tmp_path, (3, 48, 192), ())
    placed, found = on_ideal_arrays(net, x)
    np.testing.assert_allclose(found[:, 0], theirs(DIRECTION.content(), {"x": x})[0], rtol=0, atol=TOLERANCE)
    assert len(list(analog_layers(placed))) == 43
    assert len(spec.facts.digital) == len(list(weighted_layers(placed))) - 43 == 11
    assert spec.facts.batch_norms == 35


def test_the_type_of_a_file_is_what_onnxruntime_gives(tmp_path):
    x = np.random.default_rng(4).integers(0, 257, (3, 2048)).astype(np.int32)
    spec, net = network(FILE_TYPE, tmp_path, (1, 1, 2048), (2048,))
    placed, found = on_ideal_arrays(net, x[:, None, None])
    np.testing.assert_allclose(found[:, 0], theirs(FILE_TYPE.content(), {"bytes": x})[0], rtol=0, atol=TOLERANCE)
    assert len(list(analog_layers(placed))) == spec.facts.layers == 3


IDEAL = {f"deployment.device.{name}_scale": 0.0 for name in ("programming_noise", "drift", "read_noise")}


def test_a_deployment_without_any_imperfection_agrees_with_the_digital_network_for_a_year(tmp_path):
    (tmp_path / "voice.onnx").write_bytes(VOICE.content())
    np.savez(tmp_path / "signals.npz", x=signals(8, 12))
    files = {"network.file": "voice.onnx", "workload.dataset": "arrays", "workload.file": "signals.npz"}
    bits = {"deployment.dac_bits": "ideal", "deployment.adc_bits": "ideal", "deployment.times_s": [1.0, 31536000.0]}
    given = {"network.name": "onnx", **files, **bits, **IDEAL, "deployment.repetitions": 1}
    design = compose(given, tmp_path)
    metrics = evaluate(design, 0, design.workload.load()).metrics
    assert metrics["retained_agreement"] == metrics["programmed_agreement"] == 1.0
    assert metrics["retained_output_error"] < 1e-5
    noisy = compose({**given, "deployment.device.programming_noise_scale": 1.0}, tmp_path)
    assert evaluate(noisy, 0, noisy.workload.load()).metrics["retained_output_error"] > 1e-2
