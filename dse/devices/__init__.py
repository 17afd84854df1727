"""Cells: what can be chosen, the cards that hold measured values, and what happens under pulses and time."""

from dse.devices.base import AbstractCell
from dse.devices.spec import CellSpec
from dse.variants import Variants

CELLS: Variants[type[AbstractCell]] = Variants("CELLS", CellSpec)
"""Models of cells that are pulsed in training; the first is that of a card which names none."""
