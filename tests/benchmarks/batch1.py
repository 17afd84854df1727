"""How fast one image at a time is learned, against eager torch in the same run. Needs MNIST in DSE_DATA_DIR.

    python tests/benchmarks/batch1.py [--images 20000]

The network is 784-250-10. Every path first learns 100 images on the plain path too, and the benchmark stops if the two
do not leave the same weights and accumulators; so a fast wrong answer is no answer. One thread; run it on an idle core.
"""

import argparse
import platform
import time
from typing import Any

import torch

from dse.design.design import compose
from dse.design.evaluate import hardware_of
from dse.training import fast
from dse.training.datasets import Dataset, load
from dse.training.layers import CrossbarLayer, FloatLayer, Layer
from dse.training.loop import PlainRun
from dse.training.pace import Pace

SIZES = [(785, 250), (251, 10)]
PURE = {"device.read_noise_scale": 0.0, "device.drift_exponent": 0.0, "dac.bits": "ideal", "adc.bits": "ideal"}
PATHS: dict[str, dict[str, Any]] = {
    "digital float": {"architecture": "float"},
    "PCM, float chi": {**PURE, "accumulator.bits": "float"},
    "PCM, 16-bit chi": {**PURE, "accumulator.bits": 16},
    "PCM, 32-bit chi": PURE,
    "PCM, 8-bit chi, stochastic": {**PURE, "accumulator.bits": 8, "accumulator.rounding": "stochastic"},
    "PCM, float chi, read noise, 8-bit converters": {"device.drift_exponent": 0.0, "accumulator.bits": "float"},
    "PCM, float chi, read noise, 8-bit converters, drift": {"accumulator.bits": "float"},
}


def layers_of(settings: dict[str, Any]) -> list[Layer]:
    hardware = hardware_of(compose(settings))
    if hardware is None:
        return [FloatLayer(r, c, seed=1, layer=n) for n, (r, c) in enumerate(SIZES)]
    return [CrossbarLayer(r, c, hardware, seed=1, layer=n) for n, (r, c) in enumerate(SIZES)]


def state(layers: list[Layer]) -> list[torch.Tensor]:
    tensors: list[torch.Tensor] = []
    for layer in layers:
        if isinstance(layer, CrossbarLayer):
            tensors += [layer.array.cells.g_us, layer.accumulator.word]
        elif isinstance(layer, FloatLayer):
            tensors.append(layer.weight)
    return tensors


def compiled_rate(settings: dict[str, Any], data: Dataset, order: torch.Tensor) -> float:
    """Return images learned in a second, after checking the first hundred against the plain path."""
    pace = Pace(learning_rate=0.4, image_time_s=0.01, drift_every=1000, maintain_every=100)
    plain, quick = layers_of(settings), layers_of(settings)
    run = fast.runner(quick, data.train, pace)
    losses = PlainRun(plain, data, 1, pace).learn(order[:100], 0), run.learn(order[:100], 0)
    same = all(torch.equal(a, b) for a, b in zip(state(plain), state(quick), strict=True))
    if losses[0] != losses[1] or not same:
        raise SystemExit(f"{settings}: the compiled path differs from the plain one")
    start = time.perf_counter()
    run.learn(order[100:], 100)
    return (len(order) - 100) / (time.perf_counter() - start)


def eager_rate(data: Dataset, order: torch.Tensor) -> float:
    """Return images learned in a second by torch.nn with autograd and SGD, as most people would write it."""
    network = torch.nn.Sequential(
        torch.nn.Linear(784, 250), torch.nn.Sigmoid(), torch.nn.Linear(250, 10), torch.nn.Sigmoid()
    )
    descent = torch.optim.SGD(network.parameters(), lr=0.4)
    targets = torch.nn.functional.one_hot(data.train.labels, 10).float()
    first, last, start = 0.0, 0.0, time.perf_counter()
    for number, index in enumerate(order.tolist()):
        descent.zero_grad()
        loss = 0.5 * ((network(data.train.images[index]) - targets[index]) ** 2).sum()
        loss.backward()
        descent.step()
        first += loss.item() if number < 500 else 0.0
        last += loss.item() if number >= len(order) - 500 else 0.0
    if not last < 0.5 * first:
        raise SystemExit("eager torch did not learn")
    return len(order) / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=20_000)
    images = parser.parse_args().images
    torch.set_num_threads(1)
    data = load("mnist", 0.0)
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    eager = eager_rate(data, order[: min(images, 5000)])
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread")
    print(f"{'eager float torch':52} {eager:8.0f} images/s")
    for name, settings in PATHS.items():
        rate = compiled_rate(settings, data, order[:images])
        print(f"{name:52} {rate:8.0f} images/s {rate / eager:6.1f} times eager torch")


if __name__ == "__main__":
    main()
