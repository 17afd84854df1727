"""Inference with a network that was trained elsewhere: its metrics. There is nothing to train."""

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from dse.data.base import DataInfo, ImageInfo, SampleInfo
from dse.deployment.measure import deployed_metrics
from dse.metric import Metric
from dse.spec import shown
from dse.tasks.base import AbstractTask, Learner
from dse.tasks.inference.measure import Agreement, OutputError, Recognised
from dse.updates.training import NoTraining

if TYPE_CHECKING:
    from torch import nn

    from dse.updates.platform import Platform

_accuracy = partial(Metric, "maximise", "1", low=0.0, high=1.0)
NO_LOSS = {"loss": "a network that is trained already learns nothing, and has none"}


class Inference(AbstractTask):
    """Decisions of a network that was trained elsewhere, held against those of the same network in digital floats."""

    name = "inference"
    accepts = SampleInfo
    training = NoTraining
    metrics: ClassVar = deployed_metrics(Agreement, OutputError)
    measures = (Agreement, OutputError)
    misleading: ClassVar = NO_LOSS
    deploys_always = True

    @classmethod
    def learner(
        cls, networks: "tuple[nn.Module, ...]", data: Any, training: Any, platform: "Platform", *, seed: int
    ) -> Learner:
        """Return what holds the network; see `AbstractTask`."""
        from dse.tasks.inference.learner import TrainedNetwork  # noqa: PLC0415  torch

        return TrainedNetwork(networks, data, training, platform, seed=seed, answered=False)


class JudgedInference(AbstractTask):
    """The same with samples whose classes are known, so that decisions can be right or wrong.

    A class is the number of an output. Classes that are text are refused: nothing says which output stands for which.
    """

    name = "judged_inference"
    accepts = ImageInfo
    training = NoTraining
    metrics: ClassVar = {
        "accuracy": _accuracy("share of the test samples that the digital network recognises"),
        "validation_accuracy": _accuracy("the same of held-out training samples"),
        **deployed_metrics(Recognised, Agreement, OutputError),
    }
    measures = (Recognised, Agreement, OutputError)
    misleading: ClassVar = NO_LOSS
    deploys_always = True

    @classmethod
    def check(cls, training: Any, info: DataInfo) -> None:  # noqa: ARG003  there is no training
        """Check that classes are numbers of outputs; see `AbstractTask`."""
        names = [own for own in (info.labels if isinstance(info, ImageInfo) else ()) if isinstance(own, str)]
        if names:
            some = f"{', '.join(map(shown, names[:3]))}{' ...' if len(names) > 3 else ''}"
            msg = (
                f"the classes of the samples are text ({some}), and nothing says which output of a trained network "
                'stands for which; give numbers from 0 in the order of its outputs, or workload.answers = "none"'
            )
            raise ValueError(msg)

    @classmethod
    def learner(
        cls, networks: "tuple[nn.Module, ...]", data: Any, training: Any, platform: "Platform", *, seed: int
    ) -> Learner:
        """Return what holds the network; see `AbstractTask`."""
        from dse.tasks.inference.learner import TrainedNetwork  # noqa: PLC0415  torch

        return TrainedNetwork(networks, data, training, platform, seed=seed, answered=True)
