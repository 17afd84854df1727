"""ImageNet on drifting PCM: the last row of Joshi et al., Nat. Commun. 11:2473 (2020), 71.6 % with ResNet-34.

    python -m pipelines.joshi2020_imagenet --images IMAGENET --weights FILE --out RESULTS [--limit N]

`IMAGENET` is the usual folder, a subfolder of JPEG files for each class: `train/n01440764/*.JPEG`, `val/n01440764/...`.
Classes count in the order of their names. `FILE` is a trained network: an ONNX file, or a safetensors file of a
residual network of basic blocks (ResNet-18 and -34, of any width) under the names that torchvision gives: conv1.weight,
bn1.*, layer1.0.conv1.weight, ..., fc.weight, fc.bias. Neither is to be had from here: train one, or export one.

The network is programmed into cells of the measured array and read from a second to a year later, without compensation
of drift, with global drift compensation (GDC), with batch-norm statistics re-estimated on 1,300 training images
(AdaBS), and with both. An ONNX file whose normalisations are melted into its convolutions has no AdaBS. Images are read
as they are needed: the shorter side is scaled to 256 pixels, the middle 224 x 224 are taken, and channels are
normalised by the mean and standard deviation of ImageNet. pip install 'pcm-dse[images]' brings pillow and safetensors.

`RESULTS/accuracies.parquet` has a row for each compensation and time, `RESULTS/accuracies.png` draws it.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from dse.crossbar.analog import Crossbars, on_crossbars
from dse.data.base import BareInfo
from dse.data.images import Split
from dse.deployment.build import deployed_module
from dse.deployment.norms import BatchNorms
from dse.deployment.run import deploy
from dse.deployment.spec import TIMES_S, DeploymentSpec
from dse.designs.design import compose
from dse.errors import DataError, SettingError
from dse.files import Content
from dse.search.executor import check_device
from dse.streams import generator
from dse.tasks.inference.measure import Recognised

from .common import TIMES, markdown, over_time, program

COMPENSATIONS = ("none", "gdc", "adabs", "gdc_adabs")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the channels of ImageNet's training images in [0, 1], as networks for it are trained (torchvision, models)."""
KINDS = (".jpeg", ".jpg")
BATCH = 50
"""Images that pass through the digital network at once."""
STAGES = 4


