"""Cells: what can be chosen, the cards that hold measured values, and what happens under pulses and time."""

from dse.devices.base import AbstractCell
from dse.devices.spec import CellSpec
from dse.devices.two_way.linear_step import LinearStepCell
from dse.devices.two_way.soft_bounds import SoftBoundsCell
from dse.variants import Variants

CELLS: Variants[type[AbstractCell]] = Variants("CELLS", CellSpec, LinearStepCell, SoftBoundsCell)
"""Models of cells that are pulsed in training; the first is that of a card which names none."""
