"""The data sets of the framework keep the contract; the large ones that of all data, on a part."""

from dse.data import DATA
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


def test_every_data_set_is_held_to_the_contract() -> None:
    assert not_held(DataContract, DATA) == []
