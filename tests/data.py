"""Data sets by name, as tests want them."""

from dse.data.images import Dataset
from dse.design.settings import WORKLOADS


def load(name: str, validation: float = 0.25, count: int | None = None) -> Dataset:
    """Return a data set of images, with a share held out and so many images of the others kept; None for all."""
    data = WORKLOADS.names[name].parse({"validation": validation, "images": count or "all"})
    return data.load()  # type: ignore[attr-defined]
