"""Every error that a user can cause, in one tree.

    DseError
    |-- SettingError    a study file, a design or a card says something that is not allowed
    |   `-- PluginError a plug-in that is named is not there, or brings what cannot be used
    |-- DataError       a data set is missing or unreadable
    |-- ResultsError    a results folder is in use, belongs to another study, is full or damaged
    |-- QueryError      a query names what is not there
    |-- ExecutorError   the machinery that runs trials could not be started or was lost
    `-- DivergedError   a simulation left the range of numbers; becomes a failed trial, and the study goes on

The command line prints the message of a `DseError` and ends with status 2; anything else is a defect of the
framework and keeps its traceback. A message says what came, what was allowed and what to do.
"""

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches


class DseError(Exception):
    """What a user did, or met, that stops the command; nothing that was stored is lost."""


class SettingError(DseError):
    """A study file, a design or a card says something that is not allowed."""


class PluginError(SettingError):
    """A plug-in is not installed, cannot be imported, or brings what cannot be used."""


class DataError(DseError):
    """A data set is missing, unreadable or not the one it should be."""


class ResultsError(DseError):
    """A results folder cannot be used as asked."""


class QueryError(DseError):
    """A query names a table, column or trial that is not there."""


class ExecutorError(DseError):
    """The machinery that runs trials could not be started or was lost."""


class DivergedError(DseError):
    """A simulation left the range of numbers; the trial has failed and the study goes on."""


def printable(text: str) -> str:
    """Return text without what a terminal would obey: control characters and marks of direction, spelt out.

    Names come from study files, cards and results, which may be those of others.
    """
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or unicodedata.category(c)[0] != "C" else _spelt(c) for c in text)


def _spelt(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the known name nearest to `name`, or "" where none is near."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
