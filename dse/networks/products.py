"""What a sample takes of the layers of a network in training, where that is the same for every sample.

From this, events, areas and prices of a training follow that need no simulation; see `dse.pricing.known`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerProducts:
    """What a sample takes of a layer.

    Attributes:
        rows: inputs of the array, bias row included where there is one.
        cols: outputs.
        vectors: products with the weights.
        places: products for which a digital layer reads its weights once.
        activations: outputs of digital functions that follow the products.
        back: whether errors pass back through it.
        inside: parts of products that errors take back to the inputs of a sample, of an array that is not cut.
        reached: inputs that such parts go to; what more there is of them is added.
        bias_rows: rows that hold biases, through which no error passes back.
        infers: whether inference uses it.
        tiled: whether a layer that is larger than an array is cut.
        updates_all: whether an update forms the products of all inputs and errors; else it leaves out inputs of zero,
            and how many those are is not known.
        unsigned: whether its inputs lie in [0, 1], with levels on one side of 0.
    """

    rows: int
    cols: int
    vectors: int
    places: int
    activations: int
    back: bool
    inside: int
    reached: int
    bias_rows: int = 0
    infers: bool = True
    tiled: bool = True
    updates_all: bool = True
    unsigned: bool = False


Products = tuple[LayerProducts, ...]
"""Of the layers of a network, in its order."""