@dataclass(frozen=True)
class Scaling:
    """How an image becomes an input.

    Attributes:
        resize: pixels of the shorter side.
        crop: pixels of either side of the middle that is taken.
    """

    resize: int
    crop: int

    def pixels(self, path: Path) -> Tensor:
        """Return the input for a JPEG file, shape (3, crop, crop).

        Raises:
            DataError: the file cannot be read as an image.
        """
        from PIL import Image  # noqa: PLC0415  an extra

        try:
            with Image.open(path) as image:
                whole = image.convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError(f"{path} cannot be read as an image: {error}; replace or remove it") from None
        scale = self.resize / min(whole.size)
        size = [max(self.resize, round(side * scale)) for side in whole.size]
        scaled = whole.resize((size[0], size[1]), Image.Resampling.BILINEAR)
        left, top = ((side - self.crop) // 2 for side in size)
        middle = scaled.crop((left, top, left + self.crop, top + self.crop))
        values = torch.from_numpy(np.array(middle, np.float32) / 255.0).permute(2, 0, 1)
        return (values - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


class Photographs:
    """Images of a part of ImageNet, read when they are asked for; a `dse.data.images.Split` without pixels.

    Args:
        files: paths and the numbers of their classes.
    """

    def __init__(self, files: Sequence[tuple[Path, int]]) -> None:
        self.paths = [path for path, _ in files]
        self.labels = torch.tensor([label for _, label in files])

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.paths)


@dataclass(frozen=True)
class ImageNet:
    """Both parts.

    Attributes:
        train: training images, for calibrations.
        val: validation images, on which accuracy is measured.
        classes: names of the classes.
    """

    train: Photographs
    val: Photographs
    classes: tuple[str, ...]


def find(folder: Path, limit: int | None) -> ImageNet:
    """Return the images of a folder in ImageNet's layout, files in the order of their names.

    Args:
        folder: the folder.
        limit: validation images to measure on, drawn evenly at random; None for all.

    Raises:
        DataError: a part is missing or empty, or both have not the same classes.
    """
    parts = {name: _part(folder / name, folder) for name in ("train", "val")}
    classes = sorted(parts["train"])
    if classes != sorted(parts["val"]):
        odd = sorted(set(parts["train"]) ^ set(parts["val"]))
        raise DataError(
            f"{folder}: train has {len(parts['train'])} classes and val {len(parts['val'])}, and {odd[0]} is in one "
            "alone; both need a subfolder of JPEG files for each class"
        )
    files = {
        name: [(path, number) for number, own in enumerate(classes) for path in found[own]]
        for name, found in parts.items()
    }
    if limit is not None and limit < len(files["val"]):
        drawn = torch.randperm(len(files["val"]), generator=generator(0, "images of ImageNet"))[:limit]
        files["val"] = [files["val"][int(n)] for n in drawn.sort().values]
    return ImageNet(Photographs(files["train"]), Photographs(files["val"]), tuple(classes))


def _part(folder: Path, whole: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise DataError(
            f"{folder} is missing; --images takes the folder of ImageNet that has train and val in it, each with a "
            f"subfolder of JPEG files for each class. {whole} is {'such a folder not' if whole.is_dir() else 'missing'}"
        )
    found = {own.name: sorted(p for p in own.iterdir() if p.suffix.lower() in KINDS) for own in _folders(folder)}
    empty = [name for name, paths in found.items() if not paths]
    if not found or empty:
        where = folder / empty[0] if empty else folder
        raise DataError(f"{where} has no JPEG files; {folder} needs a subfolder of them for each class")
    return found


def _folders(folder: Path) -> list[Path]:
    return sorted(own for own in folder.iterdir() if own.is_dir())


class Block(nn.Module):
    """A basic block (He et al., CVPR 2016) under the names that torchvision gives."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, projects: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        shortcut = (nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.downsample = nn.Sequential(*shortcut) if projects else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return the rectified sum of both ways."""
        inner = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(inner)) + self.downsample(x))


class ResNet(nn.Module):
    """A residual network of basic blocks for ImageNet (He et al., CVPR 2016, table 1).

    Args:
        widths: channels of the four stages.
        blocks: blocks of each.
        classes: outputs.
    """

    def __init__(self, widths: Sequence[int], blocks: Sequence[int], classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        inputs = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            body: list[nn.Module] = []
            for number in range(count):
                stride = 2 if stage > 0 and number == 0 else 1
                body.append(Block(inputs, width, stride, projects=stride != 1 or inputs != width))
                inputs = width
            setattr(self, f"layer{stage + 1}", nn.Sequential(*body))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs, shape (images, 1, classes)."""
        x = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in range(STAGES):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean(dim=(2, 3)))[:, None]


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file as float32; counters of integers are left out.

    Raises:
        DataError: it is no such file, or damaged.
        SettingError: the package that reads it is not installed.
    """
    try:
        from safetensors import SafetensorError  # noqa: PLC0415  an extra
        from safetensors import torch as in_torch  # noqa: PLC0415
    except ImportError:
        raise SettingError(f"{path.name} needs the package safetensors: pip install 'pcm-dse[images]'") from None
    try:
        found = in_torch.load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path} is no safetensors file, or is damaged: {error}") from None
    return {name: own.float() for name, own in found.items() if own.is_floating_point()}


