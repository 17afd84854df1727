"""The command `dse run`: a study file, simulated."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dse.cli.options import PLACE, study_argument
from dse.cli.resume import resume_results
from dse.cli.session import Session, follow, run_options

if TYPE_CHECKING:
    from dse.results.place import Where


@click.command()
@study_argument
@click.option("--out", type=PLACE, help="Results folder or address (s3://...); by default results/NAME-TIME.")
@click.option("--reuse", type=PLACE, multiple=True, help="Take over what these results hold already; repeatable.")
@click.option("--resume", "go_on", is_flag=True, help="Go on if the results folder holds this study already.")
@click.option("--files-beside", is_flag=True, hidden=True, help="Every file that STUDY names lies beside it.")
@run_options
def run(
    study: Path, out: "Where | None", reuse: "tuple[Where, ...]", *, go_on: bool, files_beside: bool, **options: Any
) -> None:
    """Run the study file STUDY."""
    from datetime import datetime  # noqa: PLC0415

    from dse.results.address import place_of  # noqa: PLC0415
    from dse.results.store import has_results  # noqa: PLC0415
    from dse.search.runs import check_is_of, start, stored_study  # noqa: PLC0415
    from dse.search.study import read_study  # noqa: PLC0415

    session = Session(**options)
    former = stored_study(out) if go_on and out is not None else None
    checked = read_study(study, kept={} if files_beside else None, former=former)
    session.check(checked)
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    where = out or Path("results") / f"{checked.spec.name}-{stamp}"
    if go_on and has_results(place_of(where)):
        check_is_of(checked, where)
        resume_results(where, session, None, other_code=False)
        return

    def go(report: Any) -> None:
        start(
            checked,
            where,
            lambda: session.make(checked, where),
            report,
            reuse=reuse,
            patience_s=session.patience_s,
        )

    follow(where, checked, go, session)
