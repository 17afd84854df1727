"""The command line. Every command is a few lines over the floors below, which are loaded only when it runs.

Exit status: 0 done, 1 a defect of the framework (with a traceback), 2 something the user can mend, 130 interrupted.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from dse import __version__
from dse.errors import DseError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

    from dse.search.executor import Executor
    from dse.search.study import Study

FORMATS = ("table", "csv", "json", "parquet")


class _Group(click.Group):
    """Prints the errors that a user can mend as one message, with status 2, and names the nearest command."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DseError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(130)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            hint = did_you_mean(args[0], self.list_commands(ctx))
            raise click.UsageError(error.message.rstrip(".") + hint, ctx) from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="dse")
def main() -> None:
    """Explore the designs of neural networks on phase-change-memory crossbars.

    \b
    dse run search_spaces/quickstart.toml     search designs; results go to a folder
    dse front RESULTS                         the best of them
    dse show RESULTS TRIAL                    one of them, whole
    dse price RESULTS --card NAME             all of them, on another cost card
    """  # noqa: D301  click reads \b as "do not wrap"


_results = click.argument("results", type=click.Path(path_type=Path))
_study = click.argument("study", type=click.Path(path_type=Path))


def _run_options(command: Callable[..., None]) -> Callable[..., None]:
    command = click.option("--quiet", is_flag=True, help="No progress, only the result.")(command)
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


def _output_options(command: Callable[..., None]) -> Callable[..., None]:
    command = click.option("--output", type=click.Path(path_type=Path), help="Write to this file.")(command)
    return click.option(
        "--format",
        "format_",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="Form of the output.",
    )(command)


@main.command()
@_study
@click.option("--out", type=click.Path(path_type=Path), help="Results folder; by default results/NAME-TIME.")
@_run_options
def run(study: Path, out: Path | None, executor: str, actors: int | None, *, quiet: bool) -> None:
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
        lambda report: start(checked, folder, _executor(executor, actors), report),
        quiet=quiet,
        actors=actors,
    )


@main.command()
@_results
@click.option("--other-code", is_flag=True, help="Go on though another version of the code began the study.")
@_run_options
def resume(results: Path, executor: str, actors: int | None, *, quiet: bool, other_code: bool) -> None:
    """Go on with the study in the folder RESULTS; finished trials are not repeated."""
    from dse.results.store import read_about  # noqa: PLC0415
    from dse.search.runs import resume as go_on  # noqa: PLC0415
    from dse.search.study import read_study  # noqa: PLC0415

    read_about(results)
    study = read_study(results / "source" / "study.toml")

    def go(report: Any) -> None:
        go_on(results, _executor(executor, actors), report, other_code=other_code)

    _follow(results, study, go, quiet=quiet, actors=actors)


@main.command()
@_study
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


@main.command()
@_results
@click.option("--objectives", help="Metrics, separated by commas; by default those of the study.")
@click.option("--plot", type=click.Path(path_type=Path), help="Also draw the front: a .png, .svg or .pdf file.")
@_output_options
def front(results: Path, objectives: str | None, plot: Path | None, format_: str, output: Path | None) -> None:
    """Show the Pareto front of the study in the folder RESULTS."""
    from dse.analysis.plot import plot_front  # noqa: PLC0415
    from dse.analysis.tables import open_tables  # noqa: PLC0415

    tables = open_tables(results)
    names = [name.strip() for name in objectives.split(",")] if objectives else tables.objectives
    best, title = _front(tables, names)
    if plot is not None:
        plot_front(tables, names, plot)
        click.echo(f"drawn: {plot}", err=True)
    _emit(best, format_, output, title=title)


@main.command()
@_results
@click.argument("sql")
@_output_options
def query(results: Path, sql: str, format_: str, output: Path | None) -> None:
    """Run SQL over the tables trials, designs, layers and curves of the folder RESULTS.

    Names with a dot are quoted: SELECT trial, accuracy, "accumulator.bits" FROM trials ORDER BY accuracy DESC
    """
    from dse.analysis import tables as t  # noqa: PLC0415

    _emit(t.query(t.open_tables(results), sql), format_, output)


