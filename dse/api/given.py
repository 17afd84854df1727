"""Arguments of the front door: taken as they are meant, or answered with what is allowed."""

import operator
from collections.abc import Mapping, Sequence
from typing import Any, cast

from dse.errors import QueryError, did_you_mean


def names(what: str, given: object) -> list[str]:
    """Return names; a single one may stand alone.

    Args:
        what: name of the argument.
        given: its value.

    Raises:
        QueryError: it is neither a name nor a list of names.
    """
    if isinstance(given, str):
        return [given]
    listed = list(cast("Sequence[object]", given)) if isinstance(given, Sequence) else [None]
    if not all(isinstance(name, str) for name in listed):
        raise QueryError(f"{what} = {given!r} is not allowed; give a name, or a list of names")
    return cast("list[str]", listed)


def one_of(what: str, given: object, known: Sequence[str]) -> None:
    """Check that an argument is one of some words.

    Raises:
        QueryError: it is not.
    """
    if given not in known:
        hint = did_you_mean(given, known) if isinstance(given, str) else ""
        raise QueryError(f"{what} = {given!r} is not allowed{hint}; give one of {', '.join(map(repr, known))}")


def whole(what: str, given: object) -> int:
    """Return an integer from 0, of Python or numpy.

    Raises:
        QueryError: it is none.
    """
    try:
        number = -1 if isinstance(given, bool) else operator.index(cast("Any", given))
    except TypeError:
        number = -1
    if not 0 <= number < 2**63:
        raise QueryError(f"{what} = {given!r} is not allowed; give an integer from 0")
    return number


def texts(what: str, given: object, example: str) -> dict[str, str]:
    """Return a table of texts by name.

    Args:
        what: name of the argument.
        given: its value.
        example: what it may look like.

    Raises:
        QueryError: it is none.
    """
    table: dict[Any, Any] = dict(cast("Mapping[Any, Any]", given)) if isinstance(given, Mapping) else {None: None}
    if not all(isinstance(word, str) for item in table.items() for word in item):
        raise QueryError(f"{what} = {given!r} is not allowed; give texts by name, such as {example}")
    return table
