"""A plain network of three convolutions: its settings."""

from typing import TYPE_CHECKING, Any, Literal

from dse.data.base import SampleInfo
from dse.networks.convolutional import ConvolutionalNetwork

if TYPE_CHECKING:
    from torch import nn


class Cnn(ConvolutionalNetwork):
    """Three convolutions of 16, 32 and 64 channels, the mean over the image, a linear layer with a bias row."""

    name: Literal["cnn"] = "cnn"
    """Three convolutions of 16, 32 and 64 channels."""
    units = (16, 32, 64)

    def build(self, info: SampleInfo, training: Any, *, seed: int) -> "tuple[nn.Module, ...]":  # noqa: ARG002
        """Return the network; see `AbstractNetwork`."""
        from dse.networks.cnn.module import cnn  # noqa: PLC0415  torch

        return (cnn(self, info, seed=seed),)
