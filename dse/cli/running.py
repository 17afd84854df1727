"""Commands that simulate: run, resume, check, data."""

import logging
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from dse.cli.options import PLACE, results_argument, study_argument
from dse.errors import SettingError

if TYPE_CHECKING:
    from dse.results.place import Where
    from dse.search.executor import Executor
    from dse.search.study import Study

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """How a study is simulated and what is said of it, as the options of `run` and `resume` say.

    Attributes:
        executor: "ray" or "local".
        actors: number of actors; None for as many as there is room for.
        address: the Ray cluster to join; None for one of our own.
        wait_s: how long to wait for a node with room for an actor, s.
        device: where torch computes deep networks; None for an accelerator where the study asks for one.
        quiet: whether progress is left out.
        patience_s: for how long a write that fails is tried again, s.
        log_format: "text" or "json".
    """

    executor: str
    actors: int | None
    address: str | None
    wait_s: float
    device: str | None
    quiet: bool
    patience_s: float
    log_format: str

    def make(self, study: "Study", where: "Where") -> "Executor":
        """Return the executor."""
        from dse.search.executor import LocalExecutor, Simulation, check_device  # noqa: PLC0415

        simulate = Simulation(self.device or ("cuda" if study.spec.resources.gpus else "cpu"))
        if self.executor == "ray":
            from dse.results.place import place_of  # noqa: PLC0415
            from dse.search.ray_pool import RayPool  # noqa: PLC0415

            return RayPool(
                self.actors,
                address=self.address,
                resources=study.spec.resources,
                folder=place_of(where).work,
                wait_s=self.wait_s,
                simulate=simulate,
            )
        check_device(simulate.device)
        return LocalExecutor(simulate)

    def check(self, study: "Study") -> None:
        """Refuse what the local executor cannot do."""
        if self.executor == "ray":
            return
        if self.actors is not None or self.address is not None or self.wait_s:
            raise click.UsageError(
                "--actors, --address and --wait-for-nodes are for --executor ray; the local executor is this process"
            )
        if study.spec.resources.time_limit_s is not None:
            raise SettingError(
                "resources.time_limit_s needs Ray actors, which can be ended; leave --executor local, or the setting"
            )


