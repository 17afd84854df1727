"""What can be chosen about an array of gradients and its transfers."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from pydantic import model_validator

from dse.spec import ActsUnless, Spec


class TransferSpec(Spec):
    """The array of gradients of each layer, and how it is read on to the weights.

    Second form (TTv2): the reference of every cell is known, and no sign is turned. The third, chopped TTv2, turns
    signs (`chopper`); the fourth (AGAD) knows no reference and takes it from earlier readings
    (`reference = "running_mean"`).
    """

    gradient_rate: Annotated[float, Gt(0.0), Le(1e6)] = 10.0
    """Learning rate of the array of gradients, in units of `training.learning_rate`. It must follow the gradient within
    few of its readings: too slow, it goes on in the old direction when the gradient has turned."""
    every: Annotated[int, Ge(1), Le(10**9)] = 1
    """Updates (mini-batches) between two transfers (n_s)."""
    lines: Annotated[int, Ge(1), Le(65536)] = 1
    """Input lines that a transfer reads, in turn, of those that a layer has; a layer of 785 inputs and one line an
    update is read through once in 785 updates."""
    part: Annotated[float, Gt(0.0), Le(1e3)] = 0.0078125
    """Part of a reading that is added to the words of the accumulator, in units of weight; a negative power of two is a
    shift of the word, and no multiplication is billed."""
    reference: Literal["symmetric_point", "running_mean", "none"] = "symmetric_point"
    """What is taken off a reading: "symmetric_point" the reading where steps up and down of both cells of the pair are
    equal, measured before and kept in a word; "running_mean" the mean of the readings until the sign of the line turned
    last (AGAD); "none" nothing."""
    reference_error_us: Annotated[
        float,
        Ge(0.0),
        Le(1e4),
        ActsUnless(reference="running_mean"),
        ActsUnless(reference="none"),
    ] = 0.0
    """Standard deviation of the error of a reference that was measured, uS."""
    mean_part: Annotated[
        float, Gt(0.0), Le(1.0), ActsUnless(reference="symmetric_point"), ActsUnless(reference="none")
    ] = 0.5
    """Part of a reading that enters the running mean."""
    chopper: Annotated[float, Ge(0.0), Le(0.5)] = 0.0
    """Probability that a line turns the sign of its gradients after a reading; offsets of the array then cancel."""

    @model_validator(mode="after")
    def _means_need_turns(self) -> "TransferSpec":
        if self.reference == "running_mean" and self.chopper == 0.0:
            msg = (
                'transfer.reference = "running_mean" takes the readings before the last turn of a sign, and with '
                "transfer.chopper = 0 none turns; give a probability, such as 0.1"
            )
            raise ValueError(msg)
        return self
