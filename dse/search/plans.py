"""The plan of a study: who decides its steps."""

from collections.abc import Mapping, Sequence
from typing import Any

from dse.search.decisions import Decided
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
    budget = study.spec.budget
    decided = decided or {}
    proposer = study.proposer(given, {step.trial: step.parameters for step in decided.values() if step.kind == "new"})
    tried = Tried(study.space, study.design, study.trials)
    return Proposals(
        proposer,
        study.criteria,
        trials=study.trials,
        seeds=budget.seeds,
        lookahead=study.spec.search.lookahead,
        tried=tried,
    )
