"""Prediction of the next character of a text: its settings and its metrics."""

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from dse.data.base import DataInfo, TextInfo
from dse.metric import Metric
from dse.tasks.base import AbstractTask, Learner
from dse.updates.training import ModuleTraining

if TYPE_CHECKING:
    from torch import nn

    from dse.updates.platform import Platform


class LanguageTraining(ModuleTraining):
    """Training on the cross-entropy of the next character, through time; `batch_size` streams lie side by side."""

    sequence_length: Annotated[int, Ge(1), Le(65536)] = 1
    """Characters of each stream between two updates, through which errors pass back."""
    gradient_clip: Annotated[float, Gt(0.0), Le(1e6)] | Literal["none"] = "none"
    """Largest Euclidean norm of the gradient over all weights; a longer one is scaled down digitally before it enters
    the accumulators."""

    def updates_of(self, samples: int) -> int:
        """Return the number of updates of the training for so many characters."""
        return self.epochs * math.ceil(samples / (self.batch_size * self.sequence_length))


class Language(AbstractTask):
    """The next character of a text, learned on the cross-entropy."""

    name = "language"
    accepts = TextInfo
    training = LanguageTraining
    metrics: ClassVar = {
        "bits_per_character": Metric(
            "minimise", "bits", "mean of -log2 of the probabilities given to the characters of the test text", low=0.0
        ),
        "validation_bits_per_character": Metric(
            "minimise", "bits", "the same of the validation text, for the search", low=0.0
        ),
    }
    # Nothing says yet what a deployed network is worth.
    idle: ClassVar = {"deployment": {}}

    @classmethod
    def check(cls, training: LanguageTraining, info: DataInfo) -> None:
        """Check that there are more characters than streams."""
        if info.samples <= training.batch_size:
            msg = (
                f"training.batch_size = {training.batch_size} streams need more than the {info.samples} characters of "
                "the workload"
            )
            raise ValueError(msg)

    @classmethod
    def learner(
        cls, networks: "tuple[nn.Module, ...]", data: Any, training: Any, platform: "Platform", *, seed: int
    ) -> Learner:
        """Return what learns; see `AbstractTask`."""
        from dse.tasks.language.learner import LanguageLearner  # noqa: PLC0415  torch

        return LanguageLearner(
            networks,
            data,
            training,
            platform,
            seed=seed,
            sequence_length=training.sequence_length,
            gradient_clip=training.gradient_clip,
        )
