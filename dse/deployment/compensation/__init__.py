"""Compensations of drift: each in a file of its own, listed here."""

from dse.deployment.compensation.adabs import AdaBs
from dse.deployment.compensation.base import AbstractCompensation
from dse.deployment.compensation.gdc import Gdc, GdcColumns
from dse.deployment.compensation.gdc_adabs import GdcAdaBs
from dse.deployment.compensation.none import Uncompensated
from dse.variants import Variants

COMPENSATIONS: Variants[type[AbstractCompensation]] = Variants(
    "COMPENSATIONS", Uncompensated, Gdc, GdcColumns, AdaBs, GdcAdaBs
)
"""All compensations, the network without any first."""


def compensation_named(name: str) -> type[AbstractCompensation]:
    """Return the compensation of a name.

    Raises:
        KeyError: there is none; settings have been checked before.
    """
    return {own.name: own for own in COMPENSATIONS}[name]
