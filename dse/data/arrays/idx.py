"""A folder of idx files, as MNIST has them: samples and classes, packed or not."""

import gzip
import math
import re
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from dse.data.arrays.given import Array, Given, parts, refuse
from dse.errors import DataError
from dse.files import Content

NAME = re.compile(r"(train|t10k|test)-(images|labels)[-.]idx\d+-?\w*(\.gz)?")
TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
"""Types of numbers by their codes in the head of a file."""


def read_idx(content: Content, settings: Mapping[str, Any]) -> Given:
    """Return the samples and answers of a folder of idx files.

    Raises:
        DataError: a file is missing, damaged, or there twice.
        SettingError: a setting of tables is given.
    """
    refuse(settings, ("answer", "split"), content, "no table")
    found: dict[tuple[str, str], str] = {}
    for name in content.parts:
        if matched := NAME.fullmatch(name):
            key = ("train" if matched[1] == "train" else "test", matched[2])
            if key in found:
                raise DataError(f"{content.name} has {found[key]} and {name}; remove one of them")
            found[key] = name
    for key in (("train", "images"), ("train", "labels")):
        if key not in found and (key[1] == "images" or settings.get("answers") != "none"):
            raise DataError(
                f"{content.name} has no {key[0]}-{key[1]}-idx...; give train-images-idx3-ubyte and "
                "train-labels-idx1-ubyte, and t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte for the test, packed "
                "(.gz) or not"
            )
    if (("test", "images") in found) != (("test", "labels") in found) and ("train", "labels") in found:
        raise DataError(f"{content.name} has images or labels of the test, and not both; give both")
    arrays = {key: _idx(content, name) for key, name in found.items()}
    y, x_test, y_test = (arrays.get(key) for key in (("train", "labels"), ("test", "images"), ("test", "labels")))
    return parts(arrays["train", "images"], y, x_test, y_test)


def _idx(content: Content, name: str) -> Array:
    try:
        with content.open(name) as handle:
            raw = handle.read()
        raw = gzip.decompress(raw) if name.endswith(".gz") else raw
        zero, code, dimensions = struct.unpack(">HBB", raw[:4])
        shape = struct.unpack(f">{dimensions}I", raw[4 : 4 + 4 * dimensions])
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise DataError(f"{content.name}/{name} is no idx file that can be read: {error}") from None
    kind = np.dtype(TYPES.get(code, ">u1"))
    if zero or code not in TYPES or len(raw) != 4 + 4 * dimensions + math.prod(shape) * kind.itemsize:
        raise DataError(f"{content.name}/{name} is no idx file: its head does not fit its {len(raw)} bytes")
    read = np.frombuffer(raw, kind, offset=4 + 4 * dimensions).reshape(shape)
    return read.astype(kind.newbyteorder("="))
