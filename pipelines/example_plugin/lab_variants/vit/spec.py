"""A small vision transformer: its settings."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le

from dse.data.base import ImageInfo
from dse.networks.base import ModuleNetwork
from dse.tasks.recognition.spec import Recognition

if TYPE_CHECKING:
    from torch import nn


class Vit(ModuleNetwork):
    """Patches of an image as tokens, blocks of attention, the mean over the tokens, a linear layer."""

    name: Literal["vit"] = "vit"
    """A small vision transformer (Dosovitskiy et al., ICLR 2021)."""
    patch: Annotated[int, Ge(1), Le(32)] = 4
    """Height and width of a patch, pixels."""
    depth: Annotated[int, Ge(1), Le(24)] = 2
    """Blocks of attention."""

    task = Recognition
    defaults: ClassVar[Mapping[str, Any]] = {
        **ModuleNetwork.defaults,
        "training.batch_size": 32,
        "training.learning_rate": 0.2,
    }

    def check(self, info: ImageInfo) -> None:
        """Check that a patch fits an image; see `AbstractNetwork`."""
        if self.patch > min(info.shape[1:]):
            msg = f"network.patch = {self.patch} exceeds the images of {info.shape[1]}x{info.shape[2]} pixels"
            raise ValueError(msg)

    def build(self, info: ImageInfo, training: Any, *, seed: int) -> "tuple[nn.Module, ...]":  # noqa: ARG002
        """Return the network; see `AbstractNetwork`."""
        from lab_variants.vit.module import vit  # noqa: PLC0415  torch

        return (vit(info, features=self.widened(32), patch=self.patch, depth=self.depth, seed=seed),)
