"""From a path or an address to the place that it names."""

from pathlib import Path

from dse.results.bucket import Bucket
from dse.results.folder import Folder
from dse.results.place import Place, Where


def place_of(where: Where) -> Place:
    """Return the place that a path or an address names.

    Raises:
        ResultsError: the address is not understood.
    """
    if isinstance(where, str) and "://" in where:
        return Bucket(where)
    return Folder(Path(where)) if isinstance(where, str | Path) else where
