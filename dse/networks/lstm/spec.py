"""Stacked LSTM layers: their settings."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dse.data.base import TextInfo
from dse.networks.base import ModuleNetwork, Units
from dse.tasks.language.spec import Language

if TYPE_CHECKING:
    from torch import nn


ONE_BY_ONE = (
    "the time steps of an LSTM are taken one by one then, which took 2 to 4 times as long as the one function that "
    "takes them all (findings/benchmarks.md)"
)


class Lstm(ModuleNetwork):
    """Stacked LSTM layers between the symbols of an alphabet; see `dse.networks.lstm.module`."""

    name: Literal["lstm"] = "lstm"
    """Stacked LSTM layers that predict characters."""
    hidden: Units = (128, 128)
    """Units of each LSTM layer, before the width multiplier."""
    task = Language
    defaults: ClassVar[Mapping[str, Any]] = {
        **ModuleNetwork.defaults,
        "training.batch_size": 16,
        "training.sequence_length": 32,
        "training.learning_rate": 10.0,
        "training.gradient_clip": 0.25,
        "array.conductance_per_std_us": 0.5,
        "refresh.every_samples": 20_000,
        "adc.calibrate_every_samples": 20_000,
        "clock.drift_every_samples": 20_000,
    }
    plain_with: ClassVar[Mapping[str, str]] = {
        **ModuleNetwork.plain_with,
        "adc.errors": f"converters that err are not compiled, and {ONE_BY_ONE}",
    }
    slow_with: ClassVar[Mapping[tuple[str, Any], str]] = {
        ("array.read_noise_per", "mini_batch"): "an LSTM draws the noise of all its weights at every time step, which "
        'took 1.5 to 1.9 times as long as "product", exact for every vector (findings/benchmarks.md)',
        ("array.output_scale", "tile"): f"factors stand between the tiles of a product, and {ONE_BY_ONE}",
        ("dac.coding", "bit_serial"): f"every bit of an input is a product, and {ONE_BY_ONE}",
    }
    on_accelerators = (
        "the time steps of an LSTM go through a loop there, which took 2 to 4 times as long as the one function that "
        "takes them on a CPU, both on a CPU (findings/benchmarks.md); an accelerator was not measured"
    )

    def build(self, info: TextInfo, training: Any, *, seed: int) -> "tuple[nn.Module, ...]":  # noqa: ARG002
        """Return the network; see `AbstractNetwork`."""
        from dse.networks.lstm.module import lstm_of  # noqa: PLC0415  torch

        return (lstm_of([self.widened(units) for units in self.hidden], info.symbols, seed=seed),)
