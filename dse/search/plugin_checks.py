"""Which plug-ins a study uses: those that it names, and no other that this process happens to have loaded."""

from collections.abc import Iterator, Mapping, Sequence

from dse.deployment.compensation import compensation_named
from dse.design.design import Design
from dse.design.settings import CELL, NETWORK, UPDATE, WORKLOADS
from dse.devices.card import model_of
from dse.errors import SettingError
from dse.search.samplers.base import AbstractSampler
from dse.search.scope import Scope
from dse.spec import shown
from dse.variants import owner_of


def check_plugins(named: Sequence[str], sampler: AbstractSampler, scope: Scope, controls: Mapping[str, Design]) -> None:
    """Check that a study names the plug-ins whose variants it uses.

    Args:
        named: names of the plug-ins that it names.
        sampler: who proposes its designs.
        scope: the designs that it can have.
        controls: designs to compare with, by name.

    Raises:
        SettingError: a variant of a plug-in that it does not name.
    """
    used = [(f"search.sampler = {shown(sampler.name)}", owner_of(type(sampler))), *_owners(scope)]
    used += [(f"controls.{name}", owner) for name, design in controls.items() for owner in design.plugins]
    for what, owner in used:
        if owner is not None and owner not in named:
            every = ", ".join(shown(name) for name in (*named, owner))
            raise SettingError(f"{what} comes from the plug-in {owner!r}; name it in the study: plugins = [{every}]")


def _owners(scope: Scope) -> Iterator[tuple[str, str | None]]:
    """Yield what chooses a variant in the designs of a study, and the plug-in that it comes from, if any."""
    for family in (WORKLOADS, NETWORK, UPDATE):
        for name in scope.values(family.path):
            yield f"{family.path} = {shown(name)}", owner_of(family.names[name])
    for task, name in scope.tasks.items():
        yield f"the task of {NETWORK.path} = {shown(name)}", owner_of(task)
    if CELL.card in scope.space or CELL.card in scope.fixed:
        for card in scope.values(CELL.card):
            yield f"{CELL.card} = {shown(card)}", owner_of(model_of(card, scope.folder))
    if scope.is_deployed:
        compared = [name for names in scope.values("deployment.compared") for name in names]
        for name in (*scope.values("deployment.compensation"), *compared):
            yield f"deployment.compensation = {shown(name)}", owner_of(compensation_named(name))
