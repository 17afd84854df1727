"""Global drift compensation, then AdaBS on top."""

from dse.deployment.compensation.adabs import AdaBs
from dse.deployment.compensation.base import AbstractCompensation, Network
from dse.deployment.compensation.gdc import Gdc


class GdcAdaBs(AbstractCompensation):
    """Factors for layers, and batch-norm statistics estimated behind them."""

    name = "gdc_adabs"
    about = "both: factors for layers, then batch-norm statistics behind them"
    uses = (*Gdc.uses, *AdaBs.uses)
    needs_batch_norm = True

    @classmethod
    def apply(cls, network: Network) -> None:
        """Scale the outputs, then estimate the statistics."""
        Gdc.apply(network)
        AdaBs.apply(network)
