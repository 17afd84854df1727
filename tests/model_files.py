"""Trained networks that packages ship: fetched once, without what these packages depend on, and known by checksum."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from dse.data.base import data_folder


@dataclass(frozen=True)
class Shipped:
    """A model in a package.

    Attributes:
        package: the package with its version.
        inside: where the model lies in it.
        sha256: checksum of the model.
    """

    package: str
    inside: str
    sha256: str

    def content(self) -> bytes:
        """Return the bytes of the model; a test that cannot have them is skipped."""
        place = data_folder() / "models" / f"{self.sha256[:16]}.onnx"
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place}.lock"):
            if not place.exists():
                place.write_bytes(self._fetched())
        content = place.read_bytes()
        assert hashlib.sha256(content).hexdigest() == self.sha256, f"{place} is not the model that it should be"
        return content

    def _fetched(self) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            fetch = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, self.package]
            done = subprocess.run(fetch, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"{self.package} cannot be fetched: {done.stderr.strip().splitlines()[-1:]}")
            with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
                return wheel.read(self.inside)


VOICE = Shipped(
    "silero-vad==6.2.3",
    "silero_vad/data/silero_vad_16k_sequence.onnx",
    "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
)
"""Voice activity: windows of a signal in, for each the probability of speech; LSTM."""
DIRECTION = Shipped(
    "rapidocr==3.10.0",
    "rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
)
"""Direction of a line of text: images in, two classes out; convolutions with and without groups."""
FILE_TYPE = Shipped(
    "magika==1.0.3",
    "magika/models/standard_v3_3/model.onnx",
    "fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c",
)
"""Type of a file: its bytes as numbers in, 214 classes out."""
