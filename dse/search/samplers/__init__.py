"""Samplers: who proposes the next design. A file and a class each; Optuna is loaded where one begins to propose.

base.py               what a sampler and a proposer are
draws.py              random and quasi-random points, which see no results
optuna_proposer.py    proposals of a model that learns from results, behind Optuna
"""

from dse.search.samplers.auto import Auto
from dse.search.samplers.base import AbstractSampler
from dse.search.samplers.model import Model
from dse.search.samplers.nsga2 import Nsga2
from dse.search.samplers.quasi_random import QuasiRandom
from dse.search.samplers.random import Random
from dse.search.samplers.tpe import Tpe
from dse.variants import Variants

SAMPLERS: Variants[type[AbstractSampler]] = Variants("SAMPLERS", Auto, Random, QuasiRandom, Tpe, Nsga2, Model)
"""Every sampler that a study file can name."""
