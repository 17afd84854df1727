"""Global drift compensation by the median, which a few stuck or noisy columns do not move."""

import numpy as np

from dse.deployment.compensation.base import AbstractCompensation, Network


class GdcMedian(AbstractCompensation):
    """One factor for each layer: median magnitude of its outputs before over median magnitude now."""

    name = "gdc_median"
    about = "global drift compensation with the median of the outputs of a layer in place of their mean"
    uses = ("gdc_vectors",)

    @classmethod
    def apply(cls, network: Network) -> None:
        """Scale the outputs of every layer."""
        for layer, before, now in zip(network.layers, network.fresh, network.responses(), strict=True):
            drifted = float(np.median(now))
            factor = float(np.median(before)) / drifted if drifted > 0.0 else 1.0
            layer.scale(np.array([factor], np.float32))
