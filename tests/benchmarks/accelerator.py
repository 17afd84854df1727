"""How fast networks learn on an accelerator: kernels against torch alone there, in units of eager float torch there.

    python -m tests.benchmarks.accelerator [--network resnet20] [--batch 128] [--steps 20] [--rounds 5]
    python -m tests.benchmarks.accelerator --generation 64 [--batch 100] [--rounds 5]
    TRITON_INTERPRET=1 python -m tests.benchmarks.accelerator --interpret

Every path first shows that its first outputs are those of the processor, and its weights after a step at which pulses
fall. Paths take turns; times are those of the device between two of its events, after all kernels have been compiled,
and a ratio is the median of those of single turns. Without an accelerator Triton's interpreter can only show that
answers are right, on networks of two small layers; it says nothing of speed.

A generation of perceptrons (784-250-10 on MNIST, all noise, rates that differ) learns an epoch in one launch for all
designs and in one for each, and the processor says what one of them comes to.
"""

import argparse
import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from dse.data.images import Dataset, Split
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.designs.generation import Candidate, evaluate_together
from dse.designs.hardware import platform_of
from dse.designs.outcome import Outcome
from dse.kernel.accelerator import dispatch
from dse.updates.descent import Descent
from dse.updates.training import ModuleTraining
from tests.networks import COLOURED, modules_of

EIGHT = {"dac.bits": 8, "adc.bits": 8}
PATHS: dict[str, dict[str, Any]] = {
    "exact": {"device.read_noise_scale": 0.0, "dac.bits": "ideal", "adc.bits": "ideal"},
    "8 bits": {"device.read_noise_scale": 0.0, **EIGHT},
    "read noise, 8 bits, drift": EIGHT,
}
RATE = 5.0
NEAR = 0.02
"""Norm of a difference over the norm that a path may have to the processor; see `tests.interpreted`."""


class Learner:
    """A network that learns one mini-batch again and again."""

    def __init__(self, network: nn.Module, settings: dict[str, Any], x: Tensor, device: str) -> None:
        design = compose(settings)
        platform = platform_of(design, device)
        self.network = platform.placed(network, seed=3).to(device)
        self.update: Descent = platform.update(self.network, cast("ModuleTraining", design.training), seed=5)
        self.x, self.labels = x.to(device), (torch.arange(len(x)) % 3).to(device)

    def step(self) -> Tensor:
        """Learn, and return the outputs from before."""
        self.update.prepare(0.0)
        y = self.network(self.x)
        functional.cross_entropy(y, self.labels).backward()
        self.update.step(RATE, len(self.x))
        return y.detach()


class Eager:
    """The same network in float torch, by plain descent."""

    def __init__(self, network: nn.Module, x: Tensor, device: str) -> None:
        self.network, self.x = network.to(device), x.to(device)
        self.labels = (torch.arange(len(x)) % 3).to(device)
        self.optimiser = torch.optim.SGD(self.network.parameters(), lr=0.1)

    def step(self) -> Tensor:
        """Learn, and return the outputs from before."""
        self.optimiser.zero_grad()
        y = self.network(self.x)
        functional.cross_entropy(y, self.labels).backward()
        self.optimiser.step()
        return y.detach()


def check(made: Callable[[str], Learner], device: str, where: AbstractContextManager[None], *, exactly: bool) -> None:
    """Check that a path computes what the processor does."""
    plain = made("cpu")
    outputs = plain.step(), plain.step()
    with where:
        other = made(device)
        found = other.step().cpu(), other.step().cpu()
    pairs = zip([*outputs, *plain.network.parameters()], [*found, *other.network.parameters()], strict=True)
    for here, found_there in pairs:
        own, there = here.detach(), found_there.detach().cpu()
        difference = float((own - there).square().sum()) / max(float(own.square().sum()), 1e-30)
        if (exactly and difference > 0.0) or difference > NEAR**2:
            raise SystemExit(f"a path is off by {difference**0.5:.3g} of the norm")


