"""What a source of cost cards is: a package of somebody else that is asked in a process of its own.

The package runs in an interpreter that may be another one than ours, by a script (`probe`) that imports the package and
nothing of this project, and prints what it says as one JSON object. What is made of that is here: entries of a card,
each with its range where the package gives one, and its source. So cards can be written from a package that needs
another Python, its prints and files stay out of ours, and what it said once can be read again without it.
"""

import json
import math
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import tomli_w
from scipy import optimize

from dse.devices.card import Entry
from dse.errors import SettingError
from dse.pricing.card import CONSTANTS, UNITS, card_entries

SECONDS = 600
"""After which a package is given up."""
MISS = 0.1
"""Largest relative miss of a formula at the bits for which it is said to hold."""
LEAST = 2
"""Converters that a formula describes at least, however badly."""
EXPONENTS = np.linspace(0.05, 2.0, 40)
"""Exponents of areas of converters that are tried."""
Said = Mapping[str, Any]
"""What a package says: versions by name of the package under "versions", and figures."""


@dataclass(frozen=True)
class Written:
    """A card that was written from a source.

    Attributes:
        entries: its own constants.
        left: what the package does not give, or could not here, and why: these constants are those of the base.
        unlike_base: why it is no step of technology beside its base.
    """

    entries: Mapping[str, Entry]
    left: Sequence[str]
    unlike_base: str


