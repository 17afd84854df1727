"""The test problems of the benchmarks: volumes that have a closed form, and designs on the front."""

import math

import numpy as np
import pytest

from tests.benchmarks.problems import cases

CASES = cases()
MISSED = {
    "ZDT1": 1.0 / 3.0,
    "ZDT2": 2.0 / 3.0,
    "DTLZ2, 2 objectives": math.pi / 4.0,
    "DTLZ2": math.pi / 6.0,
    "DTLZ2, 4 objectives": math.pi**2 / 32.0,
    "WFG4": 48.0 * math.pi / 6.0,
}
"""What lies between the ideal point and the front."""


@pytest.mark.parametrize("name", MISSED)
def test_volumes_of_fronts_are_their_closed_forms(name: str) -> None:
    case = CASES[name]
    box = math.prod(np.subtract(case.reference, case.ideal).tolist())
    assert case.volume == pytest.approx(1.0 - MISSED[name] / box, abs=1e-3)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.start and not case.mixed])
def test_designs_on_a_front_reach_its_volume(name: str) -> None:
    """Within what 4,000 of them leave out, more in more objectives, and where they crowd."""
    case, draws = CASES[name], np.random.Generator(np.random.PCG64(3))
    x = case.start(np.array(case.low) + (np.array(case.high) - case.low) * draws.random((4000, len(case.low))))
    share = case.share(case.objectives(x)[case.is_feasible(x)])
    assert {2: 0.98, 3: 0.8, 4: 0.75}[len(case.reference)] < share < 1.003


def test_there_are_thirty_problems_and_more_of_two_to_four_objectives_with_and_without_noise() -> None:
    assert len(CASES) >= 30
    assert {len(case.reference) for case in CASES.values()} == {2, 3, 4}
    assert {case.noise > 0.0 for case in CASES.values()} == {True, False}
    assert sum(case.limits is not None for case in CASES.values()) >= 5


def test_designs_of_a_mixed_space_are_variables_of_the_problem() -> None:
    case = CASES["crash, mixed, noise"]
    design = {path: parameter.at(0.999999) for path, parameter in case.space.items()}
    assert case.variables(design)[0].tolist() == pytest.approx([3.0] * 5, abs=1e-5)
