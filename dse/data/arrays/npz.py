"""Arrays of an npz file: x_train, y_train, x_test, y_test, or x and y."""

import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from dse.data.arrays.given import Array, Given, parts, refuse
from dse.errors import DataError, did_you_mean
from dse.files import Content

KNOWN = ("x_train", "y_train", "x_test", "y_test", "x", "y")


def read_npz(content: Content, settings: Mapping[str, Any]) -> Given:
    """Return the arrays of an npz file. Objects, which could run code, are never loaded.

    Raises:
        DataError: it is damaged, or its arrays are not those that are known.
        SettingError: a setting of tables is given.
    """
    refuse(settings, ("answer", "split"), content, "no table")
    arrays = _arrays(content)
    for name in arrays:
        if name not in KNOWN:
            raise DataError(
                f"{content.name} has an array {name!r}{did_you_mean(name, KNOWN)} (known: x_train, y_train, x_test and "
                "y_test, or x and y)"
            )
    whole, divided = {"x", "y"} & arrays.keys(), {"x_train", "y_train", "x_test", "y_test"} & arrays.keys()
    first = "x" if whole else "x_train"
    if (whole and divided) or first not in arrays:
        raise DataError(
            f"{content.name} has {', '.join(arrays) or 'no array'}; give x_train and y_train with or without x_test "
            "and y_test, or x and y"
        )
    y = arrays.get(first.replace("x", "y", 1))
    for one, other in (("x_test", "y_test"), ("y_test", "x_test")):
        if one in arrays and other not in arrays and (y is not None or one == "y_test"):
            raise DataError(f"{content.name} has {one} and no {other}; give both")
    if "y_test" in arrays and y is None:
        raise DataError(f"{content.name} has y_test and no y_train; give both")
    return parts(arrays[first], y, arrays.get("x_test"), arrays.get("y_test"))


def _arrays(content: Content) -> dict[str, Array]:
    with content.open() as handle:
        if not zipfile.is_zipfile(handle):
            raise DataError(f"{content.name} is no npz file: it is no archive of arrays, as numpy.savez writes them")
        handle.seek(0)
        try:
            with np.load(handle, allow_pickle=False) as held:
                found = {name: held[name] for name in held.files}
        except ValueError as error:
            if "Object arrays" in str(error) or "pickle" in str(error):
                raise DataError(
                    f"{content.name} holds Python objects, which are not loaded; give arrays of numbers, or of text "
                    "for classes"
                ) from None
            raise _damaged(content, error) from None
        except Exception as error:  # numpy and zipfile raise many kinds, all of which mean the same to the user
            raise _damaged(content, error) from error
    for name, array in found.items():
        if not isinstance(array, np.ndarray):  # numpy returns the bytes of what does not begin as an array does
            raise DataError(f"{content.name} has {name!r}, which is no array; write the file with numpy.savez")
    return found


def _damaged(content: Content, error: Exception) -> DataError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return DataError(f"{content.name} is no npz file that numpy can read: {reason}")
