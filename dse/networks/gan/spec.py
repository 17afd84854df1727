"""A generator and its discriminator: their settings."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le

from dse.data.base import ImageInfo
from dse.networks.base import ModuleNetwork, Units
from dse.streams import derived_seed
from dse.tasks.generation.spec import Generation

if TYPE_CHECKING:
    from torch import nn


class Gan(ModuleNetwork):
    """A generator of images and its discriminator (Goodfellow et al., NeurIPS 2014), both perceptrons."""

    name: Literal["gan"] = "gan"
    """A generator of images and its discriminator."""
    hidden: Units = (128, 256)
    """Units of each hidden layer of the generator, before the width multiplier; the discriminator has them in
    reverse."""
    latent: Annotated[int, Ge(1), Le(65536)] = 64
    """Random inputs of the generator, normal with standard deviation 1."""
    task = Generation
    defaults: ClassVar[Mapping[str, Any]] = {
        **ModuleNetwork.defaults,
        "training.batch_size": 50,
        "training.learning_rate": 0.1,
    }

    def build(self, info: ImageInfo, training: Any, *, seed: int) -> "tuple[nn.Module, ...]":  # noqa: ARG002
        """Return generator and discriminator; see `AbstractNetwork`."""
        from dse.networks.gan.module import discriminator_of, generator_of  # noqa: PLC0415  torch

        units = [self.widened(n) for n in self.hidden]
        seeds = [derived_seed(seed, part) for part in ("generator", "discriminator")]
        generator = generator_of(self.latent, units, info.pixels, seed=seeds[0])
        return generator, discriminator_of(units, info.pixels, seed=seeds[1])
