"""Networks that learn the classes of images on the cross-entropy."""

from torch import Tensor
from torch.nn import functional

from dse.tasks.pictures import AbstractPictureLearner
from dse.tasks.recognition.measure import Accuracy


class RecognitionLearner(AbstractPictureLearner):
    """A network that learns the classes of images."""

    measured_by = Accuracy

    def loss(self, outputs: Tensor, answers: Tensor) -> Tensor:
        """Return the mean cross-entropy; see `AbstractPictureLearner`."""
        return functional.cross_entropy(outputs, answers)
