"""Data sets: real images, a fixed stratified split, checksums, clear words where files are missing."""

import functools
import gzip
import hashlib
import http.server
import threading
from typing import ClassVar, Literal

import numpy as np
import pytest
import torch

from dse.data import mnist
from dse.data.base import RawImages
from dse.data.image_data import AbstractImageData
from dse.data.images import Split, load_images
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.errors import DataError, SettingError
from tests.data import load, needs_mnist


def test_digits_are_split_once_and_for_all_without_overlap():
    data = load("digits", 0.25)
    assert (len(data.train), len(data.validation), len(data.test)) == (1077, 360, 360)
    splits = (data.train, data.validation, data.test)
    images = torch.cat([split.images for split in splits])
    assert images.shape == (1797, 64)
    assert images.dtype == torch.uint8
    assert (int(images.min()), int(images.max())) == (0, 16)
    floats = torch.cat([split.floats(torch.arange(len(split))) for split in splits])
    assert (float(floats.min()), float(floats.max())) == (0.0, 1.0)
    assert data.checksum == load("digits", 0.0).checksum


def test_floats_are_the_chosen_images_in_units_of_full_scale():
    split = load("digits", 0.25).train
    assert split.full_scale == 16.0
    chosen = torch.tensor([5, 0, 5])
    floats = split.floats(chosen)
    assert floats.dtype == torch.float32
    assert floats.tolist() == [[value / 16 for value in split.images[n].tolist()] for n in (5, 0, 5)]
    plain = Split(torch.tensor([[0.25, 1.0]]), torch.tensor([0]))
    assert plain.floats(torch.tensor([0])).tolist() == [[0.25, 1.0]]


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_splits_are_stratified(split):
    counts = getattr(load("digits", 0.25), split).labels.bincount(minlength=10).double()
    share = counts / counts.sum()
    assert (share - share.mean()).abs().max() < 0.005


@pytest.mark.parametrize("share", [0.0005, 0.001, 0.0062])
def test_a_share_without_an_image_of_each_class_is_refused_before_images_are_read(share):
    with pytest.raises(SettingError, match=f"validation = {share:g} of 1437 images .* Give 0.007 or more, or 0 to"):
        compose({"workload.validation": share})
    assert len(load("digits", 0.007).validation.labels.unique()) == 10


def test_the_test_images_do_not_depend_on_what_is_held_out():
    assert torch.equal(load("digits", 0.25).test.images, load("digits", 0.0).test.images)
    assert load("digits", 0.0).validation is None
    assert len(load("digits", 0.0).train) == 1437


@pytest.mark.parametrize("count", [20, 107, 1000, 1077])
def test_fewer_images_are_as_many_of_each_class_and_among_the_others(count):
    whole, part = load("digits", 0.25), load("digits", 0.25, count)
    counts = part.train.labels.bincount(minlength=10)
    assert int(counts.sum()) == len(part.train) == count
    if count < 1000:  # then no class runs out
        assert int(counts.max() - counts.min()) <= 1
    elsewhere = {tuple(image) for image in whole.train.images.tolist()}
    assert all(tuple(image) in elsewhere for image in part.train.images.tolist())
    assert torch.equal(part.test.images, whole.test.images)
    assert torch.equal(part.validation.images, whole.validation.images)
    assert part.checksum == whole.checksum


def test_a_workload_learns_from_as_many_images_as_it_says():
    design = compose({"workload.images": 200, "training.epochs": 1, "architecture": "float"})
    outcome = evaluate(design, 0, design.workload.load())
    assert outcome.train_samples == 200
    whole = compose({"training.epochs": 1, "architecture": "float"})
    assert outcome.curve != evaluate(whole, 0, whole.workload.load()).curve


@pytest.mark.parametrize("images", [1078, 60_000])
def test_more_images_than_there_are_is_an_error(images):
    with pytest.raises(SettingError, match=f"images = {images}, and digits has 1077 that are not held out"):
        compose({"workload.images": images})


@pytest.mark.slow
@needs_mnist
def test_mnist_has_the_published_counts():
    data = load("mnist", 0.0)
    assert data.train.images.shape == (60_000, 784)
    assert data.train.labels.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert data.test.labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert (data.train.images > 0).double().mean().item() == pytest.approx(0.1912, abs=1e-4)


