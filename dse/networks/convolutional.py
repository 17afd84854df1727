"""What networks of convolutions have in common, without torch."""

from collections.abc import Mapping
from typing import Any, ClassVar

from dse.networks.base import ModuleNetwork
from dse.tasks.recognition.spec import Recognition
from dse.tasks.regression.spec import Regression


class ConvolutionalNetwork(ModuleNetwork):
    """A network of convolutions for images; digitally it learns with momentum and weight decay."""

    task = Recognition
    tasks = (Recognition, Regression)
    batch_norm = True
    defaults: ClassVar[Mapping[str, Any]] = {
        **ModuleNetwork.defaults,
        "training.batch_size": 128,
        "training.learning_rate": 0.5,
        "training.momentum": 0.9,
        "training.weight_decay": 1e-4,
    }
    digital_defaults: ClassVar[Mapping[str, Any]] = {"training.learning_rate": 0.1}
