"""Two trained networks, as packages ship them, on drifting PCM: real accuracy against time.

    pip download --no-deps -d PACKAGES rapidocr==3.10.0 magika==1.0.3
    python -m pipelines.trained_networks --packages PACKAGES --out RESULTS

Nothing is trained. `direction` (rapidocr: 43 layers on crossbars, convolutions with normalisation) says whether a line
of text stands upright or on its head; its lines are made here, of words of the Penn Treebank in the fonts of
matplotlib, dark on light, every second one turned. `file_type` (magika: 3 layers on crossbars) names the type of a file
out of 214; its files are those of this Python installation, some of each ending that says what they are, so that
another installation has others. Both are programmed into cells of the measured array, with converters of 8 bits, and
read from a second to a year later. Half of the samples are for calibration, half for the test.
"""

import argparse
import hashlib
import json
import re
import sysconfig
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch

import dse
from dse.data.base import BareInfo, data_folder
from dse.data.ptb import read as read_ptb
from dse.deployment.norms import BatchNorms
from dse.deployment.spec import TIMES_S
from dse.errors import DataError
from dse.files import Content
from dse.networks.onnx.fit import Wanted
from dse.networks.onnx.module import built

from .common import TIMES, Kind, markdown, over_time, program, save_arrays
from .joshi2020_imagenet import check_pillow

COMPENSATIONS = {"direction": ("none", "gdc", "adabs", "gdc_adabs"), "file_type": ("none", "gdc", "gdc_columns")}
"""What is compared; AdaBS needs normalisation."""
HEIGHT, WIDTH = 48, 192
"""Pixels of a line of text, as the network takes it."""
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSerif-Italic", "DejaVuSansMono", "STIXGeneral")
HALF, PADDING, BLOCK = 1024, 256, 4096
"""Bytes from either end of a file that its network takes, what stands where there is none, and bytes looked at."""
ENDINGS = {
    "c": "c", "css": "css", "csv": "csv", "h": "c", "html": "html", "ipynb": "ipynb", "js": "javascript",
    "json": "json", "md": "markdown", "npy": "npy", "npz": "npz", "pdf": "pdf", "png": "png", "py": "python",
    "rst": "rst", "sh": "shell", "so": "elf", "svg": "svg", "toml": "toml", "ttf": "ttf", "xml": "xml", "yaml": "yaml",
}  # fmt: skip
"""Endings of files, and the class that each stands for."""


@dataclass(frozen=True)
class Shipped:
    """A model in a package.

    Attributes:
        package: name and version of the package.
        inside: where the model lies in it.
        sha256: checksum of the model.
    """

    package: str
    inside: str
    sha256: str

    def read(self, folder: Path, inside: str = "") -> bytes:
        """Return a file of the package, the model by default.

        Raises:
            DataError: the package is not in the folder, or is another.
        """
        wheel = next(iter(sorted(folder.glob(f"{self.package.replace('==', '-')}-*.whl"))), None)
        get = f"pip download --no-deps -d {folder} {self.package}"
        if wheel is None:
            raise DataError(f"{folder} has no wheel of {self.package}; fetch it: {get}")
        try:
            with zipfile.ZipFile(wheel) as packed:
                content = packed.read(inside or self.inside)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise DataError(f"{wheel} cannot be read: {error}; remove it and fetch it again: {get}") from None
        if not inside and hashlib.sha256(content).hexdigest() != self.sha256:
            raise DataError(f"the model in {wheel} is not the one of {self.package}; fetch it again: {get}")
        return content


DIRECTION = Shipped(
    "rapidocr==3.10.0",
    "rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
)
FILE_TYPE = Shipped(
    "magika==1.0.3",
    "magika/models/standard_v3_3/model.onnx",
    "fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c",
)
FILE_TYPE_FACTS = "magika/models/standard_v3_3/config.min.json"


