"""How fast an LSTM learns on crossbars, against torch's fused `nn.LSTM` in floats in the same run.

    python -m tests.benchmarks.recurrent [--units 128] [--streams 16] [--steps 32] [--rounds 7] [--choices] [--keep]

Two LSTM layers and a read-out learn a text of 50 characters, each of which says much of the next. Every path,
torch's among them, first learns: its loss must fall well below the entropy of single characters. Then paths take turns
with torch, and a ratio is the median of those of single turns, in processor seconds of one thread. `--choices` takes
what a training on PCM may choose, one by one, instead of what its products are.
"""

import argparse
from collections.abc import Callable
from itertools import cycle
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from dse.data.text import Text
from dse.designs.design import compose
from dse.designs.hardware import platform_of
from dse.networks.lstm.module import lstm_of
from dse.tasks.language.learner import LanguageLearner
from tests.benchmarks.kept import Row, in_turns, keep, keep_option, processor, show

SYMBOLS, CLIP, TURN = 50, 0.25, 4
EXACT: dict[str, Any] = {"dac.bits": "ideal", "adc.bits": "ideal", "device.read_noise_scale": 0.0}
PCM: dict[str, Any] = {"accumulator.bits": "float"}
PATHS: dict[str, tuple[dict[str, Any], float | None]] = {
    "digital": ({"architecture": "float"}, 0.95),
    "PCM, exact products": ({**PCM, **EXACT, "device.drift_exponent": 0.0}, 0.90),
    "the same, 8-bit converters both ways": (
        {**PCM, "device.drift_exponent": 0.0, "device.read_noise_scale": 0.0},
        0.60,
    ),
    "read noise in every product, 8 bits, drift": (PCM, 0.40),
    "the same, read noise per mini-batch and step": ({**PCM, "array.read_noise_per": "mini_batch"}, None),
}
MOMENTUM: dict[str, Any] = {"training.momentum": 0.9, "training.digital_momentum": 0.0}
OFTEN: dict[str, Any] = {"refresh.every_samples": 512, "refresh.threshold_us": 4.0}
"""A refresh after every update, of cells that are half open."""
ON_PCM: dict[str, Any] = {**PCM, **EXACT, "device.drift_exponent": 0.0}
CHOICES: dict[str, tuple[dict[str, Any], float]] = {
    "PCM, one pair, plain descent": ({}, 10.0),
    "momentum before chi": (MOMENTUM, 2.0),
    "Adam before chi": ({"training.optimiser": "adam"}, 0.01),
    "output scales of columns": ({"array.output_scale": "column"}, 10.0),
    "mapping by the largest weight": ({"array.mapping": "largest", "array.conductance_at_largest_us": 0.9}, 10.0),
    "at most 3 pulses an update": ({"accumulator.max_pulses": 3}, 10.0),
    "a refresh after every update": (OFTEN, 10.0),
    "the same, verified in 5 rounds": ({**OFTEN, "refresh.verify_rounds": 5}, 10.0),
    "the same, misses kept in chi": ({**OFTEN, "accumulator.refresh_misses": "kept"}, 10.0),
    "16 pairs": ({"array.pairs_per_weight": 16}, 10.0),
}
"""What a training may choose, and a rate at which it learns."""


def text(characters: int) -> torch.Tensor:
    """Return characters each of which is followed by one of two, some much more often than others."""
    draws = torch.Generator().manual_seed(0)
    after = (SYMBOLS * torch.rand(SYMBOLS, 2, generator=draws).square()).long().tolist()
    which = torch.randint(0, 20, (characters,), generator=draws).tolist()
    found = [0]
    for draw in which[1:]:
        found.append(after[found[-1]][draw % 2] if draw else len(found) % SYMBOLS)
    return torch.tensor(found, dtype=torch.uint8)


