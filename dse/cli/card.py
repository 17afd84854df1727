"""The command `dse card from`: a cost card by the models of another package."""

from pathlib import Path

import click

from dse.cli.options import Group, echo


@click.group(cls=Group)
def card() -> None:
    """Write a cost card from another package's models of components."""


@card.command("from")
@click.argument("source")
@click.option("--node", type=click.FloatRange(min=1.0), default=28.0, show_default=True, help="The node, nm.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The card to write, a new .toml file.")
@click.option("--base", default="bottom_up_28nm", show_default=True, help="The card of the library for all the rest.")
@click.option("--python", help="The interpreter that has the package; by default the one that runs this.")
def from_(source: str, node: float, out: Path, base: str, python: str | None) -> None:
    """Write a cost card from SOURCE: hwcomponents (Python 3.12; converters, logic, memories), or zigzag (28 nm)."""
    from dse.errors import SettingError, did_you_mean  # noqa: PLC0415
    from dse.pricing.sources import SOURCES  # noqa: PLC0415
    from dse.pricing.sources.base import write  # noqa: PLC0415

    known = {own.name: own for own in SOURCES}
    if source not in known:
        listed = "; ".join(f"{name}: {own.about}" for name, own in known.items())
        raise SettingError(f"there is no source {source!r}{did_you_mean(source, known)} ({listed})")
    if out.suffix != ".toml":
        raise SettingError(f"--out {out} must end in .toml, by which a card is known as a file")
    if out.exists():
        raise SettingError(f"{out} exists; give a new file, or remove it")
    own = known[source]
    text, made = write(own, own.ask(node, python), node, base)
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingError(f"cannot write {out}: {error.strerror}") from None
    echo(f"written: {out}, {len(made.entries)} constants by {source} at {node:g} nm, the rest by {base}")
    for line in made.left:
        echo(f"left as in {base}: {line}")
    echo(f'use it in a study file in the same folder: [price] card = "{out.name}"')