def test_a_file_that_is_not_canonical_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DSE_DATA_DIR", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    with gzip.open(tmp_path / "mnist" / "train-images-idx3-ubyte.gz", "wb") as file:
        file.write(b"\0\0\x08\x03" + b"\0" * 100)
    with pytest.raises(DataError, match="is not the canonical idx file"):
        load("mnist", 0.0)


@pytest.fixture
def mirror(tmp_path):
    """A web server on the loopback with files named like those of MNIST."""
    served = tmp_path / "served"
    served.mkdir()
    for name in mnist.MD5:
        (served / f"{name}.gz").write_bytes(gzip.compress(name.encode(), mtime=0))
    handler = functools.partial(QuietHandler, directory=str(served))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield served, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


def test_a_download_checks_its_checksums_and_tries_the_next_mirror(mirror, tmp_path, monkeypatch):
    served, url = mirror
    monkeypatch.setenv("DSE_DATA_DIR", str(tmp_path / "data"))
    sums = {name: hashlib.md5((served / f"{name}.gz").read_bytes()).hexdigest() for name in mnist.MD5}
    monkeypatch.setattr(mnist, "MD5", sums)
    monkeypatch.setattr(mnist, "MIRRORS", ("http://127.0.0.1:1/", url))
    folder = mnist.Mnist.download(tmp_path / "data")
    assert {path.name for path in folder.iterdir()} == {f"{name}.gz" for name in mnist.MD5}


def test_a_download_of_something_else_is_refused(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("DSE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(mnist, "MIRRORS", (mirror[1],))
    with pytest.raises(DataError, match=r"cannot download train-images-idx3-ubyte\.gz into"):
        mnist.Mnist.download(tmp_path / "data")
    assert not list((tmp_path / "data" / "mnist").glob("*.gz"))


def raw_of(**changes):
    """Thirty training and ten test images of 2x3x4 pixels of three classes, or something else."""
    right = {
        "train": np.arange(30 * 24, dtype=np.uint8).reshape(30, 24),
        "train_labels": np.arange(30) % 3,
        "test": np.zeros((10, 24), np.uint8),
        "test_labels": np.arange(10) % 3,
        "full_scale": 255.0,
    }
    return RawImages(**{**right, **changes})


class Drawn(AbstractImageData):
    """Images that a test gives."""

    dataset: Literal["drawn"] = "drawn"
    total = 30
    classes = 3
    shape = (2, 3, 4)
    raw: ClassVar[RawImages]

    def read(self, folder):
        return self.raw


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train": np.zeros((30, 23), np.uint8)},
            r"training images of shape \(30, 23\); shape = \(2, 3, 4\) says .* 24",
        ),
        ({"test": np.zeros((10, 2, 3, 4), np.uint8)}, "test images of shape"),
        ({"train": np.zeros((30, 24), np.float32)}, "training images of float32; give bytes"),
        ({"train_labels": np.zeros(30, np.int32)}, "training labels of int32"),
        ({"test_labels": np.zeros(9, np.int64)}, r"give int64 for 10 images"),
        ({"train_labels": np.arange(30) % 4}, "training labels from 0 to 3; classes = 3 says 0 to 2"),
        ({"test_labels": np.arange(10) % 3 - 1}, "test labels from -1 to 1"),
        ({"train_labels": np.arange(30) % 2}, "no training image has label 2"),
        ({"train": np.zeros((20, 24), np.uint8), "train_labels": np.arange(20) % 3}, "20 training images; total = 30"),
        ({"test": np.zeros((0, 24), np.uint8), "test_labels": np.zeros(0, np.int64)}, "test images none"),
        ({"full_scale": 16.0}, "above full_scale = 16.0"),
        (
            {"train_labels": np.append(np.arange(29) % 2, 2)},
            r"validation = 0\.\d+: 30 samples of 3 classes cannot be split",
        ),
    ],
)
def test_images_that_contradict_their_data_set_are_refused(changes, message, tmp_path, monkeypatch):
    monkeypatch.setattr(Drawn, "raw", raw_of(), raising=False)
    assert len(load_images.__wrapped__(Drawn(), tmp_path).test) == 10
    monkeypatch.setattr(Drawn, "raw", raw_of(**changes))
    with pytest.raises(DataError, match=f"^drawn: .*{message}"):
        load_images.__wrapped__(Drawn(), tmp_path)
