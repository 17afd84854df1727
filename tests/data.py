"""Data sets by name, as tests want them."""

import pytest

from dse.data import cifar10, mnist, ptb
from dse.data.base import data_folder
from dse.data.images import Dataset
from dse.designs.settings import WORKLOADS


def load(name: str, validation: float = 0.25, count: int | None = None) -> Dataset:
    """Return a data set of images, with a share held out and so many images of the others kept; None for all."""
    data = WORKLOADS.names[name].parse({"validation": validation, "images": count or "all"})
    return data.load()  # type: ignore[attr-defined]


def _needs(command: str, folder: str) -> pytest.MarkDecorator:
    where = data_folder() / folder
    return pytest.mark.skipif(not where.is_dir(), reason=f"{where} is missing; `dse data {command}` downloads it")


needs_mnist = _needs("mnist", mnist.FOLDER)
needs_cifar10 = _needs("cifar10", cifar10.FOLDER)
needs_ptb = _needs("ptb", ptb.FOLDER)