def resnet_of(tensors: dict[str, Tensor], name: str) -> ResNet:
    """Return the residual network that tensors describe.

    Raises:
        DataError: they are those of another network.
    """
    other = (
        f"{name} holds no residual network of basic blocks under torchvision's names (conv1.weight, "
        "layer1.0.conv1.weight, ..., fc.bias); give the network as an ONNX file"
    )
    blocks = [len({n.split(".")[1] for n in tensors if n.startswith(f"layer{s + 1}.")}) for s in range(STAGES)]
    firsts = [tensors.get(f"layer{stage + 1}.0.conv1.weight") for stage in range(STAGES)]
    head = tensors.get("fc.weight")
    if head is None or head.dim() != 2 or not all(own is not None and own.dim() == 4 for own in firsts):
        raise DataError(other)
    with torch.device("meta"):  # no initial weights are drawn
        network = ResNet([len(cast("Tensor", own)) for own in firsts], blocks, len(head))
    batches = {key: torch.tensor(0) for key, own in network.state_dict().items() if own.dtype == torch.int64}
    try:
        network.load_state_dict({**batches, **tensors}, assign=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[1:2]
        raise DataError(f"{other}:{''.join(reason)}") from None
    return network


def read_network(path: Path, crop: int) -> nn.Module:
    """Return a trained network from a file, with outputs (images, places, classes).

    Raises:
        DataError: the file is missing, damaged, or of another kind.
        SettingError: its input does not take the images.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing; --weights takes a trained network, NAME.onnx or NAME.safetensors")
    if path.suffix == ".safetensors":
        return resnet_of(read_safetensors(path), path.name)
    if path.suffix != ".onnx":
        raise DataError(f"{path} is neither an ONNX file nor a safetensors file; --weights takes one of these")
    from dse.networks.onnx.fit import Wanted  # noqa: PLC0415
    from dse.networks.onnx.module import built, look  # noqa: PLC0415  the package onnx

    content = Content.at(path)
    look(content, Wanted())
    try:
        return built(content, Wanted(), BareInfo(1, shape=(3, crop, crop)))
    except ValueError as error:
        raise SettingError(f"{path.name}: {error}; see --crop") from None


def check_classes(network: nn.Module, images: ImageNet, crop: int) -> None:
    """Check that a network decides between the classes of the images.

    Raises:
        DataError: it decides between another number of them.
    """
    with torch.no_grad():
        outputs = network.eval()(torch.zeros(1, 3, crop, crop))
    if outputs.shape[1:] != (1, len(images.classes)):
        raise DataError(
            f"the network decides between {outputs.shape[2]} classes, and the images have {len(images.classes)}; give "
            "the folder of the images that it was trained for"
        )


def digital_accuracy(network: nn.Module, images: Photographs, scaling: Scaling, device: str) -> float:
    """Return the accuracy of the network in digital floats."""
    network.to(device)
    parts: list[np.ndarray] = []
    for chosen in torch.split(torch.arange(len(images)), BATCH):
        with torch.no_grad():
            outputs = network(inputs_of(images, chosen, scaling).to(device)).cpu().numpy()
        parts.append(Recognised.of(outputs, images.labels[chosen].numpy()))
    return Recognised.combined(np.concatenate(parts))


def inputs_of(images: Photographs, chosen: Tensor, scaling: Scaling) -> Tensor:
    """Return the inputs for some images (int64 indices), shape (chosen, 3, crop, crop)."""
    return torch.stack([scaling.pixels(images.paths[int(n)]) for n in chosen])


def spec_of(repetitions: int, calibration: int, bits: int | str) -> DeploymentSpec:
    """Return the deployment: the measured programmed cell, all times and compensations."""
    settings: dict[str, Any] = {
        "workload.dataset": "digits",
        "architecture": "float",
        "network.name": "cnn",
        "deployment.times_s": list(TIMES_S),
        "deployment.repetitions": repetitions,
        "deployment.calibration_samples": calibration,
        "deployment.compensation": COMPENSATIONS[-1],
        "deployment.dac_bits": bits,
        "deployment.adc_bits": bits,
    }
    return cast("DeploymentSpec", compose(settings).deployment)


def deployed(
    network: nn.Module, images: ImageNet, scaling: Scaling, spec: DeploymentSpec, *, seed: int, device: str
) -> pl.DataFrame:
    """Return what a network is worth on cells: a row for each compensation and time.

    `deviation` is the standard deviation over repetitions, null for one.
    """
    placed = on_crossbars(network, Crossbars(), seed=seed).eval().to(device)
    has_norms = bool(BatchNorms(placed).layers)
    on_cells = deployed_module(
        placed,
        None,
        cast("Split", images.train),  # of which the deployment asks their number
        spec,
        seed=seed,
        trained_until_s=0.0,
        device=device,
        inputs=lambda split, chosen: inputs_of(cast("Photographs", split), chosen, scaling),
    )
    rows = deploy(
        on_cells,
        cast("Split", images.val),
        None,
        measures=[Recognised],
        times_s=spec.times_s,
        repetitions=spec.repetitions,
        compensations=[how for how in COMPENSATIONS if has_norms or "adabs" not in how],
    )
    return pl.DataFrame(
        [
            {
                "compensation": own.compensation,
                "time_s": own.time_s,
                "accuracy": own.metrics[Recognised.name],
                "deviation": own.deviations.get(Recognised.name),
                "repetitions": own.repetitions,
            }
            for own in rows
        ],
        schema_overrides={"deviation": pl.Float64},
    )


def shown(table: pl.DataFrame) -> str:
    """Return accuracies in percent over time, for a page."""
    rows: list[tuple[str, ...]] = []
    for (how,), own in table.group_by("compensation", maintain_order=True):
        rows.append((str(how), *over_time(own)))
    return markdown(("compensation", *TIMES.values()), rows)


def draw(table: pl.DataFrame, digital: float, path: Path) -> None:
    """Draw accuracy over time, a line for each compensation."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    for (how,), own in table.group_by("compensation", maintain_order=True):
        line = own.sort("time_s")
        spread = 100 * line["deviation"].fill_null(0.0)
        axes.errorbar(line["time_s"], 100 * line["accuracy"], yerr=spread, label=str(how), capsize=2)
    axes.axhline(100 * digital, color="#111827", linewidth=0.8, linestyle=":")
    axes.set(xscale="log", xlabel="time since the first read", ylabel="accuracy, top-1 (%)")
    axes.set_xticks(list(TIMES), list(TIMES.values()))
    axes.grid(visible=True, linewidth=0.4, alpha=0.5)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=160)


