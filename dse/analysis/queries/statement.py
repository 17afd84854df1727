"""What a query may say: one statement that reads the tables of a study, and nothing else.

A query may come from others: a script that is shared, a service, an assistant. The engine behind it would read any file
and contact any address that a table function names, and takes statements that seem to change something.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from dse.errors import QueryError, did_you_mean

ALLOWED = ("SELECT", "WITH", "SHOW", "EXPLAIN", "DESCRIBE")
"""What a query may begin with."""
REFUSED = (
    "insert",
    "update",
    "delete",
    "drop",
    "truncate",
    "create",
    "alter",
    "copy",
    "attach",
    "load",
    "install",
    "set",
)
"""Verbs of other statements, wherever one could begin."""
READS = re.compile(r"(read|scan|sink|write|copy)_\w+|glob|httpfs?|file", re.IGNORECASE)
"""Functions that read or write what is no table of the study."""
ROWS = ("unnest", "generate_series")
"""Functions that may stand where a table does: they read nothing."""

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*|/\*.*?\*/|\#[^\n]*)
    |(?P<text>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*"|`[^`]*`)
    |(?P<word>[^\W\d]\w*)
    |(?P<number>\d[\w.]*)
    |(?P<open>['"`]|/\*)
    |(?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """A piece of a query.

    Attributes:
        kind: "text", "quoted", "word", "number" or "sign".
        text: what stands there; of a quoted name, the name.
    """

    kind: str
    text: str

    @property
    def name(self) -> str:
        """The name that it is, in small letters; "" where it is none."""
        return self.text.lower() if self.kind in ("word", "quoted") else ""

    def says(self, *words: str) -> bool:
        """Return whether it is one of some words, which a quoted name is not."""
        return self.kind == "word" and self.text.lower() in words


CLOSE = Token("sign", ")")


def tokens(sql: str) -> list[Token]:
    """Return the pieces of a query, without spaces and comments.

    Raises:
        QueryError: a quotation or a comment has no end.
    """
    return list(_pieces(sql))


def _pieces(sql: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(sql):
        kind, text = str(match.lastgroup), match.group()
        if kind == "open":
            raise QueryError(f"the query has {text} without an end")
        if kind == "quoted":
            text = text[1:-1].replace('""', '"')
        if kind != "space":
            yield Token(kind, text)


def check_statement(sql: str) -> list[Token]:
    """Return the pieces of a query that reads tables alone.

    Raises:
        QueryError: it does something else, or reads what is no table.
    """
    found = tokens(sql)
    while found and found[-1].text == ";":
        found.pop()
    if not found:
        raise QueryError("the query is empty; give one such as SELECT trial, accuracy FROM trials")
    if not found[0].says(*(word.lower() for word in ALLOWED)):
        raise QueryError(f"a query begins with {', '.join(ALLOWED[:-1])} or {ALLOWED[-1]}, not {found[0].text!r}")
    if any(token == Token("sign", ";") for token in found):
        raise QueryError("a query is one statement; leave out what follows the semicolon")
    for before, token, after in zip([None, *found], found, [*found[1:], None], strict=False):
        _check_verb(before, token, after)
        _check_call(token, after)
    _check_places(found)
    return found


def _check_verb(before: Token | None, token: Token, after: Token | None) -> None:
    begins = before is None or before.text in ("(", ")") or before.says("explain", "analyze")
    if token.says(*REFUSED) and begins and after is not None and after.kind in ("word", "quoted", "text"):
        raise QueryError(f"a query reads and changes nothing: {token.text.upper()} is refused")


def _check_call(token: Token, after: Token | None) -> None:
    if after is not None and after.text == "(" and READS.fullmatch(token.name):
        raise QueryError(
            f"{token.text}(...) is refused: a query reads the tables of the study, no files and no addresses. Read "
            "them in a program, and write the answer of the query with --output for it"
        )


def _check_places(found: list[Token]) -> None:
    """Refuse files and functions where a table is named: after FROM and JOIN, and after commas behind these."""
    for place, token in _relations(found):
        after = found[place + 1] if place + 1 < len(found) else Token("sign", "")
        if token.kind == "text":
            raise QueryError(f"'{token.text.strip(chr(39))}' is no table: a query reads no files")
        if token.name and after.text == "(" and token.name not in ROWS:
            raise QueryError(f"{token.text}(...) is no table: a query reads the tables of the study alone")


@dataclass
class _Level:
    """What is known of an open bracket: whether it holds a SELECT, and whether tables are listed now."""

    selects: bool = False
    lists: bool = False


ENDS = ("where", "group", "order", "having", "limit", "offset", "union", "except", "intersect", "on", "using", "window")
"""Words behind which no more tables are listed."""


def _relations(found: list[Token]) -> Iterator[tuple[int, Token]]:
    """Yield the places and pieces where a table may be named; EXTRACT(YEAR FROM x) names none."""
    levels, named = [_Level()], -1
    for place, token in enumerate(found):
        level = levels[-1]
        if token == Token("sign", "("):
            levels.append(_Level(lists=place == named))
            named = place + 1 if place == named else named
        elif token == Token("sign", ")"):
            levels = levels[:-1] or [_Level()]
        elif token.says("select"):
            levels[-1] = _Level(selects=True)
        elif token.says(*ENDS):
            level.lists = False
        elif token.says("join") or (token.says("from") and level.selects) or (token.text == "," and level.lists):
            level.lists, named = True, place + 1
        if place == named and token.text != "(" and not token.says("select", "with", "lateral"):
            yield place, token


def needed_columns(sql: str, known: Iterable[str]) -> list[str] | None:
    """Return those of some columns that a query names; None where it may need all: with a star, or what acts as one.

    Raises:
        QueryError: see `check_statement`.
    """
    found = check_statement(sql)
    stars = [place for place, token in enumerate(found) if token == Token("sign", "*")]
    counts = [place for place in stars if found[place - 1].text == "(" and found[place + 1 : place + 2] == [CLOSE]]
    if len(stars) > len(counts) or found[0].says("show", "describe") or _takes_unnamed(found):
        return None
    names = {token.name for token in found}
    return [name for name in known if name.lower() in names]


def names_of_flat(sql: str, derived: Collection[str]) -> list[str] | None:
    """Return all names in a query, as it spells them; None where it names a table that is made of others.

    Raises:
        QueryError: see `check_statement`.
    """
    found = check_statement(sql)
    return None if named_tables(found, derived) else [token.text for token in found if token.name]


UNORDERED = ("join", "group", "distinct", "union", "except", "intersect")
"""Words of a query whose rows come as threads find them."""


def has_own_order(found: Sequence[Token]) -> bool:
    """Return whether rows of a query have an order of their own: that of its ORDER BY, or of the table it reads."""
    asks = found[0].says("select", "with")
    return not asks or _is_outside(found, "order") or not any(token.says(*UNORDERED) for token in found)


def is_cut(found: Sequence[Token]) -> bool:
    """Return whether a query gives some of the rows that it finds."""
    return any(token.says("limit", "fetch", "offset") for token in found)


def _is_outside(found: Sequence[Token], word: str) -> bool:
    """Return whether a word stands outside of all brackets."""
    depth = 0
    for token in found:
        depth += {"(": 1, ")": -1}.get(token.text, 0) if token.kind == "sign" else 0
        if depth == 0 and token.says(word):
            return True
    return False


def _takes_unnamed(found: list[Token]) -> bool:
    """Return whether a query may take columns without their names, other than by a star.

    COLUMNS('pattern') and names "^pattern$" take all that fit, NATURAL JOIN goes by all that two tables share, and FROM
    without SELECT gives all. EXTRACT(YEAR FROM x) reads as the last, which costs time alone.
    """
    selects = [False]
    for token in found:
        if token.says("columns", "natural") or (token.kind == "quoted" and token.text.startswith("^")):
            return True
        if token.says("from") and not selects[-1]:
            return True
        if token.text == "(" and token.kind == "sign":
            selects.append(False)
        elif token.text == ")" and token.kind == "sign":
            selects = selects[:-1] or [False]
        elif token.says("select", "union", "except", "intersect"):
            selects[-1] = token.says("select")
    return False


def named_tables(found: Collection[Token], known: Collection[str]) -> list[str]:
    """Return those of some tables that a query names, in the order of `known`."""
    names = {token.name for token in found}
    return [name for name in known if name in names]


def unknown_table(found: list[Token], known: Collection[str]) -> str:
    """Return a message for the first name that stands where a table does and is none; "" where all are."""
    own = {token.name for token, after in pairwise(found) if token.name and after.says("as")}
    for _, token in _relations(found):
        if token.name and token.name not in {*known, *own, *ROWS}:
            return f"there is no table {token.text!r}{did_you_mean(token.name, known)}"
    return ""
