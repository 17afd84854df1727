"""The heart: a pure function from a design and a seed to an outcome.

No files, no processes, no clock and no global state. Distribution, storage and search are shells around it, and every
hard question can be asked by calling it in a debugger.
"""

import math
from dataclasses import replace

import numpy as np

from dse.crossbar.packing import sharing
from dse.data.base import Data
from dse.designs.deployed import with_deployment
from dse.designs.hardware import platform_of
from dse.designs.outcome import Failure, Outcome
from dse.designs.report import counted, endured, learned
from dse.designs.tables import Design
from dse.errors import DivergedError
from dse.kernel.accelerator.dispatch import exact_products
from dse.pausing import CannotPauseError, State, UnlikeStateError, taken
from dse.tasks.train import Training, epochs_of
from dse.updates.platform import Platform

OF = "of"
"""What a state is of: the key of its design, the seed, and the checksum of the data."""


def evaluate(
    design: Design,
    seed: int,
    data: Data,
    device: str = "cpu",
    *,
    until: int | None = None,
    start: State | None = None,
    keep_state: bool = False,
) -> Outcome | Failure:
    """Train the network of a design, deploy it where the design says so, and report what happened.

    Args:
        design: the complete design.
        seed: seed of every random stream of the trial.
        data: the data of the design, as `design.workload.load()` gives them.
        device: where torch computes products of deep networks, such as "cuda".
        until: epoch at which the training pauses, with what was measured then and without a deployment. Schedules
            follow the whole training. None, or all epochs, for its end.
        start: `state` of an outcome of the same design, seed, data and code, from which the training goes on. Where it
            cannot, because the state is of something else, is further than `until`, or the network or the update rule
            cannot pause, the training starts from the beginning: the outcome is the same.
        keep_state: whether the outcome has its `state`, for a training to go on from.

    Returns:
        The outcome, the same to the last bit for the same arguments (CPU, one thread), or the reason why there is none.
        A training that paused, however often, ends in the outcome of one that did not.

    Raises:
        ValueError: the training has no epoch `until`.
    """
    platform, passes = platform_of(design, device), design.training.passes
    epochs = passes if until is None else until
    if until is not None and not 1 <= until <= passes:
        raise ValueError(f"until = {until} is no epoch of this training; give 1 to {passes}, or None for its end")
    with exact_products(device):
        return _evaluated(design, seed, data, platform, start, epochs, keep_state=keep_state)


def _evaluated(
    design: Design, seed: int, data: Data, platform: Platform, start: State | None, epochs: int, *, keep_state: bool
) -> Outcome | Failure:
    """Return what a training of some epochs, and the deployment behind its last, come to; see `evaluate`."""
    try:
        training = begun(design, seed, data, platform, start, epochs)
        training.run(epochs)
    except DivergedError as error:
        return Failure("diverged", str(error))
    return finished(training, design, seed, data, platform, keep_state=keep_state)


def finished(
    training: Training, design: Design, seed: int, data: Data, platform: Platform, *, keep_state: bool
) -> Outcome | Failure:
    """Return what a training comes to, with the deployment behind its last epoch; see `evaluate`."""
    outcome = _outcome_of(training, design, data, platform)
    state = _state_of(training, _name(design, seed, data)) if keep_state else None
    if len(training.curve) == design.training.passes and design.deployment is not None:
        network = training.learner.deployed(design.deployment, outcome.simulated_time_s or 0.0)
        if network is not None:
            outcome = with_deployment(outcome, network, data, design.deployment, design.task.measures)
    return _not_finite(outcome) or replace(outcome, trail=training.trail.until_the_end(outcome.layers), state=state)


def begun(design: Design, seed: int, data: Data, platform: Platform, start: State | None, epochs: int) -> Training:
    """Return a training at its beginning, or where a state can let it go on."""

    def fresh() -> Training:
        learner = design.network.learner(data, design.training, platform, seed=seed)
        return Training(learner, sample_time_s=platform.sample_time_s)

    training = fresh()
    if start is None:
        return training
    try:
        if taken(start, OF).tolist() != _name(design, seed, data) or epochs_of(start) > epochs:
            return training
        training.restore(start)
    except (CannotPauseError, UnlikeStateError):
        return fresh()  # parts of it may have been restored
    return training


def _outcome_of(training: Training, design: Design, data: Data, platform: Platform) -> Outcome:
    """Return what a training has come to."""
    learner, curve = training.learner, training.curve
    # A network that is trained already passes once over its samples, for the account of an inference.
    layers, samples = learner.usage(), max(1, len(curve)) * learner.samples
    layers = sharing(layers, design.array.packing)
    found = learned(curve[-1]) if curve else learner.measure(0.0)
    return Outcome(
        metrics={**found, **counted(layers), **endured(design, curve, learner.samples)},
        train_samples=samples,
        simulated_time_s=None if design.clock is None else samples * platform.sample_time_s,
        layers=tuple(layers),
        curve=tuple(curve),
        data_checksum=data.checksum,
        epochs=len(curve),
        is_paused=len(curve) < design.training.passes,
    )


def _state_of(training: Training, name: list[str]) -> State | None:
    """Return what a training goes on from, with what it is of; None where it cannot pause."""
    try:
        return {OF: np.array(name), **training.state()}
    except CannotPauseError:
        return None


def _name(design: Design, seed: int, data: Data) -> list[str]:
    return [design.key, str(seed), data.checksum]


def _not_finite(outcome: Outcome) -> Failure | None:
    """Return the failure of a simulation that measured what is no number; no table holds such."""
    found = [outcome.metrics, *({"loss": own.loss, **own.metrics} for own in outcome.curve)]
    found += [own.metrics for own in outcome.deployments]
    wrong = [(name, value) for table in found for name, value in table.items() if not math.isfinite(value)]
    return Failure("diverged", f"{wrong[0][0]} is {wrong[0][1]}, which is no finite number") if wrong else None