def lines_of_text(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return lines of text and whether each stands on its head.

    Args:
        count: how many.

    Returns:
        float32 of shape (count, 3, 48, 192) in [-1, 1], and int64 of shape (count,).
    """
    from matplotlib import get_data_path  # noqa: PLC0415
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415  an extra

    draws = np.random.default_rng(7)
    words = [word for word in re.findall(r"\b[a-z]{2,}\b", read_ptb(data_folder())[2].decode()) if word != "unk"]
    fonts = [Path(get_data_path()) / "fonts" / "ttf" / f"{name}.ttf" for name in FONTS]
    x = np.zeros((count, 3, HEIGHT, WIDTH), np.float32)
    y = np.arange(count) % 2
    for number in range(count):
        start, length = draws.integers(len(words) - 4), draws.integers(1, 4)
        text = " ".join(words[start : start + length])
        font = ImageFont.truetype(str(fonts[draws.integers(len(fonts))]), int(draws.integers(22, 34)))
        left, top, right, bottom = font.getbbox(text)
        margin = int(draws.integers(2, 8))
        size = (int(right - left) + 2 * margin, int(bottom - top) + 2 * margin)
        image = Image.new("RGB", size, tuple(int(v) for v in draws.integers(200, 256, 3)))
        ink = tuple(int(v) for v in draws.integers(0, 90, 3))
        ImageDraw.Draw(image).text((margin - left, margin - top), text, font=font, fill=ink)
        if y[number]:
            image = image.transpose(Image.Transpose.ROTATE_180)
        width = min(WIDTH, -(-HEIGHT * size[0] // size[1]))
        scaled = image.resize((width, HEIGHT), Image.Resampling.BILINEAR)
        x[number, :, :, :width] = (np.array(scaled, np.float32) / 127.5 - 1.0).transpose(2, 0, 1)
    return x, y


def bytes_of(content: bytes) -> np.ndarray:
    """Return both ends of a file as its network takes them, from what is no white space: int32 of shape (2048,)."""
    first, last = content[:BLOCK].lstrip()[:HALF], content[-BLOCK:].rstrip()[-HALF:]
    x = np.full(2 * HALF, PADDING, np.int32)
    x[: len(first)] = np.frombuffer(first, np.uint8)
    x[2 * HALF - len(last) :] = np.frombuffer(last, np.uint8)
    return x


def files_of(roots: Sequence[Path], of_each: int) -> list[tuple[Path, str]]:
    """Return files whose ending says what they are, with their class: some of each ending, an even number."""
    found: dict[str, list[Path]] = {ending: [] for ending in ENDINGS}
    # Once each: packages lie within the standard library where there is no virtual environment.
    for path in sorted({path.resolve() for root in roots for path in root.rglob("*.*")}):
        ending = path.suffix[1:].lower()
        if ending in found and path.is_file() and path.stat().st_size >= HALF:
            found[ending].append(path)
    chosen: list[tuple[Path, str]] = []
    for ending, paths in found.items():
        # By a checksum of the name, so that neighbours in a folder do not come together.
        own = sorted(paths, key=lambda path: hashlib.sha256(path.name.encode()).digest())[:of_each]
        chosen += [(path, ENDINGS[ending]) for path in own[: len(own) // 2 * 2]]
    return chosen


def write(name: str, folder: Path, packages: Path, samples: int) -> None:
    """Write network and samples of a name into a folder.

    Raises:
        DataError: a package is missing.
    """
    if name == "direction":
        content = DIRECTION.read(packages)
        x, y = lines_of_text(samples)
    else:
        content = FILE_TYPE.read(packages)
        classes: list[str] = json.loads(FILE_TYPE.read(packages, FILE_TYPE_FACTS))["target_labels_space"]
        paths = sysconfig.get_paths()
        files = files_of([Path(paths[what]) for what in ("stdlib", "purelib")], of_each=max(2, samples // 10))
        x = np.stack([bytes_of(path.read_bytes()) for path, _ in files])
        y = np.array([classes.index(own) for _, own in files])
    # Two neighbours, of which one is for the test; of lines, one of either direction.
    test = np.arange(len(y)) // 2 % 2 == 1 if name == "direction" else np.arange(len(y)) % 2 == 1
    (folder / f"{name}.onnx").write_bytes(content)
    save_arrays(folder / f"{name}.npz", x_train=x[~test], y_train=y[~test], x_test=x[test], y_test=y[test])


def study_of(name: str, folder: Path, repetitions: int) -> dse.Study:
    """Return the study of a network."""
    own = COMPENSATIONS[name]
    return dse.Study(
        name=f"trained-{name}",
        objectives=["retained_accuracy", "energy_per_inference_j"],
        workload={"dataset": "arrays", "file": f"{name}.npz", "validation": 0.0},
        design={
            "network.name": "onnx",
            "network.file": f"{name}.onnx",
            "deployment.times_s": list(TIMES_S),
            "deployment.repetitions": repetitions,
            "deployment.compensation": own[-1],
            "deployment.compared": list(own[:-1]),
        },
        controls={name: {}},
        trials=0,
        folder=folder,
    )


def shown(name: str, results: dse.Results) -> str:
    """Return the accuracies of a network over time in percent, for a page."""
    digital = results.trials["accuracy"][0]
    rows: list[tuple[str, ...]] = []
    found = results.deployments
    for how in COMPENSATIONS[name]:
        line = found.filter(pl.col("compensation") == how)
        rows.append((f"`{name}`", f"{100 * digital:.1f}", how, *over_time(line)))
    return markdown(("network", "digital", "compensation", *TIMES.values()), rows)


def re_estimated(folder: Path, name: str) -> float:
    """Return the accuracy of the digital network normalised by the samples: what AdaBS costs without cells."""
    with np.load(folder / f"{name}.npz") as held:
        train, test, y = (torch.from_numpy(held[part]) for part in ("x_train", "x_test", "y_test"))
    network = built(Content.at(folder / f"{name}.onnx"), Wanted(), BareInfo(1, shape=tuple(test.shape[1:]))).eval()
    norms = BatchNorms(network)
    norms.estimate(network, [train])
    with torch.no_grad():
        return float((network(test)[:, 0].argmax(dim=1) == y).double().mean())


def main(arguments: Sequence[str] | None = None) -> None:
    """Program both networks, age them, and print their accuracies."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--packages", type=Path, required=True, help="folder with the wheels of both packages")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results; there, go on with them")
    parser.add_argument(
        "--samples",
        type=int,
        default=400,
        help="lines of text; of files a tenth of each ending. Those of an earlier start stay",
    )
    parser.add_argument("--repetitions", type=int, default=3, help="arrays that are programmed")
    parser.add_argument("--networks", default=",".join(COMPENSATIONS), help="which; both by default")
    parser.add_argument("--executor", choices=["ray", "local"], default="ray")
    options = parser.parse_args(arguments)
    names = options.networks.split(",")
    if unknown := [name for name in names if name not in COMPENSATIONS]:
        parser.error(f"--networks has {', '.join(unknown)}; give some of {', '.join(COMPENSATIONS)}")
    if options.samples < 8:
        parser.error(f"--samples {options.samples} must be at least 8")
    check_pillow()
    kind: Kind = options.executor
    options.out.mkdir(parents=True, exist_ok=True)
    for name in names:
        if not (options.out / f"{name}.npz").exists():
            write(name, options.out, options.packages, options.samples)
        results = dse.run(study_of(name, options.out, options.repetitions), options.out / name, executor=kind)
        results.deployments.write_parquet(options.out / f"{name}.parquet")
        print(shown(name, results))
        if "adabs" in COMPENSATIONS[name]:
            print(f"{name}, digital, normalised by these samples: {100 * re_estimated(options.out, name):.1f} %")


if __name__ == "__main__":
    program(main)
