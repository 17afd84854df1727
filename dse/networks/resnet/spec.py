"""Residual networks: their settings."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dse.data.base import SampleInfo
from dse.networks.convolutional import ConvolutionalNetwork

if TYPE_CHECKING:
    from torch import nn


class ResNet(ConvolutionalNetwork):
    """A residual network of three stages at 16, 28 and 56 channels, with one to five basic blocks a stage."""

    blocks: ClassVar[int]
    """Basic blocks of a stage."""
    units = (16, 28, 56)

    def build(self, info: SampleInfo, training: Any, *, seed: int) -> "tuple[nn.Module, ...]":  # noqa: ARG002
        """Return the network; see `AbstractNetwork`."""
        from dse.networks.resnet.module import resnet  # noqa: PLC0415  torch

        return (resnet(self, info, self.blocks, seed=seed),)


class ResNet8(ResNet):
    """One block a stage."""

    name: Literal["resnet8"] = "resnet8"
    """A residual network with one block a stage."""
    blocks = 1


class ResNet14(ResNet):
    """Two blocks a stage."""

    name: Literal["resnet14"] = "resnet14"
    """A residual network with two blocks a stage."""
    blocks = 2


class ResNet20(ResNet):
    """Three blocks a stage."""

    name: Literal["resnet20"] = "resnet20"
    """A residual network with three blocks a stage."""
    blocks = 3


class ResNet32(ResNet):
    """Five blocks a stage, the network that Joshi et al. (Nat. Commun. 11:2473, 2020) deployed on PCM."""

    name: Literal["resnet32"] = "resnet32"
    """A residual network with five blocks a stage."""
    blocks = 5
