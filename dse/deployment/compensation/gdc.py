"""Global drift compensation (Le Gallo et al., Adv. Electron. Mater. 4, 1700627, 2018).

The outputs of a layer are scaled by m(0) / m(t), m being their mean magnitude under fixed inputs.
"""

from typing import ClassVar

import numpy as np

from dse.deployment.compensation.base import AbstractCompensation, Floats, Network


class Gdc(AbstractCompensation):
    """One factor for each layer."""

    name = "gdc"
    about = "global drift compensation: a digital factor for each layer, from its outputs under fixed inputs"
    uses = ("gdc_vectors",)

    @classmethod
    def apply(cls, network: Network) -> None:
        """Scale the outputs of every layer."""
        scale_outputs(network, by_column=False)


class GdcColumns(AbstractCompensation):
    """One factor for each output."""

    name: ClassVar[str] = "gdc_columns"
    about = "the same with a factor for each output"
    uses = Gdc.uses

    @classmethod
    def apply(cls, network: Network) -> None:
        """Scale every output."""
        scale_outputs(network, by_column=True)


def scale_outputs(network: Network, *, by_column: bool) -> None:
    """Scale the outputs of every layer by what drift has taken from them."""
    for layer, before, now in zip(network.layers, network.fresh, network.responses(), strict=True):
        layer.scale(drift_factor(before, now, by_column=by_column))


def drift_factor(before: Floats, now: Floats, *, by_column: bool) -> Floats:
    """Return the factor of global drift compensation: mean magnitude before over mean magnitude now.

    Args:
        before: magnitudes of outputs under fixed inputs at time 0, shape (vectors, cols).
        now: the same at this time.
        by_column: one factor for each output, or one for all.

    Returns:
        Shape (cols,) or (1,); 1 where either mean is 0.
    """
    from dse.kernel.arithmetic import ordered_sum  # noqa: PLC0415  compiled code, which settings do without

    sums = [
        np.array([ordered_sum(column) for column in (m.T if by_column else [m])], np.float64) for m in (before, now)
    ]
    known = (sums[0] > 0.0) & (sums[1] > 0.0)
    return np.where(known, sums[0] / np.where(known, sums[1], 1.0), 1.0).astype(np.float32)
