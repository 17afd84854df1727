"""The samplers of the framework keep the contract."""

import pytest

from dse.search.samplers import SAMPLERS
from dse.search.samplers.auto import Auto
from dse.search.samplers.model import Model
from dse.search.samplers.nsga2 import Nsga2
from dse.search.samplers.quasi_random import QuasiRandom
from dse.search.samplers.random import Random
from dse.search.samplers.tpe import Tpe
from dse.testing import SamplerContract
from tests.contract.kept import not_held

pytestmark = pytest.mark.one_in(8)  # of the variants that keep a promise


@pytest.mark.slow  # up to that many trials it is the model
class TestAuto(SamplerContract):
    variant = Auto
    trials = 60


class TestRandom(SamplerContract):
    variant = Random


class TestQuasiRandom(SamplerContract):
    variant = QuasiRandom


class TestTpe(SamplerContract):
    variant = Tpe


class TestNsga2(SamplerContract):
    variant = Nsga2


class TestModel(SamplerContract):
    variant = Model
    trials = 60


def test_every_sampler_is_held_to_the_contract() -> None:
    assert not_held(SamplerContract, SAMPLERS) == []