class AbstractSource(ABC):
    """A package that models components.

    Attributes:
        name: its name in the command line.
        about: what it is, for the list.
        package: what pip calls it.
        needs: what it needs, in words.
        nodes_nm: nodes that may be asked for, nm, from and to.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    package: ClassVar[str]
    needs: ClassVar[str]
    nodes_nm: ClassVar[tuple[float, float]]

    @classmethod
    @abstractmethod
    def read(cls, said: Said, node_nm: float, base: Mapping[str, Entry]) -> Written:
        """Return the entries of a card.

        Args:
            said: what the package says.
            node_nm: the node.
            base: all constants of the card that it builds on.
        """

    @classmethod
    def probe(cls) -> Path:
        """Return the script that asks the package."""
        return Path(__file__).with_name(f"{cls.name}_probe.py")

    @classmethod
    def ask(cls, node_nm: float, python: str | None = None) -> Said:
        """Return what the package says of a node.

        Args:
            node_nm: the node.
            python: the interpreter that has the package; this one by default.

        Raises:
            SettingError: another node, no such interpreter, or no package there.
        """
        low, high = cls.nodes_nm
        if not low <= node_nm <= high:
            nodes = f"{low:g} nm alone" if low == high else f"{low:g} to {high:g} nm"
            raise SettingError(f"--node {node_nm:g}: {cls.name} is asked for {nodes}")
        own = python or sys.executable
        # Without the folder of the script, where files are called as packages are.
        command = [own, "-P", str(cls.probe()), str(node_nm)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603
        except OSError as error:
            raise SettingError(f"--python {own}: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise SettingError(f"{cls.name} did not answer within {SECONDS} s") from None
        return cls._answered(done, own)

    @classmethod
    def _answered(cls, done: "subprocess.CompletedProcess[str]", python: str) -> Said:
        lines = done.stdout.strip().splitlines()
        if done.returncode == 0 and lines:
            return json.loads(lines[-1])
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        if "ModuleNotFoundError" in last:
            raise SettingError(
                f"{cls.name} is not installed for {python} ({last.split(':', 1)[-1].strip()}); it needs {cls.needs}: "
                f"pip install {cls.package}, or name an interpreter that has it, --python PATH"
            )
        raise SettingError(f"{cls.name} failed in {python}: {last}")


def write(source: type[AbstractSource], said: Said, node_nm: float, base: str) -> tuple[str, Written]:
    """Return the text of a card by a source, and what it consists of.

    Args:
        source: the source.
        said: what it says.
        node_nm: the node.
        base: the card of the device library that it builds on.

    Raises:
        SettingError: no such card, or one that lies in a file.
    """
    if base.endswith(".toml"):
        raise SettingError(f"--base {base} must be a card of the device library")
    card, given = card_entries(base)
    made = source.read(said, node_nm, given)
    versions = ", ".join(f"{name} {version}" for name, version in said["versions"].items())
    same = card.unlike_base is not None and f" {source.name} " in card.unlike_base
    head = {
        "title": f"Periphery by {source.name} at {node_nm:g} nm",
        "base": base,
        **({} if same else {"unlike_base": made.unlike_base}),
        "about": "\n".join(
            (
                f"Written by `dse card from {source.name} --node {node_nm:g} --base {base}` from {versions}.",
                *(f"Left as in {base}: {own}" for own in made.left),
                f"Everything else that is not below is {base}.",
                "",
            )
        ),
    }
    tables = {key: _table(key, made.entries[key], node_nm) for key in CONSTANTS if key in made.entries}
    return tomli_w.dumps({**head, **tables}, multiline_strings=True), made


def _table(key: str, entry: Entry, node_nm: float) -> dict[str, Any]:
    ends = {"low": entry.low, "high": entry.high}
    given = {end: _digits(value) for end, value in ends.items() if value is not None}
    head = {"value": _digits(entry.value), "unit": UNITS[key], "node": f"{node_nm:g} nm"}
    return {**head, **given, "source": entry.source}


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


def entry(key: str, value: float, source: str, *others: float) -> Entry:
    """Return an entry of a card, with a range that reaches to what others say."""
    ends = (min(value, *others), max(value, *others)) if others else (None, None)
    return Entry(value, UNITS[key], source, *ends)


@dataclass(frozen=True)
class Converter:
    """A converter of some resolution, as a source has it.

    Attributes:
        bits: its resolution.
        energy_j: joules a conversion.
        area_m2: square metres.
        seconds: duration of a conversion.
    """

    bits: int
    energy_j: float
    area_m2: float
    seconds: float


def converter_entries(found: Sequence[Converter], source: str) -> dict[str, Entry]:
    """Return the formulas of a card that describe converters of some resolutions, by least squares of relative misses.

    Resolutions count from the shortest up to the longest for which no energy or area is missed by more than `MISS`.
    """
    some, many = list(found), len(found)
    (energy, of_energy), (area, of_area, exponent) = _formulas(some)
    while max(of_energy, of_area) > MISS and many > LEAST:
        many -= 1
        some = list(found[:many])
        (energy, of_energy), (area, of_area, exponent) = _formulas(some)
    last = some[-1].bits
    about = f"{source}; {some[0].bits} to {last} bits, "
    energies = ("adc_fixed_j", "adc_per_bit_j", "adc_per_code_j", "adc_per_code2_j")
    by_energy = f"{about}least squares, within {_percent(of_energy)}"
    by_area = f"{about}least squares, within {_percent(of_area)}"
    return {
        **{name: entry(name, float(own), by_energy) for name, own in zip(energies, energy, strict=True)},
        "adc_bits_min": entry("adc_bits_min", some[0].bits, f"{source}: the shortest that was asked for"),
        "adc_bits_max": entry("adc_bits_max", last, f"{about}the longest that the formula describes"),
        "adc_area_fixed_m2": entry("adc_area_fixed_m2", float(area[0]), by_area),
        "adc_area_scale_m2": entry("adc_area_scale_m2", float(area[1]), by_area),
        "adc_area_exponent": entry("adc_area_exponent", exponent, by_area),
    }


def _formulas(some: Sequence[Converter]) -> tuple[tuple[Any, float], tuple[Any, float, float]]:
    """Return the factors of energies and of areas, each with their worst miss."""
    bits = np.array([own.bits for own in some], float)
    energies = _fitted([np.ones_like(bits), bits, 2.0**bits, 4.0**bits], [own.energy_j for own in some])
    return energies, _area(bits, [own.area_m2 for own in some])


def _percent(share: float) -> str:
    return "0.1 %" if share < 1e-3 else f"{100 * share:.2g} %"


def _fitted(columns: Sequence[Any], wanted: Sequence[float]) -> tuple[Any, float]:
    """Return factors from 0 of columns whose sum is nearest what is wanted, in shares of it, and the worst miss."""
    values = np.array(wanted)
    matrix = np.stack(columns, axis=1) / values[:, None]
    scale = matrix.max(axis=0)
    factors: Any = cast("Any", optimize).nnls(matrix / scale, np.ones_like(values))[0] / scale
    return factors, float(np.abs(matrix @ factors - 1.0).max())


def _area(bits: Any, areas: Sequence[float]) -> tuple[Any, float, float]:
    tried = [(*_fitted([np.ones_like(bits), 2.0 ** (own * bits)], areas), float(own)) for own in EXPONENTS]
    best = min(tried, key=lambda own: own[1])
    near = np.linspace(max(best[2] - 0.05, 0.01), best[2] + 0.05, 101)
    tried = [(*_fitted([np.ones_like(bits), 2.0 ** (own * bits)], areas), float(own)) for own in near]
    return min(tried, key=lambda own: own[1])


def root_of_size(sizes: Sequence[tuple[float, float]]) -> float:
    """Return c of energies a bit that grow as c times the root of the bits of a memory, the mean of its logarithm.

    Args:
        sizes: bits of memories, and joules a bit.
    """
    return math.exp(sum(math.log(energy / math.sqrt(bits)) for bits, energy in sizes) / len(sizes))
