"""The sampler that learns a model of every objective and proposes where the front gains most.

sampler.py     the sampler and its proposer
encoding.py    designs as points of the unit cube
kriging.py     a Gaussian process for one quantity
gain.py        expected gain in hypervolume
belief.py      what is believed of designs, and what they are worth
earlier.py     designs of earlier results beside those of the study
"""

from dse.search.samplers.model.sampler import Model

__all__ = ["Model"]
