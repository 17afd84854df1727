"""What is found in a file of data."""

from typing import Annotated, Literal

from pydantic import Strict

from dse.files import FileFacts

Numbers = Annotated[tuple[float, ...], Strict(strict=False)]
Integers = Annotated[tuple[int, ...], Strict(strict=False)]
Names = Annotated[tuple[int | str, ...], Strict(strict=False)]


class ArrayFacts(FileFacts):
    """What is found in a file of data."""

    answers: Literal["classes", "numbers", "none"]
    """What the answers are."""
    training: int
    """Training samples, those that can be held out included."""
    test: int
    """Test samples."""
    sample: Integers
    """Shape of a sample as the file has it."""
    channels: Literal["first", "last", "none"]
    """Which of its dimensions is that of channels."""
    type: str
    """Type of its numbers in the file."""
    scaling: Literal["bytes", "range", "features", "none"]
    """How inputs are scaled."""
    low: float
    """Least input of the training samples, before it is scaled."""
    high: float
    """Greatest."""
    classes: int = 0
    """Number of classes."""
    labels: Names = ()
    """What the classes are called in the file, in order; empty where they are 0, 1, 2 ..."""
    numbers: int = 0
    """Numbers of an answer."""
    means: Numbers = ()
    """Mean of each number of the answers over the training samples, which is subtracted."""
    deviations: Numbers = ()
    """Standard deviation, by which it is divided."""