@main.command()
@click.argument("results", type=click.Path(path_type=Path), required=False)
@click.option("--card", "cards", multiple=True, help="A cost card or a .toml file; by default the study's. Repeat it.")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="Replace a constant of the cards.")
@click.option("--columns", help="Quantities, separated by commas.")
@click.option("--anchors", "published", is_flag=True, help="Hold cards against published figures; needs no RESULTS.")
@_output_options
def price(
    results: Path | None,
    cards: tuple[str, ...],
    changes: tuple[str, ...],
    columns: str | None,
    format_: str,
    output: Path | None,
    *,
    published: bool,
) -> None:
    """Price the designs in the folder RESULTS on cost cards, without simulating again.

    Energy, latency, area and lifetime, as means over the seeds of a design. Several cards stand side by side in a
    table, and below each other in csv, json and parquet, which hold every quantity unless --columns says otherwise.
    """
    from dse.analysis import prices as p  # noqa: PLC0415
    from dse.analysis.tables import open_tables  # noqa: PLC0415
    from dse.pricing.price import COLUMNS  # noqa: PLC0415

    if published == (results is not None):
        raise click.UsageError("give the folder RESULTS to price it, or --anchors to see published figures")
    values = p.settings(changes)
    if results is None:
        _anchors(cards, values, columns, format_, output)
        return
    tables = open_tables(results)
    found = [p.open_card(name) for name in cards] or [p.own_card(results, tables)]
    chosen = [p.with_settings(card, values) for card in found]
    brief = p.SHOWN if len(chosen) == 1 else p.SHOWN[:1]
    names = [name.strip() for name in columns.split(",")] if columns else brief if format_ == "table" else COLUMNS
    table = p.prices(tables, chosen, names)
    on = ", ".join(card.name for card in chosen)
    title = f"{tables.about['name']} on {on}; designs priced: {tables.layers['trial'].n_unique()}"
    _emit(p.side_by_side(table) if format_ == "table" else table, format_, output, title=title)
    note = p.without_price(table)
    if note:
        click.echo(note, err=True)


def _anchors(
    cards: tuple[str, ...], values: dict[str, float], columns: str | None, format_: str, output: Path | None
) -> None:
    from dse.analysis import prices as p  # noqa: PLC0415
    from dse.devices.card import library  # noqa: PLC0415
    from dse.pricing.anchors import compare  # noqa: PLC0415

    if columns is not None:
        raise click.UsageError("--columns is for RESULTS; --anchors shows what was published")
    chosen = [p.with_settings(p.open_card(name), values) for name in cards or library("costs")]
    _emit(p.anchors(chosen) if format_ == "table" else compare(chosen), format_, output)


@main.command()
@_results
@click.argument("trial", type=int)
@click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True)
def show(results: Path, trial: int, format_: str) -> None:
    """Show trial TRIAL of the folder RESULTS: its design, metrics, events, wear and curve."""
    from dse.analysis.show import as_json, as_text  # noqa: PLC0415
    from dse.analysis.tables import open_tables  # noqa: PLC0415

    tables = open_tables(results)
    click.echo(as_json(tables, trial) if format_ == "json" else as_text(tables, trial))


@main.command()
@click.argument("dataset", type=click.Choice(["mnist"]))
def data(dataset: str) -> None:  # noqa: ARG001  one so far
    """Download DATASET, with checksums, into $DSE_DATA_DIR or the user's cache."""
    from dse.training.datasets import download_mnist  # noqa: PLC0415

    click.echo(f"mnist is in {download_mnist()}")


@main.group(cls=_Group)
def device() -> None:
    """List the cells of the device library, or fit one to your own measurement."""


@device.command("list")
def list_devices() -> None:
    """List the cells of the device library."""
    from dse.devices.card import library, read_card  # noqa: PLC0415

    names = library("cells")
    for name in names:
        click.echo(f"{name:{max(map(len, names))}}  {read_card('cells', name).title}")


