"""The command `dse settings`: what can be chosen, and when it acts."""

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from dse.cli.options import plugin_option

if TYPE_CHECKING:
    from dse.designs.reference import Setting


@click.command()
@plugin_option
@click.argument("paths", nargs=-1, metavar="[TABLE OR SETTING]...")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "markdown"]),
    default="text",
    show_default=True,
    help="Text for a terminal, or a page.",
)
def settings(paths: tuple[str, ...], format_: str, plugins: tuple[str, ...]) -> None:  # noqa: ARG001  loaded by the option
    """Explain settings: range, unit, default, meaning, and under what they have no effect.

    All of them, or those of tables such as `accumulator` or `deployment.device`, or single ones such as `adc.bits`.
    Those of plug-ins too, where --plugin names them.
    """
    from dse.designs.reference import reference, table_of  # noqa: PLC0415

    found = reference(paths)
    tables = list(dict.fromkeys(setting.path.rpartition(".")[0] for setting in found))
    blocks = [(table, table_of(table), [s for s in found if s.path.rpartition(".")[0] == table]) for table in tables]
    lines = _page(blocks) if format_ == "markdown" else _screen(blocks)
    click.echo("\n".join(lines))


Block = tuple[str, str, "list[Setting]"]
"""Path of a table, what it is, its settings."""


def _screen(blocks: Sequence[Block]) -> Iterator[str]:
    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    for table, about, settings_ in blocks:
        yield click.style(f"[{table}]" if table else "[design]", bold=True) + (f"  {about}" if about else "")
        for setting in settings_:
            yield f"  {click.style(setting.path, bold=True)} = {setting.default}"
            facts = [f"{setting.allowed}{f', {setting.unit}' if setting.unit else ''}", setting.about]
            facts += [f"only for {setting.belongs_to}"] if setting.belongs_to else []
            facts += [f"no effect where {condition}" for condition in setting.idle]
            for fact in facts:
                yield from textwrap.wrap(fact, width - 6, initial_indent="      ", subsequent_indent="        ")
        yield ""


def _page(blocks: Sequence[Block]) -> Iterator[str]:
    yield "# Settings\n"
    yield "Made by `dse settings --format markdown` from the fields that define the settings; do not edit it by hand.\n"
    for table, about, settings_ in blocks:
        yield f"## {table or 'design'}\n"
        if about:
            yield f"{about}\n"
        yield "| setting | may be | default | what it is | acts |"
        yield "|---|---|---|---|---|"
        for s in settings_:
            acts = [f"only for {s.belongs_to}"] if s.belongs_to else []
            acts += [f"not where {condition}" for condition in s.idle]
            may = s.allowed + (f", {s.unit}" if s.unit else "")
            yield "| " + " | ".join(map(_cell, (f"`{s.path}`", may, s.default, s.about, "; ".join(acts)))) + " |"
        yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
