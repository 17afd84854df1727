"""Operators of graphs as functions of torch tensors, each kind in a file of its own.

An operator takes its node and its inputs, None for one that is left out, and returns its output or its outputs.
"""

from collections.abc import Callable, Mapping
from typing import Any

from dse.networks.onnx.operators import (
    activations,
    elementwise,
    indexing,
    normalisation,
    pooling,
    products,
    quantised,
    recurrent,
    reductions,
    resize,
    sequences,
    shapes,
    signals,
)

OPERATORS: Mapping[str, Callable[..., Any]] = {
    **activations.OPERATORS,
    **elementwise.OPERATORS,
    **indexing.OPERATORS,
    **normalisation.OPERATORS,
    **pooling.OPERATORS,
    **products.OPERATORS,
    **quantised.OPERATORS,
    **recurrent.OPERATORS,
    **reductions.OPERATORS,
    **resize.OPERATORS,
    **sequences.OPERATORS,
    **shapes.OPERATORS,
    **signals.OPERATORS,
}
"""Every operator that stands for itself, by name; those that hold graphs are in `dse.networks.onnx.program`."""
