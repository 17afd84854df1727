"""From a design to the hardware of its network: crossbars, converters, and what moves the weights."""

from typing import TypeVar, cast

from torch import nn

from dse.crossbar.analog import Crossbars, on_crossbars
from dse.design.design import Design
from dse.updates.descent import CrossbarDescent, DigitalDescent
from dse.updates.layers import Hardware


def hardware_of(design: Design) -> Hardware | None:
    """Return the hardware of a design, or None for digital training."""
    if (
        design.device is None
        or design.dac is None
        or design.adc is None
        or design.accumulator is None
        or design.refresh is None
    ):
        return None
    return Hardware(design.device, design.array, design.dac, design.adc, design.accumulator, design.refresh)


M = TypeVar("M", bound=nn.Module)


def placed(design: Design, network: M, *, seed: int) -> M:
    """Return a copy of a network with its layers on the crossbars of a design, ideal ones for digital training."""
    array, crossbars = design.array, Crossbars()
    if design.dac is not None and design.adc is not None and design.accumulator is not None:
        crossbars = Crossbars(
            dac=design.dac,
            adc=design.adc,
            tile_rows=None if array.tile_rows == "whole" else array.tile_rows,
            tile_columns=None if array.tile_columns == "whole" else array.tile_columns,
            operand_bits=design.accumulator.operand_bits,
            read_noise_per=array.read_noise_per,
        )
    return cast("M", on_crossbars(network, crossbars, seed=seed))


def descent_of(design: Design, network: nn.Module, *, seed: int) -> DigitalDescent | CrossbarDescent:
    """Return what moves the weights of a network on crossbars."""
    hardware, clock = hardware_of(design), design.clock
    if hardware is None or clock is None:
        return DigitalDescent(network, design.training, seed=seed)
    return CrossbarDescent(
        network,
        hardware,
        conductance_per_std_us=design.array.conductance_per_std_us,
        with_accumulator=hardware.accumulator.inference == "cells_and_accumulator",
        seed=seed,
        sample_time_s=clock.sample_time_s,
        drift_every=clock.drift_every_samples,
    )


def sample_time_s(design: Design) -> float:
    """Return the simulated time of a sample, s; 0 for digital training."""
    return 0.0 if design.clock is None else design.clock.sample_time_s


def calibrate_every(design: Design) -> int:
    """Return the samples between two calibrations of the converters; 0 for none."""
    adc = design.adc
    return 0 if adc is None or adc.ranging == "fixed" else adc.calibrate_every_samples
