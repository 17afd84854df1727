"""Designs that are evaluated together on an accelerator, a generation of one shape in one launch.

Each comes to what it comes to alone there: nothing that lies beside a design changes it, and one that fails leaves the
others as they are. On the processor every design is evaluated by itself; see `dse.designs.evaluate`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dse.data.base import Data
from dse.designs.evaluate import begun, finished
from dse.designs.hardware import platform_of
from dse.designs.outcome import Failure, Outcome
from dse.designs.tables import Design
from dse.errors import DivergedError
from dse.kernel.accelerator.dispatch import exact_products
from dse.networks.base import AbstractNetwork
from dse.pausing import State
from dse.tasks.train import Training


@dataclass(frozen=True)
class Candidate:
    """A design to evaluate.

    Attributes:
        design: the design.
        seed: seed of every random stream of its trial.
        start: what its training goes on from, or None; see `dse.designs.evaluate.evaluate`.
    """

    design: Design
    seed: int
    start: State | None = None


def shape_of(design: Design) -> str | None:
    """Return what designs that are evaluated together have in common; None for one whose network learns alone."""
    if not (design.network.joins and design.network.can_join(platform_of(design))):
        return None
    training = design.training
    return repr(
        (design.architecture, design.workload, design.network, vars(training).get("batch_size"), training.passes)
    )


def evaluate_together(
    candidates: Sequence[Candidate],
    data: Data,
    device: str,
    *,
    until: int | None = None,
    keep_state: bool = False,
) -> list[Outcome | Failure]:
    """Train the networks of designs of one shape together, and report of each what `evaluate` does.

    What kernels do not take is trained by itself, here too.

    Args:
        candidates: the designs, alike in `shape_of`.
        data: their data.
        device: where they learn, such as "cuda".
        until: epoch at which the trainings pause; None for their end.
        keep_state: whether outcomes have their `state`.

    Raises:
        ValueError: the designs have different shapes, or their trainings no epoch `until`.
    """
    if not candidates:
        return []
    if len({shape_of(own.design) for own in candidates}) != 1:
        raise ValueError("designs of different shapes cannot be evaluated together; group them by shape_of")
    first = candidates[0].design
    epochs = first.training.passes if until is None else until
    if not 1 <= epochs <= first.training.passes:
        raise ValueError(f"until = {until} is no epoch of these trainings; give 1 to {first.training.passes}, or None")
    platforms = [platform_of(own.design, device) for own in candidates]
    with exact_products(device):
        trainings = [
            begun(own.design, own.seed, data, platform, own.start, epochs)
            for own, platform in zip(candidates, platforms, strict=True)
        ]
        failed = _trained(trainings, type(first.network), epochs, device)
        return [
            failed.get(number) or finished(training, own.design, own.seed, data, platform, keep_state=keep_state)
            for number, (own, training, platform) in enumerate(zip(candidates, trainings, platforms, strict=True))
        ]


def _trained(
    trainings: Sequence[Training], network: type[AbstractNetwork], epochs: int, device: str
) -> dict[int, Failure]:
    """Train until an epoch, epoch by epoch, and return what failed by its number."""
    for done in sorted({len(own.curve) for own in trainings}):
        learners = [own.learner for own in trainings if len(own.curve) == done]
        if done < epochs:
            network.join(learners, done * learners[0].samples, device)
    failed: dict[int, Failure] = {}
    for epoch in range(1, epochs + 1):
        for number, training in enumerate(trainings):
            if number in failed or len(training.curve) >= epoch:
                continue
            try:
                training.run(epoch)
            except DivergedError as error:
                failed[number] = Failure("diverged", str(error))
    return failed
