"""Networks that learn numbers on half the squared error."""

from torch import Tensor

from dse.tasks.pictures import AbstractPictureLearner
from dse.tasks.regression.measure import SquaredError


class RegressionLearner(AbstractPictureLearner):
    """A network that learns numbers; the loss is summed over them, as that of a perceptron is."""

    measured_by = SquaredError

    def loss(self, outputs: Tensor, answers: Tensor) -> Tensor:
        """Return half the squared error, a mean over the samples; see `AbstractPictureLearner`."""
        return 0.5 * ((outputs - answers) ** 2).sum(dim=1).mean()
