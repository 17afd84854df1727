"""The command `dse resume`: a study gone on with."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dse.cli.options import results_argument
from dse.cli.session import Session, follow, run_options

if TYPE_CHECKING:
    from dse.results.place import Where


@click.command()
@results_argument
@click.option("--study", type=click.Path(path_type=Path), help="The study file that asks for more.")
@click.option("--other-code", is_flag=True, help="Go on though another version of the code began the study.")
@run_options
def resume(results: "Where", study: Path | None, *, other_code: bool, **options: Any) -> None:
    """Go on with the study in the folder RESULTS; finished trials are not repeated.

    With --study, ask more of it: a file in which budget.trials, budget.epochs or budget.seeds are higher, objectives
    are added, or constraints are added, changed or removed.
    """
    resume_results(results, Session(**options), study, other_code=other_code)


def resume_results(results: "Where", session: Session, study: Path | None, *, other_code: bool) -> None:
    """Go on with stored results, as `dse resume` and `dse run --resume` do.

    Args:
        results: where the results are.
        session: who simulates, and how progress is reported.
        study: a study file that asks more of them; None for the stored one.
        other_code: whether results of another version of the code are gone on with.
    """
    from dse.results.store import read_about  # noqa: PLC0415
    from dse.search.runs import open_study  # noqa: PLC0415
    from dse.search.runs import resume as go_on  # noqa: PLC0415
    from dse.search.study import read_study  # noqa: PLC0415

    stored = open_study(results, read_about(results))
    wanted = None if study is None else read_study(study, former=stored)
    shown = wanted or stored
    session.check(shown)

    def go(report: Any) -> None:
        go_on(
            results,
            lambda: session.make(shown, results),
            report,
            other_code=other_code,
            wanted=wanted,
            patience_s=session.patience_s,
        )

    follow(results, shown, go, session)
