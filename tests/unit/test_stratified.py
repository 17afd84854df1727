"""Splits by class are those of scikit-learn, which took a process two seconds to import."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from dse.data.digits import _table
from dse.data.stratified import split_by_class


@pytest.mark.parametrize(
    ("samples", "classes", "held_out"), [(1797, 10, 360), (1437, 10, 0.2), (301, 7, 0.13), (60, 3, 3)]
)
def test_places_are_those_of_scikit_learn_in_their_order(samples: int, classes: int, held_out: float) -> None:
    labels = np.random.default_rng(samples).integers(0, classes, samples)
    kept, out = train_test_split(np.arange(samples), test_size=held_out, stratify=labels, random_state=5)
    found = split_by_class(labels, held_out, 5)
    assert np.array_equal(found[0], kept)
    assert np.array_equal(found[1], out)


def test_a_class_of_one_sample_and_sides_smaller_than_the_classes_are_refused() -> None:
    for labels, held_out in (([0, 0, 1], 1), ([0, 0, 1, 1], 1), ([0, 0, 1, 1], 3)):
        with pytest.raises(ValueError, match="cannot be split"):
            split_by_class(np.array(labels), held_out, 1)


@pytest.mark.slow
def test_the_digits_are_those_of_scikit_learn_without_importing_it() -> None:
    pixels, classes = load_digits(return_X_y=True)
    assert np.array_equal(_table(), np.column_stack([pixels, classes]))
    code = "import sys; from dse.data.digits import _table; _table(); print('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
