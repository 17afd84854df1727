"""A study for Optuna's dashboard: the table as an Optuna study, to look at. Nothing flows back."""

import importlib
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages.journal import JournalFileBackend

from dse.analysis.costs.priced import open_priced
from dse.analysis.tables.tables import Tables
from dse.designs.space import Choice, IntRange, Parameter
from dse.errors import ExecutorError, ResultsError
from dse.results.place import Where
from dse.results.rows import object_of
from dse.search.runs import open_study
from dse.search.samplers.optuna_proposer import DIRECTIONS
from dse.search.study import Study

STATES = {
    "complete": optuna.trial.TrialState.COMPLETE,
    "failed": optuna.trial.TrialState.FAIL,
    "running": optuna.trial.TrialState.RUNNING,
}


def to_storage(where: Where, journal: Path | None = None) -> optuna.storages.BaseStorage:
    """Return an Optuna storage with the trials of the search; controls are left out.

    Args:
        where: the results.
        journal: a new file to keep the storage in; by default it lives in memory.

    Raises:
        ResultsError: there are no results, they unite several studies, or the file exists.
    """
    tables = open_priced(where, None, study=False)
    study = open_study(where, tables.about)
    if journal is not None and journal.exists():
        raise ResultsError(f"{journal} exists; name a new file")
    storage: optuna.storages.BaseStorage = optuna.storages.InMemoryStorage()
    if journal is not None:
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(journal)))
    made = optuna.create_study(
        storage=storage, study_name=study.spec.name, directions=[DIRECTIONS[goal] for goal in study.goals]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names of objectives are an experiment of Optuna's
        made.set_metric_names(list(study.spec.objectives))
    made.add_trials(_trials(tables, study))
    return storage


def _trials(tables: Tables, study: Study) -> list[optuna.trial.FrozenTrial]:
    distributions = {path: _distribution(parameter) for path, parameter in study.space.items()}
    trials: list[optuna.trial.FrozenTrial] = []
    chosen = dict(zip(tables.trials["trial"].to_list(), tables.trials["parameters"].to_list(), strict=True))
    for row in tables.designs.iter_rows(named=True):
        if row["origin"] != "search":
            continue
        parameters = object_of(chosen[row["trial"]], f"what trial {row['trial']} holds of its parameters")
        judged = study.criteria.verdict([_values(row, study.criteria.quantities)])
        verdict = judged if row["state"] == "complete" else None
        state = STATES["failed" if row["state"] == "complete" and verdict is None else row["state"]]
        names = map(str, study.constraints)
        trials.append(
            optuna.trial.create_trial(
                state=state,
                values=None if verdict is None else verdict.values,
                constraints=None if verdict is None else dict(zip(names, verdict.violations, strict=True)),
                params={path: _word(value) for path, value in parameters.items()},
                distributions=distributions,
                user_attrs={
                    "trial": row["trial"],
                    "design_key": row["design_key"],
                    **{name: row[name] for name in tables.metrics if row[name] is not None},
                    **({"failure": row["failure"]} if row["failure"] else {}),
                },
            )
        )
    return trials


def _values(row: Mapping[str, Any], names: Sequence[str]) -> list[float] | None:
    values = [row[name] for name in names]
    return None if None in values else values


def _distribution(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, Choice):
        return CategoricalDistribution([_word(value) for value in parameter.values])
    if isinstance(parameter, IntRange):
        return IntDistribution(parameter.low, parameter.highest, log=parameter.log, step=parameter.step)
    return FloatDistribution(parameter.low, parameter.highest, log=parameter.log, step=parameter.step)


def _word(value: Any) -> Any:
    """Return a value as Optuna takes it: lists as JSON."""
    return json.dumps(value) if isinstance(value, list | tuple) else value


def serve(where: Where, host: str, port: int) -> None:
    """Show results in Optuna's dashboard until the process is stopped.

    Raises:
        ExecutorError: the dashboard is not installed, or cannot be started.
    """
    storage = to_storage(where)
    try:
        dashboard: Any = importlib.import_module("optuna_dashboard")
    except ImportError:
        raise ExecutorError("the dashboard is an extra; install it: pip install 'pcm-dse[dashboard]'") from None
    try:
        dashboard.run_server(storage, host=host, port=port)
    except OSError as error:
        raise ExecutorError(f"the dashboard cannot listen on {host}:{port}: {error.strerror}") from None
