"""The command `dse check`: a study file checked without running it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dse.cli.options import echo, study_argument

if TYPE_CHECKING:
    from dse.search.study import Study


@click.command()
@study_argument
def check(study: Path) -> None:
    """Check the study file STUDY without running it."""
    from dse.pricing.text import counted  # noqa: PLC0415
    from dse.search.remarks import remarks  # noqa: PLC0415
    from dse.search.study import read_study  # noqa: PLC0415
    from dse.spec import written  # noqa: PLC0415

    checked = read_study(study)
    checked.check_known()
    spec = checked.spec
    echo(f"{spec.name}: valid")
    echo(f"  {_extent(checked)}, {counted(len(checked.controls), 'control')}")
    if spec.search.rungs:
        echo(f"  rungs: trainings pause after {', '.join(map(str, spec.search.rungs))} epochs")
    echo(f"  objectives: {', '.join(f'{g} {n}' for g, n in zip(checked.goals, spec.objectives, strict=True))}")
    for name, version in checked.plugins.items():
        echo(f"  plug-in: {name} {version}")
    for bound in checked.constraints:
        echo(f"  constraint: {bound}")
    for path, parameter in checked.space.items():
        echo(f"  {path}: {parameter}")
    for own in checked.first:
        echo(f"  first: {', '.join(f'{path} = {written(value)}' for path, value in own.items()) or 'any'}")
    for line in [] if checked.learned is None else checked.learned.in_words:
        echo(f"  {line}")
    for name, values in checked.free.axes.items():
        echo(f"  free, priced afterwards: {name}: {', '.join(map(written, values))}")
    for line in remarks(checked):
        echo(f"  {line}")


def _extent(study: "Study") -> str:
    """Return how much the search may simulate, in words."""
    from dse.pricing.text import counted  # noqa: PLC0415

    seeds = counted(study.spec.budget.seeds, "seed")
    return f"{study.extent} in all, up to {seeds} a design" if study.goes_in_steps else f"{study.extent} x {seeds}"
