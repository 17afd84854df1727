"""What the trainings of deep networks share: epochs that end in a point of the learning curve."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from dse.errors import DivergedError
from dse.tasks.curve import Epoch
from dse.training.spec import TrainingSpec
from dse.updates.descent import Descent

STEPS = ((0.5, 0.1), (0.75, 0.01))
"""Where the schedule "step" lowers the rate, as shares of the training, and to what."""


def curve_of(
    epochs: int,
    samples: int,
    learn: Callable[[int], float],
    measure: Callable[[], Mapping[str, float]],
    descents: Sequence[Descent],
    *,
    sample_time_s: float,
) -> list[Epoch]:
    """Train for some epochs, and measure after each.

    Args:
        epochs: passes over the samples.
        samples: samples of an epoch.
        learn: samples seen before an epoch -> the sum of their losses in it.
        measure: the metrics of the network as inference sees it.
        descents: what moves the weights.
        sample_time_s: simulated time of one sample, s.

    Raises:
        DivergedError: a loss left the range of numbers.
    """
    curve: list[Epoch] = []
    for epoch in range(1, epochs + 1):
        loss = learn((epoch - 1) * samples)
        if not math.isfinite(loss):
            raise DivergedError(f"the loss of epoch {epoch} is not finite")
        now_s = epoch * samples * sample_time_s
        for descent in descents:
            descent.survey(now_s)
        with ExitStack() as stack:
            # All of them: a descent brings its events and wear up to date when it is measured.
            for descent in descents:
                stack.enter_context(descent.measuring(now_s))
            curve.append(Epoch(epoch, loss / samples, measure()))
    return curve


def schedule(spec: TrainingSpec, share: float) -> float:
    """Return the factor of the learning rate after a share of the training."""
    if spec.schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * share))
    if spec.schedule == "step":
        return min([1.0, *(factor for start, factor in STEPS if share >= start)])
    return 1.0
