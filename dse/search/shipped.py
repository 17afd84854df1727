"""Study files that come with the package: in it where it is installed, beside it in a checkout."""

from importlib.resources import files
from pathlib import Path

FOLDER = "search_spaces"


def shipped(name: str) -> Path | None:
    """Return the study file of a name, with or without its end, that comes with the package; None where none does."""
    package = Path(str(files("dse")))
    for folder in (package / FOLDER, package.parent / FOLDER):
        for own in (name, f"{name}.toml"):
            if own.endswith(".toml") and (folder / own).is_file():
                return folder / own
    return None
