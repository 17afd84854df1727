"""A design that generates images: from its settings to its curve, its layers and its pictures."""

from torch import Tensor

from dse.crossbar.analog import analog_layers
from dse.data.datasets import Dataset
from dse.design.design import Design
from dse.design.hardware import calibrate_every, descent_of, placed, sample_time_s
from dse.design.outcome import LayerOutcome
from dse.design.report import Passes, report_layers
from dse.streams import derived_seed
from dse.tasks.adversarial import Adversaries, discriminator_of, generator_of, train_adversaries
from dse.tasks.curve import Epoch
from dse.tasks.frechet import judge_of
from dse.updates.descent import CrossbarDescent, DigitalDescent


class Generation:
    """A generator and a discriminator of a design, learning a data set.

    Attributes:
        pair: both.

    Args:
        design: the design.
        seed: seed of the trial; generator and discriminator derive their own from it.
        data: the images.
        device: where torch computes.
    """

    def __init__(self, design: Design, seed: int, data: Dataset, device: str = "cpu") -> None:
        self._design, self._seed, self._data, self._device = design, seed, data, device
        seeds = [derived_seed(seed, name) for name in ("generator", "discriminator")]
        pixels, spec = data.train.images.shape[1], design.network
        makers = generator_of, discriminator_of
        networks = [
            placed(design, make(spec, pixels, seed=own), seed=own).to(device)
            for make, own in zip(makers, seeds, strict=True)
        ]
        self._networks = networks[0], networks[1]
        self._descents: tuple[DigitalDescent | CrossbarDescent, DigitalDescent | CrossbarDescent] = (
            descent_of(design, networks[0], seed=seeds[0]),
            descent_of(design, networks[1], seed=seeds[1]),
        )
        loss = design.training.adversarial_loss
        self.pair = Adversaries(self._networks, self._descents, latent=spec.latent, loss=loss, seed=seed, device=device)

    def learn(self) -> list[Epoch]:
        """Train both, and return the learning curve."""
        return train_adversaries(
            self.pair,
            self._data,
            judge_of(self._data),
            self._design.training,
            seed=self._seed,
            sample_time_s=sample_time_s(self._design),
            calibrate_every=calibrate_every(self._design),
            device=self._device,
        )

    def images(self, count: int) -> Tensor:
        """Return images that the trained generator makes, float32 in (0, 1), shape (count, pixels)."""
        now_s = self._design.training.epochs * len(self._data.train) * sample_time_s(self._design)
        with self._descents[0].measuring(now_s):
            return self.pair.images(count)

    def layers(self) -> list[LayerOutcome]:
        """Return what happened in the layers of the generator, then of the discriminator, numbered on."""
        images = self._design.training.epochs * len(self._data.train)
        updates = self._design.training.updates_of(len(self._data.train))
        reports: list[LayerOutcome] = []
        for which, (network, descent) in enumerate(zip(self._networks, self._descents, strict=True)):
            passes = {
                layer: _passes(layer.number == 0, layer.cols, images, discriminates=which == 1)
                for _, layer in analog_layers(network)
            }
            reports += report_layers(descent, passes, updates, self._design.accumulator, first=len(reports))
        return reports


def _passes(is_first: bool, cols: int, images: int, *, discriminates: bool) -> Passes:  # noqa: FBT001
    """Return how many vectors a layer multiplies in a training.

    The discriminator sees real and generated images, then the generated ones again for the generator, whose errors
    pass back to the images; only the first two give its weights a gradient.
    """
    if discriminates:
        return Passes(3 * images, images if is_first else 3 * images, 2 * images, 3 * images * cols, infers=False)
    return Passes(images, 0 if is_first else images, images, images * cols)