def _run_options(command: Callable[..., None]) -> Callable[..., None]:
    options = [
        click.option(
            "--executor",
            type=click.Choice(["ray", "local"]),
            default="ray",
            show_default=True,
            help="Who simulates: Ray actors, or this process. The results are the same.",
        ),
        click.option(
            "--actors", type=click.IntRange(1, 10_000), help="Ray actors; by default as many as there is room for."
        ),
        click.option(
            "--address",
            help='A Ray cluster to join: "auto", HOST:PORT or ray://HOST:PORT. By default a Ray is started here.',
        ),
        click.option(
            "--wait-for-nodes",
            "wait_s",
            type=click.FloatRange(0.0, 86_400.0),
            default=0.0,
            metavar="SECONDS",
            help="Wait so long for a node with room for an actor.",
        ),
        click.option(
            "--device",
            help='Where torch computes deep networks; by default "cuda" if [resources] asks for GPUs, else "cpu".',
        ),
        click.option("--quiet", is_flag=True, help="No progress, only warnings and the result."),
        click.option(
            "--patience",
            "patience_s",
            type=click.FloatRange(0),
            default=86_400.0,
            metavar="SECONDS",
            help="How long to wait for a full disk or a store that is away to be mended; by default a day.",
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


@click.command()
@study_argument
@click.option("--out", type=PLACE, help="Results folder or address (s3://...); by default results/NAME-TIME.")
@click.option("--reuse", type=PLACE, multiple=True, help="Take over what these results hold already; repeatable.")
@click.option("--resume", "go_on", is_flag=True, help="Go on if the results folder holds this study already.")
@_run_options
def run(study: Path, out: "Where | None", reuse: "tuple[Where, ...]", *, go_on: bool, **options: Any) -> None:
    """Run the study file STUDY."""
    from datetime import datetime  # noqa: PLC0415

    from dse.results.place import place_of  # noqa: PLC0415
    from dse.results.store import has_results  # noqa: PLC0415
    from dse.search.runs import start  # noqa: PLC0415
    from dse.search.study import read_study  # noqa: PLC0415

    session = Session(**options)
    checked = read_study(study)
    session.check(checked)
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    where = out or Path("results") / f"{checked.spec.name}-{stamp}"
    if go_on and has_results(place_of(where)):
        _resume(where, session, None, other_code=False)
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

    _follow(where, checked, go, session)


@click.command()
@results_argument
@click.option("--study", type=click.Path(path_type=Path), help="The study file with more trials, seeds or objectives.")
@click.option("--other-code", is_flag=True, help="Go on though another version of the code began the study.")
@_run_options
def resume(results: "Where", study: Path | None, *, other_code: bool, **options: Any) -> None:
    """Go on with the study in the folder RESULTS; finished trials are not repeated.

    With --study, ask more of it: a file in which budget.trials or budget.seeds are higher, or objectives are added.
    """
    _resume(results, Session(**options), study, other_code=other_code)


def _resume(results: "Where", session: Session, study: Path | None, *, other_code: bool) -> None:
    from dse.results.store import read_about  # noqa: PLC0415
    from dse.search.runs import open_study  # noqa: PLC0415
    from dse.search.runs import resume as go_on  # noqa: PLC0415
    from dse.search.study import read_study  # noqa: PLC0415

    wanted = None if study is None else read_study(study)
    shown = wanted or open_study(results, read_about(results))
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

    _follow(results, shown, go, session)


@click.command()
@study_argument
def check(study: Path) -> None:
    """Check the study file STUDY without running it."""
    from dse.search.study import read_study  # noqa: PLC0415

    checked = read_study(study)
    spec = checked.spec
    click.echo(f"{spec.name}: valid")
    click.echo(f"  {spec.budget.trials} trials x {spec.budget.seeds} seeds, {len(checked.controls)} controls")
    click.echo(f"  objectives: {', '.join(f'{g} {n}' for g, n in zip(checked.goals, spec.objectives, strict=True))}")
    for path, parameter in checked.space.items():
        click.echo(f"  {path}: {_describe(parameter)}")
    for name, values in checked.free.axes.items():
        click.echo(f"  free, priced afterwards: {name}: {', '.join(map(str, values))}")


@click.command()
@click.argument("dataset", type=click.Choice(["mnist", "cifar10", "ptb"]))
def data(dataset: str) -> None:
    """Download DATASET, with checksums, into $DSE_DATA_DIR or the user's cache."""
    from dse.data.datasets import download  # noqa: PLC0415

    click.echo(f"{dataset} is in {download(dataset)}")


def _follow(where: "Where", study: "Study", go: Callable[[Any], Any], session: Session) -> None:
    """Run with progress; say at the end, or at an interruption, where the results are and what to do next."""
    from dse.progress import progress, speak  # noqa: PLC0415

    signal.signal(signal.SIGTERM, _interrupt)
    spec = study.spec
    speak(session.log_format)
    log.info("%s: %d trials and %d controls -> %s", spec.name, spec.budget.trials, len(study.controls), where)
    in_flight = spec.search.lookahead * spec.budget.seeds
    learns = spec.search.sampler not in ("random", "quasi_random")
    if learns and session.actors is not None and session.actors > in_flight:
        log.info("note: search.lookahead lets %d simulations run at once; the other actors idle", in_flight)
    try:
        with progress(spec.objectives, quiet=session.quiet, log_format=session.log_format) as report:
            go(report)
    except KeyboardInterrupt:
        log.info("stopped; finished trials are safe. Go on with: %s resume %s", _dse(), shlex.quote(str(where)))
        sys.exit(130)
    _conclude(where)


def _conclude(where: "Where") -> None:
    from dse.analysis.fronts.table import front_table, front_title  # noqa: PLC0415
    from dse.analysis.tables.render import render  # noqa: PLC0415
    from dse.analysis.tables.tables import controls, open_tables  # noqa: PLC0415

    tables = open_tables(where)
    best = front_table(tables, tables.objectives)
    click.echo(render(best, title=front_title(tables, tables.objectives)))
    others = controls(tables)
    if len(others):
        columns = [name for name in best.columns if name in others.columns and name not in tables.parameters]
        click.echo(render(others.select("origin", *columns), title="controls"))
    failed = tables.designs.filter(tables.designs["state"] == "failed")
    if len(failed):
        click.echo(f"{len(failed)} trials failed; the reason of the first: {failed['failure'][0]}")
    example = best["trial"][0] if len(best) else 0
    columns = ", ".join(["trial", *tables.objectives])
    click.echo(f"results: {where}\nnext:")
    folder = shlex.quote(str(where))
    click.echo(f"  {_dse()} front {folder} --plot front.png")
    click.echo(f"  {_dse()} show {folder} {example}")
    click.echo(f'  {_dse()} query {folder} "SELECT {columns} FROM trials"')  # noqa: S608  an example


def _dse() -> str:
    """Return how this command can be typed again: "dse", or its path where that is not found."""
    called, found = Path(sys.argv[0]), shutil.which("dse")
    if found and called.exists() and Path(found).samefile(called):
        return "dse"
    return os.path.relpath(called) if called.name == "dse" else "python -m dse"


def _describe(parameter: Any) -> str:
    from dse.design.space import Choice  # noqa: PLC0415

    if isinstance(parameter, Choice):
        return "one of " + ", ".join(map(str, parameter.values))
    scale = " on a log scale" if parameter.log else ""
    return f"{parameter.low} to {parameter.high}{scale}"


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
