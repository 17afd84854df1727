"""A trained network on ImageNet's layout: made images, random weights, and each way in which a folder can be wrong."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
import torch
from onnx import helper, numpy_helper
from PIL import Image
from safetensors.torch import save

from dse.errors import DseError
from pipelines.common import program
from pipelines.joshi2020_imagenet import MEAN, STD, ResNet, Scaling, find, main, read_safetensors, resnet_of

CLASSES = ("n01440764", "n01443537", "n01484850")


def small_network(classes: int = len(CLASSES)) -> ResNet:
    """Return a network with random weights, and variances about 1."""
    draws = np.random.default_rng(3)
    with torch.device("meta"):
        network = ResNet([4, 4, 8, 8], [1, 1, 2, 1], classes).eval()
    values = {
        name: torch.tensor(0)
        if own.dtype == torch.int64
        else torch.from_numpy(draws.uniform(0.5 if name.endswith("var") else -0.5, 1.0, own.shape).astype(np.float32))
        for name, own in network.state_dict().items()
    }
    network.load_state_dict(values, assign=True)
    return network


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of three classes, and a small network with random weights."""
    found = tmp_path_factory.mktemp("imagenet")
    draws = np.random.default_rng(5)
    for part, count in (("train", 3), ("val", 2)):
        for number, name in enumerate(CLASSES):
            (found / part / name).mkdir(parents=True)
            for image in range(count):
                pixels = draws.integers(0, 255, (40 + 4 * number, 36, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(found / part / name / f"{image}.JPEG")
    (found / "net.safetensors").write_bytes(save(small_network().state_dict()))
    return found


def arguments(folder: Path, out: Path, *more: str, weights: str = "net.safetensors") -> list[str]:
    small = ("--resize", "36", "--crop", "32", "--calibration", "4", *more)
    return ["--images", str(folder), "--weights", str(folder / weights), "--out", str(out), *small]


@pytest.mark.slow
def test_a_network_is_programmed_and_followed_over_time(folder, tmp_path, capsys):
    main(arguments(folder, tmp_path, "--repetitions", "2"))
    table = pl.read_parquet(tmp_path / "accuracies.parquet")
    assert table.height == 4 * 5  # compensations, times
    assert table["compensation"].unique(maintain_order=True).to_list() == ["none", "gdc", "adabs", "gdc_adabs"]
    right = 6 * 2 * table["accuracy"]  # six images, two repetitions
    assert (right - right.round()).abs().max() < 1e-9
    assert table["accuracy"].n_unique() > 1
    images, network = find(folder, None), small_network()
    x = torch.stack([Scaling(36, 32).pixels(path) for path in images.val.paths])
    with torch.no_grad():
        right = (network(x)[:, 0].argmax(dim=1) == images.val.labels).double().mean()
    assert table["digital"][0] == pytest.approx(float(right))
    assert "6 images" in capsys.readouterr().out
    assert (tmp_path / "accuracies.png").read_bytes().startswith(b"\x89PNG")


def test_an_onnx_network_without_normalisation_has_no_adabs(folder, tmp_path):
    kernel = np.random.default_rng(1).standard_normal((3, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("GlobalAveragePool", ["a"], ["b"]),
        helper.make_node("Flatten", ["b"], ["y"]),
    ]
    ports = [helper.make_tensor_value_info(n, 1, s) for n, s in (("x", ["n", 3, 32, 32]), ("y", ["n", 3]))]
    graph = helper.make_graph(nodes, "net", ports[:1], ports[1:], [numpy_helper.from_array(kernel, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "net.onnx")
    main(arguments(folder, tmp_path, "--repetitions", "1", "--limit", "4", weights="net.onnx"))
    table = pl.read_parquet(tmp_path / "accuracies.parquet")
    assert set(table["compensation"]) == {"none", "gdc"}
    assert table["images"].unique().to_list() == [4]
    assert table["deviation"].null_count() == len(table)


def test_pixels_are_scaled_cut_and_normalised(tmp_path):
    path = tmp_path / "one.JPEG"
    Image.new("RGB", (100, 50), (255, 0, 128)).save(path, quality=100)
    pixels = Scaling(40, 32).pixels(path)
    assert pixels.shape == (3, 32, 32)
    wanted = [(value / 255 - mean) / std for value, mean, std in zip((255, 0, 128), MEAN, STD, strict=True)]
    np.testing.assert_allclose(pixels.amax(dim=(1, 2)), wanted, atol=0.03)
    np.testing.assert_allclose(pixels.amin(dim=(1, 2)), wanted, atol=0.03)


def test_resnet_34_has_as_many_parameters_as_is_published():
    with torch.device("meta"):
        network = ResNet([64, 128, 256, 512], [3, 4, 6, 3], 1000)
    assert sum(own.numel() for own in network.parameters()) == 21_797_672  # torchvision, resnet34


def test_tensors_come_back_in_each_kind_of_number(tmp_path):
    wanted = torch.tensor([[1.0, -2.5], [0.15625, 3e4]])
    path = tmp_path / "x.safetensors"
    kinds = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "i64": torch.int64}
    path.write_bytes(save({name: wanted.to(kind) for name, kind in kinds.items()}))
    found = read_safetensors(path)
    assert set(found) == {"f32", "f16", "bf16"}
    for name, own in found.items():
        assert torch.equal(own, wanted.to(kinds[name]).float())
    again = resnet_of({name: own for name, own in small_network().state_dict().items() if own.is_floating_point()}, "x")
    assert torch.equal(again.fc.weight, small_network().fc.weight)


def _without(*parts: str):
    return lambda folder: shutil.rmtree(folder.joinpath(*parts))


def _no_files(folder: Path) -> None:
    for path in (folder / "val" / CLASSES[1]).iterdir():
        path.unlink()


def _written(name: str, content: bytes):
    return lambda folder: (folder / name).write_bytes(content)


def _cut(folder: Path) -> None:
    path = folder / "net.safetensors"
    path.write_bytes(path.read_bytes()[:-8])


FAULTS = {
    "no folder": (_without(), "is missing; --images takes the folder of ImageNet"),
    "no val": (_without("val"), "val is missing; --images takes the folder of ImageNet"),
    "fewer classes": (
        _without("val", CLASSES[2]),
        "train has 3 classes and val 2, and n01484850 is in one alone",
    ),
    "no images": (_no_files, "n01443537 has no JPEG files"),
    "damaged image": (
        _written(f"val/{CLASSES[0]}/0.JPEG", b"no image"),
        "0.JPEG cannot be read as an image",
    ),
    "no weights": (lambda folder: (folder / "net.safetensors").unlink(), "net.safetensors is missing; --weights takes"),
    "damaged weights": (_cut, "is no safetensors file, or is damaged"),
    "empty weights": (_written("net.safetensors", b""), "is no safetensors file, or is damaged"),
    "other classes": (
        _written("net.safetensors", save(small_network(5).state_dict())),
        "the network decides between 5 classes, and the images have 3",
    ),
    "other network": (
        _written("net.safetensors", save({"weight": torch.zeros(2, 2)})),
        "holds no residual network of basic blocks",
    ),
    "other block": (
        _written(
            "net.safetensors",
            save({**small_network().state_dict(), "layer1.0.conv3.weight": torch.zeros(1, 1, 1, 1)}),
        ),
        r"holds no residual network.*layer1.0.conv3.weight",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_is_one_message(folder, tmp_path, fault):
    change, wanted = FAULTS[fault]
    own = tmp_path / "copy"
    shutil.copytree(folder, own)
    change(own)
    if fault == "no folder":  # the weights lie in it
        shutil.copy(folder / "net.safetensors", tmp_path)
    with pytest.raises(SystemExit, match=f"error: .*{wanted}"):
        program(lambda: main(arguments(own, tmp_path / "out", "--repetitions", "1")))


def test_missing_pillow_is_one_message(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL.Image", None)
    with pytest.raises(DseError, match=r"pip install 'pcm-dse\[images\]'"):
        main(arguments(folder, tmp_path))


def test_missing_safetensors_is_one_message(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    with pytest.raises(DseError, match=r"pip install 'pcm-dse\[images\]'"):
        main(arguments(folder, tmp_path))


@pytest.mark.parametrize("given", [("--limit", "0"), ("--crop", "64"), ("--bits", "few")])
def test_options_are_checked(folder, tmp_path, given, capsys):
    with pytest.raises(SystemExit):
        main(arguments(folder, tmp_path, *given))
    assert given[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    "given", [("--bits", "99"), ("--repetitions", "0"), ("--calibration", "1"), ("--device", "none")]
)
def test_settings_of_the_deployment_are_checked(folder, tmp_path, given):
    with pytest.raises(DseError, match=given[1]):
        main(arguments(folder, tmp_path, *given))
