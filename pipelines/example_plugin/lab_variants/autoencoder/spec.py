"""An autoencoder: its settings."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le

from dse.data.base import ImageInfo
from dse.networks.base import ModuleNetwork
from lab_variants.reconstruction.spec import Reconstruction

if TYPE_CHECKING:
    from torch import nn


class Autoencoder(ModuleNetwork):
    """A linear layer to a short code, a sigmoid, and a linear layer back to the pixels."""

    name: Literal["autoencoder"] = "autoencoder"
    """Two linear layers with a short code between them."""
    code: Annotated[int, Ge(1), Le(65536)] = 16
    """Units of the code, before the width multiplier."""

    task = Reconstruction
    defaults: ClassVar[Mapping[str, Any]] = {**ModuleNetwork.defaults, "training.batch_size": 32}

    def build(self, info: ImageInfo, training: Any, *, seed: int) -> "tuple[nn.Module, ...]":  # noqa: ARG002
        """Return the network; see `AbstractNetwork`."""
        from lab_variants.autoencoder.module import autoencoder  # noqa: PLC0415  torch

        return (autoencoder(info.pixels, self.widened(self.code), seed=seed),)
