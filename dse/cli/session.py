"""What `dse run` and `dse resume` share: who simulates, the progress report, and the summary at the end."""

import logging
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from dse.cli.options import actors_option, echo, wait_option
from dse.cli.stopping import stoppable

if TYPE_CHECKING:
    from dse.results.place import Where
    from dse.search.executor import Executor
    from dse.search.study import Study
    from dse.search.tally import Progress

log = logging.getLogger(__name__)


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that make a `Session`."""
    options = [
        click.option(
            "--executor",
            type=click.Choice(["ray", "local"]),
            default="ray",
            show_default=True,
            help="Who simulates: Ray actors, or this process. The results are the same.",
        ),
        actors_option,
        click.option(
            "--address",
            help='A Ray cluster to join: "auto", HOST:PORT or ray://HOST:PORT. By default a Ray is started here.',
        ),
        wait_option,
        click.option(
            "--device",
            help="Where torch computes deep networks, and with --executor local perceptrons; by default "
            '"cuda" if [resources] asks for GPUs, else "cpu".',
        ),
        click.option("--watch", is_flag=True, help="Serve the page of the study on this machine; see `dse watch`."),
        click.option("--quiet", is_flag=True, help="No progress, only warnings and the result."),
        click.option(
            "--patience",
            "patience_s",
            type=click.FloatRange(0),
            default=86_400.0,
            metavar="SECONDS",
            help="How long to retry while a disk is full or a store is unreachable; by default a day.",
        ),
        click.option(
            "--log-format",
            type=click.Choice(["text", "json"]),
            default="text",
            show_default=True,
            help="Of what goes to standard error: text, or a JSON object a line.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True)
class Session:
    """How a study is simulated and what is reported, as the options of `run` and `resume` ask.

    Attributes:
        executor: "ray" or "local".
        actors: number of actors; None for as many as there is room for.
        address: the Ray cluster to join; None for one of our own.
        wait_s: how long to wait for a node with room for an actor, s.
        device: where torch computes deep networks; None for an accelerator where the study asks for one.
        watch: whether a process of its own serves the page of the study.
        quiet: whether progress is left out.
        patience_s: for how long a write that fails is tried again, s.
        log_format: "text" or "json".
    """

    executor: Literal["ray", "local"]
    actors: int | None
    address: str | None
    wait_s: float
    device: str | None
    watch: bool
    quiet: bool
    patience_s: float
    log_format: str

    def make(self, study: "Study", where: "Where") -> "Executor":
        """Return the executor."""
        from dse.search.simulating import executor_for  # noqa: PLC0415

        return executor_for(
            study,
            where,
            self.executor,
            actors=self.actors,
            address=self.address,
            wait_s=self.wait_s,
            device=self.device,
        )

    def check(self, study: "Study") -> None:
        """Refuse what the local executor cannot do."""
        from dse.search.simulating import check_local  # noqa: PLC0415

        if self.executor == "local":
            check_local(study, actors=self.actors, address=self.address, wait_s=self.wait_s)


def follow(where: "Where", study: "Study", go: Callable[[Any], Any], session: Session) -> None:
    """Run with progress; print at the end, or at an interruption, where the results are and what to do next."""
    from dse.pricing.text import counted  # noqa: PLC0415
    from dse.progress import configure_logging, progress  # noqa: PLC0415

    spec = study.spec
    configure_logging(session.log_format)
    log.info("%s: %s and %s -> %s", spec.name, study.extent, counted(len(study.controls), "control"), where)
    if session.watch:
        _serve(where)
    in_flight = spec.search.lookahead * spec.budget.seeds
    if not study.sampler.blind and session.actors is not None and session.actors > in_flight:
        log.info("note: search.lookahead lets %s run at once; the other actors idle", counted(in_flight, "simulation"))
    following = progress(spec.objectives, seeds=spec.budget.seeds, quiet=session.quiet, log_format=session.log_format)
    with stoppable(lambda: _last_words(where)) as stop, following as report:

        def told(state: "Progress") -> None:
            stop.check()
            report(state)

        go(told)
    _conclude(where)


WATCHED_S = 600
"""The page of a run is served until nobody has asked for so long; the driver may be gone by then."""


def _serve(where: "Where") -> None:
    """Start `dse watch` in a process that outlives this one, whatever ends it; it prints its address."""
    import subprocess  # noqa: PLC0415

    command = [sys.executable, "-m", "dse", "watch", str(where), "--port", "0", "--idle", str(WATCHED_S), "--patient"]
    subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603  our own program


def _last_words(where: "Where") -> str:
    """Return what is said where a run is stopped."""
    from dse.errors import ResultsError  # noqa: PLC0415
    from dse.results.store import has_results  # noqa: PLC0415

    try:
        begun = has_results(where)
    except ResultsError:
        begun = True
    if not begun:
        return "stopped before anything was stored"
    return f"stopped; finished trials are safe. Go on with: {_dse()} resume {shlex.quote(str(where))}"


def _conclude(where: "Where") -> None:
    from dse.analysis.costs.priced import open_priced  # noqa: PLC0415
    from dse.analysis.fronts.table import front_table, front_title  # noqa: PLC0415
    from dse.analysis.tables.render import render  # noqa: PLC0415
    from dse.analysis.tables.resting import warning  # noqa: PLC0415
    from dse.analysis.tables.tables import controls  # noqa: PLC0415
    from dse.pricing.text import all_tried, counted  # noqa: PLC0415

    tables = open_priced(where, None, study=False)
    best = front_table(tables, tables.objectives)
    echo(render(best, title=front_title(tables, tables.objectives)))
    if tables.about["exhausted"] is not None:
        echo(all_tried(tables.about["exhausted"]))
    others = controls(tables)
    if len(others):
        columns = [name for name in best.columns if name in others.columns and name not in tables.parameters]
        echo(render(others.select("origin", *columns), title="controls"))
    failed = tables.designs.filter(tables.designs["state"] == "failed")
    if len(failed):
        echo(f"{counted(len(failed), 'trial')} failed; the reason of the first: {failed['failure'][0]}")
    if line := warning(tables):
        echo(line)
    example = best["trial"][0] if len(best) else 0
    columns = ", ".join(["trial", *tables.objectives])
    echo(f"results: {where}\nnext:")
    folder = shlex.quote(str(where))
    echo(f"  {_dse()} front {folder} --plot front.png")
    echo(f"  {_dse()} show {folder} {example}")
    echo(f'  {_dse()} query {folder} "SELECT {columns} FROM trials"')  # noqa: S608  an example


def _dse() -> str:
    """Return how this command can be typed again: "dse", or its path where that is not found."""
    called, found = Path(sys.argv[0]), shutil.which("dse")
    if found and called.exists() and Path(found).samefile(called):
        return "dse"
    return os.path.relpath(called) if called.name == "dse" else "python -m dse"
