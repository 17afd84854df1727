"""A process in which variants stand in the lists of their ideas, from files below the current folder.

python -m tests.house.added ADDED COMMAND ...: ADDED is JSON, [[module of the variant, its class, package, list], ...];
COMMAND is one of dse, or pytest. Adding a file and a line to the framework does the same, for good.
"""

import importlib
import json
import sys
from pathlib import Path

from dse.variants import add


def main(added: list[list[str]], arguments: list[str]) -> None:
    """Add the variants, then run a command."""
    here = Path.cwd()
    for folder in sorted(path.relative_to(here) for path in here.glob("dse/**/") if path.name != "__pycache__"):
        own = importlib.import_module(".".join(folder.parts))
        own.__path__.append(str(here / folder))
    for module, name, package, variants in added:
        importlib.import_module(package)
        add(variants, [getattr(importlib.import_module(module), name)], owner=None)
    if arguments[0] == "pytest":
        import pytest  # noqa: PLC0415  only where it is asked for

        sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-c", "/dev/null", *arguments[1:]]))
    from dse.cli.main import main as dse  # noqa: PLC0415  after the variants are in their lists

    dse(arguments)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
