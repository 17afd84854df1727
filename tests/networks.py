"""Torch modules of designs, as tests and benchmarks want them without a training around."""

from typing import Any

from torch import nn

from dse.data.base import ImageInfo
from dse.designs.design import Design, compose
from dse.designs.hardware import platform_of

COLOURED = (3, 32, 32)
"""Channels, height and width of the images of CIFAR-10."""


def network(
    name: str, shape: tuple[int, int, int] = COLOURED, classes: int = 10, seed: int = 0, **settings: Any
) -> nn.Module:
    """Return a network for images with its initial weights; `settings` are those of the table `network`."""
    design = compose({"network.name": name, **{f"network.{key}": value for key, value in settings.items()}})
    return modules_of(design, shape, classes, seed=seed)[0]


def modules_of(
    design: Design, shape: tuple[int, int, int] = COLOURED, classes: int = 10, *, seed: int = 0
) -> tuple[nn.Module, ...]:
    """Return the modules of the network of a design, for images of a shape."""
    return design.network.build(ImageInfo(design.workload.info.samples, classes, shape), design.training, seed=seed)


def placed(design: Design, shape: tuple[int, int, int] = COLOURED, classes: int = 10, *, seed: int = 0) -> nn.Module:
    """Return the network of a design on its crossbars, ideal ones for digital training."""
    return platform_of(design).placed(modules_of(design, shape, classes, seed=seed)[0], seed=seed)
