"""Contracts: what every variant of an idea promises, as suites for pytest that the test of a variant inherits.

    from dse.testing import NetworkContract
    from lab_variants.vit.spec import Vit


    class TestVit(NetworkContract):
        variant = Vit
        settings = {"workload.dataset": "digits", "workload.images": 40, "training.epochs": 2}

`settings` are those of a small design with the variant, in which it has to learn within a second or two. The variant is
found in the installed plug-in that its package offers, else in the lists of the package itself.

base           what contracts share
images         `ImageNetworkContract` and `ImageDataContract`: what is promised of images beyond that
"""

import sys

MODULES = ("base", "cells", "compensations", "data", "images", "networks", "samplers", "tasks", "updates")
if "pytest" in sys.modules:  # a failed assert of a contract then says what it compared
    sys.modules["pytest"].register_assert_rewrite(*(f"{__name__}.{name}" for name in MODULES))

from dse.testing.cells import CellContract  # noqa: E402  after it is said how they are loaded
from dse.testing.compensations import CompensationContract  # noqa: E402
from dse.testing.data import DataContract  # noqa: E402
from dse.testing.images import ImageDataContract, ImageNetworkContract  # noqa: E402
from dse.testing.networks import NetworkContract  # noqa: E402
from dse.testing.samplers import SamplerContract  # noqa: E402
from dse.testing.tasks import TaskContract  # noqa: E402
from dse.testing.updates import UpdateContract  # noqa: E402

__all__ = [
    "CellContract",
    "CompensationContract",
    "DataContract",
    "ImageDataContract",
    "ImageNetworkContract",
    "NetworkContract",
    "SamplerContract",
    "TaskContract",
    "UpdateContract",
]
