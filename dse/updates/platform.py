"""The hardware that a design offers to a network: crossbars with their converters, and what moves the weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, cast

from torch import nn

from dse.crossbar.analog import Crossbars, on_crossbars
from dse.crossbar.spec import ArraySpec
from dse.spec import Spec
from dse.updates.descent import Descent
from dse.updates.layers import Hardware, Layer
from dse.updates.pace import Pace
from dse.updates.spec import ClockSpec
from dse.updates.training import ModuleTraining

M = TypeVar("M", bound=nn.Module)


class Rule(Protocol):
    """An update rule, as a platform sees it: a class below `dse.updates.base.AbstractUpdate`."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    def descent(self, network: nn.Module, training: ModuleTraining, platform: "Platform", *, seed: int) -> Descent:
        """Return what moves the weights of a network."""
        ...

    def layer(self, rows: int, cols: int, platform: "Platform", *, seed: int, number: int) -> Layer:
        """Return a layer of a perceptron."""
        ...


@dataclass(frozen=True)
class Platform:
    """Where a network learns.

    Attributes:
        rule: the update rule.
        array: how conductance stands for weight, and where weights begin.
        hardware: cells, converters, accumulators, refresh; None for digital training.
        clock: simulated time; None for digital training.
        device: where torch computes, such as "cuda".
        tables: the tables of settings that the rule has of its own, by name.
    """

    rule: Rule
    array: ArraySpec
    hardware: Hardware | None
    clock: ClockSpec | None
    device: str = "cpu"
    tables: Mapping[str, Spec] = field(default_factory=dict[str, Spec])

    @property
    def crossbar_hardware(self) -> Hardware:
        """The hardware of a rule on crossbars, which is there.

        Raises:
            TypeError: there is none.
        """
        if self.hardware is None:
            raise TypeError(f"the update rule {self.rule.name} needs hardware, and this platform is digital")
        return self.hardware

    @property
    def sample_time_s(self) -> float:
        """Simulated time of a sample, s; 0 for digital training."""
        return 0.0 if self.clock is None else self.clock.sample_time_s

    @property
    def drift_every(self) -> int:
        """Samples between two evaluations of the drift."""
        return 1 if self.clock is None else self.clock.drift_every_samples

    @property
    def refresh_every(self) -> int:
        """Samples between two refreshes; 0 for none."""
        return 0 if self.hardware is None else self.hardware.refresh.every_samples

    @property
    def calibrate_every(self) -> int:
        """Samples between two calibrations of the converters; 0 for none."""
        adc = None if self.hardware is None else self.hardware.adc
        return 0 if adc is None or adc.ranging == "fixed" else adc.calibrate_every_samples

    def pace(self, learning_rate: float) -> Pace:
        """Return what sets the pace of a training at a learning rate."""
        return Pace(learning_rate, self.sample_time_s, self.drift_every, self.refresh_every, self.calibrate_every)

    def placed(self, network: M, *, seed: int) -> M:
        """Return a copy of a network with its layers on crossbars, ideal ones for digital training."""
        crossbars = Crossbars()
        if self.hardware is not None:
            crossbars = Crossbars(
                dac=self.hardware.dac,
                adc=self.hardware.adc,
                tile_rows=None if self.array.tile_rows == "whole" else self.array.tile_rows,
                tile_columns=None if self.array.tile_columns == "whole" else self.array.tile_columns,
                unused_lines=self.array.unused_lines == "present",
                operand_bits=self.hardware.accumulator.operand_bits,
                read_noise_per=self.array.read_noise_per,
                output_scale=self.array.output_scale,
                output_scale_kind=self.array.output_scale_kind,
                output_scale_by=self.array.mapping,
                output_scale_rate=self.array.output_scale_rate,
            )
        return cast("M", on_crossbars(network, crossbars, seed=seed))

    def update(self, network: nn.Module, training: ModuleTraining, *, seed: int) -> Descent:
        """Return what moves the weights of a network on crossbars."""
        return self.rule.descent(network, training, self, seed=seed)

    def layer(self, rows: int, cols: int, *, seed: int, number: int) -> Layer:
        """Return a layer of a perceptron with initial weights; see `AbstractUpdate.layer`."""
        return self.rule.layer(rows, cols, self, seed=seed, number=number)
