"""A generator of images and its discriminator (Goodfellow et al., NeurIPS 2014), both perceptrons, learn together.

    for every mini-batch of real images x and random z
        discriminator    loss(D(x), D(G(z)));  its descent steps
        generator        loss(D(G(z))) through the discriminator as it is now;  its descent steps

    loss                 discriminator                              generator
    non_saturating       softplus(-D(x)) + softplus(D(G(z)))        softplus(-D(G(z)))
    hinge                relu(1 - D(x)) + relu(1 + D(G(z)))         -D(G(z))                 (Lim and Ye 2017)
    least_squares        ((D(x) - 1)^2 + D(G(z))^2) / 2             (D(G(z)) - 1)^2 / 2      (Mao et al. 2017)

A generated mini-batch serves both losses. The discriminator's weights gather no gradient in the generator's step, but
errors pass back through all of its arrays. The original's constants are not published; these are ours.
"""

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dse.data.datasets import Dataset
from dse.errors import DivergedError
from dse.streams import generator, stream
from dse.tasks.calibration import Calibration
from dse.tasks.curve import Epoch
from dse.tasks.epochs import curve_of, schedule
from dse.tasks.frechet import Judge
from dse.training.spec import NetworkSpec, TrainingSpec
from dse.updates.descent import Descent

SLOPE = 0.2
"""Of the discriminator's rectifiers below 0 (Radford et al., ICLR 2016)."""
EVALUATION_BATCH = 500
Losses = tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]
LOSSES: dict[str, Losses] = {
    "non_saturating": (
        lambda real, fake: functional.softplus(-real).mean() + functional.softplus(fake).mean(),
        lambda fake: functional.softplus(-fake).mean(),
    ),
    "hinge": (
        lambda real, fake: functional.relu(1.0 - real).mean() + functional.relu(1.0 + fake).mean(),
        lambda fake: -fake.mean(),
    ),
    "least_squares": (
        lambda real, fake: 0.5 * ((real - 1.0).square().mean() + fake.square().mean()),
        lambda fake: 0.5 * (fake - 1.0).square().mean(),
    ),
}
"""Name -> what discriminator (outputs for real and generated images) and generator minimise."""


def generator_of(spec: NetworkSpec, pixels: int, *, seed: int) -> nn.Sequential:
    """Return a generator with initial weights: hidden layers normalised and rectified, pixels in (0, 1)."""
    sizes = [spec.latent, *(spec.widened(units) for units in spec.hidden), pixels]

    def build() -> list[nn.Module]:
        parts: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(sizes[:-1]):
            parts += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]
        return [*parts, nn.Linear(sizes[-2], pixels), nn.Sigmoid()]

    return _with_weights(build, seed)


def discriminator_of(spec: NetworkSpec, pixels: int, *, seed: int) -> nn.Sequential:
    """Return a discriminator with initial weights, its hidden layers those of the generator in reverse."""
    sizes = [pixels, *(spec.widened(units) for units in reversed(spec.hidden))]

    def build() -> list[nn.Module]:
        parts: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(sizes):
            parts += [nn.Linear(inputs, outputs), nn.LeakyReLU(SLOPE)]
        return [*parts, nn.Linear(sizes[-1], 1)]

    return _with_weights(build, seed)


def _with_weights(build: Callable[[], Sequence[nn.Module]], seed: int) -> nn.Sequential:
    """Return layers in turn; weights uniform with variance 2 / inputs (He et al., ICCV 2015), biases 0."""
    with torch.random.fork_rng(devices=[]):  # torch draws initial weights of its own, which are replaced
        network = nn.Sequential(*build())
    for number, linear in enumerate(part for part in network if isinstance(part, nn.Linear)):
        draws = 2.0 * stream(seed, "initial weights", number).next_uniform(linear.weight.numel()) - 1.0
        linear.weight.data = (draws * math.sqrt(6.0 / linear.in_features)).reshape(linear.weight.shape).contiguous()
        for bias in (parameter for parameter in linear.parameters() if parameter.dim() == 1):
            bias.data.zero_()
    return network


