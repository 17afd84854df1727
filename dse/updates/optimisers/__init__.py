"""Optimisers: each in a file of its own, listed here. They serve digital weights and weights on crossbars alike."""

from dse.updates.optimisers.adam import Adam
from dse.updates.optimisers.base import AbstractOptimiser
from dse.updates.optimisers.sgd import Sgd

OPTIMISERS: tuple[type[AbstractOptimiser], ...] = (Sgd, Adam)
"""All optimisers; the first is the default."""


def optimiser_named(name: str) -> type[AbstractOptimiser]:
    """Return the optimiser of a name.

    Raises:
        KeyError: there is none; settings have been checked before.
    """
    return {own.name: own for own in OPTIMISERS}[name]
