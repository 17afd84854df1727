"""What commands share: arguments, options, the form of output, and errors as one message."""

import errno
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from dse.errors import DseError, did_you_mean, printable
from dse.renamed import quantity
from dse.startup import drop_what_cannot_be_written

if TYPE_CHECKING:
    import polars as pl

FORMATS = ("table", "csv", "json", "parquet")


OUTSIDE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
"""What the system says of disks and rights; anything else is a defect of the framework, with its traceback."""


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print, without what a terminal would obey; see `printable`."""
    click.echo(printable(str(text)), err=err, nl=nl)


class Group(click.Group):
    """Prints errors of the user as one message, with status 2, and names the nearest command."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line; the status tells what happened where standard error takes no message, too."""
        try:
            return super().main(*args, **kwargs)
        except OSError as error:  # of the message itself: what commands meet is told in `invoke`
            if error.errno not in OUTSIDE:
                raise
            sys.exit(2)
        finally:
            drop_what_cannot_be_written()

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except DseError as error:
            echo(f"error: {error}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            with suppress(OSError):
                echo("interrupted", err=True)
            ctx.exit(130)
        except OSError as error:
            if error.errno not in OUTSIDE:
                raise
            where = "" if error.filename is None else f" {error.filename}"
            echo(f"error: cannot read or write{where}: {error.strerror}. Mend it and try again", err=True)
            ctx.exit(2)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command by its name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            hint = did_you_mean(args[0], self.list_commands(ctx))
            raise click.UsageError(error.message.rstrip(".") + hint, ctx) from None


class PlaceType(click.ParamType[str | Path]):
    """A folder, or an address of an object store, which is no path: "s3://a" is not "s3:/a"."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | Path:  # noqa: ARG002
        """Return an address as it is, and anything else as a path."""
        return value if "://" in str(value) else Path(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete it like a path."""
        return click.Path(file_okay=False).shell_complete(ctx, param, incomplete)


class OutputType(click.Path):
    """A file that a command writes at its end; that it cannot be written is told before the work."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path.

        Raises:
            QueryError: it cannot be written.
        """
        from dse.analysis.tables.render import check_writable  # noqa: PLC0415

        path = Path(super().convert(value, param, ctx))  # type: ignore[arg-type]
        check_writable(path)
        return path


PLACE = PlaceType()
OUTPUT = OutputType()
results_argument = click.argument("results", type=PLACE)
study_argument = click.argument("study", type=click.Path(path_type=Path))


def _loaded(_context: click.Context, _option: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """Load plug-ins, and return their names."""
    from dse.plugins import load  # noqa: PLC0415

    load(names)
    return names


plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="NAME",
    callback=_loaded,
    help="An installed plug-in to load, as `plugins` of a study file does; repeatable. `dse plugins` lists them.",
)

objectives_option = click.option("--objectives", help="Metrics, separated by commas; by default those of the study.")

seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all random draws."
)
actors_option = click.option(
    "--actors", type=click.IntRange(1, 10_000), help="Ray actors; by default as many as there is room for."
)
wait_option = click.option(
    "--wait-for-nodes",
    "wait_s",
    type=click.FloatRange(0.0, 86_400.0),
    default=0.0,
    metavar="SECONDS",
    help="Wait so long for a node with room for an actor.",
)


def part_option(*parts: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return --show, which chooses among the tables of an answer; see `emit_parts`."""
    text = f"Which table; by default all, and '{parts[0]}' alone in csv, json or parquet."
    return click.option("--show", "part", type=click.Choice(["all", *parts]), default="all", help=text)


def named(texts: str | None, default: list[str]) -> list[str]:
    """Return the quantities that --objectives or --columns names, or the default."""
    return [quantity(name.strip()) for name in texts.split(",")] if texts else default


def price_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --card, --set and --no-free, which `priced_tables` takes."""
    command = click.option("--no-free", is_flag=True, help="Leave out the free axes of the study.")(command)
    command = click.option(
        "--set",
        "changes",
        multiple=True,
        metavar="NAME=VALUE,...",
        help="A constant of the cost card, or accumulator.storage; several values multiply the designs.",
    )(command)
    return click.option(
        "--card", "cards", multiple=True, help="A cost card or a .toml file; several multiply the designs."
    )(command)


def output_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --format and --output."""
    command = click.option("--output", type=OUTPUT, help="Write to this file.")(command)
    return click.option(
        "--format",
        "format_",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="Form of the output.",
    )(command)


def emit_tables(tables: "Sequence[tuple[pl.DataFrame, str | None]]", output: Path | None) -> None:
    """Print titled tables for people one below the other, or write them to a file."""
    from dse.analysis.tables.render import render, write  # noqa: PLC0415

    text = "\n\n".join(render(table, title=title) for table, title in tables)
    if output is None:
        echo(text)
    else:
        write(output, text.encode())


def emit(table: "pl.DataFrame", format_: str, output: Path | None, title: str | None = None) -> None:
    """Print a table or write it to a file, in the form that was asked for."""
    if format_ == "table":
        emit_tables([(table, title)], output)
        return
    from dse.analysis.tables.render import encode, write  # noqa: PLC0415

    content = encode(table, format_)
    if output is not None:
        write(output, content)
    elif format_ == "parquet" and sys.stdout.isatty():
        raise click.UsageError("parquet is binary; name a file with --output, or redirect the output")
    else:
        sys.stdout.buffer.write(content)


Parts = Mapping[str, "Callable[[], tuple[pl.DataFrame, str]]"]
"""Titled tables by name, made when they are shown."""


def emit_parts(parts: Parts, part: str, format_: str, output: Path | None) -> None:
    """Print the tables that were asked for; a form for programs, or a file, holds one, the first by default."""
    if part == "all" and format_ == "table":
        emit_tables([make() for make in parts.values()], output)
        return
    table, title = (next(iter(parts.values())) if part == "all" else parts[part])()
    emit(table, format_, output, title=title)
