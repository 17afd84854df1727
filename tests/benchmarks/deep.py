"""How fast deep networks train and recognise images on crossbars, against eager float torch on the same network.

    python -m tests.benchmarks.deep [--network resnet32] [--width 0.25] [--batch 128] [--rounds 5] [--keep]

Every path first shows that it computes what it should: ideal converters without noise give torch's own outputs and
gradients, converters and drifted cells stay close to them but differ, accumulators keep what the updates were worth,
noise is as large as asked for. Paths take turns with eager torch on one thread; times are those of the processor, and a
ratio is the median of those of single turns, so that other work on the machine and a slow spell of it do little.
"""

import argparse
import platform
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dse.crossbar.analog import Crossbars, analog_layers, calibrate_on, on_crossbars
from dse.crossbar.spec import AdcSpec, DacSpec
from dse.designs.design import Design, compose
from dse.designs.hardware import hardware_of
from dse.updates.mixed_precision.descent import CrossbarDescent
from dse.updates.sgd.descent import DigitalDescent
from tests.benchmarks.kept import Row, in_turns, keep, keep_option, show, spent
from tests.networks import modules_of, placed

CLASSES = 10
QUIET = {"device.read_noise_scale": 0.0, "dac.bits": "ideal", "adc.bits": "ideal"}
KINDS = ("noise-aware", "exact", "8 bits", "all", "read", "read 8 bits")
WANTED: dict[tuple[str, float], dict[str, float]] = {
    ("resnet20", 1.0): dict(zip(KINDS, (1.35, 1.3, 1.0, 0.9, 1.3, 1.0), strict=True)),
    ("cnn9", 0.25): dict(zip(KINDS[1:4], (1.25, 1.0, 1.0), strict=True)),
}
"""Rates that are wanted of a network of this width."""
Path = tuple[str, float | None, Callable[[], object]]
"""What it is, what rate it should reach in units of eager torch, and what runs a mini-batch."""


def same(a: Tensor, b: Tensor, tolerance: float = 1e-4) -> bool:
    return float((a - b).norm()) <= tolerance * float(b.norm())


def must(condition: bool, what: str) -> None:
    if not condition:
        raise SystemExit(what)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Bench:
    """A network of one name, a mini-batch, and the paths that take it."""

    def __init__(self, name: str, width: float, batch: int) -> None:
        self.name, self.width = name, width
        self.x = normal(batch, 3, 32, 32)
        self.last = self.x.to(memory_format=torch.channels_last)
        self.labels = torch.randint(0, CLASSES, (batch,), generator=torch.Generator().manual_seed(1))

    def plain(self) -> nn.Module:
        """The network in torch alone, as most people would run it."""
        return modules_of(self.design())[0]

    def design(self, **settings: Any) -> Design:
        return compose({"network.name": self.name, "network.width": self.width, **settings})

    def trained(self, network: nn.Module, x: Tensor) -> Callable[[], float]:
        """A step of eager torch: the reference of training."""
        descent = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, nesterov=True, weight_decay=1e-4)

        def step() -> float:
            descent.zero_grad()
            loss = functional.cross_entropy(network(x), self.labels)
            loss.backward()
            descent.step()
            return float(loss.detach())

        return step

    def through(self, descent: DigitalDescent | CrossbarDescent, network: nn.Module) -> Callable[[], float]:
        """A step of ours."""

        def step() -> float:
            descent.prepare(1.0)
            loss = functional.cross_entropy(network(self.last), self.labels)
            loss.backward()
            descent.step(1e-4, len(self.labels))
            return float(loss.detach())

        return step

    def gradients(self, network: nn.Module, x: Tensor) -> list[Tensor]:
        functional.cross_entropy(network(x), self.labels).backward()
        return [p.grad.clone() for p in network.parameters() if p.grad is not None]

    def check_ideal(self) -> None:
        plain, ours = self.plain(), placed(self.design(architecture="float"))
        with torch.no_grad():
            must(same(ours.eval()(self.last), plain.eval()(self.x)), "ideal crossbars differ from torch")
        for own, other in zip(self.gradients(ours, self.last), self.gradients(plain, self.x), strict=True):
            must(same(own, other, 1e-2), "gradients through ideal crossbars differ from torch's")

    def noise_aware(self, target: float | None) -> Path:
        design = self.design(architecture="float", **{"training.weight_noise": 0.038, "training.clip_std": 2.0})
        network = placed(design)
        step = self.through(DigitalDescent(network, design.training, seed=0), network)
        for _ in range(2):  # the first clips, the second draws noise for what is clipped
            step()
        for _, layer in analog_layers(network):
            clean, seen = layer.weight.detach(), layer.effective_weight
            must(seen is not None, "products do not see noise")
            assert seen is not None
            std = float(clean.std(correction=0))
            must(float(clean.abs().max()) <= 2.2 * std, "weights were not clipped")
            if clean.numel() > 2000:
                ratio = float((seen - clean).std()) / (0.038 * float(clean.abs().max()))
                must(0.85 < ratio < 1.3, f"the noise on the weights is {ratio} of what it should be")
        return "noise-aware training", target, step

    def mixed_precision(self, title: str, target: float | None, **settings: Any) -> Path:
        design = self.design(**settings)
        hardware, clock = hardware_of(design), design.clock
        assert hardware is not None
        assert clock is not None
        network = placed(design)
        descent = CrossbarDescent(
            network,
            hardware,
            conductance_per_std_us=design.array.conductance_per_std_us,
            with_accumulator=False,
            seed=0,
            sample_time_s=clock.sample_time_s,
            drift_every=clock.drift_every_samples,
        )
        self.check_chi(network, descent)
        return title, target, self.through(descent, network)

    def check_chi(self, network: nn.Module, descent: CrossbarDescent) -> None:
        """Pulses times the threshold plus what remains must be the sum of the updates."""
        pair = descent.pairs[3]
        weight = dict(network.named_parameters())[pair.name]
        before = weight.detach().clone()
        descent.prepare(1.0)
        functional.cross_entropy(network(self.last), self.labels).backward()
        assert weight.grad is not None
        rate = 3.5 * pair.layer.accumulator.threshold / float(weight.grad.abs().max())  # three pulses at most
        wanted = -rate * weight.grad.clone()
        descent.step(rate, len(self.labels))
        descent.optimiser.write_back()
        chi = pair.layer.accumulator.chi.view_as(weight)
        pulses = (wanted - chi) / pair.layer.accumulator.threshold
        whole = pulses.round()
        must(float((pulses - whole).abs().max()) < 1e-3, "chi is not what the updates leave after whole pulses")
        must(int(whole.abs().sum()) == pair.layer.events.set_pulses_update > 0, "pulses do not match the updates")
        must(not torch.equal(weight, before), "no pulse moved a weight")

    def evaluation(self, title: str, target: float | None, crossbars: Crossbars) -> Path:
        """Programming noise and drift as factors of weights; converters as given."""
        network = on_crossbars(self.plain(), crossbars).eval()
        with torch.no_grad():
            clean = network(self.last)
        for number, (_, layer) in enumerate(analog_layers(network)):
            weight = layer.weight.detach()
            noise = normal(*weight.shape, seed=number) * 0.03 * float(weight.abs().max())
            layer.effective_weight = (weight + noise) * 0.9
            layer.output_scale = torch.tensor(1.0 / 0.9)
        calibrate_on(network, [self.last])
        with torch.no_grad():
            error = float((network(self.last) - clean).norm() / clean.norm())
        must(0.001 < error < 0.7, f"{title}: outputs differ by {error}")

        def recognise() -> Tensor:
            with torch.no_grad():
                return network(self.last)

        return title, target, recognise


