"""What can be chosen about pairs of unequal significance."""

from typing import Annotated

from annotated_types import Ge, Le

from dse.spec import ActsUnless, Spec

NO_RATIO = ActsUnless(ratio=1.0)


class SignificanceSpec(Spec):
    """The first pair of a weight is fine and takes all updates; each other one is coarse and counts `ratio` times.

    W = ((G+_1 - G-_1) + ratio * sum_(n > 1) (G+_n - G-_n)) / beta, beta being the conductance for a weight of 1 times
    the sum of all significances. Now and then what the fine pair holds is read and written to a coarse one, and the
    rest back to the fine pair. Currents of coarse pairs are scaled before they meet those of the fine one, as by
    current mirrors; that has no price of its own.
    """

    ratio: Annotated[float, Ge(1.0), Le(1e3)] = 1.0
    """Significance of a coarse pair in units of that of the fine one; 1 leaves all pairs equal, which take pulses in
    turn."""
    every_samples: Annotated[int, Ge(1), Le(10**9), NO_RATIO] = 8000
    """Training samples between two transfers from the fine pair to a coarse one, rounded up to whole mini-batches;
    coarse pairs take turns."""
    max_pulses: Annotated[int, Ge(1), Le(1000), NO_RATIO] = 8
    """Most SET pulses of a transfer to a coarse pair, and most that write the rest back to the fine one."""
