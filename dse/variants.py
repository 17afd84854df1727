"""The variants of an idea: those of the framework, and those that plug-ins bring.

An idea, such as a network, lists its variants in one `Variants`. Plug-ins add theirs while a process runs
(`dse.plugins`), also to ideas that are imported later. What is derived from lists of variants is kept by
`kept_for_variants`, and forgotten when one grows.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar, cast, overload

V = TypeVar("V")
P = ParamSpec("P")
R = TypeVar("R")

IMPORTED_S = time.time()
"""When this process imported this module, s since 1970."""
_added: dict[str, dict[Any, str | None]] = {}
"""Variants that were added, by idea, each with the name of its plug-in, if any."""
_to_forget: list[Callable[[], None]] = []


class Variants(Sequence[V]):
    """The variants of an idea, in their order: those of the framework, then those of plug-ins.

    Args:
        idea: name of the list, such as "NETWORKS"; a plug-in lists its own under the same name.
        own: the variants of the framework; the first is the default.
    """

    def __init__(self, idea: str, *own: V) -> None:
        self._idea, self._own = idea, own

    @overload
    def __getitem__(self, index: int) -> V: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[V, ...]: ...
    def __getitem__(self, index: int | slice) -> V | tuple[V, ...]:
        """Return a variant, or several."""
        return self._all()[index]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._all())

    def __iter__(self) -> Iterator[V]:
        """Yield the variants."""
        return iter(self._all())

    def __repr__(self) -> str:
        return f"Variants({self._idea!r}, {', '.join(map(repr, self._all()))})"

    def _all(self) -> tuple[V, ...]:
        return (*self._own, *cast("Mapping[V, str | None]", _added.get(self._idea, {})))


def add(idea: str, variants: Iterable[Any], owner: str | None) -> None:
    """Add variants to those of an idea.

    Args:
        idea: name of the list, such as "NETWORKS".
        variants: its variants; one that is there already stays where it is.
        owner: name of the plug-in; None for variants that are none of one.
    """
    _added.setdefault(idea, {}).update(dict.fromkeys(variants, owner))
    forget()


def remove(owner: str) -> None:
    """Take away the variants of a plug-in."""
    for idea, variants in _added.items():
        _added[idea] = {variant: own for variant, own in variants.items() if own != owner}
    forget()


def owner_of(variant: object) -> str | None:
    """Return the name of the plug-in that brought a variant; None for one of the framework."""
    return next((variants[variant] for variants in _added.values() if variant in variants), None)


def forget() -> None:
    """Forget what was derived from the lists of variants."""
    for own in _to_forget:
        own()


def kept_for_variants(function: Callable[P, R]) -> Callable[P, R]:
    """Keep the results of a function of hashable arguments until a list of variants grows."""
    kept = lru_cache(maxsize=4096)(function)
    _to_forget.append(kept.cache_clear)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return kept(*args, **kwargs)  # pyright: ignore[reportArgumentType]  its callers give what has a hash

    return call
