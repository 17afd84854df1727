"""Distributed design-space exploration for neural networks on phase-change-memory crossbars.

The command is `dse`; see `dse --help`. From Python:

    import dse

    results = dse.run("search_spaces/quickstart.toml", "results/quickstart")
    results.front()
    results.sql("SELECT trial, accuracy FROM trials ORDER BY accuracy DESC")

    design = dse.design({"network.hidden": [100], "accumulator.bits": 8})
    outcome = dse.evaluate(design, seed=0)

Names are loaded when they are used. Importing this package makes arithmetic the same on every x86-64 processor
(`dse.portable`): import it before torch and numpy.

What lies below, from the ground up: `dse.devices`, `dse.crossbar`, `dse.data`, `dse.updates`, `dse.tasks`,
`dse.deployment`, `dse.networks`, `dse.designs`, `dse.pricing`, `dse.results`, `dse.analysis`, `dse.search`.
"""

from importlib import import_module
from typing import Any

from dse import portable

portable.pin()

__version__ = "0.1.0"

_HOMES = {
    **dict.fromkeys(("Outcome", "design", "evaluate"), "dse.api.designs"),
    **dict.fromkeys(("cards", "settings"), "dse.api.library"),
    **dict.fromkeys(("Front", "Results"), "dse.api.results"),
    **dict.fromkeys(("open", "run"), "dse.api.running"),
    "Study": "dse.api.studies",
    **dict.fromkeys(("Choice", "FloatRange", "IntRange"), "dse.designs.space"),
    "Design": "dse.designs.tables",
    "fit_cell": "dse.devices.fit.card",
    "merge": "dse.results.merge",
    **dict.fromkeys(
        (
            *("DataError", "DivergedError", "DseError", "ExecutorError"),
            *("PluginError", "QueryError", "ResultsError", "SettingError"),
        ),
        "dse.errors",
    ),
}
"""Where each name of the front door lives; their types are in `__init__.pyi`."""
_CALLED = {"open": "open_results", "fit_cell": "fit_file"}
"""What some of them are called there."""


def __getattr__(name: str) -> Any:
    """Load a name of the front door."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dse' has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), _CALLED.get(name, name))
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return the names of the front door."""
    return sorted({*_HOMES, "__version__"})
