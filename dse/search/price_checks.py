"""Which prices designs of a study can have: judged by pricing a layer in which everything happens once."""

import math
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from dse.errors import SettingError
from dse.pricing.card import CostCard
from dse.pricing.price import COLUMNS
from dse.pricing.wear import lifetimes
from dse.results.schema import LAYER_COLUMNS
from dse.search.criteria import prices_of
from dse.search.scope import Scope
from dse.spec import shown

Wanted = Mapping[str, str]
"""Quantities that a study asks for, by name, and what to call each in an error, such as "the objective loss"."""
CONVERTERS: Mapping[str, tuple[str, ...]] = {
    "adc.bits": ("adc_bits",),
    "adc.backward_bits": ("adc_backward_bits",),
    "dac.bits": ("dac_bits",),
    "dac.backward_bits": ("dac_backward_bits",),
}
"""Settings of converters, and the columns of the table of layers that hold them."""
DEPLOYED: Mapping[str, tuple[str, ...]] = {
    "deployment.adc_bits": ("deployed_adc_bits",),
    "deployment.dac_bits": ("deployed_dac_bits",),
}
"""The same of a deployment that programs what was trained digitally."""
SAME = "same"
"""What backward converters are that are those of forward products."""


def check_prices(wanted: Wanted, scope: Scope, card: CostCard) -> None:
    """Check that every design of a study has the prices that it asks for.

    Args:
        wanted: quantities; those without a price are passed over.
        scope: the designs that the study can have.
        card: the cost card.

    Raises:
        SettingError: a price that some design could not have, and why.
    """
    priced = {name: what for name, what in wanted.items() if name in COLUMNS}
    if priced:
        _check_converters(priced, scope, card)
        _check_inference(priced, scope, card)
        _check_lifetimes(priced, scope)


def _check_converters(priced: Wanted, scope: Scope, card: CostCard) -> None:
    """Refuse converters that are ideal, or have more or fewer bits than the formulas of a card hold for."""
    cases = [(path, value, columns) for path, columns in _converters(scope).items() for value in scope.values(path)]
    cases = [case for case in cases if case[1] != SAME]
    changes = [dict.fromkeys(columns, None if value == "ideal" else value) for _, value, columns in cases]
    for (path, value, _), lacking in zip(cases, _without_price(priced, changes, card), strict=True):
        if lacking:
            least, most = card.adc_bits_min, card.adc_bits_max
            bits = f"from {least:g} to {most:g}" if least else f"up to {most:g}"
            ends = "" if value == "ideal" else f" (its converters are priced {bits} bits)"
            what = "energy" if lacking == "energy_per_sample_j" else lacking
            raise SettingError(
                f"{path} = {shown(value)} has no price on card {card.name}{ends}; choose other bits, or leave {what} "
                f"out of the {priced[lacking].split()[1]}s"
            )


def _converters(scope: Scope) -> Mapping[str, tuple[str, ...]]:
    """Return the settings of converters that act, and the columns that follow each."""
    found = {
        path: (*columns, *CONVERTERS[backward])
        if (backward := path.replace(".bits", ".backward_bits")) != path and SAME in scope.values(backward)
        else columns
        for path, columns in CONVERTERS.items()
    }
    return {**found, **DEPLOYED} if scope.is_deployed and scope.rules(on_crossbars=False) else found


def _check_inference(priced: Wanted, scope: Scope, card: CostCard) -> None:
    if all(task.infers_whole for task in scope.tasks):
        return
    lacking = _without_price(priced, [{"infers": False}], card)[0]
    if lacking:
        raise SettingError(
            f"{priced[lacking]} has no value where network.name = {shown(scope.values('network.name')[0])}: inference "
            "does not use all of its layers"
        )


def _check_lifetimes(priced: Wanted, scope: Scope) -> None:
    """Refuse the lifetime of cells that some design has not, or that nothing wears."""
    for name, what in priced.items():
        if name not in lifetimes():
            continue
        if digital := scope.rules(on_crossbars=False):
            raise SettingError(
                f'{what} has no value where architecture = "{digital[0]}": a digital network has no cells that wear. '
                "Compare with one in [controls], or choose another quantity"
            )
        if name.startswith("flip_") and "pcm" not in scope.values("accumulator.storage"):
            raise SettingError(
                f'{what} is infinite in every design: accumulators wear where accumulator.storage = "pcm"; give '
                "that, or choose another quantity"
            )


def _without_price(priced: Wanted, changes: list[dict[str, Any]], card: CostCard) -> list[str | None]:
    """Return for each change of a layer the first quantity that then has no price, or None."""
    example = {name: _example(type_) for name, type_ in LAYER_COLUMNS.items()}
    resolutions = [name for name in example if name.endswith("adc_bits") or name == "adc_backward_bits"]
    example |= dict.fromkeys(resolutions, max(1, math.ceil(card.adc_bits_min)))
    results = [{"train_samples": 1, "layers": [{**example, **change}]} for change in changes]
    found = prices_of(results, card, list(priced))
    return [next((name for name, value in prices.items() if value is None), None) for prices in found]


def _example(type_: pa.DataType) -> Any:
    """Return a value for a column of a layer in which everything happens once."""
    if pa.types.is_string(type_):
        return "sram"
    return True if pa.types.is_boolean(type_) else 1
