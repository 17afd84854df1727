"""A plain network of nine layers: its settings."""

from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Lt

from dse.data.base import SampleInfo
from dse.networks.convolutional import ConvolutionalNetwork
from dse.tasks.recognition.spec import RecognitionTraining

if TYPE_CHECKING:
    from torch import nn


class DropoutTraining(RecognitionTraining):
    """Training with dropout."""

    dropout: Annotated[float, Ge(0.0), Lt(1.0)] = 0.0
    """Share of the units switched off in training, behind each pooling and hidden linear layer; the others are scaled
    up to make up for them (Srivastava et al., JMLR 15:1929, 2014)."""


class Cnn9(ConvolutionalNetwork):
    """Three stages of two convolutions 3x3 at 48, 96 and 192 channels, then three linear layers.

    Each stage ends with pooling over 2x2; the linear layers have 256, 128 and as many units as classes. That is
    1,464,986 weights on images of 3x32x32 with ten classes.
    """

    name: Literal["cnn9"] = "cnn9"
    """A plain network of nine layers: three stages of two convolutions, three linear layers."""
    units = (48, 96, 192, 256, 128)

    @classmethod
    def training(cls) -> type[DropoutTraining]:
        """Return what the table `training` holds."""
        return DropoutTraining

    def build(self, info: SampleInfo, training: DropoutTraining, *, seed: int) -> "tuple[nn.Module, ...]":
        """Return the network; see `AbstractNetwork`."""
        from dse.networks.cnn9.module import cnn9  # noqa: PLC0415  torch

        return (cnn9(self, info, dropout=training.dropout, seed=seed),)
