"""Who goes on from a rung, and who gets seeds, where there is a constraint."""

from math import log
from types import SimpleNamespace

import numpy as np
import pytest

from dse.designs.space import FloatRange
from dse.metric import signs_of
from dse.pricing.bounds import Bound
from dse.pricing.card import read_cost_card
from dse.search.criteria import Criteria
from dse.search.explain import _told
from dse.search.rung_outlook import HOPELESS, UNKNOWN, Outlook, Place
from dse.search.rung_record import Record
from dse.search.samplers.model.earlier import EarlierSeen, encoding_of
from dse.search.steps import Step

EPOCHS = 6
ENDED = [(0.10, 0.72, 1.0), (0.15, 0.75, 1.1), (0.2, 0.78, 1.25), (0.25, 0.80, 1.4), (0.3, 0.83, 1.6)]
"""Places, accuracies and energies in nJ of designs that ended; all of them meet the bound."""
MISSED = [(0.0, 0.3, 0.7), (0.03, 0.4, 0.75), (0.05, 0.5, 0.8), (0.07, 0.6, 0.9), (0.09, 0.65, 0.95)]


def record(trial, place, seen):
    return Record(trial, {"x": place}, EPOCHS, seen={epochs: {0: list(values)} for epochs, values in seen.items()})


def outlook_of(records):
    goals = ["maximise", "minimise"]
    space = {"x": FloatRange(0.0, 1.0)}
    encoding = encoding_of(space, None, ())
    bound = Bound("validation_accuracy", ">=", 0.7)
    criteria = Criteria(["validation_accuracy", "energy_per_sample_j"], read_cost_card("nandakumar2020"), [bound])
    place = Place(criteria, goals, encoding.points, 0, 8, EarlierSeen((), encoding, signs_of(goals)))
    return Outlook(place, records, 3, {})


@pytest.fixture(scope="module")
def records():
    """Ten designs that ended; two wait after 3 epochs, and an accurate one that costs more than any on the front."""
    ended = [
        record(n, x, {3: (a - 0.05, e * 1e-9), EPOCHS: (a, e * 1e-9)}) for n, (x, a, e) in enumerate(ENDED + MISSED)
    ]
    waiting = [(0.12, 0.68, 1.05), (0.22, 0.7, 1.3), (0.9, 0.93, 5.0)]
    return ended + [record(len(ended) + n, x, {3: (a, e * 1e-9)}) for n, (x, a, e) in enumerate(waiting)]


def test_an_accurate_design_goes_on_though_it_costs_more_than_all_of_the_front(records):
    outlook = outlook_of(records)
    best, why = outlook.best(records[-3:], outlook.ended)
    assert best is records[-1]
    assert why["gain"] > 0.01


def test_nobody_gets_epochs_who_misses_a_constraint_as_good_as_surely(records):
    outlook = outlook_of(records)
    hopeless = records[len(ENDED)]
    assert outlook.best([hopeless], outlook.ended) is None
    best, _ = outlook.best([hopeless, records[0]], np.ones(len(records), bool))
    assert best is records[0]


def test_a_bound_that_all_miss_at_a_rung_holds_nobody_back_before_ends_are_known():
    accuracies = [0.10 + 0.01 * (n % 3) for n in range(12)]
    accuracies[7] = 0.2
    waiting = [record(n, n / 11, {1: (own, 1e-9)}) for n, own in enumerate(accuracies)]
    outlook = outlook_of(waiting)
    points = np.array([[own.parameters["x"]] for own in waiting])
    assert outlook.belief(outlook.ended).log_chances(points).max() < log(HOPELESS)
    best, why = outlook.best(waiting, outlook.ended)
    assert best is waiting[7]
    step = Step(12, "on", 7, best.parameters, (0,), until=3, since=1, why=why)
    said = "\n".join(_told(step, SimpleNamespace(objectives=["validation_accuracy"])))
    assert "no design was known to meet the bounds: of 12 candidates the most probable to, " in said
    assert "gain" not in said
    few = [record(20 + n, 0.01 * n, {1: (0.1, 1e-9), EPOCHS: (0.3, 1e-9)}) for n in range(4)]
    assert outlook_of([*few[:3], *waiting]).best(waiting, np.zeros(15, bool)) is not None
    assert outlook_of([*few, *waiting]).best(waiting, np.zeros(16, bool)) is None


def test_what_failed_tells_nothing_of_how_far_ends_are_from_rungs():
    outlook = outlook_of([record(n, n / 3, {1: (0.1 + 0.01 * n, 1e-9)}) for n in range(3)])
    y = np.array([[0.1, 1.0], [0.2, 2.0], [np.nan, np.nan]])
    _, spread = outlook._change(1, y, np.array([[0.50], [0.52], [0.0]]))
    assert spread[-1] == pytest.approx(UNKNOWN * 0.01)
