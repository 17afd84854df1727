"""What wires take from a product, each way to work it out in a file of its own, listed here.

base      `AbstractSolution`: what is worked out for an array, and `Lines`, its wires in numbers
ladders   lines as ladders, and what else passes between rows as a few modes of the columns: fast
nodal     the equations of all nodes, solved: exact, and slow

`dse.crossbar.wire_spec` says what can be chosen about wires; `dse.crossbar.wiring` has those of all tiles of a layer.
"""

from dse.crossbar.wires.base import AbstractSolution
from dse.crossbar.wires.ladders import Ladders
from dse.crossbar.wires.nodal import Nodal
from dse.variants import Variants

SOLUTIONS: Variants[type[AbstractSolution]] = Variants("SOLUTIONS", Ladders, Nodal)
"""All ways to work out what wires do, the one that trainings take first."""


def solution_named(name: str) -> type[AbstractSolution]:
    """Return the solution of a name.

    Raises:
        KeyError: there is none; settings have been checked before.
    """
    return {own.name: own for own in SOLUTIONS}[name]
