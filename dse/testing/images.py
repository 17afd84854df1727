"""What is promised of images: networks with an output for each class, data sets whose splits are fixed and fair."""

from collections import Counter
from typing import Any, ClassVar, cast

import torch

from dse.data.base import ImageInfo
from dse.data.images import Dataset, Split
from dse.testing.data import DataContract
from dse.testing.networks import NetworkContract

Shape = tuple[int, int, int]


class ImageNetworkContract(NetworkContract):
    """What a network of torch modules promises that recognises images.

    Attributes:
        shapes: channels, height and width of images that it takes.
    """

    shapes: ClassVar[tuple[Shape, ...]] = ((1, 8, 8), (1, 28, 28), (3, 32, 32))

    def test_it_has_an_output_for_each_class_whatever_the_images(self) -> None:
        """Outputs are finite, also those of the first network that is ever made of these settings."""
        for shape in self.shapes:
            for classes in (2, 10):
                network = self.built(shape, classes)
                with torch.no_grad():
                    outputs = network(_images(3, shape))
                assert outputs.shape == (3, classes)
                assert torch.isfinite(outputs).all()

    def test_what_it_says_of_an_image_does_not_depend_on_the_others(self) -> None:
        """In inference, where batch normalisation has its statistics."""
        shape = self.shapes[0]
        network, images = self.built(shape, 10), _images(4, shape)
        with torch.no_grad():
            together, alone = network(images), torch.cat([network(image[None]) for image in images])
        assert torch.allclose(together, alone, atol=1e-5)

    def built(self, shape: Shape, classes: int) -> torch.nn.Module:
        """Return the network for images of a shape, in inference."""
        design = self.design()
        info = ImageInfo(design.workload.info.samples, classes, shape)
        design.network.check(info)
        (network,) = design.network.build(info, design.training, seed=0)
        return network.eval()


def _images(count: int, shape: Shape) -> torch.Tensor:
    return torch.rand((count, *shape), generator=torch.Generator().manual_seed(1))


class ImageDataContract(DataContract):
    """What a data set of images with a fixed test part promises; see `dse.data.image_data.AbstractImageData`."""

    def data(self, **changes: Any) -> Dataset:
        """Return the data set with some of its own settings changed, all images that are not held out included."""
        return cast("Dataset", self.workload(**{"images": "all", **changes}).load())

    def test_images_and_labels_are_what_a_network_may_rely_on(self) -> None:
        """Pixels in [0, 1], of which both ends are not far, and labels from 0, none of them without an image."""
        data = self.data()
        for split in (data.train, data.validation, data.test):
            assert split is not None
            pixels = split.floats(torch.arange(len(split)))
            assert pixels.shape == (len(split), data.info.pixels)
            assert (pixels.dtype, split.labels.dtype) == (torch.float32, torch.int64)
            assert 0.0 <= float(pixels.min()) < 0.5 < float(pixels.max()) <= 1.0
            assert split.labels.unique().tolist() == list(range(data.info.outputs))

    def test_what_is_held_out_is_taken_from_the_training_images_and_from_no_others(self) -> None:
        """Each image is in one split, and the test images are the same whatever is held out."""
        parted, whole = self.data(validation=0.25), self.data(validation=0.0)
        assert parted.validation is not None
        assert whole.validation is None
        assert _bag(parted.train) + _bag(parted.validation) == _bag(whole.train)
        assert torch.equal(parted.test.images, whole.test.images)
        assert torch.equal(parted.test.labels, whole.test.labels)
        assert parted.checksum == whole.checksum

    def test_splits_have_the_classes_in_equal_shares(self) -> None:
        """So that an accuracy means the same on each."""
        parted, whole = self.data(validation=0.25), self.data(validation=0.0)
        assert parted.validation is not None
        counts = whole.train.labels.bincount().double()
        held_out = parted.validation.labels.bincount().double()
        assert float((held_out - counts * len(parted.validation) / len(whole.train)).abs().max()) <= 2.0

    def test_fewer_images_are_as_many_of_each_class_and_among_the_others(self) -> None:
        """A scaled experiment is a part of the whole one."""
        whole, part = self.data(), self.data(images=50)
        counts = part.train.labels.bincount(minlength=part.info.outputs)
        assert int(counts.sum()) == len(part.train) == 50
        assert int(counts.max() - counts.min()) <= 1
        assert not _bag(part.train) - _bag(whole.train)
        assert torch.equal(part.test.images, whole.test.images)


def _bag(split: Split) -> Counter[bytes]:
    """Return how often each image occurs with its label."""
    images, labels = split.images.numpy(), split.labels.numpy()
    return Counter(image.tobytes() + label.tobytes() for image, label in zip(images, labels, strict=True))
