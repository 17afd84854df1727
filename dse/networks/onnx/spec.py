"""Trained networks from ONNX files: their settings, and what is found in the file."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

from annotated_types import Ge, Le
from pydantic import Strict

from dse.data.base import SampleInfo
from dse.files import Content, FileFacts, FileSpec
from dse.networks.base import AbstractNetwork
from dse.networks.onnx.fit import Wanted, check_samples, constants_of, sizes_of
from dse.spec import ActsUnless, Condition, Found
from dse.tasks.inference.spec import Inference, JudgedInference
from dse.updates.base import AbstractUpdate
from dse.updates.sgd.spec import Sgd

if TYPE_CHECKING:
    from torch import nn

Sizes = Annotated[tuple[int | str, ...], Strict(strict=False)]
Texts = Annotated[tuple[str, ...], Strict(strict=False)]


class OnnxFacts(FileFacts):
    """What is found in an ONNX file."""

    input: str
    """Name of the input that takes the samples."""
    sizes: Sizes
    """Sizes of its axes; a name, or "", for one that is left open."""
    output: str
    """Name of the output that is looked at."""
    layers: int
    """Layers whose weights go on crossbars."""
    digital: Texts
    """Layers with weights that stay digital, and why."""
    batch_norms: int
    """Batch normalisations that are nodes of their own."""


class Onnx(AbstractNetwork, FileSpec):
    """A trained network from an ONNX file, which is deployed as it is."""

    name: Literal["onnx"] = "onnx"
    """A trained network from an ONNX file (`network.file`), deployed as it is."""
    file: str = ""
    """The file of a network, as a path from the folder of the study file: NAME.onnx, with its weights inside. A design
    knows it by its checksum."""
    input: str = ""
    """The input that takes the samples; the first by default."""
    output: str = ""
    """The output that is looked at; the first by default."""
    constants: Texts = ()
    """What other inputs get, such as "rate = 16000", or "state = 0.5 of 2x1x128" where the file leaves sizes open. One
    that is not named gets zeros, if its numbers are floats."""
    sizes: Texts = ()
    """Sizes that the file leaves open under a name, such as "length = 64"; those of the samples follow from these."""
    decision: Literal["auto", "largest", "threshold"] = "auto"
    """What the network decides: "largest" for the class with the largest output, "threshold" for whether an output
    exceeds `threshold`. "auto": "largest" where there is more than one class."""
    threshold: Annotated[float, Ge(-1e30), Le(1e30), ActsUnless(decision="largest")] = 0.5
    """Above it, an output says yes."""
    class_axis: Annotated[int, Ge(-8), Le(7)] | Literal["auto"] = "auto"
    """The axis of the output along which classes lie, the first being that of the samples. "auto": the last, or that of
    the channels of images; none where there is one number for each sample."""
    found: Annotated[OnnxFacts | None, Found()] = None
    """What was found in the file."""

    looks_at: ClassVar[tuple[str, ...]] = ("file", "input", "output", "constants", "sizes")
    task = JudgedInference
    tasks = (JudgedInference, Inference)
    defaults: ClassVar[Mapping[str, Any]] = {"architecture": Sgd.name, "workload.scaling": "none"}
    # Nothing is trained, on crossbars or off them; cells are those of the deployment.
    idle: ClassVar[Mapping[str, Condition]] = {
        **{table: {} for table in ("array", "device", "dac", "adc", "accumulator", "refresh", "clock")},
        "network.width": {},
        "deployment.reprogram": {},
    }
    learns_not = "which trains, and a network from a file is trained already"

    @classmethod
    def learns_by(cls, rule: type[AbstractUpdate]) -> bool:
        """Return whether weights are digital until the deployment."""
        return not rule.on_crossbars

    @classmethod
    def look(cls, settings: Mapping[str, Any], content: Content) -> Mapping[str, Any]:
        """Return what there is to know of the file; see `FileSpec`."""
        from dse.networks.onnx.module import look  # noqa: PLC0415  torch

        return look(content, cls.model_validate({**settings, "file": content.name}).wanted)

    @property
    def facts(self) -> OnnxFacts:
        """What was found in the file; see `FileSpec`."""
        return cast("OnnxFacts", super().facts)

    @property
    def wanted(self) -> Wanted:
        """What is said of the network."""
        names = ("input", "output", "constants", "sizes", "decision", "threshold", "class_axis")
        return Wanted(**{name: getattr(self, name) for name in names})

    @property
    def has_batch_norm(self) -> bool:
        """Whether batch normalisations are nodes of their own; see `AbstractNetwork`."""
        return self.found is not None and self.found.batch_norms > 0

    def check(self, info: SampleInfo) -> None:
        """Check that the samples fit the input; see `AbstractNetwork`."""
        constants_of(self.constants)
        check_samples(
            self.facts.sizes,
            sizes_of(self.sizes),
            info.shape,
            info.given,
            f"{self.file}: the input {self.facts.input!r}",
        )

    def build(self, info: SampleInfo, training: Any, *, seed: int) -> "tuple[nn.Module, ...]":  # noqa: ARG002
        """Return the network; see `AbstractNetwork`."""
        from dse.networks.onnx.module import built  # noqa: PLC0415  torch

        return (built(self.content(), self.wanted, info),)
