"""The data sets of the framework keep the contract; the large ones that of all data, on a part."""

import numpy as np
import pytest

from dse.data import DATA
from dse.data.arrays.spec import Arrays
from dse.data.cifar10 import Cifar10
from dse.data.digits import Digits
from dse.data.mnist import Mnist
from dse.data.ptb import PennTreebank
from dse.testing import DataContract, ImageDataContract
from tests.contract.kept import not_held
from tests.data import needs_cifar10, needs_mnist, needs_ptb


class TestDigits(ImageDataContract):
    variant = Digits


@needs_mnist
class TestMnist(DataContract):
    variant = Mnist
    settings = {"workload.images": 1000}


@needs_cifar10
class TestCifar10(DataContract):
    variant = Cifar10
    settings = {"workload.images": 1000}


@needs_ptb
class TestPennTreebank(DataContract):
    variant = PennTreebank
    settings = {"network.name": "lstm", "workload.train_characters": 5000}


class TestArrays(DataContract):
    variant = Arrays
    settings = {"workload.file": "mine.npz"}

    @pytest.fixture(autouse=True, scope="class")
    def file(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        type(self).folder = tmp_path_factory.mktemp("arrays")
        draws = np.random.Generator(np.random.PCG64(1))
        np.savez(type(self).folder / "mine.npz", x=draws.random((60, 5, 4)), y=np.arange(60) % 3)


def test_every_data_set_is_held_to_the_contract() -> None:
    assert not_held(DataContract, DATA) == []
