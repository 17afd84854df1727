"""A run of a study in a results folder: start it, or go on with it."""

from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dse.errors import ResultsError
from dse.results.store import Store, create, discard, read_about, read_table
from dse.search.executor import Executor, code_version, package_versions
from dse.search.loop import Progress, run
from dse.search.study import Study, read_study


def start(
    study: Study,
    folder: Path,
    executor: Callable[[], Executor],
    report: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Run a study into a new results folder.

    Args:
        study: the study.
        folder: the results folder; it must not exist or be empty.
        executor: makes the executor, once the folder is ours.
        report: called now and then.

    Raises:
        ResultsError: the folder holds this or another study, or something else.
        ExecutorError: the executor cannot be started.
    """
    if (folder / "study.json").exists():
        if read_about(folder).get("study_key") == study.key:
            raise ResultsError(f"{folder} already holds this study; go on with it by `dse resume {folder}`")
        raise ResultsError(f"{folder} holds the results of another study; choose another folder with --out")
    about = {
        "name": study.spec.name,
        "objectives": list(study.spec.objectives),
        "parameters": list(study.space),
        "seeds": study.spec.budget.seeds,
        "trials": len(study.controls) + study.spec.budget.trials,
        "study_key": study.key,
        "code": code_version(),
        "packages": package_versions(),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    create(folder, about, study.files())
    try:
        _run(study, folder, executor, report)
    except Exception:
        discard(folder)
        raise


def resume(
    folder: Path,
    executor: Callable[[], Executor],
    report: Callable[[Progress], None] = lambda _: None,
    *,
    other_code: bool = False,
) -> Study:
    """Go on with the study of a results folder and return it; finished trials are not repeated.

    Args:
        folder: the results folder.
        executor: makes the executor, once the folder is ours.
        report: called now and then.
        other_code: go on even if the framework or a package it depends on is not the version that began the study.

    Raises:
        ResultsError: it is no results folder, it is in use, other code began it, or this version proposes other trials
            than it holds.
        ExecutorError: the executor cannot be started.
    """
    about = read_about(folder)
    study = read_study(folder / "source" / "study.toml")
    if study.key != about["study_key"]:
        raise ResultsError(
            f"{folder}/source/study.toml means another study than the one that began here: it was edited, or this "
            f"version of the framework reads it otherwise (it began with {about['code']}). Undo the edit, install that "
            "version, or start afresh with `dse run`"
        )
    now = {"code": code_version(), "packages": package_versions()}
    changed = [f"{key} was {about[key]} and is {value}" for key, value in now.items() if about[key] != value]
    if changed and not other_code:
        raise ResultsError(
            f"{folder} was begun by other code: {'; '.join(changed)}. One table would hold results of both. Install "
            "what began it, or accept the mixture with --other-code; each row says what made it"
        )
    _run(study, folder, executor, report)
    return study


def _run(study: Study, folder: Path, make_executor: Callable[[], Executor], report: Callable[[Progress], None]) -> None:
    with Store(folder) as store:
        executor = make_executor()
        try:
            run(study, store, _stored(folder), executor, report)
        finally:
            executor.close()


def _stored(folder: Path) -> Generator[dict[str, Any]]:
    """Yield the rows of a folder, a few of them in memory as Python objects at a time."""
    for batch in read_table(folder).to_batches(max_chunksize=500):
        yield from batch.to_pylist()
