"""The strings below the fields of a class, while the class is being made."""

import ast
import inspect
import linecache
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import FrameType


def field_docstrings(cls: type) -> Mapping[str, str]:
    """Return the strings below the annotated names in the body of a class, by name.

    Call it while the statement of the class runs: its source is that of the code which runs it, so that a class in a
    cell of a notebook has its strings, too. A class that no statement makes has none, nor one without source.
    """
    frame = _frame_in(cls.__module__)
    if frame is None:
        return {}
    statements = _of_classes(tuple(linecache.getlines(frame.f_code.co_filename, frame.f_globals)))
    for name, lines, strings in statements:
        if name == cls.__name__ and frame.f_lineno in lines:
            return strings
    return {}


def _frame_in(module: str) -> FrameType | None:
    """Return the innermost frame that runs code of a module."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") != module:
        frame = frame.f_back
    return frame


@lru_cache(maxsize=2)
def _of_classes(source: tuple[str, ...]) -> Sequence[tuple[str, range, Mapping[str, str]]]:
    """Return the name of each class, the lines of its statement, and the strings below its names."""
    try:
        tree = ast.parse("".join(source))
    except SyntaxError:
        return ()
    return [(node.name, _lines(node), _strings(node)) for node in _classes(tree)]


def _classes(tree: ast.AST) -> Iterator[ast.ClassDef]:
    """Yield the statements of classes, also those within other statements; expressions have none."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield node
        if isinstance(node, ast.stmt | ast.excepthandler | ast.match_case):
            yield from _classes(node)


def _lines(node: ast.ClassDef) -> range:
    """Return the lines of a statement with its decorators: which of them runs it is told by the version of Python."""
    first = min(line.lineno for line in (node, *node.decorator_list))
    return range(first, (node.end_lineno or node.lineno) + 1)


def _strings(node: ast.ClassDef) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for field, below in zip(node.body, node.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match below:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    found[field.target.id] = inspect.cleandoc(text)
                case _:
                    pass
    return found
