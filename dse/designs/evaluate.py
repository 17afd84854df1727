"""The heart: a pure function from a design and a seed to an outcome.

No files, no processes, no clock and no global state. Distribution, storage and search are shells around it, and every
hard question can be asked by calling it in a debugger.
"""

import math

from dse.data.base import Data
from dse.designs.deployed import with_deployment
from dse.designs.hardware import platform_of
from dse.designs.outcome import Failure, Outcome
from dse.designs.report import counted, learned
from dse.designs.tables import Design
from dse.errors import DivergedError
from dse.tasks.train import train


def evaluate(design: Design, seed: int, data: Data, device: str = "cpu") -> Outcome | Failure:
    """Train the network of a design, deploy it where the design says so, and report what happened.

    Args:
        design: the complete design.
        seed: seed of every random stream of the trial.
        data: the data of the design, as `design.workload.load()` gives them.
        device: where torch computes products of deep networks, such as "cuda".

    Returns:
        The outcome, the same to the last bit for the same arguments (CPU, one thread), or the reason why there is none.
    """
    platform, epochs = platform_of(design, device), design.training.passes
    try:
        learner = design.network.learner(data, design.training, platform, seed=seed)
        curve = train(learner, epochs, sample_time_s=platform.sample_time_s)
    except DivergedError as error:
        return Failure("diverged", str(error))
    # A network that is trained already passes once over its samples, for the account of an inference.
    layers, samples = learner.usage(), max(1, epochs) * learner.samples
    found = learned(curve[-1]) if curve else learner.measure(0.0)
    time_s = None if design.clock is None else samples * platform.sample_time_s
    outcome = Outcome(
        metrics={**found, **counted(layers)},
        train_samples=samples,
        simulated_time_s=time_s,
        layers=tuple(layers),
        curve=tuple(curve),
        data_checksum=data.checksum,
        epochs=epochs,
    )
    network = None if design.deployment is None else learner.deployed(design.deployment, time_s or 0.0)
    if network is not None and design.deployment is not None:
        outcome = with_deployment(outcome, network, data, design.deployment, design.task.measures)
    return _not_finite(outcome) or outcome


def _not_finite(outcome: Outcome) -> Failure | None:
    """Return the failure of a simulation that measured what is no number; no table holds such."""
    found = [outcome.metrics, *({"loss": own.loss, **own.metrics} for own in outcome.curve)]
    found += [own.metrics for own in outcome.deployments]
    wrong = [(name, value) for table in found for name, value in table.items() if not math.isfinite(value)]
    return Failure("diverged", f"{wrong[0][0]} is {wrong[0][1]}, which is no finite number") if wrong else None
