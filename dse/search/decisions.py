"""Decisions of a search, as they are kept with its results: durable before they are acted on.

What is proposed from results depends on them through sums and factorisations whose last bits may differ from one
processor to another. So a step that was decided from results is written down, with what it was decided from, before
its simulations begin; a resumed study takes the steps that are written down, and decides what comes after them.

A line is a step as JSON with a checksum. One that is damaged is decided again, from the same results.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from dse.results.encoding import sealed, unsealed
from dse.results.inside import OutsideError
from dse.results.place import Place
from dse.results.reading import bad_lines
from dse.results.rows import object_of
from dse.results.store import DECISIONS, Store
from dse.search.steps import KINDS, Step

log = logging.getLogger(__name__)
Decided = Mapping[int, Step]
"""Steps that were decided before, by number."""


def read_decisions(place: Place, keys: set[str] | None = None) -> dict[int, Step]:
    """Return the steps that results hold, by number; of several with a number the first.

    Args:
        place: the results.
        keys: keys of studies whose steps they are; None for any.
    """
    found: dict[int, Step] = {}
    for name in place.names(DECISIONS):
        try:
            *lines, rest = place.read(name).split(b"\n")
        except (OSError, OutsideError) as error:
            _warn(place, name, f"it cannot be read: {error}")
            continue
        # A torn last line was never acknowledged; one that is whole but for its end is damaged.
        entries = list(map(unsealed, lines if unsealed(rest[:-1]) is None else [*lines, rest]))
        damaged = [number for number, entry in enumerate(entries, 1) if entry is None]
        if damaged:
            _warn(place, name, bad_lines(damaged))
        for step in (_step(entry, keys) for entry in entries):
            if step is not None:
                found.setdefault(step.number, step)
    return found


def _warn(place: Place, name: str, reason: str) -> None:
    log.warning(
        "%s/%s is damaged: %s. `dse resume` decides these steps again, from the same results; where a stored row then "
        "is of another design, it says so",
        place,
        name,
        reason,
    )


def _step(entry: dict[str, Any] | None, keys: set[str] | None) -> Step | None:
    if entry is None:
        return None
    study = entry.pop("study", None)
    if keys is not None and (not isinstance(study, str) or study not in keys):
        return None
    try:
        entry["seeds"] = tuple(entry["seeds"])
        return Step(**entry) if entry["kind"] in KINDS else None
    except (TypeError, LookupError):
        return None


def as_decided(rows: Iterable[Mapping[str, Any]], controls: int) -> dict[int, Step]:
    """Return the trials of stored rows as steps that were decided before, by number.

    Args:
        rows: rows of a study whose designs all go to their ends at once.
        controls: trials before the first of the search.
    """
    found: dict[int, Step] = {}
    for row in rows:
        if row["origin"] == "search":
            number = row["trial"] - controls
            parameters = object_of(row["parameters"], f"what trial {row['trial']} holds of its parameters")
            found.setdefault(number, Step(number, "new", number, parameters, (), why={"stored": "by another version"}))
    return found


def proposals_of(decided: Decided) -> dict[int, Mapping[str, Any]]:
    """Return the parameters of the designs that steps proposed, by the number of the trial."""
    return {step.trial: step.parameters for step in decided.values() if step.kind == "new"}


class Decisions:
    """Writes steps down.

    Args:
        store: the results; open.
        key: key of the study.
        known: steps that are written down already.
    """

    def __init__(self, store: Store, key: str, known: Decided) -> None:
        self._store, self._key, self._known = store, key, known
        self._new: list[Step] = []

    def take(self, step: Step) -> None:
        """Gather a step, if it was decided from results now."""
        if step.why is not None and step.number not in self._known:
            self._new.append(step)

    def flush(self) -> None:
        """Make what was gathered durable.

        Raises:
            ResultsError: it could not be written within the patience.
        """
        if self._new:
            self._store.decide([sealed(self._entry(step)) for step in self._new])
            self._new = []

    def _entry(self, step: Step) -> dict[str, Any]:
        return {"study": self._key, **asdict(step), "seeds": list(step.seeds)}
