"""Tasks: each in a folder of its own, listed here."""

from dse.tasks.base import AbstractTask
from dse.tasks.generation.spec import Generation
from dse.tasks.inference.spec import Inference, JudgedInference
from dse.tasks.language.spec import Language
from dse.tasks.recognition.spec import Recognition
from dse.tasks.regression.spec import Regression
from dse.variants import Variants

TASKS: Variants[type[AbstractTask]] = Variants(
    "TASKS", Recognition, Language, Generation, Regression, JudgedInference, Inference
)
"""All tasks."""
