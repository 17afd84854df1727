"""The command `dse dashboard`: a study in Optuna's dashboard."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dse.cli.options import OUTPUT, echo, results_argument

if TYPE_CHECKING:
    from dse.results.place import Where


@click.command()
@results_argument
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Port to listen on.")
@click.option("--export", type=OUTPUT, help="Write an Optuna journal to this file instead.")
def dashboard(results: "Where", host: str, port: int, export: Path | None) -> None:
    """Open the study in the folder RESULTS in Optuna's dashboard, as it is now."""
    from dse.search.dashboard import serve, to_storage  # noqa: PLC0415

    if export is not None:
        to_storage(results, export)
        echo(f"written: {export}; open it by: optuna-dashboard {export}")
        return
    echo(f"http://{host}:{port}  (Ctrl-C ends it)", err=True)
    serve(results, host, port)
