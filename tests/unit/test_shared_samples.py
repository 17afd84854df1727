"""Actors of a machine hold samples once: the same values in a mapped file, or their own copy where there is none."""

import os
import time
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dse import private
from dse.data import shared
from dse.data.base import RawImages
from dse.data.image_data import AbstractImageData
from dse.data.images import load_images

Bytes = NDArray[np.uint8]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(private, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(shared, "LEAST_BYTES", 1000)
    monkeypatch.setattr(shared, "_shares", True)
    return tmp_path / f"pcm-dse-{os.getuid()}" / "samples"


@pytest.fixture
def values() -> Bytes:
    return np.random.default_rng(0).integers(0, 256, (50, 40), np.uint8)


def test_what_is_shared_is_a_mapped_file_of_the_same_values(folder: Path, values: Bytes) -> None:
    found = shared.shared(values, "name")
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, values)
    assert (folder / "name").read_bytes() == values.tobytes()


def test_what_a_process_writes_stays_with_it(folder: Path, values: Bytes) -> None:
    found = shared.shared(values, "name")
    found[:] = 0
    np.testing.assert_array_equal(shared.shared(values, "name"), values)


def test_a_file_that_is_not_the_array_is_written_anew_and_who_has_it_keeps_it(folder: Path, values: Bytes) -> None:
    before = shared.shared(values, "name")
    after = shared.shared(values + 1, "name")
    np.testing.assert_array_equal(before, values)
    np.testing.assert_array_equal(after, values + 1)
    (folder / "name").write_bytes(b"cut short")
    np.testing.assert_array_equal(shared.shared(values, "name"), values)


def test_a_file_that_nobody_asked_for_in_a_week_is_removed(folder: Path, values: Bytes) -> None:
    shared.shared(values, "old")
    before = time.time() - shared.UNUSED_S - 1
    os.utime(folder / "old", (before, before))
    shared.shared(values, "new")
    assert [file.name for file in folder.iterdir()] == ["new"]


def test_the_copy_stays_where_others_may_write_to_the_folder_or_none_can_be_made(folder: Path, values: Bytes) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert shared.shared(values, "name") is values
    folder.rmdir()
    folder.write_bytes(b"in its place")
    assert shared.shared(values, "name") is values


def test_processes_that_do_not_share_and_small_arrays_leave_no_file(
    folder: Path, values: Bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = values[:2]
    assert shared.shared(small, "small") is small
    monkeypatch.setattr(shared, "_shares", False)
    assert shared.shared(values, "name") is values
    assert not folder.exists()


class Noise(AbstractImageData):
    """Images of noise."""

    dataset: Literal["noise"] = "noise"
    total = 60
    classes = 2
    shape = (1, 5, 8)

    def read(self, folder: Path) -> RawImages:
        random = np.random.default_rng(0)
        labels = np.arange(60, dtype=np.int64) % 2
        return RawImages(
            random.integers(0, 256, (60, 40), np.uint8),
            labels,
            random.integers(0, 256, (60, 40), np.uint8),
            labels,
            255.0,
        )


NOISE = Noise()


def test_a_data_set_is_the_same_shared_or_not(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = load_images(NOISE, tmp_path / "a")  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr(shared, "_shares", False)
    there = load_images(NOISE, tmp_path / "b")  # pyright: ignore[reportArgumentType]
    assert len(list(folder.iterdir())) == 2  # what is held out is small
    assert here.validation is not None
    assert there.validation is not None
    for own, other in ((here.train, there.train), (here.validation, there.validation), (here.test, there.test)):
        assert torch.equal(own.images, other.images)
        assert torch.equal(own.labels, other.labels)
