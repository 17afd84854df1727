"""Test problems as studies see them: a space, objectives, constraints, noise, and the volume that can be reached.

python -m tests.benchmarks.problems [NAME ...]        the references and volumes below, found anew; a minute

Volumes are measured in units of the box from the ideal point of the front to the reference. This is a tenth of the
front beyond its worst values; or, where the front is too far for a hundred designs, the lower quartile of random
designs. Both come from a long search by mutation (a million evaluations), started on the front itself where that is
known in closed form.
"""

import math
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import moocore
import numpy as np
from scipy.stats import qmc

from dse.designs.space import Choice, FloatRange, IntRange, Parameter
from tests.benchmarks import formulas as f
from tests.benchmarks.formulas import Floats

LEVELS = 11
"""Values of a variable that takes no others in a mixed space."""


class Case(NamedTuple):
    """A problem.

    Attributes:
        low: lower ends of the variables.
        high: upper ends.
        objectives: of designs.
        limits: how far each constraint is from being met, of designs.
        ideal: best values of the front.
        reference: from where volumes are measured.
        volume: of the front, as a share of the box between both.
        noise: standard deviation of what a search sees, as a share of the sides of the box.
        mixed: the last variable is a choice and the one before an integer.
        start: some designs on the front, where they are known.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    objectives: Callable[[Floats], Floats]
    limits: Callable[[Floats], Floats] | None = None
    ideal: tuple[float, ...] = ()
    reference: tuple[float, ...] = ()
    volume: float = math.nan
    noise: float = 0.0
    mixed: bool = False
    start: Callable[[Floats], Floats] | None = None

    @property
    def space(self) -> dict[str, Parameter]:
        """What varies."""
        space: dict[str, Parameter] = {
            f"x{k}": FloatRange(low, high) for k, (low, high) in enumerate(zip(self.low, self.high, strict=True))
        }
        if self.mixed:
            *_, whole, chosen = space
            space[whole] = IntRange(0, LEVELS - 1)
            space[chosen] = Choice(tuple(k / (LEVELS - 1) for k in range(LEVELS)))
        return space

    def variables(self, design: Mapping[str, Any]) -> Floats:
        """Return a design of the space as variables, shape (1, variables)."""
        x = np.array([design[f"x{k}"] for k in range(len(self.low))], float)
        if self.mixed:
            low, high = np.array(self.low[-2:]), np.array(self.high[-2:])
            x[-2:] = low + (high - low) * x[-2:] / np.array([LEVELS - 1, 1])
        return x[None]

    def is_feasible(self, x: Floats) -> np.ndarray:
        """Return which designs meet all constraints."""
        return np.ones(len(x), bool) if self.limits is None else (self.limits(x) <= 0.0).all(axis=1)

    def share(self, y: Floats) -> float:
        """Return the volume that feasible values dominate, as a share of that of the front."""
        return _volume(y, np.array(self.ideal), np.array(self.reference)) / self.volume


def _volume(y: Floats, ideal: Floats, reference: Floats) -> float:
    scaled = (y - ideal) / (reference - ideal)
    scaled = scaled[(scaled < 1.0).all(axis=1)]
    return float(moocore.hypervolume(scaled, ref=np.ones(y.shape[1]))) if len(scaled) else 0.0


def _cube(n: int, objectives: Callable[[Floats], Floats], start: float | None = None, first: int = 1) -> Case:
    """Return a problem over the unit cube; on the front all variables but the first have the value `start`."""

    def on_front(x: Floats) -> Floats:
        x = x.copy()
        x[:, first:] = start
        return x

    return Case((0.0,) * n, (1.0,) * n, objectives, start=None if start is None else on_front)


def _dtlz(formula: Callable[[Floats, int], Floats], objectives: int, rest: int, start: float) -> Case:
    return _cube(objectives - 1 + rest, partial(formula, objectives=objectives), start, objectives - 1)


def _wfg(formula: Callable[[Floats, int], Floats], objectives: int) -> Case:
    n = 2 * (objectives - 1) + 4
    high = 2.0 * np.arange(1, n + 1)

    def on_front(x: Floats) -> Floats:
        x = x.copy()
        x[:, n - 4 :] = 0.35 * high[n - 4 :]
        return x

    return Case((0.0,) * n, tuple(high.tolist()), partial(formula, objectives=objectives), start=on_front)


def _raw() -> dict[str, Case]:
    """Return the problems without what is known of their fronts."""
    root, third = math.sqrt(2.0), 1.0 / math.sqrt(3.0)
    ball = _dtlz(f.dtlz2, 3, 5, 0.5)
    four = Case((0.0,) + (-5.0,) * 3, (1.0,) + (5.0,) * 3, f.zdt4, start=lambda x: x * [1.0, 0.0, 0.0, 0.0])
    line = lambda x: np.repeat(np.clip(x[:, :1] * third / 4.0, -third, third), 3, axis=1)  # noqa: E731
    found = {
        "ZDT1": _cube(6, f.zdt1, 0.0),
        "ZDT2": _cube(6, f.zdt2, 0.0),
        "ZDT3": _cube(6, f.zdt3, 0.0),
        "ZDT4": four,
        "ZDT6": _cube(6, f.zdt6, 0.0),
        "Fonseca": Case((-4.0,) * 3, (4.0,) * 3, f.fonseca, start=line),
        "Kursawe": Case((-5.0,) * 3, (5.0,) * 3, f.kursawe),
        "Schaffer": Case((-10.0,), (10.0,), f.schaffer),
        "Poloni": Case((-math.pi,) * 2, (math.pi,) * 2, f.poloni),
        "Viennet": Case((-3.0,) * 2, (3.0,) * 2, f.viennet),
        "BNH": Case((0.0, 0.0), (5.0, 3.0), f.bnh, f.bnh_limits),
        "SRN": Case((-20.0,) * 2, (20.0,) * 2, f.srn, f.srn_limits),
        "TNK": Case((0.0,) * 2, (math.pi,) * 2, f.tnk, f.tnk_limits),
        "C2-DTLZ2": ball._replace(limits=lambda x: f.c2_dtlz2(f.dtlz2(x, 3))),
        "truss": Case((1.0, root, root, 1.0), (3.0,) * 4, f.truss),
        "brake": Case((55.0, 75.0, 1000.0, 11.0), (80.0, 110.0, 3000.0, 20.0), f.brake, f.brake_limits),
        "beam": Case((0.125, 0.1, 0.1, 0.125), (5.0, 10.0, 10.0, 5.0), f.beam, f.beam_limits),
        "crash": Case((1.0,) * 5, (3.0,) * 5, f.crash),
        "DTLZ1": _dtlz(f.dtlz1, 3, 4, 0.5),
        "DTLZ2": ball,
        "DTLZ3": _dtlz(f.dtlz3, 3, 4, 0.5),
        "DTLZ4": _dtlz(f.dtlz4, 3, 5, 0.5),
        "DTLZ5": _dtlz(f.dtlz5, 3, 5, 0.5),
        "DTLZ6": _dtlz(f.dtlz6, 3, 5, 0.0),
        "DTLZ7": _dtlz(f.dtlz7, 3, 5, 0.0),
        "DTLZ1, 2 objectives": _dtlz(f.dtlz1, 2, 4, 0.5),
        "DTLZ2, 2 objectives": _dtlz(f.dtlz2, 2, 5, 0.5),
        "DTLZ2, 4 objectives": _dtlz(f.dtlz2, 4, 4, 0.5),
        "DTLZ7, 4 objectives": _dtlz(f.dtlz7, 4, 4, 0.0),
        "WFG4": _wfg(f.wfg4, 3),
        "WFG5, 2 objectives": _wfg(f.wfg5, 2),
    }
    noisy = {name: ("ZDT1", "Kursawe", "DTLZ2", "crash")[k] for k, name in enumerate(NOISY)}
    found |= {name: found[base]._replace(noise=0.02) for name, base in noisy.items()}
    mixed = {name: ("ZDT3", "DTLZ2", "crash")[k] for k, name in enumerate(MIXED)}
    return found | {name: found[base]._replace(noise=0.02, mixed=True) for name, base in mixed.items()}


NOISY = ("ZDT1, noise", "Kursawe, noise", "DTLZ2, noise", "crash, noise")
MIXED = ("ZDT3, mixed, noise", "DTLZ2, mixed, noise", "crash, mixed, noise")

FRONTS: dict[str, tuple[tuple[float, ...], tuple[float, ...], float]] = {
    "ZDT1": ((0, 0), (1.1, 3.14038), 0.90348),
    "ZDT2": ((0, 0), (1.1, 4.62699), 0.86900),
    "ZDT3": ((0, -0.773369), (0.937013, 3.15408), 0.80190),
    "ZDT4": ((0, 0), (1.1, 39.0555), 0.99224),
    "ZDT6": ((0.280775, 0), (1.07192, 8.09777), 0.93860),
    "Fonseca": ((0, 0), (1.07985, 1.07985), 0.43574),
    "Kursawe": ((-19.9996, -11.6272), (-11.2976, 1.75979), 0.67021),
    "Schaffer": ((0, 0), (6.25135, 6.24929), 0.93171),
    "Poloni": ((1, 0), (18.3497, 27.4996), 0.92890),
    "Viennet": ((0, 15.0001, -0.1), (9.01605, 17.2406, 0.203652), 0.86552),
    "BNH": ((0, 4), (149.6, 54.6), 0.84740),
    "SRN": ((10.1025, -217.65), (242.803, 24.381), 0.61778),
    "TNK": ((0.0418151, 0.0423476), (1.13796, 1.13811), 0.42886),
    "C2-DTLZ2": ((0, 0, 0), (1.1, 1.1, 1.28938), 0.61005),
    "truss": ((1237.84, 0.00276142), (3051.22, 0.0437239), 0.73475),
    "brake": ((1.274, 1.13907), (5.70997, 3.21708), 0.83690),
    "beam": ((2.41716, 0.00043904), (39.8228, 0.0164628), 0.94268),
    "crash": ((1661.82, 6.1428, 0.0424862), (1695.04, 11.0043, 0.286151), 0.78766),
    "DTLZ1": ((0, 0, 0), (13.0813, 13.1119, 46.5845), 1.00000),
    "DTLZ2": ((0, 0, 0), (1.1, 1.1, 1.375), 0.68529),
    "DTLZ3": ((0, 0, 0), (54.9685, 54.2153, 139.621), 1.00000),
    "DTLZ4": ((0, 0, 0), (1.62244, 1.1, 1.1126), 0.73631),
    "DTLZ5": ((0, 0, 0), (0.777817, 0.777817, 1.1), 0.20269),
    "DTLZ6": ((0, 0, 0), (1.02277, 1.02422, 2.12008), 0.63821),
    "DTLZ7": ((0, 0, 2.61676), (0.965023, 0.967729, 15.807), 0.84785),
    "DTLZ1, 2 objectives": ((0, 0), (46.837, 46.8505), 0.99994),
    "DTLZ2, 2 objectives": ((0, 0), (1.1, 1.1), 0.35091),
    "DTLZ2, 4 objectives": ((0, 0, 0, 0), (1.10295, 1.1, 1.26955, 1.62584), 0.87684),
    "DTLZ7, 4 objectives": ((0, 0, 0, 3.02145), (1.04167, 1.01322, 1.01431, 20.4793), 0.83533),
    "WFG4": ((0.000308337, 0, 0), (2.19997, 4.4005, 6.60011), 0.60666),
    "WFG5, 2 objectives": ((0.156918, 0.00282336), (2.18431, 4.38615), 0.36403),
    "ZDT1, noise": ((0, 0), (1.1, 3.14038), 0.90348),
    "Kursawe, noise": ((-19.9996, -11.6272), (-11.2976, 1.75979), 0.67021),
    "DTLZ2, noise": ((0, 0, 0), (1.1, 1.1, 1.375), 0.68529),
    "crash, noise": ((1661.82, 6.1428, 0.0424862), (1695.04, 11.0043, 0.286151), 0.78766),
    "ZDT3, mixed, noise": ((0, -0.773369), (0.937016, 3.15096), 0.80175),
    "DTLZ2, mixed, noise": ((0, 0, 0), (1.10002, 1.10002, 1.35578), 0.68084),
    "crash, mixed, noise": ((1661.71, 6.1428, 0.042504), (1695.39, 11.0965, 0.28615), 0.78797),
}
"""Ideal point, reference and volume of each front, as `main` finds them; the volume of spheres in closed form."""


def cases() -> dict[str, Case]:
    """Return the problems by name."""
    found: dict[str, Case] = {}
    for name, case in _raw().items():
        ideal, reference, volume = FRONTS[name]
        found[name] = case._replace(ideal=ideal, reference=reference, volume=volume)
    return found


def searched(case: Case, rounds: int = 60, size: int = 16384) -> tuple[Floats, Floats, float]:
    """Return the ideal point, the reference and the volume of a front, from a long search by mutation."""
    low, high = np.array(case.low), np.array(case.high)
    draws = np.random.Generator(np.random.PCG64(1))
    u = qmc.Sobol(len(low), rng=draws).random(size)
    held = np.zeros(len(low), bool)
    held[-2:] = case.mixed

    def real(u: Floats) -> Floats:
        u = np.clip(u, 0.0, 1.0)
        return low + (high - low) * np.where(held, np.round(u * (LEVELS - 1)) / (LEVELS - 1), u)

    quartile = np.quantile(case.objectives(real(u)), 0.25, axis=0)
    x = real(u) if case.start is None or case.mixed else np.concatenate([case.start(real(u)), real(u)])
    x, y = _front(case, x)
    for step in range(rounds):
        parents = x[draws.integers(len(x), size=size)]
        other = x[draws.integers(len(x), size=size)]
        spread = 10.0 ** draws.uniform(-4.0, -0.5, (size, 1)) * draws.standard_normal((size, len(low)))
        moved = np.where(draws.random((size, len(low))) < 0.4, spread, 0.0) + 0.3 * draws.random((size, 1)) * (
            other - parents
        ) / (high - low) * (step % 2)
        new = real((parents - low) / (high - low) + moved)
        x, y = _front(case, np.concatenate([x, new]))
    ideal, nadir = y.min(axis=0), y.max(axis=0)
    reference = np.maximum(nadir + 0.1 * (nadir - ideal), quartile)
    return ideal, reference, _volume(y, ideal, reference)


def _front(case: Case, x: Floats, most: int = 3000) -> tuple[Floats, Floats]:
    """Return the designs on the front of some, and their objectives; of many, one of each cell of a grid."""
    x = x[case.is_feasible(x)]
    y = case.objectives(x)
    held = moocore.is_nondominated(y, keep_weakly=False)
    x, y = x[held], y[held]
    if len(x) > most:
        cells = {2: 3000, 3: 60, 4: 12}[y.shape[1]]
        _, own = np.unique(np.floor((y - y.min(axis=0)) / np.ptp(y, axis=0) * cells), axis=0, return_index=True)
        x, y = x[own], y[own]
    return x, y


def main() -> None:
    """Print the table `FRONTS`, or the lines of problems that are named."""
    for name, case in _raw().items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        ideal, reference, volume = searched(case)
        ends = ", ".join("(" + ", ".join(f"{v:.6g}" for v in part) + ")" for part in (ideal, reference))
        print(f'    "{name}": ({ends}, {volume:.5f}),', flush=True)


if __name__ == "__main__":
    main()
