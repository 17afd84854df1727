"""More of a study that has results already: trials, seeds, objectives, constraints.

An extension is a study file that differs from the one that ran in nothing but

    budget.trials     more of them
    budget.seeds      more of them
    budget.epochs     more of them
    objectives        further ones, which the table holds for every complete trial
    constraints       added, changed or gone: they decide what is proposed next, and no row that is stored
    description       and whatever else decides nothing in the table

Everything else would change what the stored trials mean, and is refused by name.

More trials alone: the table is that of a study that had asked for them from the start, to the last bit. More seeds or
objectives, and other constraints, change what proposals are made from, so trials that were proposed before the
extension stay as they were proposed (`source-2/proposals.json` holds them), get their further seeds, and are told anew
as they now stand; later trials are proposed from that. So the results of an extended study are a function of the study
files in `study.json`, in their order, and of the numbers of trials that had been proposed when each took over.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from dse.designs.design import flatten
from dse.errors import ResultsError, SettingError
from dse.renamed import setting
from dse.results.place import Place
from dse.results.reading import REFUSED, kept_damage
from dse.results.rows import object_of, to_rows
from dse.results.store import Store, read_table
from dse.search.criteria import Criteria
from dse.search.decisions import proposals_of, read_decisions
from dse.search.ledger import Row, other_design
from dse.search.loop import Earlier
from dse.search.proposals import tell
from dse.search.study import Study

PROPOSALS = "proposals.json"
SHOWN = 8
"""Changed settings that a refusal names."""


def extend(store: Store, old: Study, new: Study, described: Mapping[str, Any]) -> Study:
    """Make a new study file that of the results, where it is an extension, and return its study.

    Args:
        store: the results, open.
        old: the study as it ran.
        new: the study as it is wanted.
        described: what the results say of the new study.

    Raises:
        ResultsError: it changes the meaning of stored trials; every such setting is named. The results are as before.
    """
    if new.text == old.text and new.key == old.key:
        return old
    refuse_changes(old, new)
    rows: list[Row] = to_rows(read_table(store.place, paused=True))
    _check_quantities(new, rows)
    _check_designs(new, rows)
    earlier = earlier_of(store)
    proposals: Sequence[Mapping[str, Any]] = earlier.proposals
    searched = [row["trial"] for row in rows if row["origin"] == "search"]
    proposed = max(searched, default=-1) + 1 - len(old.controls) if searched else 0
    proposed = max([proposed, *(step.trial + 1 for step in earlier.decided.values())])
    if _judges(old) != _judges(new):
        find = _blind_proposals if old.goes_in_steps else _proposals
        proposals = find(old, rows, proposed, earlier)
    about = store.about
    history = [*_history(about), _entry(about, proposed)]
    source, files = f"source-{len(history) + 1}", new.files()
    for name, content in files.items():
        store.keep(f"{source}/{name}", content)
    store.keep(f"{source}/{PROPOSALS}", json.dumps(list(map(dict, proposals))).encode())
    # The description is what counts: a kill before it leaves the study as it was.
    store.describe({**about, **described, "source": source, "files": sorted(files), "history": history})
    return new


def refuse_changes(old: Study, new: Study) -> None:
    """Check that a study is an extension of another.

    Raises:
        ResultsError: naming every setting whose change is none.
    """
    was, now = _settings(old), _settings(new)
    wrong: list[str] = []
    for path in sorted(was.keys() | now.keys()):
        before, after = was.get(path), now.get(path)
        if before == after or path.split(".")[0] == "constraints":
            continue
        if path == "learn_from" and before and after:
            wrong += (
                [] if _learns_more(old, new) else ["learn_from names other results, or they hold other designs now"]
            )
            continue
        if path in ("budget.trials", "budget.seeds", "budget.epochs") and isinstance(before, int) and after is not None:
            if cast("int", after) < before:
                wrong.append(f"{path} was {before} and cannot shrink to {after}")
            elif path == "budget.seeds" and old.goes_in_steps and not old.spec.search.rungs:
                wrong += [] if old.spec.budget.seeds_for == "front" else [f"{path} cannot grow beside budget.epochs"]
        elif path == "objectives":
            gone = [name for name in cast("list[str]", before) if name not in cast("list[str]", after)]
            wrong += [f"the objective {name} cannot go" for name in gone]
        elif path in was and path in now:
            wrong.append(f"{path} was {_short(before)} and is {_short(after)}")
        else:
            wrong.append(f"{path} = {_short(before)} is gone" if path in was else f"{path} = {_short(after)} is new")
    if wrong:
        more = f"\n  and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise ResultsError(
            "this study file means another study than the one in the results:\n  "
            + "\n  ".join(wrong[:SHOWN])
            + more
            + "\nAn extension may raise budget.trials, budget.seeds and budget.epochs, add objectives, and change "
            "constraints and the description. "
            "For anything else start afresh with `dse run`: learn_from = [RESULTS] in the study file lets its search "
            "learn from what was simulated before, and --reuse RESULTS takes over the rows of equal designs"
        )


def _learns_more(old: Study, new: Study) -> bool:
    """Return whether a study learns other quantities from the same results, as it is judged by others."""
    same = old.spec.learn_from == new.spec.learn_from
    return same and old.learned is not None and not old.learned.has(new.criteria)


def _settings(study: Study) -> dict[str, Any]:
    """Return what decides the table, by path; the space as the study file writes it."""
    return flatten({**study.meaning, "space": study.spec.space})


def earlier_of(store: Store) -> Earlier:
    """Return what was decided before the study was extended; nothing where it never was.

    Raises:
        ResultsError: the proposals that stay are damaged.
    """
    history, former = _history(store.about), [str(key) for key in store.about["former_keys"]]
    keys = [*(str(entry["study_key"]) for entry in history), *former]
    decided = read_decisions(store.place, {*keys, str(store.about["study_key"])})
    return Earlier(keys, _read_proposals(store.place, store.about) if history else (), decided)


def _read_proposals(place: Place, about: Mapping[str, Any]) -> list[dict[str, Any]]:
    source = about["source"]
    name = f"{source}/{PROPOSALS}"
    reason = kept_damage(place, about, name)
    if reason:
        raise ResultsError(f"{place}/{name} is damaged: {reason}. {REFUSED}")
    try:
        found: Any = json.loads(place.read(name))
    except (OSError, ValueError, RecursionError) as error:
        raise ResultsError(f"{place}/{name} is unreadable: {error}") from None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in cast("list[Any]", found)):
        raise ResultsError(f"{place}/{name} is damaged: it is no list of proposals")
    proposals = cast("list[dict[str, Any]]", found)
    return [{setting(path, warn=False): value for path, value in own.items()} for own in proposals]


def _history(about: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(about["history"])


def _entry(about: Mapping[str, Any], proposed: int) -> dict[str, Any]:
    kept = ("source", "files", "study_key", "objectives", "seeds", "trials", "code", "packages")
    ended_at = datetime.now(UTC).isoformat(timespec="seconds")
    return {**{key: about[key] for key in kept}, "proposed": proposed, "ended_at": ended_at}


def _judges(study: Study) -> tuple[Any, ...]:
    """Return what decides, beside its rows, what a sampler is told of a trial."""
    return study.spec.budget.seeds, study.spec.objectives, list(study.constraints)


def _check_quantities(new: Study, rows: Sequence[Row]) -> None:
    complete = [row for row in rows if row["state"] == "complete"]
    for name in new.criteria.quantities:
        lacking = Criteria([name], new.card).of(complete).count(None)
        if lacking:
            what = "objective" if name in new.spec.objectives else "constraint on"
            raise ResultsError(f"the {what} {name} cannot be added: {lacking} complete rows of the table lack it")


def _check_designs(new: Study, rows: Sequence[Row]) -> None:
    """Refuse a study by which a stored trial would have another design."""
    for row in {row["trial"]: row for row in rows}.values():
        proposed = _key_of(new, row)
        if proposed != row["design_key"]:
            raise other_design(row["trial"], row["design_key"], proposed, row["code"], row["packages"])


def _key_of(study: Study, row: Row) -> str | None:
    """Return the key of the design that a study has for a stored trial; None where its settings contradict."""
    if row["origin"] in study.controls:
        return study.controls[row["origin"]].key
    try:
        return study.design(_parameters({0: row})).key
    except SettingError:
        return None


def _proposals(old: Study, rows: Sequence[Row], proposed: int, earlier: Earlier) -> list[dict[str, Any]]:
    """Return the parameters of the trials that were proposed: from the table, or asked for again.

    A trial that was in flight when the study stopped is not in the table; it is proposed again from what it was
    proposed from.
    """
    by_trial: dict[int, dict[int, Row]] = {}
    for row in rows:
        by_trial.setdefault(row["trial"] - len(old.controls), {})[row["seed"]] = row
    decided = {number: dict(own) for number, own in proposals_of(earlier.decided).items()}
    known = {**decided, **{number: _parameters(seeds) for number, seeds in by_trial.items() if number >= 0}}
    if all(number in known for number in range(proposed)):
        return [known[number] for number in range(proposed)]
    search, budget = old.spec.search, old.spec.budget
    proposer = old.proposer(earlier.proposals, decided)
    found: list[dict[str, Any]] = []
    for number in range(proposed):
        told = number - search.lookahead
        if told >= 0:
            seeds = by_trial.get(told, {})
            if not all(seed in seeds for seed in range(budget.seeds)):
                raise ResultsError(
                    f"trial {told + len(old.controls)} was lost from the table; `dse resume` without --study first"
                )
            verdict = old.criteria.verdict(old.criteria.of([seeds[seed] for seed in range(budget.seeds)]))
            tell(proposer, told, verdict)
        asked = dict(proposer.ask())
        found.append(_parameters(by_trial[number]) if number in by_trial else asked)
    return found


def _blind_proposals(old: Study, rows: Sequence[Row], proposed: int, earlier: Earlier) -> list[dict[str, Any]]:
    """Return the parameters of the trials that were proposed without regard to results.

    Of a study that goes in steps: its later trials were decided, which is kept. Which designs there are to draw from
    goes by the constraints, so that others would draw other ones.
    """
    stored = {row["trial"] - len(old.controls): row for row in rows}
    proposer = old.proposer(earlier.proposals, proposals_of(earlier.decided))
    asked = [dict(proposer.ask()) for _ in range(min(proposed, proposer.blind))]
    return [_parameters({0: stored[number]}) if number in stored else own for number, own in enumerate(asked)]


def _parameters(seeds: Mapping[int, Row]) -> dict[str, Any]:
    row = next(iter(seeds.values()))
    return object_of(row["parameters"], f"what trial {row['trial']} holds of its parameters")


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