def compare(paths: list[Path], reference: Callable[[], object], what: str, images: int, rounds: int) -> list[Row]:
    """Print and return the rates of paths in units of a reference, in turns with it."""
    reference()
    print(f"\n{what}: eager float torch {images / spent(reference):.0f} images/s")
    rows: list[Row] = []
    for title, target, run in paths:
        rows.append((f"{what}: {title}", in_turns(run, reference, rounds), target))
        show(rows[-1])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--network", default="resnet32")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    keep_option(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread, {options.network}")
    bench = Bench(options.network, options.width, options.batch)
    bench.check_ideal()
    plain = bench.plain()
    eight = Crossbars(DacSpec(bits=8), AdcSpec(bits=8), tile_rows=256, tile_columns=256)
    whole = Crossbars(DacSpec(bits=8), AdcSpec(bits=8))
    wanted = WANTED.get((options.network, options.width), {})
    training = [
        bench.noise_aware(wanted.get("noise-aware")),
        bench.mixed_precision("mixed precision, chi, ideal converters", wanted.get("exact"), **QUIET),
        bench.mixed_precision("the same, read noise per mini-batch", None,
                              **{**QUIET, "device.read_noise_scale": 1.0, "array.read_noise_per": "mini_batch"}),
        bench.mixed_precision("the same, 8-bit converters", wanted.get("8 bits"), **{"device.read_noise_scale": 0.0}),
        bench.mixed_precision("the same, read noise in every product, 8 bits, drift", wanted.get("all")),
    ]  # fmt: skip
    rows = compare(training, bench.trained(plain, bench.x), "training", options.batch, options.rounds)
    evaluation = [
        bench.evaluation("noise and drift, ideal converters", wanted.get("read"), Crossbars()),
        bench.evaluation("the same, 8-bit converters", wanted.get("read 8 bits"), whole),
        bench.evaluation("the same, 8-bit converters, 256x256 tiles", None, eight),
    ]

    def reference() -> Tensor:
        with torch.no_grad():
            return plain(bench.x)

    plain.eval()
    rows += compare(evaluation, reference, "evaluation", options.batch, options.rounds)
    if options.keep:
        keep("deep", f"eager float torch, {options.network}, width {options.width:g}, batch {options.batch}", rows)


if __name__ == "__main__":
    main()
