"""The default: the sampler with a model, and NSGA-II where it grows slow.

sampler.py     the policy, and how one hands over to the other
"""

from dse.search.samplers.auto.sampler import Auto

__all__ = ["Auto"]
