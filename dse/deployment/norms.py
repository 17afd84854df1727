"""Batch normalisations of a network, whose statistics can be estimated anew."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from dse.errors import SettingError


class BatchNorms:
    """The batch normalisations of a network, which can be estimated anew and restored.

    Args:
        network: any module.
    """

    def __init__(self, network: nn.Module) -> None:
        self.layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
        self._trained = [{name: value.clone() for name, value in layer.state_dict().items()} for layer in self.layers]

    def restore(self) -> None:
        """Go back to the statistics of the training."""
        for layer, state in zip(self.layers, self._trained, strict=True):
            layer.load_state_dict(state)

    def estimate(self, network: nn.Module, batches: Iterable[Tensor]) -> None:
        """Take mean and variance as their means over mini-batches.

        Each mini-batch is normalised by its own statistics on the way, as in training, so that a layer sees what the
        layers before it give once they are corrected.

        Raises:
            SettingError: there are no batch normalisations.
        """
        if not self.layers:
            raise SettingError("batch-norm statistics cannot be re-estimated: the network has none")
        momenta = [layer.momentum for layer in self.layers]
        network.eval()
        for layer in self.layers:
            layer.reset_running_stats()
            layer.momentum = None  # torch's name for the mean over all mini-batches
            layer.train()
        try:
            with torch.no_grad():
                for batch in batches:
                    network(batch)
        finally:
            for layer, momentum in zip(self.layers, momenta, strict=True):
                layer.momentum = momentum
                layer.eval()
