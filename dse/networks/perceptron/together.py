"""Perceptrons of several designs that learn together; see `dse.updates.generation`."""

from collections.abc import Sequence
from typing import Any, cast

from numpy.typing import NDArray
from torch import Tensor

from dse.data.images import Split
from dse.kernel.arithmetic import Floats
from dse.kernel.state import PERIOD
from dse.networks.perceptron.learner import PerceptronLearner
from dse.pausing import State, taken
from dse.updates.generation import Generation, Member, shape_of, takes
from dse.updates.layers import CrossbarLayer


class _Together:
    """Learners of one generation, which take their turns: each learns an epoch and is measured before the next epoch.

    The first that learns lets all learn, and the first that asks for outputs has those of all computed.
    """

    def __init__(
        self, learners: Sequence[PerceptronLearner], members: Sequence[Member], seen: int, device: str
    ) -> None:
        first = learners[0]
        self._learners, self._seen = learners, -1
        self._generation = Generation(members, first.lessons, first.batch_size, seen, device)
        self._losses: list[float] = []
        self._outputs: list[tuple[Split, float, list[Floats]]] = []

    def learn(self, number: int, seen: int) -> float:
        """Return the loss of a learner in the epoch after so many samples."""
        if seen != self._seen:
            # That of one that has failed is drawn and left: its design learns nothing more.
            orders = [own.next_order() for own in self._learners]
            self._losses, self._outputs, self._seen = self._generation.learn(orders, seen), [], seen
            self._generation.write_back()
        self._generation.check(number)
        return self._losses[number]

    def outputs(self, number: int, turn: int, split: Split, now_s: float) -> Floats:
        """Return the outputs of a learner that asks for the `turn`-th time since it learned."""
        if turn == len(self._outputs):
            self._outputs.append((split, now_s, self._generation.outputs(split, now_s)))
        asked, at_s, found = self._outputs[turn]
        if asked is not split or at_s != now_s:
            raise RuntimeError("learners of one generation are measured alike; a defect of the framework")
        return found[number]

    def since(self, number: int) -> NDArray[Any]:
        """Return the samples of a learner since refresh and calibration."""
        return self._generation.since(number)


class _Run:
    """What trains one of them; see `dse.networks.perceptron.plain.Run`."""

    def __init__(self, together: _Together, number: int) -> None:
        self._together, self._number, self._turn = together, number, 0

    def learn(self, order: Tensor, seen: int) -> float:  # noqa: ARG002  drawn from the learner before
        """Learn for an epoch.

        Raises:
            DivergedError: an update of this design left the range of numbers.
        """
        self._turn = 0
        return self._together.learn(self._number, seen)

    def outputs(self, split: Split, now_s: float) -> Floats:
        """Return the outputs for samples."""
        self._turn += 1
        return self._together.outputs(self._number, self._turn - 1, split, now_s)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the samples since refresh and calibration, as the compiled run does."""
        return {"since": self._together.since(self._number)}

    def restore(self, state: State) -> None:  # noqa: ARG002
        """Refuse: memory is shared.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("a learner is restored before it joins others; a defect of the framework")


def join(learners: Sequence[PerceptronLearner], seen: int, device: str) -> None:
    """Let learners of one shape learn together, having seen so many samples.

    Those among them that kernels do not take learn alone, as do those without others of their shape.
    """
    groups: dict[Any, list[tuple[PerceptronLearner, Member]]] = {}
    for learner in learners:
        if takes(learner.layers, device):
            since = taken(learner.run.state(), "since", (PERIOD,))
            member = Member(cast("list[CrossbarLayer]", learner.layers), learner.pace, since)
            groups.setdefault((shape_of(member), learner.batch_size), []).append((learner, member))
    for own in groups.values():
        some = [learner for learner, _ in own]
        together = _Together(some, [member for _, member in own], seen, device)
        for number, learner in enumerate(some):
            learner.run = _Run(together, number)