def _number(name: str, text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(name, type=click.FloatRange(min=0.0), help=text)


@device.command()
@click.argument("pulses", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The card to write, a new .toml file.")
@click.option("--title", help="Title of the card.")
@_number("--read-noise-slope", "Deviation of a read in proportion to conductance; by default that of pcm_gst.")
@_number("--read-noise-offset-us", "Deviation of a read at G = 0, uS; by default that of pcm_gst.")
@click.option(
    "--reads-averaged",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Reads that each measured conductance is the mean of; the noise in the data is smaller by the root.",
)
@_number("--g-min-us", "Lowest conductance that a SET pulse can leave, uS; by default from the data.")
@_number("--g-max-us", "Highest conductance that a SET pulse can leave, uS; by default from the data.")
@_number("--drift-exponent", "Exponent of the drift; by default that of pcm_gst.")
@_number("--drift-reference-s", "Time between pulse and read, s; by default that of pcm_gst.")
@click.option("--resamples", type=click.IntRange(20, 100_000), default=200, show_default=True, help="For intervals.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the resamples.")
def fit(pulses: Path, out: Path, title: str | None, **options: Any) -> None:
    """Fit a cell to the measured SET pulse trains in the CSV file PULSES and write its card.

    Columns: cell (any name), pulse (0 after RESET, then 1, 2, ...), conductance (uS).
    """
    import polars as pl  # noqa: PLC0415

    from dse.analysis.render import render  # noqa: PLC0415
    from dse.devices.fit.card import fit_file  # noqa: PLC0415

    fitted = fit_file(pulses, out, title, **options)
    click.echo(render(pl.DataFrame(fitted.table()), title=f"{pulses}: {fitted.trains.cells} cells, 95 % intervals"))
    click.echo(render(pl.DataFrame(fitted.goodness), title="\nmeasured and model, after each pulse"))
    click.echo(f'\nwritten: {out}\nuse it in a study file beside it: device.card = "{out.name}"')


def _executor(name: str, actors: int | None) -> "Callable[[], Executor]":
    if name == "local":
        if actors is not None:
            raise click.UsageError("--actors is for --executor ray; the local executor is this process alone")
        from dse.search.executor import LocalExecutor  # noqa: PLC0415

        return LocalExecutor
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
    from dse.analysis.render import render  # noqa: PLC0415
    from dse.analysis.tables import controls, open_tables  # noqa: PLC0415

    tables = open_tables(folder)
    best, title = _front(tables, tables.objectives)
    click.echo(render(best, title=title))
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


def _front(tables: Any, objectives: list[str]) -> "tuple[pl.DataFrame, str]":
    from dse.analysis.pareto import front as pareto_front  # noqa: PLC0415
    from dse.analysis.tables import search_trials  # noqa: PLC0415

    searched = search_trials(tables)
    best = pareto_front(searched, objectives)
    extra = [name for name in ("accuracy",) if name not in objectives]
    table = best.select("trial", *objectives, *extra, *tables.parameters)
    done, planned = len(tables.trials), tables.about["trials"] * tables.about["seeds"]
    state = "" if done >= planned else f" (unfinished: {done} of {planned} simulations)"
    return table, f"{tables.about['name']}: {len(best)} of {len(searched)} designs are on the front{state}"


def _emit(table: "pl.DataFrame", format_: str, output: Path | None, title: str | None = None) -> None:
    from dse.analysis.render import render, write  # noqa: PLC0415

    if format_ == "table":
        text = render(table, title=title)
        if output is None:
            click.echo(text)
        else:
            write(output, text.encode())
        return
    from dse.analysis.render import encode  # noqa: PLC0415

    content = encode(table, format_)
    if output is not None:
        write(output, content)
    elif format_ == "parquet" and sys.stdout.isatty():
        raise click.UsageError("parquet is binary; name a file with --output, or redirect the output")
    else:
        sys.stdout.buffer.write(content)


def _describe(parameter: Any) -> str:
    from dse.design.space import Choice  # noqa: PLC0415

    if isinstance(parameter, Choice):
        return "one of " + ", ".join(map(str, parameter.values))
    scale = " on a log scale" if parameter.log else ""
    return f"{parameter.low} to {parameter.high}{scale}"


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
