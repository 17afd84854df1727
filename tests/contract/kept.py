"""Which variants of the framework a contract is tested on."""

from collections.abc import Iterable, Iterator
from typing import Any


def not_held(contract: type[Any], variants: Iterable[Any]) -> list[str]:
    """Return the variants of the framework that no test of this package holds to a contract."""
    tested = {getattr(own, "variant", None) for own in _below(contract) if own.__module__.startswith("tests.")}
    return [own.__name__ for own in variants if own.__module__.startswith("dse.") and own not in tested]


def _below(contract: type[Any]) -> Iterator[type[Any]]:
    for own in contract.__subclasses__():
        yield own
        yield from _below(own)
