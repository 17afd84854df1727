"""Where a mini-batch of the compiled perceptron spends its time, part by part, beside what its products alone need.

    DSE_DATA_DIR=... python -m tests.benchmarks.parts [--rounds 9] [--only "PCM, float chi"]

784-250-10 on MNIST, mini-batches of 100, one thread. Each part of a step is called again and again on the state that a
training has left, with caches that are warm; the sum is printed beside the whole step. "Bare products" are the sums of
inputs times rows that a layer takes in a step and nothing else: what a path that keeps the order of its sums needs.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any, cast

import numba
import torch

from dse.kernel import engine
from dse.kernel.arithmetic import f32, float_rows_at, floats_at, ints_at, word_rows_at
from dse.kernel.chi import FLOAT
from dse.kernel.pcm import age, refresh
from dse.kernel.products import accumulate, backward, forward
from dse.kernel.updates import add_many, factors, list_by_row, lists_at
from dse.updates import fast
from tests.benchmarks import mnist
from tests.data import load

Records = tuple[Any, Any, Any]
BATCH = 100
Part = Callable[..., None]
njit = cast("Callable[..., Callable[[Any], Any]]", numba.njit)(error_model="numpy")


@njit
def forwards(states: Any, knobs: Any, buffers: Any, number: int, samples: int) -> None:
    for sample in range(samples):
        forward(states[number], knobs[0], buffers[number], sample, True)


@njit
def logistic(states: Any, knobs: Any, buffers: Any, number: int, samples: int) -> None:
    for sample in range(samples):
        engine.pass_on(buffers[number], sample)


@njit
def backwards(states: Any, knobs: Any, buffers: Any, number: int, samples: int) -> None:
    for sample in range(samples):
        backward(states[number], knobs[0], buffers[number], sample)
        engine.error_below(buffers[number], buffers[number - 1], sample)


@njit
def lists(states: Any, knobs: Any, buffers: Any, number: int, samples: int) -> None:
    factors(knobs[0], buffers[number], samples)
    list_by_row(buffers[number], samples, 0, f32(1.0))


@njit
def adds(states: Any, knobs: Any, buffers: Any, number: int, samples: int) -> None:
    s, rows, n = states[number], states[number].rows, 0
    while n < rows:
        n = add_many(s, knobs[0], buffers[number], FLOAT, 0, n, rows) + 1


@njit
def refreshes(states: Any, knobs: Any, buffers: Any, number: int, samples: int) -> None:
    refresh(states[number], knobs[0], f32(100.0))


@njit
def ages(states: Any, knobs: Any, buffers: Any, number: int, samples: int) -> None:
    age(states[number], knobs[0], f32(100.0))


@njit
def bare(states: Any, knobs: Any, buffers: Any, number: int, samples: int) -> None:
    b, s = buffers[number], states[number]
    rows, cols = b.rows, b.cols
    y, active = float_rows_at(b.y, b.batch, cols), ints_at(b.active, b.batch)
    weight, places = float_rows_at(s.weight, rows, cols), word_rows_at(b.driven_rows, b.batch, rows)
    for sample in range(samples):
        accumulate(y[sample], weight, places[sample], floats_at(b.values, rows), active[sample])
    starts, who, inputs = lists_at(b)
    errors, sums = float_rows_at(b.scaled, b.batch, cols), floats_at(b.sums, cols)
    for i in range(rows):
        first, last = starts[i], starts[i + 1]
        if first < last:
            accumulate(sums, errors, who[first:last], inputs[first:last], last - first)


PARTS: dict[str, tuple[Part, int, float]] = {
    "forward, first layer": (forwards, 0, 1.0),
    "forward, second layer": (forwards, 1, 1.0),
    "logistic function, 250 units": (logistic, 0, 1.0),
    "backward, and errors of hidden units": (backwards, 1, 1.0),
    "factors and lists by row, first layer": (lists, 0, 1.0),
    "factors and lists by row, second layer": (lists, 1, 1.0),
    "outer products into chi, first layer": (adds, 0, 1.0),
    "outer products into chi, second layer": (adds, 1, 1.0),
    "refresh, first layer": (refreshes, 0, 1.0),
    "weights from cells, first layer": (ages, 0, 0.1),
    "bare products, first layer": (bare, 0, 0.0),
    "bare products, second layer": (bare, 1, 0.0),
}
"""What a step is made of, its layer, and how often a step of 100 images does it; 0 for what is within another part."""


def spent(part: Part, records: Records, number: int, samples: int, turns: int) -> float:
    """Return the processor seconds of a part."""
    start = time.process_time()
    for _ in range(turns):
        part(*records, number, samples)
    return (time.process_time() - start) / turns


def show(name: str, rounds: int) -> None:
    """Print the parts of a step of a path, in microseconds an image."""
    data = load("mnist", 0.0)
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:4000]
    run = cast("Any", fast.runner(mnist.layers_of(mnist.PATHS[name]), fast.Lessons.of(data), BATCH, mnist.PACE))
    seen, whole = 0, list[float]()
    for _ in range(3 + rounds):
        start = time.process_time()
        run.learn(order, seen)
        whole.append(1e6 * (time.process_time() - start) / len(order))
        seen += len(order)
    print(f"\n{name}, batch {BATCH}: {statistics.median(whole[3:]):.2f} us an image")
    records = run._states.records, run._knobs, run._buffers.records
    total = 0.0
    for what, (part, number, often) in PARTS.items():
        if part is ages and "drift" not in name:
            continue
        part(*records, number, BATCH)
        best = min(spent(part, records, number, BATCH, 20) for _ in range(rounds))
        own = 1e6 * best / BATCH * (often or 1.0)
        total += own * (often > 0)
        print(f"  {what:44} {own:8.2f}", flush=True)
    print(f"  {'all parts':44} {total:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", help="paths whose name holds this")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for batch, name in mnist.WANTED:
        if batch == BATCH and options.only in name:
            show(name, options.rounds)


if __name__ == "__main__":
    main()
