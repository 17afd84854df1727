"""The samplers of the framework keep the contract."""

from dse.search.samplers import SAMPLERS
from dse.search.samplers.auto import Auto
from dse.search.samplers.nsga2 import Nsga2
from dse.search.samplers.quasi_random import QuasiRandom
from dse.search.samplers.random import Random
from dse.search.samplers.tpe import Tpe
from tests.contract.samplers import SamplerContract


class TestAuto(SamplerContract):
    sampler = Auto()


class TestRandom(SamplerContract):
    sampler = Random()


class TestQuasiRandom(SamplerContract):
    sampler = QuasiRandom()


class TestTpe(SamplerContract):
    sampler = Tpe()


class TestNsga2(SamplerContract):
    sampler = Nsga2()


def test_every_sampler_is_held_to_the_contract():
    tested = {type(test.sampler) for test in SamplerContract.__subclasses__()}
    assert tested == set(SAMPLERS)
    assert len({sampler.name for sampler in SAMPLERS}) == len(SAMPLERS)
