"""Commands that simulate: run, resume, check, data."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from dse.cli.options import results_argument, study_argument
from dse.errors import SettingError

if TYPE_CHECKING:
    from dse.search.executor import Executor
    from dse.search.study import Study


@dataclass(frozen=True)
class Host:
    """Where a study is simulated, as the options say.

    Attributes:
        executor: "ray" or "local".
        actors: number of actors; None for as many as there is room for.
        address: the Ray cluster to join; None for one of our own.
        wait_s: how long to wait for a node with room for an actor, s.
    """

    executor: str
    actors: int | None
    address: str | None
    wait_s: float

    def make(self, study: "Study", folder: Path) -> "Executor":
        """Return the executor."""
        if self.executor == "ray":
            from dse.search.ray_pool import RayPool  # noqa: PLC0415

            return RayPool(
                self.actors, address=self.address, resources=study.spec.resources, folder=folder, wait_s=self.wait_s
            )
        from dse.search.executor import LocalExecutor  # noqa: PLC0415

        return LocalExecutor()

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
        click.option("--quiet", is_flag=True, help="No progress, only the result."),
    ]

    @wraps(command)
    def with_host(executor: str, actors: int | None, address: str | None, wait_s: float, **others: object) -> None:
        command(host=Host(executor, actors, address, wait_s), **others)

    for option in reversed(options):
        with_host = option(with_host)
    return with_host


@click.command()
@study_argument
@click.option("--out", type=click.Path(path_type=Path), help="Results folder; by default results/NAME-TIME.")
@click.option("--resume", "go_on", is_flag=True, help="Go on if the results folder holds this study already.")
@_run_options
def run(study: Path, out: Path | None, host: Host, *, go_on: bool, quiet: bool) -> None:
    """Run the study file STUDY."""
    from datetime import datetime  # noqa: PLC0415

    from dse.search.runs import start  # noqa: PLC0415
    from dse.search.study import read_study  # noqa: PLC0415

    checked = read_study(study)
    host.check(checked)
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    folder = out or Path("results") / f"{checked.spec.name}-{stamp}"
    if go_on and (folder / "study.json").exists():
        _resume(folder, host, quiet=quiet, other_code=False)
        return
    _follow(folder, checked, lambda r: start(checked, folder, lambda: host.make(checked, folder), r), host, quiet=quiet)


@click.command()
@results_argument
@click.option("--other-code", is_flag=True, help="Go on though another version of the code began the study.")
@_run_options
def resume(results: Path, host: Host, *, quiet: bool, other_code: bool) -> None:
    """Go on with the study in the folder RESULTS; finished trials are not repeated."""
    _resume(results, host, quiet=quiet, other_code=other_code)


def _resume(results: Path, host: Host, *, quiet: bool, other_code: bool) -> None:
    from dse.results.store import read_about  # noqa: PLC0415
    from dse.search.runs import resume as go_on  # noqa: PLC0415
    from dse.search.study import read_study  # noqa: PLC0415

    read_about(results)
    study = read_study(results / "source" / "study.toml")
    host.check(study)

    def go(report: Any) -> None:
        go_on(results, lambda: host.make(study, results), report, other_code=other_code)

    _follow(results, study, go, host, quiet=quiet)


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
@click.argument("dataset", type=click.Choice(["mnist"]))
def data(dataset: str) -> None:  # noqa: ARG001  one so far
    """Download DATASET, with checksums, into $DSE_DATA_DIR or the user's cache."""
    from dse.training.datasets import download_mnist  # noqa: PLC0415

    click.echo(f"mnist is in {download_mnist()}")


def _follow(folder: Path, study: "Study", go: Callable[[Any], Any], host: Host, *, quiet: bool) -> None:
    """Run with progress; say at the end, or at an interruption, where the results are and what to do next."""
    from dse.progress import progress  # noqa: PLC0415

    signal.signal(signal.SIGTERM, _interrupt)
    spec = study.spec
    click.echo(f"{spec.name}: {spec.budget.trials} trials and {len(study.controls)} controls -> {folder}", err=True)
    in_flight = spec.search.lookahead * spec.budget.seeds
    if host.actors is not None and host.actors > in_flight and spec.search.sampler not in ("random", "quasi_random"):
        click.echo(f"note: search.lookahead lets {in_flight} simulations run at once; the other actors idle", err=True)
    try:
        with progress(spec.objectives, quiet=quiet) as report:
            go(report)
    except KeyboardInterrupt:
        click.echo(f"\nstopped; finished trials are safe. Go on with: {_dse()} resume {folder}", err=True)
        sys.exit(130)
    _conclude(folder)


def _conclude(folder: Path) -> None:
    from dse.analysis.fronts import front_table, front_title  # noqa: PLC0415
    from dse.analysis.render import render  # noqa: PLC0415
    from dse.analysis.tables import controls, open_tables  # noqa: PLC0415

    tables = open_tables(folder)
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
    click.echo(f"results: {folder}\nnext:")
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