class Adversaries:
    """Generator and discriminator with what moves their weights.

    Attributes:
        generator: from latent vectors to images, its layers on crossbars.
        discriminator: from images to one number.
        latent: inputs of the generator.
    """

    def __init__(
        self,
        networks: tuple[nn.Module, nn.Module],
        descents: tuple[Descent, Descent],
        *,
        latent: int,
        loss: str,
        seed: int,
        device: str = "cpu",
    ) -> None:
        self.generator, self.discriminator = networks
        self.descents = descents
        self.latent = latent
        self._own, self._others = LOSSES[loss]
        self._training, self._evaluation = (stream(seed, f"{purpose} latent") for purpose in ("training", "evaluation"))
        self._device = device

    def learn(self, real: Tensor, rates: tuple[float, float], epochs: float) -> float:
        """Learn from a mini-batch of real images at the rates of both; return the loss of the discriminator."""
        for descent in self.descents:
            descent.prepare(epochs)
        z = self._training.next_normal(self.latent, vectors=len(real)).to(self._device)
        images = self.generator(z)
        loss = self._own(self.discriminator(real), self.discriminator(images.detach()))
        loss.backward()
        self.descents[1].step(rates[1], len(real))
        self.discriminator.requires_grad_(requires_grad=False)
        self.descents[1].prepare(epochs)
        self._others(self.discriminator(images)).backward()
        self.discriminator.requires_grad_(requires_grad=True)
        self.descents[0].step(rates[0], len(real))
        return float(loss.detach())

    def images(self, count: int) -> Tensor:
        """Return generated images, the same latent vectors every time, float32, shape (count, pixels)."""
        self.generator.eval()
        draws = self._evaluation.at(0)
        parts: list[Tensor] = []
        with torch.no_grad():
            for start in range(0, count, EVALUATION_BATCH):
                z = draws.next_normal(self.latent, vectors=min(EVALUATION_BATCH, count - start))
                parts.append(self.generator(z.to(self._device)).cpu())
        return torch.cat(parts)


def train_adversaries(
    pair: Adversaries,
    data: Dataset,
    judge: Judge,
    spec: TrainingSpec,
    *,
    seed: int,
    sample_time_s: float = 0.0,
    calibrate_every: int = 0,
    device: str = "cpu",
) -> list[Epoch]:
    """Train generator and discriminator in place.

    Args:
        pair: both.
        data: the images.
        judge: what measures the generated images after every epoch.
        spec: epochs, mini-batch, learning rates, schedule.
        seed: seed of the trial, for the order of the images.
        sample_time_s: simulated time of a real image, s.
        calibrate_every: real images between two calibrations of the converters; 0 for none.
        device: where torch computes.

    Returns:
        The learning curve; its loss is the discriminator's.

    Raises:
        DivergedError: the training left the range of numbers.
    """
    order = generator(seed, "order")
    calibrations = [Calibration(network, calibrate_every) for network in (pair.generator, pair.discriminator)]
    samples = len(data.train)

    def learn(seen: int) -> float:
        pair.generator.train()
        loss = 0.0
        for chosen in torch.split(torch.randperm(samples, generator=order), spec.batch_size):
            rate = spec.learning_rate * schedule(spec, seen / (spec.epochs * samples))
            rates = rate, rate * spec.discriminator_rate
            loss += pair.learn(data.train.floats(chosen).to(device), rates, seen / samples) * len(chosen)
            seen += len(chosen)
            for calibration in calibrations:
                calibration.after(len(chosen))
        return loss

    def measure() -> dict[str, float]:
        return _distances(pair.images(max(judge.samples.values())), judge)

    return curve_of(spec.epochs, samples, learn, measure, pair.descents, sample_time_s=sample_time_s)


def _distances(images: Tensor, judge: Judge) -> dict[str, float]:
    if not bool(images.isfinite().all()):
        raise DivergedError("the generated images are no numbers")
    names = {"validation": "validation_frechet_distance", "test": "frechet_distance"}
    return {
        name: judge.distance(images[: judge.samples[split]], split)
        for split, name in names.items()
        if split in judge.samples
    }
