"""What is measured on the held-out samples and on those of the test, at the end of an epoch."""

from collections.abc import Callable

from dse.data.images import Dataset, Split
from dse.deployment.measure import AbstractMeasure
from dse.kernel.arithmetic import Floats


def on_splits(measure: type[AbstractMeasure], data: Dataset, outputs: Callable[[Split], Floats]) -> dict[str, float]:
    """Return a measure of the held-out samples, if there are any, and of the test samples, by name.

    Args:
        measure: the measure.
        data: the samples.
        outputs: gives the outputs of a network for a split, shape (samples, outputs).
    """
    splits = {f"validation_{measure.name}": data.validation, measure.name: data.test}
    return {
        name: measure.combined(measure.of(outputs(split), split.labels.numpy()))
        for name, split in splits.items()
        if split is not None
    }
