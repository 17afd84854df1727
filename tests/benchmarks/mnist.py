"""How fast 784-250-10 learns MNIST on PCM, against eager torch in the same run, and in how much memory.

    DSE_DATA_DIR=... python -m tests.benchmarks.mnist [--batch 1 100] [--rounds 9] [--only "float chi"] [--keep]

Every path first learns some mini-batches on the plain path too, and it stops if the two do not leave the same
weights and accumulators to the last bit; eager torch must recognise most of what it learned. Paths take turns with
eager torch on one thread; times are those of the processor, and a ratio is the median of those of single turns, so that
other work on the machine does little. With mini-batches of one, the bytes that a path must move in the first layer
stand beside what the processor copies: what is left to the limit of the memory.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from dse.data.images import Dataset
from dse.designs.design import compose
from dse.designs.hardware import hardware_of
from dse.networks.perceptron.plain import PlainRun
from dse.updates import fast
from dse.updates.layers import CrossbarLayer, FloatLayer, Layer
from dse.updates.pace import Pace
from tests.benchmarks.kept import Row, keep, keep_option
from tests.data import load

SIZES = [(785, 250), (251, 10)]
QUIET = {"device.read_noise_scale": 0.0, "device.drift_exponent": 0.0, "dac.bits": "ideal", "adc.bits": "ideal"}
FLOAT = {"accumulator.bits": "float"}
PATHS: dict[str, dict[str, Any]] = {
    "digital float": {"architecture": "float"},
    "PCM, float chi": {**QUIET, **FLOAT},
    "PCM, 16-bit chi": {**QUIET, "accumulator.bits": 16},
    "PCM, 32-bit chi": QUIET,
    "PCM, 8-bit chi, stochastic": {**QUIET, "accumulator.bits": 8, "accumulator.rounding": "stochastic"},
    "PCM, 8-bit chi in binary PCM": {**QUIET, "accumulator.bits": 8, "accumulator.storage": "pcm"},
    "PCM, float chi, four pairs a weight": {**QUIET, **FLOAT, "array.pairs_per_weight": 4},
    "PCM, float chi, read noise": {**FLOAT, "device.drift_exponent": 0.0, "dac.bits": "ideal", "adc.bits": "ideal"},
    "PCM, float chi, read noise, 8-bit converters": {**FLOAT, "device.drift_exponent": 0.0},
    "PCM, float chi, read noise, 8-bit converters, drift": FLOAT,
}
WANTED = {
    (1, "PCM, float chi"): 36.0,
    (1, "PCM, float chi, read noise, 8-bit converters"): 25.0,
    (100, "PCM, float chi"): 1.6,
    (100, "PCM, float chi, read noise, 8-bit converters"): 1.2,
    (100, "PCM, float chi, read noise, 8-bit converters, drift"): 1.1,
}
"""Rates that are wanted, by mini-batch and path."""
MOVED = 12
"""Bytes of a weight of a row that an image drives: it is read once, its accumulator is read and written once."""
PACE = Pace(learning_rate=0.4, sample_time_s=0.01, drift_every=1000, maintain_every=100)
Learn = Callable[[], float]
"""Learns some images and returns the seconds an image took."""


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


def compiled(settings: dict[str, Any], data: Dataset, order: torch.Tensor, batch: int) -> Learn:
    """Return what learns images, after checking the first mini-batches against the plain path."""
    first = order[: max(100, 2 * batch)]
    plain, quick = layers_of(settings), layers_of(settings)
    lessons = fast.Lessons.of(data)
    run = fast.runner(quick, lessons, batch, PACE)
    losses = PlainRun(plain, lessons, batch, PACE).learn(first, 0), run.learn(first, 0)
    same = all(torch.equal(a, b) for a, b in zip(state(plain), state(quick), strict=True))
    if losses[0] != losses[1] or not same:
        raise SystemExit(f"{settings}, batch {batch}: the compiled path differs from the plain one")
    seen = len(first)

    def learn() -> float:
        nonlocal seen
        start = time.process_time()
        run.learn(order, seen)
        seen += len(order)
        return (time.process_time() - start) / len(order)

    learn()
    return learn


def eager(data: Dataset, order: torch.Tensor, batch: int) -> Learn:
    """Return what learns images by torch.nn with autograd and SGD, as most people would write it, after a check."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(784, 250), torch.nn.Sigmoid(), torch.nn.Linear(250, 10), torch.nn.Sigmoid()
    )
    descent = torch.optim.SGD(network.parameters(), lr=0.4 if batch == 1 else 1.0)
    images, labels = data.train.floats(order), data.train.labels[order]
    targets = torch.nn.functional.one_hot(labels, 10).float()

    def learn() -> float:
        start = time.process_time()
        for place in range(0, len(order), batch):
            part = slice(place, place + batch)
            descent.zero_grad()
            loss = 0.5 * ((network(images[part]) - targets[part]) ** 2).sum(dim=1).mean()
            loss.backward()
            descent.step()
        return (time.process_time() - start) / len(order)

    for _ in range(5 if batch == 1 else 25):
        learn()
    with torch.no_grad():
        accuracy = float((network(images).argmax(dim=1) == labels).float().mean())
    # Outputs that are all zero lose little, and recognise nothing.
    if not accuracy > 0.75:
        raise SystemExit(f"eager torch did not learn: its accuracy is {accuracy:.3f}")
    return learn


