"""What a simulation gives back, and the one table that says what is measured and which way is up."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from dse.crossbar.usage import LayerUsage
from dse.deployment.evaluation import Evaluation
from dse.metric import Metric
from dse.pausing import State
from dse.tasks import TASKS
from dse.tasks.curve import Epoch
from dse.variants import kept_for_variants

COMMON_METRICS: dict[str, Metric] = {
    "loss": Metric(
        "minimise",
        "1",
        "mean loss over the training samples in the last epoch: half the squared error, the cross-entropy in nats, or "
        "what a discriminator minimises",
    ),
    "energy_per_sample_j": Metric(
        "minimise",
        "J",
        "energy of the training, and of programming and calibrating a deployment, per training sample seen",
        priced=True,
        low=0.0,
    ),
    "worst_writes": Metric(
        "minimise", "pulses", "SET and RESET pulses of the most written cell over the training", low=0.0
    ),
    "worst_flips": Metric(
        "minimise",
        "writes",
        "writes of the most written binary cell of the accumulators; 0 where these do not wear",
        low=0.0,
    ),
    "set_pulses": Metric("minimise", "pulses", "SET pulses of all cells over the training", low=0.0),
    "reset_pulses": Metric("minimise", "pulses", "RESET pulses of all cells over the training", low=0.0),
    "weights": Metric("minimise", "1", "weights in matrices of the network, bias rows included", low=0.0),
    "cells": Metric("minimise", "1", "cells of the network; 0 for a digital one", low=0.0),
    "lifetime_samples": Metric(
        "maximise",
        "1",
        "training samples until worn cells have cost more than array.tolerated_loss for good; at least so many, where "
        "the whole training did not",
        low=0.0,
    ),
    "inference_bits": Metric(
        "minimise", "bits", "size of the model: bits of all weights that inference reads", low=0.0
    ),
}
"""Metrics of every trial."""


class _Metrics(Mapping[str, Metric]):
    """The metrics of every trial between those of the tasks, trained and deployed; plug-ins can bring more of these."""

    def __getitem__(self, name: str) -> Metric:
        return _metrics()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_metrics())

    def __len__(self) -> int:
        return len(_metrics())


@kept_for_variants
def _metrics() -> dict[str, Metric]:
    own: dict[str, Metric] = {}
    for task in TASKS:  # several may have a metric, which then has the names of all of them
        for name, metric in task.metrics.items():
            first = own.get(name, metric)
            own[name] = replace(first, tasks=(*first.tasks, task.name))
    return {
        **{name: metric for name, metric in own.items() if not metric.deployed},
        **COMMON_METRICS,
        **{name: metric for name, metric in own.items() if metric.deployed},
    }


METRICS: Mapping[str, Metric] = _Metrics()
"""Every metric that can be an objective."""


@dataclass(frozen=True)
class Outcome:
    """A finished simulation.

    Attributes:
        metrics: what was measured, by name: metrics of `METRICS` that need no price, or others; those that do not
            apply are absent.
        train_samples: training images, or characters of text, seen, repeats counted.
        simulated_time_s: time that passed in the simulation, s; None for a digital design.
        layers: one entry a layer.
        curve: one entry an epoch.
        data_checksum: SHA-256 of the data set.
        epochs: epochs trained.
        is_paused: whether the training has further epochs to go.
        trail: what changed in the layers, after each epoch, by "LAYER.COLUMN" (or "LAYER.events.NAME",
            "LAYER.wear.NAME"): values at the epochs 1, 2, ..., or one value v that was v e after e epochs. What is not
            named was after every epoch what it is at the end; what a deployment adds is no part of it. See
            `dse.tasks.trail`.
        deployments: one entry for each compensation and time of the deployment; empty without one.
        state: what a training goes on from after this one; None where nobody asked, or where it cannot pause. It is no
            part of what came of it: outcomes are compared without.
    """

    metrics: Mapping[str, float | int]
    train_samples: int
    simulated_time_s: float | None
    layers: tuple[LayerUsage, ...]
    curve: tuple[Epoch, ...]
    data_checksum: str
    epochs: int
    is_paused: bool = False
    trail: Mapping[str, Sequence[float]] = field(default_factory=dict[str, "Sequence[float]"])
    deployments: tuple[Evaluation, ...] = ()
    state: State | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Failure:
    """A simulation that came to no result, which is a result too.

    Attributes:
        kind: "diverged" for numbers out of range, "invalid" for settings that contradict each other, "crashed" for a
            process that died, "memory" for one that ran out of memory, "timeout" for one that exceeded its time limit.
        reason: one line for the user.
    """

    kind: Literal["diverged", "invalid", "crashed", "memory", "timeout"]
    reason: str
