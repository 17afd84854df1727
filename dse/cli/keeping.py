"""Commands about results as a whole: status, merge, replay, dashboard."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dse.cli.options import PLACE, results_argument

if TYPE_CHECKING:
    from dse.analysis.queries.status import Status
    from dse.results.place import Where

DIFFERS = 3
"""Exit status of a replay that differs."""


@click.command()
@results_argument
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def status(results: "Where", format_: str) -> None:
    """Say where the study in the folder RESULTS stands: who runs it, how fast, how long still, what failed."""
    from dse.analysis.queries.status import status as stands  # noqa: PLC0415

    found = stands(results)
    click.echo(json.dumps(found.as_dict(), indent=2) if format_ == "json" else _text(found))


def _text(now: "Status") -> str:
    from dse.progress import duration  # noqa: PLC0415

    lines = [f"{now.name}: {now.done} of {now.total} simulations done, {now.failed} failed"]
    ended = "finished" if now.done >= now.total else f"last result {now.last_finished_at or 'none yet'}"
    lines.append(f"  running: {now.running}" if now.running else f"  not running; {ended}")
    if now.per_minute is not None:
        left = "" if now.left_s is None else f", {duration(now.left_s)} left"
        lines.append(f"  {now.per_minute:.3g} simulations a minute{left}")
    volume = "" if now.volume is None else f", hypervolume {now.volume:.4f} of the box from worst to best"
    lines.append(f"  front: {now.front} designs{volume}")
    lines += [f"  {host}: {count} simulations" for host, count in now.hosts.items()]
    lines += [f"  failed: {words}" for words in now.failures]
    lines += [f"  damaged: {words}" for words in now.damaged]
    return "\n".join(lines)


@click.command()
@click.argument("sources", type=PLACE, nargs=-1, required=True)
@click.option("--out", type=PLACE, required=True, help="Where the united results go; a new folder or address.")
def merge(sources: "tuple[Where, ...]", out: "Where") -> None:
    """Unite the results SOURCES in a new folder.

    Of one study they give results of that study, to be resumed; of different studies a table to read.
    """
    from dse.results.merge import merge as unite  # noqa: PLC0415

    if len(sources) < 2:
        raise click.UsageError("name at least two results")
    click.echo(f"{unite(sources, out)} rows of {len(sources)} results -> {out}")


@click.command()
@results_argument
@click.argument("trial", type=int)
@click.option("--seed", type=int, help="One of its seeds; by default all.")
def replay(results: "Where", trial: int, seed: int | None) -> None:
    """Simulate trial TRIAL of the folder RESULTS again, and compare every field, to the last bit.

    Ends with status 0 if all agree and 3 if not.
    """
    from dse.analysis.tables.render import render  # noqa: PLC0415
    from dse.search.replay import replay as again  # noqa: PLC0415

    found = again(results, trial, seed)
    for one in found:
        verdict = f"{len(one.differences)} differ" if one.differences else "all equal to the last bit"
        click.echo(f"trial {trial} seed {one.seed}: {one.fields} fields, {verdict}")
        for name, was, now in one.made:
            click.echo(f"  {name} was {was} and is {now}")
        if one.differences:
            click.echo(render(one.table()))
    if any(one.differences for one in found):
        sys.exit(DIFFERS)


@click.command()
@results_argument
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Port to listen on.")
@click.option("--export", type=click.Path(path_type=Path), help="Write an Optuna journal to this file instead.")
def dashboard(results: "Where", host: str, port: int, export: Path | None) -> None:
    """Open the study in the folder RESULTS in Optuna's dashboard, as it stands now."""
    from dse.search.dashboard import serve, to_storage  # noqa: PLC0415

    if export is not None:
        to_storage(results, export)
        click.echo(f"written: {export}; open it by: optuna-dashboard {export}")
        return
    click.echo(f"http://{host}:{port}  (Ctrl-C ends it)", err=True)
    serve(results, host, port)
