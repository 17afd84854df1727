"""A run of a study into its results: start it, go on with it, or ask more of it."""

import json
import logging
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from dse import plugins
from dse.errors import DataError, DseError, ResultsError
from dse.files import Seen
from dse.results.address import place_of
from dse.results.place import Place, Where
from dse.results.reading import read_batches
from dse.results.rows import to_rows
from dse.results.source import source_of
from dse.results.store import Store, create, discard, has_results, read_about
from dse.results.under_way import Notice
from dse.search.decisions import as_decided
from dse.search.executor import Executor, Telling, code_version, package_versions
from dse.search.extend import earlier_of, extend
from dse.search.loop import run
from dse.search.reuse import Reusing, rows_to_reuse
from dse.search.study import Study, is_kept, read_study
from dse.search.tally import Progress

log = logging.getLogger(__name__)
MakeExecutor = Callable[[], Executor]
Report = Callable[[Progress], None]


def start(
    study: Study,
    where: Where,
    executor: MakeExecutor,
    report: Report = lambda _: None,
    *,
    reuse: Sequence[Where] = (),
    patience_s: float = 0.0,
) -> None:
    """Run a study into new results.

    Args:
        study: the study.
        where: a folder that does not exist or is empty, or an unused place of an object store.
        executor: makes the executor, once the place is ours.
        report: called now and then.
        reuse: results of other studies; what they hold is not simulated again.
        patience_s: for how long a write that fails is tried again, s.

    Raises:
        ResultsError: there are results of this or another study, or something else.
        DataError: there are results of this study with another file of data.
        ExecutorError: the executor cannot be started.
        SettingError: no design is found that meets the constraints, as far as that is known without a simulation.
    """
    study.check_known()
    place = place_of(where)
    if has_results(place):
        about = read_about(place)
        check_files(study, about)
        if _is_of(study, place):
            raise ResultsError(_already_there(place, about))
        raise ResultsError(f"{place} holds the results of another study; choose another folder with --out")
    known = rows_to_reuse(reuse)
    about = {
        **described(study),
        "code": code_version(),
        "packages": package_versions(study.plugins),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "reuse": [str(place_of(other)) for other in reuse],
    }
    create(place, about, study.files())
    try:
        with Store(place, patience_s) as store:
            _run(study, store, lambda: Reusing(executor(), known) if known else executor(), report)
    except Exception:
        if discard(place):
            log.warning(
                "nothing was stored, and %s is gone again: there is nothing to resume, run the study anew", place
            )
        raise


def resume(
    where: Where,
    executor: MakeExecutor,
    report: Report = lambda _: None,
    *,
    other_code: bool = False,
    wanted: Study | None = None,
    patience_s: float = 0.0,
) -> Study:
    """Go on with a study and return it; finished trials are not repeated.

    Args:
        where: its results.
        executor: makes the executor, once the place is ours.
        report: called now and then.
        other_code: go on even if the framework, a plug-in or a package they depend on is not the version that began the
            study. Stored trials then stay as they were proposed, whatever this version would have proposed.
        wanted: the study with more trials, seeds or objectives, or other constraints; see `dse.search.extend`.
        patience_s: for how long a write that fails is tried again, s.

    Raises:
        ResultsError: there are none, they are in use, other code began them, this version proposes other trials than
            they hold, or `wanted` is no extension.
        ExecutorError: the executor cannot be started.
    """
    place = place_of(where)
    about = read_about(place)
    study = open_study(place, about)
    _check_code(place, about, other_code=other_code)
    with Store(place, patience_s) as store:
        if has_former_key(store.about):
            store.describe({**store.about, "study_key": study.key})
        if wanted is not None:
            check_files(wanted, store.about)
            wanted = replace(wanted.as_of(study.plugins).learning_as(study), skips=study.skips)
            study = extend(store, study, wanted, described(wanted))
        elif store.about["study_key"] != study.key:
            raise ResultsError(f"{place} has just been extended by another run; try again")
        known = rows_to_reuse(_still_there(store.about["reuse"]))
        make = (lambda: Reusing(executor(), known)) if known else executor
        _run(study, store, make, report, keeps_proposals=other_code)
    return study


def described(study: Study) -> dict[str, Any]:
    """Return what results say of their study."""
    return {
        "name": study.spec.name,
        "objectives": list(study.spec.objectives),
        "constraints": {bound.metric: f"{bound.sign} {bound.bound!r}" for bound in study.constraints},
        "plugins": dict(study.plugins),
        "parameters": list(study.space),
        "seeds": study.spec.budget.seeds,
        "trials": len(study.controls) + study.trials,
        "exhausted": None,
        "in_steps": study.goes_in_steps,
        "ended": False,
        "skips": study.skips,
        "study_key": study.key,
        "data_files": {name: _place_of(seen) for name, seen in study.data_files.items()},
    }


def _place_of(seen: Seen) -> dict[str, Any]:
    """Return what results say of a file of the user's; of one that they do not keep, where it lies."""
    said = {"sha256": seen.sha256, "size": seen.size}
    return said if is_kept(seen) else {**said, "path": str(seen.path)}