def compare(batch: int, images: int, rounds: int, only: str) -> list[Row]:
    """Print and return the rates of all paths for a size of mini-batch, in units of eager torch."""
    data = load("mnist", 0.0)
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:images]
    reference = eager(data, order[: images // 4] if batch == 1 else order, batch)
    print(f"\nbatch {batch}: eager float torch {1 / reference():.0f} images/s")
    print(f"  {'path':52} images/s   rate / eager   wanted     GB/s of the first layer")
    rows: list[Row] = []
    for name, settings in PATHS.items():
        if only in name:
            learn = compiled(settings, data, order, batch)
            pairs = [(learn(), reference()) for _ in range(rounds)]
            own, rate = statistics.median(a for a, _ in pairs), statistics.median(b / a for a, b in pairs)
            wanted = WANTED.get((batch, name))
            rows.append((f"batch {batch}: {name}", rate, wanted))
            moved = f"{driven(data, order) * SIZES[0][1] * MOVED / own / 1e9:12.1f}" if batch == 1 else ""
            print(f"  {name:52} {1 / own:8.0f} {rate:14.2f} {wanted or '':>8} {moved}", flush=True)
    return rows


def driven(data: Dataset, order: torch.Tensor) -> float:
    """Return the mean number of inputs of an image that are not zero: rows of the first layer that it passes."""
    return float((data.train.images[order] != 0).sum(dim=1).double().mean()) + 1


def bandwidth(size: int) -> float:
    """Return the bytes a second that are read and written now where so many are copied again and again."""
    values, turns = torch.zeros(size // 4), max(1, 2**28 // size)
    room, taken = torch.empty_like(values), list[float]()
    for _ in range(3):
        start = time.process_time()
        for _ in range(turns):
            room.copy_(values)
        taken.append(time.process_time() - start)
    return 2 * turns * values.nbytes / min(taken)


def memory() -> None:
    """Print the memory of a trial in a process of its own, beyond what importing and loading compiled code took."""
    code = """
import json
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from tests.data import load

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

bare = resident()
small = compose({"network.hidden": [5], "training.epochs": 1, "training.batch_size": 1})
evaluate(small, 0, load("digits", 0.0))
loaded = resident()
data = load("mnist", 0.0)
held = resident()
schedule = {"training.epochs": 1, "training.batch_size": 1, "training.learning_rate": 0.4}
design = compose({"network.hidden": [250], **schedule})
outcome = evaluate(design, 0, data)
print(json.dumps([bare, loaded, held, resident(), outcome.metrics["accuracy"]]))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    bare, loaded, held, end, accuracy = json.loads(answer)
    if not accuracy > 0.9:
        raise SystemExit(f"the trial did not learn: accuracy {accuracy}")
    print(f"\nmemory: imports {bare:.0f} MB; compiled code {loaded - bare:.0f} MB; a trial {end - loaded:.0f} MB more,")
    print(f"  of which MNIST as bytes {held - loaded:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 100])
    parser.add_argument("--images", type=int, default=4000, help="images a path learns before eager torch takes over")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each path")
    parser.add_argument("--only", default="", help="paths whose name holds this")
    keep_option(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread")
    of_layer = 4 * SIZES[0][0] * SIZES[0][1]
    for what, size in (("weights of the first layer", of_layer), ("more than the caches hold", 2**27)):
        print(f"  {bandwidth(size) / 1e9:.1f} GB/s are read and written where {what} are copied ({size / 1e6:.1f} MB)")
    rows = [row for batch in options.batch for row in compare(batch, options.images, options.rounds, options.only)]
    if options.keep:
        keep("mnist", "eager float torch, 784-250-10, refresh every 100 images", rows)
    memory()


if __name__ == "__main__":
    main()
