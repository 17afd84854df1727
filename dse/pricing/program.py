"""Prices as a program that needs no polars: for a page, which prices designs anew on a card that its reader changes.

The expressions of `dse.pricing.price` are the only place where the formulas stand. Here they are taken apart as polars
writes them down. What no card enters is worked out at once, and becomes a **column** of numbers. What is left is a list
of **nodes**, each an operation on earlier nodes, down to columns and to constants of a card. So a new term of a price,
or another formula, is in every page without a further line.

    ["number", 32.0]           a number; null is one that is missing
    ["card", "adc_fixed_j"]    a constant of the card; with a third entry "low" or "high", an end of its range
    ["layer", 3], ["trial", 3] column 3 of the layers, or of the trials
    ["+", 4, 7]                an operation on nodes: + - * / ** < <= > >= == & | if fill min ceil
    ["sum", 9], ["most", 9]    from layers to trials: the sum, or the largest

A missing number stands for null: arithmetic passes it on, comparisons with it are false, `min` and `most` pass over it
and a sum does not. Booleans are 0 and 1.
"""

import io
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import polars as pl

from dse.pricing.card import constant
from dse.pricing.hardware import PREPARED, with_arrays
from dse.pricing.price import COLUMNS, KEYS, bill_terms, hardware_terms, layer_amounts, layer_peaks, trials_of
from dse.pricing.wear import lifetimes

OPERATIONS = {
    "Plus": "+",
    "Minus": "-",
    "Multiply": "*",
    "TrueDivide": "/",
    "Divide": "/",
    "Lt": "<",
    "LtEq": "<=",
    "Gt": ">",
    "GtEq": ">=",
    "Eq": "==",
    "And": "&",
    "Or": "|",
}
"""Operators of polars, and what they are called here."""
FUNCTIONS = {"FillNull": "fill", "MinHorizontal": "min", "Ceil": "ceil", "Pow": "**"}
LAYER, TRIAL = "layer", "trial"
CARD = constant("").meta.output_name()
"""What the names of a card's columns begin with."""

Node = tuple[Any, ...]
Tree = dict[str, Any]
"""An expression as polars writes it down: one key, the kind, and what belongs to it."""