def open_study(where: Where, about: dict[str, Any]) -> Study:
    """Return the study of results, as it is kept with them.

    Raises:
        ResultsError: the kept file means another study than the one that ran.
    """
    if about.get("merged"):
        raise ResultsError(f"{where} unites several studies and has no study file; go on with those it was made of")
    path = source_of(where, about) / "study.toml"
    study = read_study(path, warn=False, kept=about["data_files"]).as_of(about["plugins"])
    study = replace(study, skips=about["skips"])
    if study.key != about["study_key"] and not has_former_key(about):
        raise ResultsError(
            f"{where}: its {about['source']}/study.toml means another study than the one that began here: it was "
            f"edited, or this version of the framework reads it otherwise (it began with {about['code']}). Undo the "
            "edit, install that version, or start afresh with `dse run`. To ask more of the study, edit a copy and "
            "name it: --study NEW.toml"
        )
    return study


def stored_study(where: Where) -> Study | None:
    """Return the study of results; None where there are none, or they cannot be gone on with."""
    with suppress(DseError):
        return open_study(where, read_about(where))
    return None


def has_former_key(about: dict[str, Any]) -> bool:
    """Return whether results bear the key that their study had in an earlier version of the schema.

    The file of the study then cannot be held against the key; each stored trial is still held against its proposal.
    """
    return about["study_key"] in about["former_keys"]


def check_is_of(study: Study, where: Where) -> None:
    """Check that results are those of a study.

    Raises:
        ResultsError: they are of another, or of this one with other trials, seeds, objectives or constraints.
    """
    place = place_of(where)
    about = read_about(place)
    check_files(study, about)
    study = study.as_of(about["plugins"])  # what changed in them is said by `resume`
    if study.key != (open_study(place, about).key if has_former_key(about) else about["study_key"]):
        raise ResultsError(
            f"{place} holds the results of another study than this file describes. If it asks more of that study, go "
            f"on by `dse resume {place} --study FILE`; to go on with what is there, `dse resume {place}`; else choose "
            "another folder with --out"
        )


def check_files(study: Study, about: dict[str, Any]) -> None:
    """Check that a study names no file that has changed since results were begun.

    Raises:
        DataError: one has.
    """
    for name, seen in study.data_files.items():
        was = about["data_files"].get(name, {}).get("sha256", seen.sha256)
        if about["name"] == study.spec.name and seen.sha256 != was:
            raise DataError(
                f"{seen.path} has changed: the results were begun with another {name} (SHA-256 {was[:12]}..., now "
                f"{seen.sha256[:12]}...). Go on with the file that they keep by `dse resume`, put the former back, or "
                "start afresh with --out"
            )


def _is_of(study: Study, place: Place) -> bool:
    """Return whether results are those of a study."""
    about = read_about(place)
    if not has_former_key(about):
        return about["study_key"] == study.as_of(about["plugins"]).key
    with suppress(DseError):
        return open_study(place, about).key == study.key
    return False


def _check_code(place: Place, was: dict[str, Any], *, other_code: bool) -> None:
    changed = _changes(was)
    if changed and not other_code:
        raise ResultsError(
            f"{place} was begun by other code: {'; '.join(changed)}. One table would hold results of both. "
            "Install what began it, or accept the mixture with --other-code; each row says what made it"
        )


def _changes(was: dict[str, Any]) -> list[str]:
    """Return in what the code of now differs from that which began results."""
    own = plugins.load(was["plugins"])
    now = {"code": code_version(), "packages": _without_plugins(package_versions(own))}
    before = {"code": was["code"], "packages": _without_plugins(was["packages"])}
    changed = [f"{key} was {before[key]} and is {value}" for key, value in now.items() if before[key] != value]
    return [*plugins.changes(was["plugins"], own), *changed]


def _already_there(place: Place, about: dict[str, Any]) -> str:
    """Return that results of a study are there, and how to go on with them."""
    changed = _changes(about)
    if not changed:
        return f"{place} already holds this study; go on with it by `dse resume {place}`"
    return (
        f"{place} already holds this study, begun by other code: {'; '.join(changed)}. Choose another folder with "
        f"--out, or install what began it and go on by `dse resume {place}`; with --other-code, one table holds both"
    )


def _without_plugins(packages: str) -> str:
    """Return versions of packages, as JSON, without those of plug-ins, which are told apart; other text as it is."""
    try:
        found: Any = json.loads(packages)
    except (ValueError, RecursionError):
        return packages
    return json.dumps({key: value for key, value in found.items() if key != "plugins"})


def _still_there(places: Iterable[Any]) -> list[str]:
    """Return the results to reuse from that can still be read; what is gone is simulated."""
    found: list[str] = []
    for name in places:
        with suppress(ResultsError):
            read_about(str(name))
            found.append(str(name))
    return found


def _run(
    study: Study, store: Store, make_executor: MakeExecutor, report: Report, *, keeps_proposals: bool = False
) -> None:
    earlier = earlier_of(store)
    if keeps_proposals and not study.goes_in_steps:
        earlier = replace(earlier, decided={**as_decided(_stored(store), len(study.controls)), **earlier.decided})
    executor = make_executor()
    notice = Notice(store.place, executor.under_way if isinstance(executor, Telling) else list)

    def told(progress: Progress) -> None:
        notice.renew()
        report(progress)

    try:
        ended = run(study, store, _stored(store), executor, told, earlier)
        said = {} if ended is None else {"trials": ended.trials, "exhausted": ended.designs}
        if said or study.goes_in_steps:
            store.describe({**store.about, **said, "ended": True})
        store.finish()
    finally:
        notice.clear()
        executor.close()


def _stored(store: Store) -> Generator[dict[str, Any]]:
    """Yield the rows of results, a few of them in memory as Python objects at a time."""
    for batch in read_batches(store.place):
        yield from to_rows(batch)
