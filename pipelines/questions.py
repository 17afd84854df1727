"""What programs share that run a study file and show what came of it, as a table and as a picture."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

import dse

from .common import Kind


def study_parser(about: str | None) -> argparse.ArgumentParser:
    """Return the options of a program that runs a study file and shows what came of it.

    Args:
        about: the docstring of the program.
    """
    parser = argparse.ArgumentParser(description=(about or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, help="folder of the results; there, go on with them")
    parser.add_argument("--executor", choices=["ray", "local"], default="ray")
    return parser


@dataclass(frozen=True)
class Shown:
    """How a program shows what came of a study.

    Attributes:
        name: of the files that it writes, without their ends.
        table: from results to what is drawn.
        draw: draws it into a file.
        text: writes it as a table for a page.
    """

    name: str
    table: Callable[[dse.Results], pl.DataFrame]
    draw: Callable[[pl.DataFrame, Path], None]
    text: Callable[[pl.DataFrame], str]

    def run(self, study: Path | str, folder: Path, executor: Kind) -> None:
        """Run a study file, or go on with it, and write its table, its picture and its text."""
        found = self.table(dse.run(study, folder, executor=executor))
        found.write_parquet(folder / f"{self.name}.parquet")
        self.draw(found, folder / f"{self.name}.png")
        print(self.text(found))
