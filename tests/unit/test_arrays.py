"""Data of the user: each kind of file, what is found in it, how it is divided and scaled, and what is refused."""

import gzip
import io
import struct
import subprocess
import sys
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.data.arrays import load, tables
from dse.data.arrays.draws import drawn, evenly, most_drawn
from dse.data.arrays.spec import Arrays
from dse.data.base import BareInfo, ImageInfo, NumberInfo
from dse.data.images import Dataset
from dse.designs.design import compose, parse_design
from dse.designs.tables import Design
from dse.errors import DataError, DseError, SettingError
from dse.files import Content
from tests.choices import OWN

DRAWS = np.random.Generator(np.random.PCG64(5))
Y = np.arange(60) % 3
X = DRAWS.normal(size=(60, 4)) + Y[:, None]


def design_for(path: Path, **workload: Any) -> Design:
    own = {f"workload.{name}": value for name, value in workload.items()}
    return compose({"workload.dataset": "arrays", "workload.file": str(path), **own})


def data_of(path: Path, **workload: Any) -> Dataset:
    return design_for(path, **workload).workload.load()  # type: ignore[return-value]


def npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "mine.npz", **arrays)
    return folder / "mine.npz"


def csv(folder: Path, columns: dict[str, Any], name: str = "mine.csv") -> Path:
    table = pl.DataFrame(columns)
    if name.endswith("csv"):
        table.write_csv(folder / name)
    else:
        table.write_parquet(folder / name)
    return folder / name


def columns(**more: Any) -> dict[str, Any]:
    return {**{f"f{n}": X[:, n] for n in range(4)}, **more}


def idx(path: Path, array: np.ndarray, *, packed: bool = False) -> None:
    raw = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(raw) if packed else raw)


def floats(data: Dataset, part: str = "train") -> np.ndarray:
    split = getattr(data, part)
    return split.floats(torch.arange(len(split))).numpy()


def test_a_test_part_of_the_file_is_the_test_part(tmp_path: Path) -> None:
    data = data_of(npz(tmp_path, x_train=X[:40], y_train=Y[:40], x_test=X[40:], y_test=Y[40:]), validation=0.0)
    low, high = X[:40].min(axis=0), X[:40].max(axis=0)
    assert (len(data.train), len(data.test), data.validation) == (40, 20, None)
    assert data.test.labels.tolist() == Y[40:].tolist()
    assert floats(data) == pytest.approx((X[:40] - low) / (high - low), abs=1e-6)
    assert floats(data, "test") == pytest.approx(np.clip((X[40:] - low) / (high - low), 0.0, 1.0), abs=1e-6)