def check_pillow() -> None:
    """Check that JPEG can be read.

    Raises:
        SettingError: pillow is not installed.
    """
    try:
        import_module("PIL.Image")
    except ImportError:
        raise SettingError("JPEG files need the package pillow: pip install 'pcm-dse[images]'") from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Program a trained network, age it, and write accuracies and picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--images", type=Path, required=True, help="folder of ImageNet, with train and val")
    parser.add_argument("--weights", type=Path, required=True, help="trained network, NAME.onnx or NAME.safetensors")
    parser.add_argument("--out", type=Path, required=True, help="folder for table and picture")
    parser.add_argument("--limit", type=int, help="validation images to measure on; all by default")
    parser.add_argument("--repetitions", type=int, default=3, help="arrays that are programmed; 3 by default")
    parser.add_argument("--calibration", type=int, default=1300, help="training images for AdaBS; 1300 by default")
    parser.add_argument("--bits", default="ideal", help="bits of the converters, 2 to 16; ideal by default")
    parser.add_argument("--resize", type=int, default=256, help="pixels of the shorter side; 256 by default")
    parser.add_argument("--crop", type=int, default=224, help="pixels of the middle that is taken; 224 by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="where torch computes")
    options = parser.parse_args(arguments)
    if not 1 <= options.crop <= options.resize:
        parser.error(f"--crop {options.crop} must be from 1 to --resize {options.resize}")
    if options.limit is not None and options.limit < 1:
        parser.error(f"--limit {options.limit} must be at least 1")
    if options.bits != "ideal" and not options.bits.isdecimal():
        parser.error(f"--bits {options.bits} is not allowed; give 2 to 16, or ideal")
    spec = spec_of(
        options.repetitions, options.calibration, options.bits if options.bits == "ideal" else int(options.bits)
    )
    check_pillow()
    check_device(options.device)
    scaling = Scaling(options.resize, options.crop)
    images = find(options.images, options.limit)
    network = read_network(options.weights, options.crop)
    check_classes(network, images, options.crop)
    options.out.mkdir(parents=True, exist_ok=True)
    digital = digital_accuracy(network, images.val, scaling, options.device)
    table = deployed(network, images, scaling, spec, seed=options.seed, device=options.device)
    table = table.with_columns(digital=pl.lit(digital), images=pl.lit(len(images.val)))
    table.write_parquet(options.out / "accuracies.parquet")
    draw(table, digital, options.out / "accuracies.png")
    error = 100 * math.sqrt(digital * (1 - digital) / len(images.val))
    print(f"digital: {100 * digital:.2f} % of {len(images.val)} images (standard error {error:.2f})")
    print(shown(table))


if __name__ == "__main__":
    program(main)
