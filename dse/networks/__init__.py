"""Networks: each in a folder of its own, listed here."""

from dse.networks.base import AbstractNetwork
from dse.networks.cnn.spec import Cnn
from dse.networks.cnn9.spec import Cnn9
from dse.networks.gan.spec import Gan
from dse.networks.lstm.spec import Lstm
from dse.networks.onnx.spec import Onnx
from dse.networks.perceptron.spec import Perceptron
from dse.networks.resnet.spec import ResNet8, ResNet14, ResNet20, ResNet32
from dse.variants import Variants

NETWORKS: Variants[type[AbstractNetwork]] = Variants(
    "NETWORKS",
    *(Perceptron, Lstm, Gan),
    *(Cnn, Cnn9, ResNet8, ResNet14, ResNet20, ResNet32),
    Onnx,
)
"""All networks; the first is the default of a study."""
