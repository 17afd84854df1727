"""Update rules, from gradients to weights, digitally or in cells: each in a folder of its own, listed here."""

from dse.updates.base import AbstractUpdate
from dse.updates.mixed_precision.spec import MixedPrecision
from dse.updates.pulse_trains.spec import PulseTrains
from dse.updates.sgd.spec import Sgd
from dse.updates.tiki_taka.spec import TikiTaka
from dse.variants import Variants

UPDATES: Variants[type[AbstractUpdate]] = Variants("UPDATES", MixedPrecision, Sgd, PulseTrains, TikiTaka)
"""All update rules; the first is the default of a study."""


def update_named(name: str) -> type[AbstractUpdate]:
    """Return the update rule of a name.

    Raises:
        KeyError: there is none; settings have been checked before.
    """
    return {own.name: own for own in UPDATES}[name]
