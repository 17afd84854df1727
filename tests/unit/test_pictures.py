"""Images on their way into a network: normalised, moved, mirrored."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dse.data import cifar10
from dse.data.augmentation import Mover, Moves, Pictures
from dse.data.images import Dataset, Split
from dse.errors import DataError, SettingError
from tests.data import load, needs_cifar10


def coloured(images: int = 20) -> Dataset:
    pixels = torch.randint(0, 256, (images, 3 * 6 * 5), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    split = Split(pixels, torch.arange(images) % 10, 255.0)
    return Dataset("made up", split, None, split, 10, "", (3, 6, 5))


def test_every_channel_of_the_training_images_has_mean_0_and_deviation_1() -> None:
    data = coloured()
    images = Pictures(data).batch(data.train, torch.arange(20))
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert images.mean(dim=(0, 2, 3)).abs().max() < 1e-6
    assert (images.std(dim=(0, 2, 3), correction=0) - 1.0).abs().max() < 1e-6
    raw = data.train.images.reshape(20, 3, 6, 5).double()
    expected = (raw - raw.mean(dim=(0, 2, 3), keepdim=True)) / raw.std(dim=(0, 2, 3), correction=0, keepdim=True)
    assert torch.allclose(images.double(), expected, atol=1e-6)


@pytest.mark.parametrize(("down", "right", "mirrored"), [(0, 0, True), (2, -1, False), (-4, 4, True), (0, 3, False)])
def test_images_move_as_told_and_zeros_come_in(down: int, right: int, mirrored: bool) -> None:
    data = coloured()
    pictures = Pictures(data)
    chosen = torch.tensor([3, 7])
    moves = Moves(torch.tensor([down] * 2), torch.tensor([right] * 2), torch.tensor([mirrored] * 2))
    still = pictures.batch(data.train, chosen)
    padded = torch.nn.functional.pad(still, (4, 4, 4, 4))
    expected = padded[:, :, 4 - down : 10 - down, 4 - right : 9 - right]
    expected = expected.flip(3) if mirrored else expected
    assert torch.equal(pictures.batch(data.train, chosen, moves), expected)


def test_moves_are_seeded_fresh_every_epoch_and_use_their_whole_range() -> None:
    movers = [Mover(seed) for seed in (0, 0, 1)]
    first, again, other = (mover.draw(5000) for mover in movers)
    assert torch.equal(first.down, again.down)
    assert not torch.equal(first.down, other.down)
    assert not torch.equal(first.down, movers[0].draw(5000).down)
    assert first.down.unique().tolist() == first.right.unique().tolist() == list(range(-4, 5))
    assert 0.45 < float(first.mirrored.float().mean()) < 0.55
    assert [len(part.down) for part in first.split(3000)] == [3000, 2000]


def test_a_data_set_without_height_and_width_is_refused() -> None:
    split = Split(torch.zeros(4, 9, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(SettingError, match="rows has no images with height and width"):
        Pictures(Dataset("rows", split, None, split, 10, ""))


def write_cifar(folder: Path, labels: np.ndarray) -> None:
    (folder / cifar10.FOLDER).mkdir()
    for name in (*cifar10.TRAIN, *cifar10.TEST):
        records = np.zeros((cifar10.IMAGES_IN_A_FILE, cifar10.PIXELS + 1), np.uint8)
        records[:, 0] = labels
        (folder / cifar10.FOLDER / name).write_bytes(records.tobytes())


@pytest.mark.slow
def test_missing_or_wrong_files_of_cifar_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data_batch_1.bin is missing. Download it with `dse data cifar10`"):
        cifar10.Cifar10().read(tmp_path)
    write_cifar(tmp_path, np.zeros(cifar10.IMAGES_IN_A_FILE, np.uint8))
    with pytest.raises(DataError, match="its classes are not equally frequent"):
        cifar10.Cifar10().read(tmp_path)
    (tmp_path / cifar10.FOLDER / "data_batch_1.bin").write_bytes(b"123")
    with pytest.raises(DataError, match="it has 3 bytes instead of 30730000"):
        cifar10.Cifar10().read(tmp_path)


def test_an_archive_that_cannot_be_had_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "MIRRORS", ("http://127.0.0.1:1/",))
    with pytest.raises(DataError, match=r"cannot download cifar-10-binary.tar.gz into"):
        cifar10.Cifar10.download(tmp_path)


@pytest.mark.slow
@needs_cifar10
def test_cifar_has_the_published_counts() -> None:
    data = load("cifar10", 0.1)
    assert (len(data.train), data.validation and len(data.validation), len(data.test)) == (45_000, 5_000, 10_000)
    assert data.train.images.dtype == torch.uint8
    assert data.test.labels.bincount().tolist() == [1000] * 10
    # Means of the three colours over the training images, as commonly used to normalise them.
    means = data.train.images.reshape(-1, 3, 1024).double().mean(dim=(0, 2)) / 255
    assert torch.allclose(means, torch.tensor([0.4914, 0.4822, 0.4465]).double(), atol=2e-3)
