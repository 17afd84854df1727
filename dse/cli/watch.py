"""The command `dse watch`: the page of a study while it runs."""

from typing import TYPE_CHECKING

import click

from dse.cli.options import echo, named, objectives_option, results_argument

if TYPE_CHECKING:
    from dse.results.place import Where


@click.command()
@results_argument
@objectives_option
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; any but loopback takes a token."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8042, show_default=True, help="Port; 0 for one that is free."
)
@click.option("--token", help="What readers must have; by default one is drawn where it is needed.")
@click.option("--without", multiple=True, metavar="PANEL", help="Leave a panel out.")
@click.option(
    "--idle", "idle_s", type=click.FloatRange(1), metavar="SECONDS", help="End when nobody has asked for so long."
)
@click.option("--patient", is_flag=True, hidden=True, help="Begin before there are results.")
def watch(
    results: "Where",
    objectives: str | None,
    *,
    host: str,
    port: int,
    token: str | None,
    without: tuple[str, ...],
    idle_s: float | None,
    patient: bool,
) -> None:
    """Serve the page of the study in the folder RESULTS to a browser, and keep it up to date.

    It reads the results and writes nothing; it needs no driver, and does not mind if one is killed. RESULTS may be an
    address of an object store.
    """
    from dse.analysis.live.server import Server  # noqa: PLC0415
    from dse.analysis.live.watching import Watching  # noqa: PLC0415

    left_out = dict.fromkeys((*without, "importance"))  # which takes longer than all else
    watching = Watching(results, named(objectives, []), list(left_out))
    if not patient:
        watching.progress()
    with Server(watching, host, port, token) as server:
        echo(f"{server.address}  (Ctrl-C ends it)", err=True)
        try:
            server.serve(idle_s)
        except KeyboardInterrupt:
            echo("ended", err=True)
