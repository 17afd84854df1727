"""MNIST: 60,000 training and 10,000 test images of 28x28 pixels in 0..255.

The four idx files come from `$DSE_DATA_DIR/mnist` (packed or not), or from where `dse data mnist` downloads them to.
"""

import gzip
import struct
import zlib
from pathlib import Path
from typing import Literal

import numpy as np

from dse.data.base import RawImages
from dse.data.fetch import fetch
from dse.data.image_data import AbstractImageData
from dse.errors import DataError

FOLDER = "mnist"
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
MD5 = {
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}
"""MD5 of the four packed files, as pinned in torchvision."""
COUNTS = {"train": 60_000, "t10k": 10_000}


class Mnist(AbstractImageData):
    """70,000 handwritten digits of 28x28 pixels (LeCun et al., Proc. IEEE 86:2278, 1998)."""

    dataset: Literal["mnist"] = "mnist"
    """70,000 handwritten digits of 28x28 pixels; `dse data mnist` downloads them."""
    total = 60_000
    shape = (1, 28, 28)
    is_public = True

    def read(self, folder: Path) -> RawImages:
        """Return the images; see `AbstractImageData`."""
        parts: list[np.ndarray] = []
        for part, count in COUNTS.items():
            images = _idx(folder / FOLDER, f"{part}-images-idx3-ubyte", (count, 28, 28))
            parts.append(images.reshape(count, 784))
            parts.append(_idx(folder / FOLDER, f"{part}-labels-idx1-ubyte", (count,)).astype(np.int64))
        return RawImages(parts[0], parts[1], parts[2], parts[3], full_scale=255.0)

    @classmethod
    def download(cls, folder: Path) -> Path:
        """Download the four files; see `AbstractData`."""
        for name, md5 in MD5.items():
            fetch(f"{name}.gz", md5, MIRRORS, folder / FOLDER)
        return folder / FOLDER


def _idx(folder: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Read an idx file of unsigned bytes, packed or not."""
    plain, packed = folder / name, folder / f"{name}.gz"
    if not plain.exists() and not packed.exists():
        raise DataError(
            f"MNIST: {packed} is missing. Download it with `dse data mnist` (11 MB), or set DSE_DATA_DIR to a folder "
            "that has the four files of MNIST in its subfolder mnist"
        )
    path = plain if plain.exists() else packed
    try:
        raw = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"MNIST: {path} is unreadable ({error}). Remove it and run `dse data mnist`") from None
    header = struct.pack(">BBBB", 0, 0, 8, len(shape)) + struct.pack(f">{len(shape)}I", *shape)
    if raw[: len(header)] != header or len(raw) != len(header) + int(np.prod(shape)):
        raise DataError(f"MNIST: {path} is not the canonical idx file. Remove it and run `dse data mnist`")
    return np.frombuffer(bytearray(raw), np.uint8, offset=len(header)).reshape(shape)
