"""What the server of `tests.forked` imports; it computes nothing, so that no threads stand in the way of a fork."""

from dse import portable  # noqa: F401  isort: skip  before numpy and torch

import gc
import importlib

from dse.cli.main import main  # noqa: F401

for name in (
    "dse.analysis.costs.priced",
    "dse.analysis.fronts.table",
    "dse.analysis.tables.render",
    "dse.designs.evaluate",
    "dse.progress",
    "dse.search.replay",
    "dse.search.runs",
    "dse.search.samplers.optuna_proposer",
    "dse.search.study",
    "moocore",
    "optuna.samplers",
    "rich.progress",
    "rich.style",
):
    importlib.import_module(name)
gc.freeze()  # what is here stays: a child need not look through it
