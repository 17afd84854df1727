"""Parameters that are numbers in some designs and words in others, such as 8 and "float" among bits, for SQL.

A column has one type. Kept as text, numbers would sort as words do (16 before 2), and could not be compared.
"""

from collections.abc import Iterable

import polars as pl

WORD = ".word"
"""What the name of the column ends with that holds the words."""


def with_words_apart(table: pl.DataFrame, parameters: Iterable[str]) -> pl.DataFrame:
    """Return a table in which each parameter of numbers and words is a column of numbers, null where it is a word.

    The words are in a column of their own behind it, NAME.word, null where it is a number.

    Args:
        table: some table of a study.
        parameters: names of its parameters; those that it lacks are passed over.
    """
    for name in parameters:
        if name not in table.columns or table.schema[name] != pl.String:
            continue
        text = table[name]
        numbers = text.cast(pl.Float64, strict=False)
        words = text.set(numbers.is_not_null(), None)
        if not numbers.count() or not words.count():
            continue
        whole = numbers.drop_nulls()
        numbers = (
            numbers.cast(pl.Int64) if (whole == whole.round(0)).all() and not whole.is_infinite().any() else numbers
        )
        place = table.get_column_index(name)
        table = table.with_columns(numbers.alias(name)).insert_column(place + 1, words.alias(name + WORD))
    return table
