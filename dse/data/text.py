"""Text in memory, as the places of its characters in an alphabet."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dse.data.base import TextInfo
from dse.errors import DataError

Read = Callable[[Path], tuple[bytes, bytes, bytes]]
"""Folder of data sets -> the texts to learn from, to validate on and to test on."""


@dataclass(frozen=True)
class Text:
    """A text, split.

    Attributes:
        name: its name in a study file.
        train: characters to learn from, as places in the alphabet, uint8, shape (characters,).
        validation: characters for the search to measure on.
        test: characters for the reported figure.
        alphabet: the characters, in the order of their codes.
        checksum: SHA-256 over the three parts in full.
    """

    name: str
    train: Tensor
    validation: Tensor
    test: Tensor
    alphabet: bytes
    checksum: str

    @property
    def info(self) -> TextInfo:
        """What a network must know of it."""
        return TextInfo(len(self.train), self.symbols)

    @property
    def symbols(self) -> int:
        """Number of different characters."""
        return len(self.alphabet)

    def cut(self, train: int | None, other: int | None) -> "Text":
        """Return the text with the first characters alone of the part to learn from, and of each other part."""
        return replace(self, train=self.train[:train], validation=self.validation[:other], test=self.test[:other])


def streams(characters: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return a text as streams side by side, and what follows each character; a rest shorter than `count` is left out.

    Args:
        characters: shape (characters,).
        count: number of streams.

    Returns:
        Inputs and targets, int64, shape ((characters - 1) // count, count).

    Raises:
        DataError: there are fewer characters than streams need.
    """
    length = (len(characters) - 1) // count
    if length < 1:
        raise DataError(f"{len(characters)} characters are too few for {count} streams; use more, or fewer streams")
    whole = characters[: length * count + 1].long()
    return whole[:-1].view(count, length).t().contiguous(), whole[1:].view(count, length).t().contiguous()


@lru_cache(maxsize=1)
def load_text(name: str, folder: Path, read: Read) -> Text:
    """Return a whole text, its alphabet the characters of the part to learn from; a process keeps it.

    Raises:
        DataError: files are missing or not the canonical ones; the message says what to do.
    """
    raw = read(folder)
    alphabet = bytes(sorted(set(raw[0])))
    places = np.zeros(256, np.uint8)
    places[list(alphabet)] = np.arange(len(alphabet), dtype=np.uint8)
    parts = [torch.from_numpy(places[np.frombuffer(part, np.uint8)]) for part in raw]
    return Text(name, *parts, alphabet=alphabet, checksum=hashlib.sha256(b"".join(raw)).hexdigest())
