"""Commands that simulate: run, resume, check, data."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from dse.cli.options import results_argument, study_argument

if TYPE_CHECKING:
    from dse.search.executor import Executor
    from dse.search.study import Study


def _run_options(command: Callable[..., None]) -> Callable[..., None]:
    command = click.option("--quiet", is_flag=True, help="No progress, only the result.")(command)
    command = click.option(
        "--device", default="cpu", show_default=True, help='Where torch computes networks of convolutions, like "cuda".'
    )(command)
    command = click.option("--actors", type=click.IntRange(1, 10_000), help="Ray actors; by default one a core.")(
        command
    )
    return click.option(
        "--executor",
        type=click.Choice(["ray", "local"]),
        default="ray",
        show_default=True,
        help="Who simulates: Ray actors, or this process. The results are the same.",
    )(command)


@click.command()
@study_argument
@click.option("--out", type=click.Path(path_type=Path), help="Results folder; by default results/NAME-TIME.")
@_run_options
def run(study: Path, out: Path | None, executor: str, actors: int | None, device: str, *, quiet: bool) -> None:
    """Run the study file STUDY."""
    from datetime import datetime  # noqa: PLC0415

    from dse.search.runs import start  # noqa: PLC0415
    from dse.search.study import read_study  # noqa: PLC0415

    checked = read_study(study)
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    folder = out or Path("results") / f"{checked.spec.name}-{stamp}"
    _follow(
        folder,
        checked,
        lambda report: start(checked, folder, _executor(executor, actors, device), report),
        quiet=quiet,
        actors=actors,
    )


@click.command()
@results_argument
@click.option("--other-code", is_flag=True, help="Go on though another version of the code began the study.")
@_run_options
def resume(results: Path, executor: str, actors: int | None, device: str, *, quiet: bool, other_code: bool) -> None:
    """Go on with the study in the folder RESULTS; finished trials are not repeated."""
    from dse.results.store import read_about  # noqa: PLC0415
    from dse.search.runs import resume as go_on  # noqa: PLC0415
    from dse.search.study import read_study  # noqa: PLC0415

    read_about(results)
    study = read_study(results / "source" / "study.toml")

    def go(report: Any) -> None:
        go_on(results, _executor(executor, actors, device), report, other_code=other_code)

    _follow(results, study, go, quiet=quiet, actors=actors)


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


@click.command()
@click.argument("dataset", type=click.Choice(["mnist", "cifar10", "ptb"]))
def data(dataset: str) -> None:
    """Download DATASET, with checksums, into $DSE_DATA_DIR or the user's cache."""
    from dse.training.datasets import download  # noqa: PLC0415

    click.echo(f"{dataset} is in {download(dataset)}")


def _executor(name: str, actors: int | None, device: str) -> "Callable[[], Executor]":
    if name == "ray" and device != "cpu":
        raise click.UsageError("--device is for --executor local; Ray actors simulate on one core of the CPU each")
    if name == "local":
        if actors is not None:
            raise click.UsageError("--actors is for --executor ray; the local executor is this process alone")
        from dse.search.executor import LocalExecutor  # noqa: PLC0415

        return lambda: LocalExecutor(device)
    from dse.search.ray_pool import RayPool  # noqa: PLC0415

    return lambda: RayPool(actors)


def _follow(folder: Path, study: "Study", go: Callable[[Any], Any], *, quiet: bool, actors: int | None) -> None:
    """Run with progress; say at the end, or at an interruption, where the results are and what to do next."""
    from dse.progress import progress  # noqa: PLC0415

    signal.signal(signal.SIGTERM, _interrupt)
    spec = study.spec
    click.echo(f"{spec.name}: {spec.budget.trials} trials and {len(study.controls)} controls -> {folder}", err=True)
    in_flight = spec.search.lookahead * spec.budget.seeds
    if actors is not None and actors > in_flight:
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
