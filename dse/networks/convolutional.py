"""What networks of convolutions have in common, without torch."""

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar, cast

from dse.data.base import SampleInfo
from dse.networks.base import ModuleNetwork
from dse.networks.products import Products
from dse.tasks.recognition.spec import Recognition
from dse.tasks.regression.spec import Regression


class ConvolutionalNetwork(ModuleNetwork):
    """A network of convolutions for images; digitally it learns with momentum and weight decay."""

    task = Recognition
    tasks = (Recognition, Regression)
    batch_norm = True
    plain_with: ClassVar[Mapping[str, str]] = {
        **ModuleNetwork.plain_with,
        "adc.errors": "converters that err are not compiled, and windows that overlap are added one by one; a step of "
        "a small convolutional network took 1.3 to 1.8 times as long (findings/benchmarks.md)",
    }
    units: ClassVar[tuple[int, ...]] = ()
    """Channels and units of its layers before the multiplier, of a network that takes the same products for every
    sample; none where nobody has looked, and its `products` are not known."""
    defaults: ClassVar[Mapping[str, Any]] = {
        **ModuleNetwork.defaults,
        "training.batch_size": 128,
        "training.learning_rate": 0.5,
        "training.weight_decay": 1e-4,
    }
    digital_defaults: ClassVar[Mapping[str, Any]] = {"training.learning_rate": 0.1, "training.momentum": 0.9}

    def products(self, info: SampleInfo, training: Any) -> Products | None:
        """Return what a sample takes of each layer; see `AbstractNetwork`."""
        if not self.units:
            return None
        # What changes no shape is left out, so that a network is looked through once for many designs.
        shapes = training.model_copy(update={"epochs": 1, "batch_size": 1, "learning_rate": 1.0})
        sizes = tuple(map(self.widened, self.units))
        key = cast("Hashable", self.model_copy(update={"width": 1.0})), sizes, info, shapes
        if key not in _seen:
            from dse.networks.traced import traced  # noqa: PLC0415  torch

            _seen[key] = traced(lambda: self.build(info, training, seed=0), info)
        return _seen[key]


_seen: dict[Hashable, Products | None] = {}
"""Products of the networks that were looked through, by what decides their shapes."""
