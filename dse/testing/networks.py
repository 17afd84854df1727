"""What every network promises: weights from seeds, learning that repeats, and words for data that it cannot learn."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor

from dse.designs.design import Design
from dse.designs.settings import WORKLOADS
from dse.files import FileSpec
from dse.testing.base import DesignContract, check_pauses, learner_of, losses, outcome_of, refusal

PLAIN: Mapping[str, Any] = {
    "architecture": "float",
    "training.momentum": 0.0,
    "training.weight_decay": 0.0,
    "training.schedule": "constant",
}
"""Digital training as it is on crossbars: the memory of a descent is the accumulator there."""
FINE: Mapping[str, Any] = {
    "device.card": "ideal_linear",
    "device.granularity_us": 1e-4,
    "device.mean_offset_us": 1e-4,
    "device.g_max_us": 1e5,
    "array.conductance_per_std_us": 100.0,
    "array.initial_mean_us": 2000.0,
    "refresh.every_samples": 0,
    "dac.bits": "ideal",
    "adc.bits": "ideal",
}
"""Pulses so fine and products so exact that training on cells is digital training, to rounding."""


class NetworkContract(DesignContract):
    """What a network promises.

    Attributes:
        unfit: settings with which the network does not fit its samples, a mapping for each way.
        close: largest relative difference of the loss between digital training and training on ideal cells.
    """

    idea = "NETWORKS"
    unfit: ClassVar[Sequence[Mapping[str, Any]]] = ()
    close: ClassVar[float] = 1e-2

    def chosen(self) -> dict[str, Any]:
        """Return the setting that chooses the network."""
        return {"network.name": self.name}

    def digital(self, **changes: Any) -> Design:
        """Return the small design, trained digitally and without momentum."""
        plain = {path.replace(".", "__"): value for path, value in PLAIN.items()}
        return self.design(**{**plain, **changes})

    def test_initial_weights_come_from_the_seed_alone(self) -> None:
        """Also the biases, whatever the state of torch's own generator, which stays as it was."""
        first, second, other = (_weights(self.digital(), seed, state) for seed, state in ((0, 1), (0, 2), (1, 1)))
        assert first.keys() == second.keys() == other.keys()
        assert [name for name in first if not torch.equal(first[name], second[name])] == []
        matrices = [name for name, values in first.items() if values.dim() > 1]
        assert matrices
        assert [name for name in matrices if torch.equal(first[name], other[name])] == []

    def test_every_matrix_of_weights_learns(self) -> None:
        """An epoch reaches all of them; one that never moves is a layer without an error."""
        learner = learner_of(self.digital())
        before = {name: values.clone() for name, values in weights_of(learner).items() if values.dim() > 1}
        learner.learn(0)
        now = weights_of(learner)
        assert [name for name, values in before.items() if torch.equal(values, now[name])] == []

    def test_it_learns_and_the_same_seed_gives_the_same_to_the_last_bit(self) -> None:
        """The loss falls on the little that there is."""
        design = self.digital()
        found = outcome_of(design)
        assert self.learned(losses(found))
        assert outcome_of(design) == found
        assert losses(outcome_of(design, seed=1)) != losses(found)

    def learned(self, loss: Sequence[float]) -> bool:
        """Return whether a network has learned, from its loss of each epoch."""
        return loss[-1] < loss[0]

    def test_a_training_that_can_pause_goes_on_to_the_last_bit(self) -> None:
        """Modules of a network keep what changes in them in parameters, buffers or torch's extra state."""
        check_pauses(self.digital())

    def test_on_ideal_cells_it_learns_as_in_floats(self) -> None:
        """What differs is the rounding to pulses, so fine here that it does not count."""
        fine = {path.replace(".", "__"): value for path, value in FINE.items()}
        training: Any = self.digital().training
        rate = training.learning_rate
        control, on_cells = (
            self.digital(**fine, **own, training__learning_rate=rate)
            for own in ({}, {"architecture": "mixed_precision", "accumulator__bits": "float"})
        )
        expected, found = losses(outcome_of(control)), losses(outcome_of(on_cells))
        assert max(abs(a - b) / abs(b) for a, b in zip(found, expected, strict=True)) < self.close

    def test_samples_that_it_cannot_learn_are_refused_in_words(self) -> None:
        """A data set of another kind, and what `check` refuses: `dse check` says it before anything runs."""
        accepted = tuple(task.accepts for task in (self.variant.task, *self.variant.tasks))
        # What data from a file are is known when there is one.
        kinds = {name: own.kind({}) for name, own in WORKLOADS.names.items() if not issubclass(own, FileSpec)}
        strange = [{WORKLOADS.path: name} for name, kind in kinds.items() if not issubclass(kind, accepted)]
        own = {path: value for path, value in self.settings.items() if not path.startswith(f"{WORKLOADS.table}.")}
        wrong = [{**own, **data} for data in strange] + [{**self.settings, **given} for given in self.unfit]
        assert wrong
        assert [given for given in wrong if "network" not in refusal({**given, **self.chosen()}, self.folder)] == []


def weights_of(learner: Any) -> dict[str, Tensor]:
    """Return all that a digital network learns, by name."""
    if hasattr(learner, "networks"):
        parts = [network.named_parameters() for network in learner.networks]
        return {f"{n} {name}": own.detach() for n, part in enumerate(parts) for name, own in part}
    return {str(n): cast("Tensor", layer.held()) for n, layer in enumerate(learner.layers)}


def _weights(design: Design, seed: int, state: int) -> dict[str, Tensor]:
    """Return initial weights that were made while torch's generator was in some state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(state)
        before = torch.get_rng_state()
        weights = weights_of(learner_of(design, seed=seed))
        assert torch.equal(torch.get_rng_state(), before), "torch's global generator was used"
    return {name: values.clone() for name, values in weights.items()}