def test_parts_that_are_drawn_are_stratified_apart_and_always_the_same(tmp_path: Path) -> None:
    path = npz(tmp_path, x=np.arange(60.0)[:, None], y=Y)
    data, again = data_of(path), design_for(path).workload.whole().load()  # type: ignore[attr-defined]
    parts = [data.train, data.validation, data.test]
    assert [len(part) for part in parts] == [36, 12, 12]
    assert all(np.bincount(part.labels).tolist() == [len(part) // 3] * 3 for part in parts)
    everyone = np.concatenate([part.images.numpy().reshape(-1) for part in parts])
    assert len(np.unique(everyone)) == 60 - np.count_nonzero((everyone == 0) | (everyone == 1)) + 2
    assert torch.equal(again.test.images, data.test.images)
    assert len(again.train) == 48


def test_rgb_images_come_channel_by_channel_wherever_their_channels_were(tmp_path: Path) -> None:
    last = DRAWS.integers(0, 256, size=(60, 5, 7, 3), dtype=np.uint8)
    first = np.moveaxis(last, -1, 1)
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    data = data_of(npz(one, x=last, y=Y)), data_of(npz(two, x=first, y=Y))
    assert data[0].info == ImageInfo(36, 3, (3, 5, 7), given=(5, 7, 3))
    assert data[1].info.given == (3, 5, 7)
    assert torch.equal(data[0].train.images, data[1].train.images)
    assert (data[0].train.images.dtype, data[0].train.full_scale) == (torch.uint8, 255.0)
    square = npz(one, x=last[:, :3], y=Y)
    with pytest.raises(SettingError, match=r"workload\.channels is missing: .*\(3, 7, 3\)"):
        design_for(square)
    assert design_for(square, channels="last").workload.info.shape == (3, 3, 7)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("x", "scaling", "found", "expected"),
    [
        (np.tile(np.array([[0, 51]], np.uint8), (60, 1)), "auto", "bytes", [0.0, 0.2]),
        (np.tile(np.array([[0, 1]], np.uint8), (60, 1)), "auto", "range", [0.0, 1.0]),
        (np.tile(np.array([[False, True]]), (60, 1)), "auto", "range", [0.0, 1.0]),
        (np.tile(np.array([[-3, 5]], np.int32), (60, 1)), "range", "range", [0.0, 1.0]),
        (np.tile(np.array([[-3.0, 5.0]]), (60, 1)), "none", "none", [-3.0, 5.0]),
        (np.tile(np.array([[2, 250]], np.uint8), (60, 1)), "none", "none", [2.0, 250.0]),
        (np.concatenate([np.zeros((30, 2)), np.tile([[10.0, 1e4]], (30, 1))]), "auto", "features", None),
        (np.tile(np.array([[-3.0, 5.0]]), (60, 1)).reshape(60, 1, 2), "auto", "range", [0.0, 1.0]),
    ],
)
def test_inputs_come_into_the_range_of_converters(
    x: np.ndarray, scaling: str, found: str, expected: list[float] | None, tmp_path: Path
) -> None:
    path = npz(tmp_path, x=x, y=Y)
    plain = {"network.name": "cnn"} if scaling == "none" else {}
    design = compose({"workload.dataset": "arrays", "workload.file": str(path), "workload.scaling": scaling, **plain})
    data = design.workload.load()
    assert design.as_dict()["workload"]["found"]["scaling"] == found
    values = np.unique(floats(data), axis=0)  # type: ignore[arg-type]
    assert values.tolist() == ([[0.0, 0.0], [1.0, 1.0]] if expected is None else [pytest.approx(expected)])


def test_a_perceptron_refuses_inputs_beyond_its_converters(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"unsigned converters with inputs in \[0, 1\].*workload\.scaling"):
        design_for(npz(tmp_path, x=X, y=Y), scaling="none")
    assert not design_for(npz(tmp_path, x=np.abs(X) / 10.0, y=Y), scaling="none").deployment


@pytest.mark.parametrize(
    ("y", "labels"),
    [
        (Y * 10 + 3, [3, 13, 23]),
        (-Y, [-2, -1, 0]),
        (Y, []),
        (Y.astype(np.uint8)[:, None], []),
        (np.array(["b", "c", "a"])[Y], ["a", "b", "c"]),
        (np.array([b"b", b"c", b"a"])[Y], ["a", "b", "c"]),
        (Y > 0, []),
    ],
)
def test_classes_may_be_any_integers_or_text_and_are_recorded_in_order(
    y: np.ndarray, labels: list[Any], tmp_path: Path
) -> None:
    path = npz(tmp_path, x=X, y=y)
    facts = design_for(path).as_dict()["workload"]["found"]
    assert (facts["answers"], facts["labels"]) == ("classes", labels)
    names = labels or list(range(facts["classes"]))
    plain = [own.decode() if isinstance(own, bytes) else own for own in y.reshape(-1).tolist()]
    data = data_of(path, validation=0.0)
    counts = [plain.count(name) for name in names]
    assert (np.bincount(data.train.labels) + np.bincount(data.test.labels)).tolist() == counts


def test_whole_floats_are_numbers_unless_they_are_said_to_be_classes(tmp_path: Path) -> None:
    path = npz(tmp_path, x=X, y=Y.astype(np.float64))
    assert type(design_for(path).workload.info) is NumberInfo
    assert type(design_for(path, answers="classes").workload.info) is ImageInfo
    assert type(design_for(npz(tmp_path, x=X, y=Y), answers="numbers").workload.info) is NumberInfo


def test_a_sample_of_each_class_is_enough_where_none_is_held_out(tmp_path: Path) -> None:
    path = npz(tmp_path, x_train=X[:3], y_train=Y[:3], x_test=X[3:], y_test=Y[3:])
    data = data_of(path, validation=0.0)
    assert (len(data.train), data.validation, len(data.test)) == (3, None, 57)
    more = npz(tmp_path, x_train=X[:4], y_train=Y[:4], x_test=X[4:], y_test=Y[4:])
    assert len(data_of(more, validation=0.01).validation) == 1  # type: ignore[arg-type]


def test_numbers_are_standardised_by_the_training_part(tmp_path: Path) -> None:
    y = np.stack([X @ [1.0, 2.0, 3.0, 4.0] + 100.0, 1e-6 * X[:, 0]], axis=1)
    path = npz(tmp_path, x_train=X[:40], y_train=y[:40], x_test=X[40:], y_test=y[40:])
    data, facts = data_of(path, validation=0.0), design_for(path).as_dict()["workload"]["found"]
    assert facts["means"] == pytest.approx(y[:40].mean(axis=0))
    assert facts["deviations"] == pytest.approx(y[:40].std(axis=0))
    assert data.train.labels.numpy() == pytest.approx((y[:40] - y[:40].mean(axis=0)) / y[:40].std(axis=0), abs=1e-5)
    assert data.test.labels.numpy() == pytest.approx((y[40:] - y[:40].mean(axis=0)) / y[:40].std(axis=0), abs=1e-5)
    assert data.info == NumberInfo(40, 2, (1, 1, 4), given=(4,))


@pytest.mark.parametrize("name", ["mine.csv", "mine.parquet"])
def test_tables_name_their_answers_and_their_parts(name: str, tmp_path: Path) -> None:
    part = ["test" if n >= 40 else "train" for n in range(60)]
    path = csv(tmp_path, columns(kind=[f"k{y}" for y in Y], part=part, price=X[:, 0] * 3.0), name)
    with pytest.raises(DataError, match=r'columns to learn from must be numbers, and "part" is String'):
        design_for(path, answer="kind")
    data = data_of(path, answer="kind", split="part", validation=0.0)
    assert (len(data.train), len(data.test), data.classes, data.info.pixels) == (40, 20, 3, 5)
    assert data.test.labels.tolist() == Y[40:].tolist()
    several = csv(tmp_path, columns(price=X[:, 0] * 3.0, size=X[:, 1]), name)
    assert design_for(several, answer=["price", "size"]).workload.info == NumberInfo(36, 2, (1, 1, 4), given=(4,))


def test_a_folder_of_idx_files_is_read_as_mnist_is(tmp_path: Path) -> None:
    images = DRAWS.integers(0, 256, size=(60, 6, 5), dtype=np.uint8)
    idx(tmp_path / "train-images-idx3-ubyte.gz", images[:40], packed=True)
    idx(tmp_path / "train-labels-idx1-ubyte", Y[:40].astype(np.uint8))
    idx(tmp_path / "t10k-images-idx3-ubyte", images[40:])
    idx(tmp_path / "t10k-labels-idx1-ubyte.gz", Y[40:].astype(np.uint8), packed=True)
    data = data_of(tmp_path, validation=0.0)
    assert data.info == ImageInfo(40, 3, (1, 6, 5), given=(6, 5))
    assert data.train.images.numpy().tolist() == images[:40].reshape(40, 30).tolist()
    assert data.test.labels.tolist() == Y[40:].tolist()
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz is no idx file that can be read"):
        design_for(tmp_path)


def test_samples_without_answers_are_data_for_tasks_that_need_none(tmp_path: Path) -> None:
    path = npz(tmp_path, x_train=X[:40], x_test=X[40:])
    with pytest.raises(
        SettingError, match=r'"perceptron" cannot learn .*: it reads images, and this is samples without'
    ):
        design_for(path)
    workload = parse_design(design_for(npz(tmp_path, x=X, y=Y)).as_dict()).workload
    facts = type(workload).look({"file": "mine.npz"}, _content(npz(tmp_path, x_train=X[:40], x_test=X[40:])))  # type: ignore[attr-defined]
    assert (facts["answers"], facts["training"], facts["test"]) == ("none", 40, 20)
    bare = workload.model_copy(update={"found": workload.found.model_copy(update={"answers": "none"})})  # type: ignore[attr-defined]
    assert type(bare.info) is BareInfo


def _content(path: Path) -> Any:
    return Content.at(path)


def test_a_design_knows_what_it_must_of_a_file_that_is_gone(tmp_path: Path) -> None:
    path = npz(tmp_path, x=X + 0.125, y=Y)  # content that lies nowhere else
    design = design_for(path, samples=30)
    path.unlink()
    again = parse_design(design.as_dict())
    assert (again.key, again.workload.info) == (design.key, ImageInfo(30, 3, (1, 1, 4), given=(4,)))
    with pytest.raises(DataError, match=r"mine\.npz with the SHA-256 .* is missing"):
        again.workload.load()


def test_the_key_of_a_design_follows_the_content_of_its_file_and_not_its_place(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    keys = [design_for(npz(folder, x=X, y=Y)).key for folder in (tmp_path, tmp_path / "elsewhere")]
    assert keys[0] == keys[1]
    assert design_for(npz(tmp_path, x=X + 1e-9, y=Y)).key != keys[0]


BAD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "unknown array": ({"x": X, "y": Y, "z": Y}, {}, r"has an array 'z'.*known: x_train"),
    "misspelt array": ({"x_trian": X, "y_train": Y}, {}, r"'x_trian'; did you mean 'x_train'"),
    "no samples": ({"y": Y}, {}, "has y; give x_train and y_train"),
    "both forms": ({"x": X, "y": Y, "x_train": X}, {}, "has x, y, x_train; give"),
    "a test without answers": ({"x_train": X, "y_train": Y, "x_test": X}, {}, "has x_test and no y_test"),
    "fewer answers": ({"x": X, "y": Y[:-1]}, {}, r"60 samples and answers of shape \(59,\)"),
    "one answer alone": ({"x": X, "y": np.array(3)}, {}, r"answers of shape \(\)"),
    "NaN": ({"x": np.where(X[7, 2] == X, np.nan, X), "y": Y}, {}, r"samples hold nan at \(7, 2\)"),
    "infinite": ({"x": np.where(X[7, 2] == X, np.inf, X), "y": Y}, {}, r"samples hold inf at \(7, 2\)"),
    "huge": ({"x": X * 1e40, "y": Y}, {}, "another unit"),
    "objects": ({"x": np.array([None] * 60), "y": Y}, {}, "holds Python objects, which are not loaded"),
    "complex": ({"x": X.astype(np.complex128), "y": Y}, {}, "samples are of complex128"),
    "text": ({"x": X.astype(str), "y": Y}, {}, "samples are of <U"),
    "no sample": ({"x": X[:0], "y": Y[:0]}, {}, r"of shape \(0, 4\); give at least one"),
    "empty samples": ({"x": X[:, :0], "y": Y}, {}, r"of shape \(60, 0\)"),
    "too many dimensions": ({"x": X.reshape(60, 1, 2, 2, 1), "y": Y}, {}, r"of shape \(60, 1, 2, 2, 1\)"),
    "other shape in the test": ({"x_train": X, "y_train": Y, "x_test": X[:, :3], "y_test": Y}, {}, "give one shape"),
    "one class": ({"x": X, "y": Y * 0}, {}, "all samples are of the class 0"),
    "a lone sample": ({"x": X, "y": np.arange(60)}, {}, 'class 0 has one sample, and so have 59 others.*"numbers"'),
    "fractions": ({"x": X, "y": X[:, 0]}, {"answers": "classes"}, "is no class; give integers or text"),
    "vectors as classes": ({"x": X, "y": X[:, :2]}, {"answers": "classes"}, r"shape \(60, 2\) are no classes"),
    "text as numbers": ({"x": X, "y": Y.astype(str)}, {"answers": "numbers"}, "the answers are text"),
    "NaN among answers": ({"x": X, "y": np.where(Y == 1, np.nan, 1.0 * Y)}, {}, "an answer is nan"),
    "bytes that are no text": (
        {"x": X, "y": np.array([b"a\xff", b"a\xfe", b"c"])[Y]},
        {},
        r"the answer b'a\\xff' is no UTF-8 text",
    ),
    "a number that never varies": ({"x": X, "y": 0.5 + 0.0 * Y}, {}, "number 0 of the answers is 0.5 for every"),
    "numbers too close": (
        {"x": X, "y": 1e-200 * X[:, 0]},
        {},
        "standard deviation of number 0 of the answers is below 1e-30; give",
    ),
    "test numbers far away": (
        {"x_train": X[:40], "y_train": 1e-8 * X[:40], "x_test": X[40:], "y_test": 1e8 * X[40:]},
        {},
        r"number \d of the answers is in the test .*e\+1\d standard deviations",
    ),
    "no class to hold out of": (
        {"x_train": X[:3], "y_train": Y[:3], "x_test": X[3:], "y_test": Y[3:]},
        {},
        "validation = 0.25 holds out none: mine.npz has 3 for training, of 3 classes, and one of each stays to",
    ),
    "no number to hold out of": (
        {"x_train": X[:1], "x_test": X[1:]},
        {},
        "validation = 0.25 holds out none: mine.npz has 1 for training, and one stays to learn from",
    ),
    "a class in the test alone": (
        {"x_train": X[:40], "y_train": Y[:40] % 2, "x_test": X[40:], "y_test": Y[40:]},
        {},
        "the test has the class 2",
    ),
    "no answers": ({"x": X}, {"answers": "classes"}, "has no answers, and workload.answers"),
    "equal inputs": ({"x": X * 0, "y": Y}, {}, "every number of every training sample is 0.0"),
    "one sample": ({"x": X[:1], "y": Y[:1]}, {}, "one sample"),
    "a column of no table": (
        {"x": X, "y": Y},
        {"answer": "y"},
        r"workload\.answer has no effect: .* is no table",
    ),
    "channels of vectors": ({"x": X, "y": Y}, {"channels": "last"}, r"workload\.channels has no effect"),
    "a share beside a test part": (
        {"x_train": X[:40], "y_train": Y[:40], "x_test": X[40:], "y_test": Y[40:]},
        {"test": 0.1},
        r"workload\.test has no effect",
    ),
    "bytes that are none": ({"x": X, "y": Y}, {"scaling": "bytes"}, "needs bytes"),
    "integers that floats cannot hold": (
        {"x": np.full((60, 2), 2**24 + 1), "y": Y},
        {"scaling": "none"},
        "takes integers up to 16777216",
    ),
    "more samples than there are": ({"x": X, "y": Y}, {"samples": 37}, "samples = 37, and mine.npz has 36"),
    "fewer samples than classes": ({"x": X, "y": Y}, {"samples": 2}, "fewer than the 3 classes"),
}


@pytest.mark.parametrize("case", BAD)
def test_arrays_that_cannot_be_learned_are_refused_in_one_message(case: str, tmp_path: Path) -> None:
    arrays, workload, message = BAD[case]
    with pytest.raises(DseError, match=message) as refused:
        design_for(npz(tmp_path, **arrays), **workload)
    assert "\n" not in str(refused.value)


BAD_TABLES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no answer named": (columns(kind=Y), {}, r'workload\.answer is missing: say which column .*"f0"'),
    "no such column": (columns(kind=Y), {"answer": "kinds"}, "has no such column; did you mean 'kind'"),
    "no such split": (columns(kind=Y), {"answer": "kind", "split": "part"}, r'workload\.split = "part": .* no such'),
    "one column twice": (columns(kind=Y), {"answer": "kind", "split": "kind"}, "name a column of mine.csv twice"),
    "no rows": ({"f0": [], "kind": []}, {"answer": "kind"}, "mine.csv has names of columns and no rows"),
    "text to learn from": (columns(kind=Y, town=["a"] * 60), {"answer": "kind"}, '"town" is String'),
    "missing values": (columns(kind=Y, gap=[None, *X[1:, 0]]), {"answer": "kind"}, 'missing in "gap"'),
    "missing answers": (columns(kind=[None, *Y[1:]]), {"answer": "kind"}, 'missing in "kind"'),
    "only answers": ({"kind": Y}, {"answer": "kind"}, "no column beside its answers"),
    "another part": (columns(kind=Y, part=["dev"] * 60), {"answer": "kind", "split": "part"}, 'says "dev"'),
    "one part": (columns(kind=Y, part=["train"] * 60), {"answer": "kind", "split": "part"}, "of every sample"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_tables_that_cannot_be_learned_are_refused_in_one_message(case: str, tmp_path: Path) -> None:
    held, workload, message = BAD_TABLES[case]
    with pytest.raises(DseError, match=message) as refused:
        design_for(csv(tmp_path, held), **workload)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mine.npz", b"no zip", "no archive of arrays"),
        ("mine.csv", b"", "no CSV file that can be read"),
        ("mine.parquet", b"PAR1", "no Parquet file that can be read"),
        ("mine.txt", b"1 2 3", "no file of data that can be read; give one that ends in .npz"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        design_for(tmp_path / name, answer="a" if name.endswith(("csv", "parquet")) else "")


def headed(shape: tuple[int, ...]) -> bytes:
    """Return the head of an array of such a shape, and no numbers."""
    held = io.BytesIO()
    np.lib.format.write_array_header_1_0(held, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return held.getvalue()


def packed(name: str, content: bytes, *, flags: int = 0, method: int = 0) -> bytes:
    """Return an archive whose one member claims flags and a compression."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(name, content)
    raw = bytearray(held.getvalue())
    for head, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        struct.pack_into("<HH", raw, raw.index(head) + place, flags, method)
    return bytes(raw)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed("x.npy", headed((2,)), flags=1), "numpy can read: .* is encrypted"),
        (packed("x.npy", headed((2,)), method=99), "numpy can read: .* compression method is not supported"),
        (packed("x.npy", headed((10**15,))), "numpy can read: "),
        (packed("x.npy", headed((2**62, 2**62))), "numpy can read: "),
        (packed("x", b"raw"), "has 'x', which is no array"),
    ],
)
def test_archives_that_numpy_cannot_read_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(DataError, match=message) as refused:
        design_for(tmp_path / "mine.npz")
    assert "\n" not in str(refused.value)


def test_a_panic_of_polars_is_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = csv(tmp_path, columns(kind=Y), "mine.parquet")

    def panic(*_: Any) -> None:
        raise pl.exceptions.PanicException("range end out of range")

    monkeypatch.setattr(pl, "from_arrow", panic)
    with pytest.raises(DataError, match="no Parquet file that can be read: range end out of range"):
        design_for(path, answer="kind")


def test_a_damaged_parquet_file_is_told_and_ends_no_process(tmp_path: Path) -> None:
    content = csv(tmp_path, columns(kind=Y), "mine.parquet").read_bytes()
    told: list[str] = []
    for place in range(4, len(content), len(content) // 60):
        (tmp_path / "mine.parquet").write_bytes(content[:place] + bytes([content[place] ^ 99]) + content[place + 1 :])
        try:  # the reader of polars aborts where a page claims a negative number of values
            tables._table(Content.at(tmp_path / "mine.parquet"), csv=False)
        except DataError as error:
            told.append(str(error))
    assert len(told) > 10
    assert not any("\n" in own for own in told)


def test_answers_that_numpy_has_no_integers_for_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = pl.DataFrame(columns(kind=Y), schema_overrides={"kind": pl.Int128})
    monkeypatch.setattr(pl, "read_csv", lambda *_, **__: wide)
    with pytest.raises(DataError, match=r"the answers 'kind' are of Int128; give numbers of 64 bits, or text"):
        design_for(csv(tmp_path, columns(kind=Y)), answer="kind")


def test_decimals_are_numbers(tmp_path: Path) -> None:
    prices = pl.Series([Decimal(n) / 4 for n in range(60)], dtype=pl.Decimal(10, 2))
    path = csv(tmp_path, columns(price=prices), "mine.parquet")
    facts = design_for(path, answer="price").as_dict()["workload"]["found"]
    data = data_of(path, answer="price", validation=0.0)
    assert (facts["answers"], facts["numbers"]) == ("numbers", 1)
    learned = data.train.labels.numpy() * facts["deviations"] + facts["means"]
    assert set(np.round(learned[:, 0] * 4, 3)) <= set(range(60))


def test_a_file_that_is_missing_or_not_named_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'workload\.file = ".*: there is no file .*none\.npz'):
        design_for(tmp_path / "none.npz")
    with pytest.raises(SettingError, match=r"workload\.file is missing: Data of your own"):
        compose({"workload.dataset": "arrays"})
    with pytest.raises(SettingError, match=r"workload\.found\.sha256 is no setting: it is found in the file"):
        compose({"workload.dataset": "arrays", "workload.found.sha256": "0"})


@pytest.mark.parametrize("file", [".", "..", "sub/..", "/", "~"])
def test_a_path_that_ends_in_no_name_is_refused(file: str) -> None:
    with pytest.raises(SettingError, match=r'workload\.file = ".*" does not end in a name, .* give one, as in "\.\./'):
        compose({"workload.dataset": "arrays", "workload.file": file})


@pytest.mark.parametrize(
    ("file", "message"),
    [("~no such user/x.npz", "a home folder that is not there"), ("x\0.npz", "no path that a file can have")],
)
def test_a_path_that_cannot_be_is_refused(file: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"workload\.file = .*{message}"):
        compose({"workload.dataset": "arrays", "workload.file": file})


@pytest.mark.slow
def test_a_study_with_own_data_is_checked_without_torch() -> None:
    given = {"workload.dataset": "arrays", "workload.file": str(OWN / "images.npz")}
    code = f"import sys; from dse.designs.design import compose; compose({given!r}); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = npz(tmp_path, x=X + 0.5, y=Y)

    def look(*_: Any) -> dict[str, Any]:
        path.write_bytes(b"half of it")
        return {}

    monkeypatch.setattr(Arrays, "look", look)
    with pytest.raises(DataError, match="has changed while it was read"):
        design_for(path)


def test_a_file_that_changes_while_it_is_loaded_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = npz(tmp_path, x=X + 0.75, y=Y)
    workload, read = design_for(path).workload, load.parts_of

    def changing(*given: Any) -> Any:
        found = read(*given)
        path.write_bytes(b"another")
        return found

    monkeypatch.setattr(load, "parts_of", changing)
    with pytest.raises(DataError, match="has changed while it was read"):
        workload.load()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(2, 40), min_size=1, max_size=12), st.floats(0.01, 0.5))
def test_as_many_as_asked_are_drawn_and_every_class_keeps_some(sizes: list[int], share: float) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    out = drawn(share, groups, "test samples")
    assert out.sum() == min(int(np.ceil(share * len(groups))), most_drawn(groups))
    assert (np.bincount(groups[~out], minlength=len(sizes)) >= 1).all()
    if out.sum() == np.ceil(share * len(groups)):
        expected = np.array(sizes) * out.sum() / len(groups)
        assert (np.abs(np.bincount(groups[out], minlength=len(sizes)) - expected) <= 2).all()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(1, 40))
def test_fewer_samples_are_as_many_of_each_class_as_there_are(sizes: list[int], count: int) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    kept = evenly(groups, count)
    found = np.bincount(groups[kept], minlength=len(sizes))
    assert len(kept) == min(count, len(groups))
    assert all(found[n] == sizes[n] or found[n] >= found.max() - 1 for n in range(len(sizes)))


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=300))
def test_no_bytes_end_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    for name in ("a.npz", "a.csv", "a.parquet"):
        path = tmp_path_factory.getbasetemp() / name
        path.write_bytes(content)
        with pytest.raises(DseError):
            design_for(path, answer="" if name.endswith("npz") else "no such column")
