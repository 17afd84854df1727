"""Paths of this project and of eager torch for `beside`, of this checkout and of older ones.

Each is shown to learn before it is timed: a perceptron must recognise three of four test images, a deep network must
halve the loss of sixteen images, an LSTM must fall below the entropy of single characters, evaluations must stay close
to the outputs without noise, and a front must be that of the definition. What moved between commits (modules, names of
arguments) is looked up where it was.
"""

import importlib
import importlib.util
import inspect
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

Made = tuple[str, Callable[[], int]]
torch.set_num_threads(1)


def module(*names: str) -> Any:
    """Return the first of some modules that this checkout has.

    Raises:
        SystemExit: it has none of them.
    """
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    raise SystemExit(f"no {' or '.join(names)} here")


def benchmark(name: str) -> Any:
    """Return a benchmark of this checkout by its file, for in older ones `tests` is no package.

    Raises:
        SystemExit: it has no such benchmark.
    """
    file = Path.cwd() / "tests" / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, file)
    if not file.is_file() or spec is None or spec.loader is None:
        raise SystemExit(f"no {file}")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def digits(file: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first images of MNIST as bytes and their labels."""
    held = np.load(file)
    return torch.from_numpy(held["images"]), torch.from_numpy(held["labels"]).long()


def until(enough: Callable[[], bool], learn: Callable[[], object], most: int) -> int:
    """Learn until it is enough, and return how often that took."""
    for times in range(1, most + 1):
        learn()
        if enough():
            return times
    raise SystemExit(f"did not learn in {most} passes")


def perceptron(batch: int, settings: dict[str, Any], images: int) -> Made:
    """784-250-10 learns MNIST one mini-batch after the other; a turn takes each image once."""
    mnist, fast = benchmark("mnist"), module("dse.updates.fast", "dse.training.fast")
    data = module("tests.data", "dse.training.datasets").load("mnist", 0.0)
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:images]
    lessons = fast.Lessons.of(data) if hasattr(fast, "Lessons") else data.train
    run, seen = fast.runner(mnist.layers_of(settings), lessons, batch, mnist.PACE), 0

    def learn() -> int:
        nonlocal seen
        run.learn(order, seen)
        seen += len(order)
        return len(order)

    def accuracy() -> float:
        if hasattr(run, "accuracy"):
            return float(run.accuracy(data.test, seen * 0.01))
        return float((run.outputs(data.test, seen * 0.01).argmax(axis=1) == data.test.labels.numpy()).mean())

    times = until(lambda: accuracy() > 0.75, learn, 100)
    return f"recognises {accuracy():.1%} of the test images after {times} passes", learn


def eager_perceptron(batch: int, file: str, images: int) -> Made:
    """The same in `torch.nn` with autograd and SGD, as most people would write it."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(784, 250), nn.Sigmoid(), nn.Linear(250, 10), nn.Sigmoid())
    descent = torch.optim.SGD(network.parameters(), lr=0.4 if batch == 1 else 1.0)
    pixels, labels = (part[:images] for part in digits(file))
    x, targets = pixels.float() / 255.0, functional.one_hot(labels, 10).float()

    def learn() -> int:
        for place in range(0, len(x), batch):
            part = slice(place, place + batch)
            descent.zero_grad()
            (0.5 * ((network(x[part]) - targets[part]) ** 2).sum(dim=1).mean()).backward()
            descent.step()
        return len(x)

    def accuracy() -> float:
        with torch.no_grad():
            return float((network(x).argmax(dim=1) == labels).float().mean())

    times = until(lambda: accuracy() > 0.75, learn, 100)
    return f"recognises {accuracy():.1%} of its images after {times} passes", learn


def bench(name: str, width: float, batch: int) -> Any:
    """Return the bench of a deep network of this checkout, which remembers what it learns through."""
    deep, compose = benchmark("deep"), module("dse.designs.design", "dse.design.design").compose
    with_width = "width" in inspect.signature(deep.Bench).parameters

    class Own(deep.Bench):
        learns: Any = None

        def through(self, descent: Any, network: Any) -> Any:
            self.learns = descent, network
            through: Any = deep.Bench.through
            return through(self, descent, network)

        if not with_width:

            def design(self, **settings: Any) -> Any:
                return compose({"network.name": name, "network.width": width, **settings})

            def plain(self) -> nn.Module:
                return deep.network_of(deep.NetworkSpec(name=name, width=width), 3, deep.CLASSES, seed=0)

    made: Any = Own
    return made(name, width, batch) if with_width else made(name, batch)


def halves(loss: Callable[[], Any], move: Callable[[], object]) -> str:
    """Learn until a loss is half of the first, and say how long that took."""
    losses = list[float]()

    def learn() -> None:
        own = loss()
        own.backward()
        move()
        losses.append(float(own.detach()))

    learn()
    times = until(lambda: losses[-1] < 0.5 * losses[0], learn, 80)
    return f"the loss of 16 images falls from {losses[0]:.2f} to {losses[-1]:.2f} in {times} steps"


def deep_training(
    network: str, width: float, batch: int, settings: dict[str, Any], rate: float, noise_aware: bool = False
) -> Made:
    """A deep network on crossbars; a turn is a mini-batch."""
    own = bench(network, width, batch)
    if noise_aware:
        path = own.noise_aware(None) if inspect.signature(own.noise_aware).parameters else own.noise_aware()
    else:
        path = own.mixed_precision("", None, **settings)
    descent, layers = own.learns
    shown = halves(
        lambda: (descent.prepare(1.0), functional.cross_entropy(layers(own.last[:16]), own.labels[:16]))[1],
        lambda: descent.step(rate, 16),
    )

    def step() -> int:
        path[2]()
        return batch

    return shown, step


def eager_training(network: str, width: float, batch: int) -> Made:
    """The same network in torch alone."""
    own = bench(network, width, batch)
    plain = own.plain()
    descent = torch.optim.SGD(plain.parameters(), lr=0.05)

    def move() -> None:
        descent.step()
        descent.zero_grad()

    shown = halves(lambda: functional.cross_entropy(plain(own.x[:16]), own.labels[:16]), move)
    learn = own.trained(plain, own.x)

    def step() -> int:
        learn()
        return batch

    return shown, step


def deep_evaluation(network: str, width: float, batch: int, bits: int | None) -> Made:
    """The same network recognises images with noise and drift in its weights, which the bench checks."""
    own, deep = bench(network, width, batch), benchmark("deep")
    eight = None if bits is None else deep.Crossbars(deep.DacSpec(bits=bits), deep.AdcSpec(bits=bits))
    path = own.evaluation("", None, eight or deep.Crossbars())

    def recognise() -> int:
        path[2]()
        return batch

    return "outputs differ from those without noise by 0.1 to 70 %", recognise


def eager_evaluation(network: str, width: float, batch: int) -> Made:
    """The same in torch alone."""
    own = bench(network, width, batch)
    plain = own.plain().eval()

    def recognise() -> int:
        with torch.no_grad():
            plain(own.x)
        return batch

    return "", recognise


def below(entropy: float, step: Callable[[], float], parts: int) -> str:
    """Learn parts of a text; the loss must fall well below what single characters have."""
    losses = [step() for _ in range(parts)]
    last = sum(losses[-20:]) / 20
    if not last < entropy - 0.25:
        raise SystemExit(f"did not learn: {last:.3f} nats, and single characters have {entropy:.3f}")
    return f"the loss falls from {losses[0]:.2f} to {last:.2f} nats; single characters have {entropy:.2f}"


def four(step: Callable[[], float]) -> Callable[[], int]:
    def turn() -> int:
        for _ in range(4):
            step()
        return 4

    return turn


def lstm(file: str, entropy: float, settings: dict[str, Any], parts: int) -> Made:
    """Two LSTM layers of 128 units learn 16 streams; a turn is four parts of 32 characters."""
    try:
        step = benchmark("recurrent").Bench(128, 16, 32).ours(settings, 10.0)
    except SystemExit:  # of before there was such a benchmark
        step = _older_lstm(torch.from_numpy(np.load(file)), settings)
    return below(entropy, step, parts), four(step)


def _older_lstm(characters: torch.Tensor, settings: dict[str, Any]) -> Callable[[], float]:
    """Return a step of a checkout of before tasks, by the loop that trained characters there."""
    compose, hardware = module("dse.design.design").compose, module("dse.design.hardware")
    lstm_of, streams = module("dse.training.recurrent").lstm_of, module("dse.training.text").streams
    named = {"network.name": "lstm", "workload.dataset": "ptb", "network.hidden": [128, 128]}
    design = compose({**named, "training.batch_size": 16, "training.sequence_length": 32, **settings})
    network = hardware.placed(design, lstm_of(design.network, 50, seed=1), seed=1)
    descent = hardware.descent_of(design, network, seed=1)
    parts = cycle(zip(*(part.split(32) for part in streams(characters, 16)), strict=True))
    states = network.start(16)

    def step() -> float:
        nonlocal states
        own, following = next(parts)
        descent.prepare(0.0)
        logits, states = network(own, states)
        loss = functional.cross_entropy(logits.flatten(0, 1), following.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 0.25)
        descent.step(10.0, own.numel())
        return float(loss.detach())

    return step


def fused_lstm(entropy: float, parts: int) -> Made:
    """The same in torch's fused layers."""
    step = benchmark("recurrent").Bench(128, 16, 32).torchs(10.0)
    return below(entropy, step, parts), four(step)


def front(points: str) -> Made:
    """The front of a table, checked against the definition on its first 2,000 rows and by drawn ones."""
    is_on_front = module("dse.analysis.fronts.pareto", "dse.analysis.pareto").is_on_front
    table = benchmark("fronts")
    costs = np.load(points)
    values = costs * [-1.0, 1.0, 1.0]
    if not np.array_equal(is_on_front(values[:2000], table.GOALS), table.by_definition(costs[:2000])):
        raise SystemExit("not the front of the definition")
    on = is_on_front(values, table.GOALS)
    table.check(costs, on, 20)

    def find() -> int:
        is_on_front(values, table.GOALS)
        return 1

    return f"{int(on.sum())} on the front", find


PATHS: dict[str, Callable[..., Made]] = {
    own.__name__: own
    for own in (
        *(perceptron, eager_perceptron, deep_training, eager_training, deep_evaluation, eager_evaluation),
        *(lstm, fused_lstm, front),
    )
}
