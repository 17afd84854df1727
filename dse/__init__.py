"""Distributed design-space exploration for neural networks on phase-change-memory crossbars.

The command is `dse`; see `dse --help`. From Python, floors from the ground up: `dse.devices`, `dse.crossbar`,
`dse.data`, `dse.updates`, `dse.tasks`, `dse.deployment`, `dse.networks`, `dse.design` (with the pure function
`evaluate`), `dse.pricing`, `dse.results`, `dse.analysis`, `dse.search`. Importing this package loads none of them. It
makes arithmetic the same on every x86-64 processor (`dse.portable`): import it before torch and numpy.
"""

from dse import portable

portable.pin()

__version__ = "0.1.0"
