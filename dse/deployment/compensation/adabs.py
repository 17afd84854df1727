"""AdaBS (Joshi et al., Nat. Commun. 11:2473, 2020): batch-norm statistics are estimated anew.

Training images pass through the drifted network, and mean and variance of every batch normalisation are taken from
them; weights stay as they are.
"""

from dse.deployment.compensation.base import AbstractCompensation, Network


class AdaBs(AbstractCompensation):
    """Batch-norm statistics estimated anew."""

    name = "adabs"
    about = "batch-norm statistics re-estimated on training images"
    uses = ("calibration_samples",)
    needs_batch_norm = True

    @classmethod
    def apply(cls, network: Network) -> None:
        """Estimate the statistics."""
        network.estimate_norms()
