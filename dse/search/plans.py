"""The plan of a study: who decides its steps."""

from collections.abc import Mapping, Sequence
from typing import Any

from dse.errors import SettingError
from dse.metric import signs_of
from dse.search.decisions import Decided, proposals_of
from dse.search.proposals import Proposals
from dse.search.steps import Plan
from dse.search.study import Study
from dse.search.tried import Tried


def plan_of(study: Study, given: Sequence[Mapping[str, Any]] = (), decided: Decided | None = None) -> Plan:
    """Return the plan of a study, from its first step on.

    Args:
        study: the study.
        given: parameters of the first trials, decided before.
        decided: steps that were decided before, by number.
    """
    decided = decided or {}
    proposer = study.proposer(given, proposals_of(decided))
    tried = Tried(study.space, study.design, study.trials, study.known if study.constraints else None)
    search, budget = study.spec.search, study.spec.budget
    if not study.goes_in_steps:
        return Proposals(
            proposer,
            study.criteria,
            trials=study.trials,
            seeds=budget.seeds,
            lookahead=search.lookahead,
            tried=tried,
        )
    from dse.search.rung_outlook import Place  # noqa: PLC0415  scipy, which other studies do without
    from dse.search.rung_plan import RungPlan  # noqa: PLC0415
    from dse.search.rung_schedule import Rules  # noqa: PLC0415
    from dse.search.samplers.model.earlier import EarlierSeen, encoding_of  # noqa: PLC0415

    rules = Rules(
        rungs=search.rungs,
        keep=search.shares,
        seeds=budget.seeds,
        for_all=budget.seeds_for == "all",
        trials=study.trials,
        epochs=budget.epochs,
        startup=max(study.startup, len(study.first), 1),
        lookahead=search.lookahead,
    )
    encoding = encoding_of(study.space, study.acts, study.earlier)
    earlier = EarlierSeen(study.earlier, encoding, signs_of(study.goals))
    place = Place(study.criteria, study.goals, encoding.points, search.seed, rules.startup, earlier)
    return RungPlan(proposer, rules, place, lambda parameters: _epochs_of(study, parameters), decided, tried)


def _epochs_of(study: Study, parameters: Mapping[str, Any]) -> int:
    """Return the epochs of the training of a design; 0 of one whose settings contradict each other."""
    try:
        return study.design(parameters).training.passes
    except SettingError:
        return 0