class Bench:
    """A text, and the paths that learn it."""

    def __init__(self, units: int, streams: int, steps: int) -> None:
        self.units, self.streams, self.steps = units, streams, steps
        self.characters = text(40 * streams * steps + 1)
        counts = torch.bincount(self.characters.long(), minlength=SYMBOLS).double() / self.characters.numel()
        self.entropy = float(-(counts * counts.clamp_min(1e-12).log()).sum())

    def ours(self, settings: dict[str, Any], rate: float) -> Callable[[], float]:
        """Return what learns a part and says its loss."""
        design = compose(
            {
                "network.name": "lstm",
                "workload.dataset": "ptb",
                "network.hidden": [self.units, self.units],
                "training.batch_size": self.streams,
                "training.sequence_length": self.steps,
                **settings,
            }
        )
        data = Text("ptb", self.characters, self.characters[:64], self.characters[:64], alphabet=b"", checksum="")
        learner = LanguageLearner(
            (lstm_of((self.units, self.units), SYMBOLS, seed=1),),
            data,
            design.training,  # type: ignore[arg-type]
            platform_of(design),
            seed=1,
            sequence_length=self.steps,
            gradient_clip=CLIP,
        )
        parts = (part for _ in cycle([0]) for _, part in learner.batches())
        return lambda: learner.step(next(parts), rate, 0.0)

    def torchs(self, rate: float) -> Callable[[], float]:
        """Return the same in torch's own layers, as most people would write it."""
        with torch.random.fork_rng():
            torch.manual_seed(1)
            lstm, read_out = nn.LSTM(SYMBOLS, self.units, 2), nn.Linear(self.units, SYMBOLS)
        parameters = [*lstm.parameters(), *read_out.parameters()]
        descent = torch.optim.SGD(parameters, lr=rate)
        length = (len(self.characters) - 1) // self.streams
        laid = [
            self.characters[start : start + self.streams * length].view(self.streams, length).t().long()
            for start in (0, 1)
        ]
        parts = cycle(zip(*(part.split(self.steps) for part in laid), strict=True))
        state: Any = None

        def step() -> float:
            nonlocal state
            characters, following = next(parts)
            descent.zero_grad(set_to_none=True)
            hidden, state = lstm(functional.one_hot(characters, SYMBOLS).float(), state)
            state = tuple(part.detach() for part in state)
            loss = functional.cross_entropy(read_out(hidden).flatten(0, 1), following.flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, CLIP)
            descent.step()
            return float(loss.detach())

        return step

    def must_learn(self, what: str, step: Callable[[], float], parts: int) -> None:
        losses = [step() for _ in range(parts)]
        last = sum(losses[-20:]) / 20
        print(f"  {what:52} loss {losses[0]:.3f} to {last:.3f}", flush=True)
        if not last < self.entropy - 0.25:
            raise SystemExit(f"{what} did not learn: {last:.3f}, and single characters have {self.entropy:.3f}")


def turn(step: Callable[[], float]) -> Callable[[], None]:
    def run() -> None:
        for _ in range(TURN):
            step()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    for name, value in (("units", 128), ("streams", 16), ("steps", 32), ("rounds", 9), ("parts", 120)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--only", default="", help="paths whose name holds this")
    parser.add_argument("--choices", action="store_true", help="what a training on PCM may choose")
    keep_option(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    bench = Bench(options.units, options.streams, options.steps)
    size = f"LSTM 2 x {options.units}, {options.streams} streams x {options.steps} steps"
    print(f"{processor()}, torch {torch.__version__}, one thread; {size}; single characters: {bench.entropy:.3f} nats")
    reference = bench.torchs(10.0)
    bench.must_learn("torch's fused LSTM", reference, options.parts)
    paths = {what: (settings, 10.0) for what, (settings, _) in PATHS.items()}
    if options.choices:
        paths = {what: ({**ON_PCM, **settings}, rate) for what, (settings, rate) in CHOICES.items()}
    steps = {what: bench.ours(*own) for what, own in paths.items() if options.only in what}
    for what, step in steps.items():
        bench.must_learn(what, step, options.parts)
    print(f"\n  {'rate in units of torch':52} {'':>8}   wanted")
    rows: list[Row] = []
    wanted = {} if options.choices else {what: own for what, (_, own) in PATHS.items()}
    for what, step in steps.items():
        rows.append((what, in_turns(turn(step), turn(reference), options.rounds), wanted.get(what)))
        show(rows[-1])
    if options.keep:
        keep("recurrent, choices" if options.choices else "recurrent", f"torch's fused LSTM in floats, {size}", rows)


if __name__ == "__main__":
    main()
