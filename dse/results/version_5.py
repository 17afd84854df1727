"""Version 5 of the schema, and the step from it to version 6.

Version 6 has rows of trainings that paused: with the epochs that a row was trained for, the step of the search that
asked for it, and what its layers were after each epoch.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

import pyarrow as pa

from dse.results.schema import SCHEMA, TRAIL

NEW = ("step", "epochs", "trail")
"""Columns that it did not have; the others are those of now."""
COLUMNS = pa.schema(
    [(name, type_) for name, type_ in zip(SCHEMA.names, SCHEMA.types, strict=True) if name not in NEW],
    metadata={"dse_schema": "5"},
)
"""The columns of version 5."""


def table_to_6(table: pa.Table) -> pa.Table:
    """Return a table of version 5 as one of version 6."""
    states, designs = table["state"].to_pylist(), table["design"].to_pylist()
    none: list[Any] = [[]] * table.num_rows
    known = zip(states, designs, strict=True)
    columns: dict[str, Any] = {
        **{name: table[name] for name in table.column_names},
        "step": pa.array([None] * table.num_rows, pa.int64()),
        "epochs": pa.array([_epochs(text) if state == "complete" else None for state, text in known], pa.int32()),
        "trail": pa.array(none, TRAIL),
    }
    return pa.Table.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def _epochs(design: str | None) -> int | None:
    """Return the epochs of a design, 0 of one that is not trained."""
    if design is None:
        return None
    content = cast("dict[str, Any]", json.loads(design))
    epochs: Any = content.get("training", {}).get("epochs", 0)
    return epochs if isinstance(epochs, int) else None


def about_to_6(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what results of version 5 say of themselves as version 6 would."""
    return {**about, "schema": 6}
