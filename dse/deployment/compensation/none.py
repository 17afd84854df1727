"""No compensation."""

from dse.deployment.compensation.base import AbstractCompensation, Network


class Uncompensated(AbstractCompensation):
    """The network as it has drifted."""

    name = "none"
    about = "the network as it has drifted"

    @classmethod
    def apply(cls, network: Network) -> None:
        """Do nothing."""
