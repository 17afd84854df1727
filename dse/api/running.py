"""Run a study from Python, and open its results."""

from collections.abc import Sequence
from pathlib import Path

from dse.api.results import Results
from dse.api.studies import Study, study_of
from dse.progress import progress
from dse.results.address import place_of
from dse.results.place import Where
from dse.results.store import has_results
from dse.search.executor import Executor
from dse.search.runs import resume, start, stored_study
from dse.search.simulating import Kind, executor_for


def run(
    study: Study | Path | str,
    out: Where | None = None,
    *,
    executor: Kind = "ray",
    actors: int | None = None,
    address: str | None = None,
    wait_for_nodes_s: float = 0.0,
    device: str | None = None,
    reuse: Sequence[Where] = (),
    other_code: bool = False,
    quiet: bool = False,
    patience_s: float = 0.0,
) -> Results:
    """Run a study, or go on with it, and return its results.

    Finished trials are never repeated. Where there are results of this study with fewer trials or seeds, the missing
    ones are added.

    Args:
        study: path of a study file, or a `Study`.
        out: folder or address of the results; by default results/NAME.
        executor: "ray" for actors, "local" for this process; the results are the same.
        actors: number of Ray actors; by default as many as there is room for.
        address: the Ray cluster to join; by default a Ray is started on this machine, for this study alone.
        wait_for_nodes_s: how long to wait for a node with room for an actor, s.
        device: where torch computes deep networks; by default "cuda" where the study asks for GPUs, else "cpu".
        reuse: results of other studies; what they hold is not simulated again.
        other_code: go on though another version of the code began the study.
        quiet: show no progress.
        patience_s: how long a write that fails is tried again, s.

    Raises:
        SettingError: what is wrong with the study.
        ResultsError: the place holds results of another study, or is in use.
        ExecutorError: Ray does not start, or has no room.
    """
    checked = study_of(study, None if out is None else stored_study(out))
    where = Path("results") / checked.spec.name if out is None else out
    place = place_of(where)

    def make() -> Executor:
        return executor_for(
            checked, place, executor, actors=actors, address=address, wait_s=wait_for_nodes_s, device=device
        )

    with progress(checked.spec.objectives, seeds=checked.spec.budget.seeds, quiet=quiet) as report:
        if has_results(place):
            resume(place, make, report, wanted=checked, other_code=other_code, patience_s=patience_s)
        else:
            start(checked, place, make, report, reuse=reuse, patience_s=patience_s)
    return Results(place)


def open_results(where: Where) -> Results:
    """Open the results of a study: a folder, or an address such as s3://bucket/study.

    Raises:
        ResultsError: there are none, or they are damaged.
    """
    return Results(where)
