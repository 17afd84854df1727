"""The networks of the framework keep the contract, on a few images each."""

from collections.abc import Sequence

import pytest

from dse.networks import NETWORKS
from dse.networks.cnn.spec import Cnn
from dse.networks.cnn9.spec import Cnn9
from dse.networks.gan.spec import Gan
from dse.networks.lstm.spec import Lstm
from dse.networks.perceptron.spec import Perceptron
from dse.networks.resnet.spec import ResNet8, ResNet14, ResNet20, ResNet32
from dse.testing import ImageNetworkContract, NetworkContract
from dse.updates.training import NoTraining
from tests.contract.kept import not_held

pytestmark = pytest.mark.one_in(8)  # of the variants that keep a promise

FEW = {"workload.images": 20, "network.width": 0.25, "training.epochs": 2, "training.batch_size": 10}


class TestPerceptron(NetworkContract):
    variant = Perceptron


class TestCnn(ImageNetworkContract):
    variant = Cnn
    settings = FEW


class TestCnn9(ImageNetworkContract):
    variant = Cnn9
    settings = {**FEW, "training.epochs": 4}


class TestResNet8(ImageNetworkContract):
    variant = ResNet8
    settings = FEW


@pytest.mark.slow  # the shortest and the longest of them are in the default suite
class TestResNet14(ImageNetworkContract):
    variant = ResNet14
    settings = FEW


@pytest.mark.slow
class TestResNet20(ImageNetworkContract):
    variant = ResNet20
    settings = FEW


class TestResNet32(ImageNetworkContract):
    variant = ResNet32
    settings = FEW


class TestLstm(NetworkContract):
    variant = Lstm
    settings = {"workload.dataset": "ptb", "workload.train_characters": 2000, "workload.evaluation_characters": 200,
                "network.hidden": [8], "training.epochs": 2}  # fmt: skip


class TestGan(NetworkContract):
    variant = Gan
    settings = {"workload.images": 40, "network.hidden": [8, 8], "training.epochs": 2, "training.batch_size": 20}

    def learned(self, loss: Sequence[float]) -> bool:
        """Return whether the loss, which is that of the discriminator, has moved at all."""
        return loss[-1] != loss[0]


def test_every_network_is_held_to_the_contract() -> None:
    # What is trained already has nothing to learn; see tests/unit/test_onnx_network.py and its neighbours.
    assert not_held(NetworkContract, [own for own in NETWORKS if own.task.training is not NoTraining]) == []
