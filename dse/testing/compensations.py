"""What every compensation of drift promises: where all cells drift alike it is exact, and it starts anew each time."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch

from dse.data.images import Dataset
from dse.deployment.network import AbstractDeployedNetwork
from dse.deployment.spec import DeploymentSpec
from dse.designs.design import compose
from dse.testing.base import Contract, learner_of, refusal

YEAR_S = 3e7
DEVICE = "deployment.device."
QUIET: Mapping[str, Any] = {
    "deployment.dac_bits": "ideal",
    "deployment.adc_bits": "ideal",
    f"{DEVICE}read_noise_scale": 0.0,
    f"{DEVICE}drift_spread_scale": 0.0,
    f"{DEVICE}drift_mean_min": 0.06,
    f"{DEVICE}drift_mean_max": 0.06,
}
"""Cells that all drift with one exponent, read without noise by ideal converters."""


class CompensationContract(Contract):
    """What a compensation promises.

    Attributes:
        exact: whether it undoes a drift that is the same in all cells; not those of batch normalisation alone.
        settings: those of a network that is trained digitally; with batch normalisation where it is needed.
    """

    idea = "COMPENSATIONS"
    exact: ClassVar[bool] = True
    settings: ClassVar[Mapping[str, Any]] = {
        "architecture": "float",
        "workload.dataset": "digits",
        "workload.images": 100,
        "network.hidden": [16],
        "training.epochs": 1,
    }

    def deployed(self, **changes: Any) -> tuple[AbstractDeployedNetwork[Any], Dataset]:
        """Return a trained network on fresh cells, and its data."""
        own = {f"{DEVICE}{name}": value for name, value in changes.items()}
        design = compose({**self.settings, **QUIET, "deployment.compensation": self.name, **own})
        data: Any = design.workload.load()
        learner = learner_of(design, data)
        learner.learn(0)
        assert design.deployment is not None
        network = learner.deployed(design.deployment, 0.0)
        assert network is not None
        network.renew(0)
        return network, data

    def outputs(self, network: AbstractDeployedNetwork[Any], data: Dataset) -> Any:
        """Return outputs for some test images, shape (images, classes)."""
        return network.outputs(data.test, torch.arange(20), network.reads("evaluation"))

    def test_its_settings_are_those_of_a_deployment(self) -> None:
        """`uses` names them; with another compensation they have no effect."""
        assert set(self.variant.uses) <= set(DeploymentSpec.model_fields)

    def test_it_is_exact_where_all_cells_drift_alike_or_says_that_it_is_not(self) -> None:
        """The outputs after a year are those of the first second, to rounding."""
        network, data = self.deployed()
        before = self.outputs(network, data)
        network.age(YEAR_S)
        network.compensate(self.variant)
        after = self.outputs(network, data)
        assert np.isfinite(after).all()
        assert bool(np.allclose(after, before, rtol=1e-4, atol=1e-4)) == self.exact

    def test_without_drift_it_leaves_outputs_as_they_are(self) -> None:
        """As far as it is exact; batch-norm statistics of a few images are others than those of the training."""
        network, data = self.deployed(drift_scale=0.0)
        before = self.outputs(network, data)
        network.age(YEAR_S)
        network.compensate(self.variant)
        after = self.outputs(network, data)
        assert np.allclose(after, before, rtol=1e-5, atol=1e-5) or self.variant.needs_batch_norm

    def test_it_starts_from_a_network_without_compensation_and_repeats_to_the_last_bit(self) -> None:
        """What was done at an earlier time leaves no trace."""
        (once, data), (often, _) = self.deployed(), self.deployed()
        for time_s in (1e3, 1e5):
            often.age(time_s)
            often.compensate(self.variant)
        for network in (once, often):
            network.age(YEAR_S)
            network.compensate(self.variant)
        assert np.array_equal(self.outputs(once, data), self.outputs(often, data))

    def test_a_network_that_lacks_what_it_needs_is_refused_in_words(self) -> None:
        """Batch normalisation, which a perceptron does not have."""
        said = refusal({"architecture": "float", "network.name": "perceptron", "deployment.compensation": self.name})
        assert ("batch-norm" in said) == self.variant.needs_batch_norm
