"""What is done against drift: digital factors from fixed inputs, and batch-norm statistics estimated anew.

Global drift compensation (Le Gallo et al., Adv. Electron. Mater. 4, 1700627, 2018) scales the outputs of a layer by
m(0) / m(t), m being their mean magnitude under fixed inputs. AdaBS (Joshi et al., Nat. Commun. 11:2473,
2020) feeds training images through the drifted network and takes mean and variance of every batch normalisation from
them; weights stay as they are.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from dse.deployment.spec import no_batch_norm
from dse.errors import SettingError
from dse.kernel.arithmetic import Floats, ordered_sum
from dse.streams import stream


def fixed_inputs(vectors: int, rows: int) -> Floats:
    """Return the inputs under which drift is measured, evenly distributed in [0, 1], shape (vectors, rows)."""
    drawn = stream(0, "inputs of drift compensation", rows).next_uniform(vectors * rows)
    return drawn.reshape(vectors, rows).numpy()


def drift_factor(before: Floats, now: Floats, *, by_column: bool) -> Floats:
    """Return the factor of global drift compensation: mean magnitude before over mean magnitude now.

    Args:
        before: magnitudes of outputs under fixed inputs at time 0, shape (vectors, cols).
        now: the same at this time.
        by_column: one factor for each output, or one for all.

    Returns:
        Shape (cols,) or (1,); 1 where either mean is 0.
    """
    sums = [
        np.array([ordered_sum(column) for column in (m.T if by_column else [m])], np.float64) for m in (before, now)
    ]
    known = (sums[0] > 0.0) & (sums[1] > 0.0)
    return np.where(known, sums[0] / np.where(known, sums[1], 1.0), 1.0).astype(np.float32)


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
            raise SettingError(no_batch_norm("adabs"))
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