def spent_ms(step: Callable[[], object], steps: int) -> float:
    """Return the time of a step on the device, ms."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(steps):
        step()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / steps


def interpreted() -> None:
    """Show that all paths compute what the processor does, on a small network."""

    def small() -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(4)
            return nn.Sequential(nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))

    x = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    for name, own in PATHS.items():
        settings = {"network.name": "cnn", "training.momentum": 0.0, **own}
        check(
            lambda device, own=settings: Learner(small(), own, x, device), "cpu", dispatch.interpreted(), exactly=True
        )
        print(f"{name}: kernels in Triton's interpreter give the bits of the processor; speed was not measured")


def measured(network: str, batch: int, steps: int, rounds: int) -> None:
    """Show rates in units of eager float torch on the device."""
    x = torch.rand(batch, *COLOURED, generator=torch.Generator().manual_seed(1))
    print(f"{network}, batch {batch}, {torch.cuda.get_device_name()}, torch {torch.__version__}")
    for name, own in PATHS.items():
        settings = {"network.name": network, "training.momentum": 0.0, **own}

        def made(device: str, settings: dict[str, Any] = settings) -> Learner:
            return Learner(modules_of(compose(settings))[0], settings, x, device)

        check(made, "cuda", nullcontext(), exactly=False)
        check(made, "cuda", dispatch.without_kernels(), exactly=False)
        eager = Eager(modules_of(compose(settings))[0], x, "cuda")
        with_kernels = made("cuda")
        with dispatch.without_kernels():
            alone = made("cuda")
        turns: list[tuple[float, float]] = []
        for turn in range(rounds + 1):  # the first compiles
            reference = spent_ms(eager.step, steps)
            kernels = spent_ms(with_kernels.step, steps)
            with dispatch.without_kernels():
                plain = spent_ms(alone.step, steps)
            if turn:
                turns.append((reference / kernels, reference / plain))
        rates = [statistics.median(own) for own in zip(*turns, strict=True)]
        print(f"{name}: {rates[0]:.2f} with kernels, {rates[1]:.2f} with torch alone and cells on the processor")


def generation(designs: int, batch: int, hidden: int, dataset: str) -> list[Candidate]:
    """Return designs of perceptrons that differ in their rates and seeds."""
    shape = {"workload.dataset": dataset, "network.hidden": [hidden], "training.epochs": 1, **EIGHT}
    rates = [0.5 + own / designs for own in range(designs)]
    return [
        Candidate(compose({**shape, "training.batch_size": batch, "training.learning_rate": rate}), seed)
        for seed, rate in enumerate(rates)
    ]


def check_generation(some: list[Candidate], data: Dataset, device: str) -> None:
    """Check that designs that learn together come to what they come to on the processor."""
    for own, found in zip(some, evaluate_together(some, data, device), strict=True):
        if cast("Outcome", found).curve != cast("Outcome", evaluate(own.design, own.seed, data)).curve:
            raise SystemExit(f"the design of seed {own.seed} learns otherwise")


def interpreted_generation() -> None:
    """Show that designs that learn together come to what they come to on the processor, on few samples."""
    some = generation(2, 4, 3, "digits")
    data = cast("Dataset", some[0].design.workload.load())
    train, test = (
        Split(own.images[:size, 20:28].contiguous(), own.labels[:size], own.full_scale)
        for own, size in ((data.train, 8), (data.test, 4))
    )
    few = Dataset("few", train, None, test, data.classes, "")
    with dispatch.interpreted():
        check_generation(some, few, "cpu")
    print("a generation in Triton's interpreter learns as on the processor; speed was not measured")


def measured_generation(designs: int, batch: int, rounds: int) -> None:
    """Show the time of designs that learn together, and of the same one by one."""
    some = generation(designs, batch, 250, "mnist")
    data = cast("Dataset", some[0].design.workload.load())
    check_generation(some[:1], data, "cuda")
    ratios: list[float] = []
    for turn in range(rounds + 1):  # the first compiles
        together = spent_ms(lambda: evaluate_together(some, data, "cuda"), 1)
        alone = spent_ms(lambda: [evaluate_together([own], data, "cuda") for own in some], 1)
        if turn:
            ratios.append(alone / together)
            print(f"{designs} designs, an epoch: {together / 1e3:.2f} s in one launch, {alone / 1e3:.2f} s one by one")
    print(f"one by one takes {statistics.median(ratios):.2f} times as long")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet20")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--generation", type=int, metavar="DESIGNS", help="time perceptrons that learn together")
    parser.add_argument("--interpret", action="store_true", help="show that answers are right, without an accelerator")
    chosen = parser.parse_args()
    if chosen.interpret:
        interpreted()
        interpreted_generation()
    elif not torch.cuda.is_available():
        raise SystemExit("torch finds no accelerator here; --interpret shows that answers are right")
    elif chosen.generation is not None:
        measured_generation(chosen.generation, chosen.batch, chosen.rounds)
    else:
        with dispatch.exact_products("cuda"):
            measured(chosen.network, chosen.batch, chosen.steps, chosen.rounds)


if __name__ == "__main__":
    main()
