"""The command `dse status`: how far a study is."""

import json
from typing import TYPE_CHECKING

import click

from dse.cli.options import echo, results_argument

if TYPE_CHECKING:
    from dse.analysis.queries.status import Status
    from dse.results.place import Where

SHOWN = 3
"""Simulations under way, and failures, that are named."""


@click.command()
@results_argument
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def status(results: "Where", format_: str) -> None:
    """Show the progress of the study in the folder RESULTS: who runs it, how fast, time left, failures."""
    from dse.analysis.queries.status import status as progress_of  # noqa: PLC0415

    found = progress_of(results)
    echo(json.dumps(found.as_dict(), indent=2) if format_ == "json" else _text(found))


def _text(now: "Status") -> str:
    from dse.pricing.text import all_tried, counted  # noqa: PLC0415
    from dse.progress import duration  # noqa: PLC0415

    of = counted(now.done, "simulation") if now.total is None else f"{now.done} of {counted(now.total, 'simulation')}"
    lines = [f"{now.name}: {of} done, {now.failed} failed"]
    ended = (
        "finished"
        if now.total is not None and now.done >= now.total
        else f"last result {now.last_finished_at or 'none yet'}"
    )
    lines.append(f"  running: {now.running}" if now.running else f"  not running; {ended}")
    if now.exhausted is not None:
        lines.append(f"  {all_tried(now.exhausted)}")
    if now.per_minute is not None:
        left = "" if now.left_s is None else f", {duration(now.left_s)} left"
        lines.append(f"  {now.per_minute:.3g} simulations a minute{left}")
    volume = "" if now.volume is None else f", hypervolume {now.volume:.4f} of the box from worst to best"
    sure = "" if now.front_sure is None else f", {now.front_sure} of them with all seeds"
    lines.append(f"  front: {counted(now.front, 'design')}{sure}{volume}")
    if now.epochs is not None:
        lines.append(
            f"  epochs: {now.epochs} simulated; {now.epochs_saved} saved: all these designs to their ends under all "
            f"seeds would take {(now.epochs or 0) + (now.epochs_saved or 0)}"
        )
    for rung, count in (now.rungs or {}).items():
        lines.append(f"  {counted(count, 'design')} {'waits' if count == 1 else 'wait'} after {counted(rung, 'epoch')}")
    if now.constraints:
        counts = ", ".join(f"{text} ({count})" for text, count in now.constraints.items())
        lines.append(f"  infeasible: {counted(now.infeasible, 'design')}; by constraint: {counts}")
    if now.nearest is not None:
        lines.append(f"  no design is feasible yet; {now.nearest}")
    lines += [f"  {host}: {counted(count, 'simulation')}" for host, count in now.hosts.items()]
    lines += [f"  under way: trial {one.trial} seed {one.seed} on {one.actor}" for one in now.under_way[:SHOWN]]
    lines += [f"  {len(now.under_way) - SHOWN} more under way"] if len(now.under_way) > SHOWN else []
    lines += [f"  failed: {line}" for line in now.failures[-SHOWN:]]
    lines += [f"  damaged: {line}" for line in now.damaged]
    return "\n".join(lines)
