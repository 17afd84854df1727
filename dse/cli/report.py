"""The command `dse report`: one page of linked pictures, or the main figures as files."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dse.cli.options import echo, named, objectives_option, results_argument

if TYPE_CHECKING:
    from dse.results.place import Where


@click.command()
@results_argument
@objectives_option
@click.option(
    "--format",
    "format_",
    type=click.Choice(["html", "png", "svg"]),
    default="html",
    show_default=True,
    help="One page, or the main figures as files.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="File of the page, or folder of the figures; by default in RESULTS, or here if that is an object store.",
)
@click.option(
    "--without", multiple=True, metavar="PANEL", help="Leave a panel out, such as importance, which takes longest."
)
def report(
    results: "Where", objectives: str | None, format_: str, output: Path | None, without: tuple[str, ...]
) -> None:
    """Make a page of the study in the folder RESULTS: linked pictures, the front, what made it.

    It is one file that opens in any browser, offline, and can be sent and kept. While a study runs it shows what is
    there; make it again for more.

    \b
    dse report RESULTS                        RESULTS/report.html
    dse report RESULTS --format svg           RESULTS/figures/front.svg, curves.svg, energy.svg, ...
    """  # noqa: D301  click reads \b as "do not wrap"
    from dse.analysis.costs.priced import open_priced  # noqa: PLC0415
    from dse.analysis.tables.render import check_folder, check_writable  # noqa: PLC0415
    from dse.results.address import place_of  # noqa: PLC0415
    from dse.results.folder import Folder  # noqa: PLC0415
    from dse.results.inside import fresh  # noqa: PLC0415

    place = place_of(results)
    here = place.path if isinstance(place, Folder) else Path()
    if output is not None:
        (check_writable if format_ == "html" else check_folder)(output)
    tables = open_priced(results, named(objectives, []) or None, study=False)
    names = named(objectives, tables.objectives)
    if format_ == "html":
        from dse.analysis.report.page import write_page  # noqa: PLC0415

        path = output or fresh(here, "report.html")
        for line in write_page(path, results, tables, names, without):
            echo(f"note: {line}", err=True)
        echo(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
        return
    from dse.analysis.report.figures import write_pictures  # noqa: PLC0415

    written, missing = write_pictures(output or fresh(here, "figures"), results, tables, names, format_, without)
    for path in written:
        echo(str(path))
    for line in missing:
        echo(f"note: {line}", err=True)