@dataclass
class Program:
    """The prices of trials as nodes, and the columns that they start from.

    Attributes:
        nodes: the nodes, each after those that it takes.
        outputs: the node of each column of a price.
        columns: for layers and trials, the expressions of their columns, by what polars writes for them.
    """

    nodes: list[Node] = field(default_factory=list[Node])
    outputs: dict[str, int] = field(default_factory=dict[str, int])
    columns: dict[str, dict[str, pl.Expr]] = field(default_factory=lambda: {LAYER: {}, TRIAL: {}})

    def __post_init__(self) -> None:
        """Begin without names."""
        self._places: dict[Node, int] = {}
        self._named: dict[str, int] = {}
        self._known_open: dict[int, bool] = {}
        self._written: dict[tuple[str, str], int] = {}

    def node(self, *node: Any) -> int:
        """Return the place of a node; equal nodes are one."""
        if node not in self._places:
            self._places[node] = len(self.nodes)
            self.nodes.append(node)
        return self._places[node]

    def name(self, terms: Mapping[str, pl.Expr]) -> None:
        """Add terms of trials, which later ones may take by their names."""
        self._named |= {name: self.take(expression, TRIAL) for name, expression in terms.items()}

    def gather(self, how: str, terms: Mapping[str, pl.Expr]) -> None:
        """Add terms of layers, gathered for each trial."""
        self._named |= {name: self.node(how, self.take(expression, LAYER)) for name, expression in terms.items()}

    def end(self, names: Sequence[str]) -> None:
        """Make terms that have names the outputs."""
        self.outputs = {name: self._named[name] for name in names}

    def take(self, expression: pl.Expr, level: str) -> int:
        """Return the node of an expression over the columns of layers or trials."""
        self._known_open = {}
        return self._of(_tree(expression), level)

    def _of(self, tree: Tree, level: str) -> int:
        if not self._is_open(tree, level):
            return self._column(tree, level)
        ((kind, inner),) = tree.items()
        if kind == "Column":
            return self._named[inner] if inner in self._named and level == TRIAL else self._constant(inner)
        if kind == "BinaryExpr" and inner["op"] in OPERATIONS:
            sides = [self._of(inner[side], level) for side in ("left", "right")]
            return self.node(OPERATIONS[inner["op"]], *sides)
        if kind == "Ternary":
            parts = [self._of(inner[part], level) for part in ("predicate", "truthy", "falsy")]
            return self.node("if", *parts)
        if kind == "Cast" and "Float64" in str(inner["dtype"]):
            return self._of(inner["expr"], level)
        if kind == "Function" and (name := _function(inner)) in FUNCTIONS:
            return self.node(FUNCTIONS[name], *(self._of(part, level) for part in inner["input"]))
        msg = f"a price has an operation that no page knows yet: {json.dumps(tree)[:200]}"
        raise NotImplementedError(msg)

    def _constant(self, name: str) -> int:
        return self.node("card", *name.removeprefix(CARD).split("."))

    def _column(self, tree: Tree, level: str) -> int:
        """Return the node of what no card enters: a number, or a column."""
        text = json.dumps(tree)
        if (level, text) not in self._written:
            self._written[level, text] = self._new_column(text, level)
        return self._written[level, text]

    def _new_column(self, text: str, level: str) -> int:
        expression, known = _expression(text), self.columns[level]
        if not expression.meta.root_names():
            return self.node("number", pl.select(expression.cast(pl.Float64)).item())
        known[text] = expression
        return self.node(level, len(known) - 1)

    def _is_open(self, tree: object, level: str) -> bool:
        """Return whether a card enters an expression."""
        if isinstance(tree, list):
            return any(self._is_open(part, level) for part in cast("list[object]", tree))
        if not isinstance(tree, dict):
            return False
        inner = cast("Tree", tree)
        if id(inner) not in self._known_open:
            name = inner.get("Column")
            named = isinstance(name, str) and (name.startswith(CARD) or (level == TRIAL and name in self._named))
            below = (self._is_open(part, level) for part in inner.values())
            self._known_open[id(inner)] = named if isinstance(name, str) else any(below)
        return self._known_open[id(inner)]


def _function(inner: Tree) -> str:
    """Return the name of a function, which may stand before its options."""
    function = inner["function"]
    return function if isinstance(function, str) else str(next(iter(function)))


def _tree(expression: pl.Expr) -> Tree:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the form may change: the tests would see it, and a page say so
        return json.loads(expression.meta.serialize(format="json"))


def _expression(text: str) -> pl.Expr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pl.Expr.deserialize(io.StringIO(text), format="json")


def program() -> Program:
    """Return the program of every column of a price.

    Raises:
        NotImplementedError: a price has an operation that is not among `OPERATIONS` and `FUNCTIONS`.
    """
    made = Program()
    made.gather("sum", layer_amounts())
    made.gather("most", layer_peaks())
    for terms in (*hardware_terms(), *bill_terms(system=True), lifetimes()):
        made.name(terms)
    made.end(COLUMNS)
    return made


def inputs(made: Program, layers: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return the numbers that a program starts from.

    Args:
        made: the program.
        layers: as for `dse.pricing.price.price`.

    Returns:
        For trials a row a trial and seed, in order: trial, seed, and a column of Float64 for each of the program's, by
        its number; NaN for null. For layers a row a trial, seed and layer, in the same order.
    """
    ordered = with_arrays(layers).sort(*KEYS, "layer")
    needed = {name for column in made.columns[TRIAL].values() for name in column.meta.root_names()}
    frames = {TRIAL: trials_of(ordered, needed), LAYER: ordered.with_columns(**PREPARED)}
    return {
        level: frame.select(*KEYS, *(_numbered(n, column) for n, column in enumerate(made.columns[level].values())))
        for level, frame in frames.items()
    }


def _numbered(number: int, column: pl.Expr) -> pl.Expr:
    return column.cast(pl.Float64).fill_null(math.nan).alias(str(number))
