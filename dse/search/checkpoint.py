"""A paused training as bytes: plain arrays, what made them, and a checksum over both; no pickle.

    content = pack(outcome.state, made_by(...))
    state   = unpack(content, made_by(...))

A line of text names the format and holds the SHA-256 of what follows: an npz file, compressed as a whole. Integers are
stored as narrow as their values allow, and come back as they were. A checkpoint saves time and decides nothing: who
cannot read one trains from the beginning.
"""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.pausing import State

FORMAT = b"dse-paused-training-1"
LEVEL = 1
"""Of compression: half of the bytes are as good as random."""
HEAD = "head"
"""Name of the array that holds what made the others, and their types, as JSON."""
BELOW = "state/"
"""How the names of the others begin."""
NARROW = ("u1", "i1", "u2", "i2", "u4", "i4")


def pack(state: State, made_by: Mapping[str, str | int]) -> bytes:
    """Return a state as bytes.

    Args:
        state: the state of a training; see `dse.pausing`.
        made_by: what it depends on; see `dse.search.executor.made_by`.

    Raises:
        ValueError: an array holds objects; a defect of what gave the state.
    """
    narrow = {name: _narrow(values) for name, values in state.items()}
    types = {name: values.dtype.str for name, values in state.items() if narrow[name].dtype != values.dtype}
    head = np.array(json.dumps({"made_by": dict(made_by), "types": types}))
    room = io.BytesIO()
    np.savez(room, allow_pickle=False, **{HEAD: head, **{f"{BELOW}{name}": own for name, own in narrow.items()}})
    body = zlib.compress(room.getvalue(), LEVEL)
    return b"%s %s\n" % (FORMAT, hashlib.sha256(body).hexdigest().encode()) + body


def unpack(content: bytes, made_by: Mapping[str, str | int]) -> State:
    """Return the state that bytes hold.

    Args:
        content: what `pack` returned.
        made_by: what the state must depend on; see `dse.search.executor.made_by`.

    Raises:
        ValueError: the bytes are damaged, of another format, or of another training; the message says which.
    """
    first, _, body = content.partition(b"\n")
    name, _, digest = first[: len(FORMAT) + 65].partition(b" ")
    if name != FORMAT:
        raise ValueError(f"these {len(content)} bytes are no paused training of this version of the format")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise ValueError(f"the paused training is damaged: its {len(body)} bytes do not have the checksum in its head")
    arrays = _arrays(body)
    head: dict[str, Any] = json.loads(str(arrays.pop(HEAD)))
    if differences := _differences(head["made_by"], made_by):
        raise ValueError(f"the paused training is another one: {'; '.join(differences)}")
    types: dict[str, str] = head["types"]
    state = {name.removeprefix(BELOW): values for name, values in arrays.items()}
    return {name: values.astype(types[name]) if name in types else values for name, values in state.items()}


def _arrays(body: bytes) -> dict[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(zlib.decompress(body)), allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except (zlib.error, zipfile.BadZipFile, OSError, KeyError) as error:  # with the right checksum: no accident
        raise ValueError(f"the paused training cannot be read: {error}") from None


def _differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in words what differs between what made two states."""
    return [
        f"{name} was {was.get(name)!r}, and is {now.get(name)!r} here"
        for name in sorted({*was, *now})
        if was.get(name) != now.get(name)
    ]


def _narrow(values: NDArray[Any]) -> NDArray[Any]:
    """Return integers in the narrowest type that holds them; anything else as it is."""
    if values.dtype.kind not in "iu" or values.size == 0:
        return values
    low, high = int(values.min()), int(values.max())
    for name in NARROW:
        limits = np.iinfo(name)
        if limits.min <= low and high <= limits.max and np.dtype(name).itemsize < values.dtype.itemsize:
            return values.astype(name)
    return values
