"""What a network says of a layer: facts that the layer itself cannot see and that its account needs.

    class LstmLayer(nn.Module):
        def __init__(self, ...):
            self.from_state = described(nn.Linear(units, 4 * units), Traits(activations=5 * units))

Layers that a network says nothing of have the traits of `Traits()`.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

_NAME = "crossbar_traits"
L = TypeVar("L")


@dataclass(frozen=True)
class Traits:
    """What a layer is to its network.

    Attributes:
        activations: outputs of digital functions (an activation, a normalisation) that follow one product of the
            layer with a vector; None for one at each of its outputs.
        infers: whether inference uses the layer; a discriminator only trains.
    """

    activations: int | None = None
    infers: bool = True


def described(layer: L, traits: Traits) -> L:
    """Give a layer, a torch module, its traits, and return it."""
    setattr(layer, _NAME, traits)
    return layer


def traits_of(layer: Any) -> Traits:
    """Return the traits of a layer."""
    return getattr(layer, _NAME, Traits())
