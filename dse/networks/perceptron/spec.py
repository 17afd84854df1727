"""A multilayer perceptron: its settings."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from dse.data.base import Data, SampleInfo
from dse.networks.base import AbstractNetwork, Units
from dse.networks.products import LayerProducts, Products
from dse.spec import Condition
from dse.tasks.base import Learner
from dse.tasks.recognition.spec import Recognition
from dse.tasks.regression.spec import Regression
from dse.updates.base import AbstractUpdate
from dse.updates.training import TrainingSpec

if TYPE_CHECKING:
    from dse.updates.platform import Platform

OF_MAPPING = ("mapping", "conductance_at_largest_us", "conductance_per_std_us")
"""Settings of what conductance stands for weight that go by the initial weights of a network."""
OF_SCALES = ("output_scale", "output_scale_kind", "output_scale_rate")
"""Settings of digital factors behind layers that learn by torch."""
OF_TILES = ("tile_rows", "tile_columns", "unused_lines", "packing")
"""Settings of arrays and deployments that have no effect where a layer is an array of its own."""


PLAIN_COSTS = (
    "a perceptron takes the plain path then, step by step in tensor operations: some 300 times as long with "
    "training.batch_size = 1, 50 times with 10, 10 times with 100 (784-250-10, findings/benchmarks.md)"
)


class Perceptron(AbstractNetwork):
    """Sigmoid units with a bias row in every layer, learned by plain descent on half the squared error.

    Output units are linear where answers are numbers. Inputs lie in [0, 1], so that converters are unsigned; what a
    weight is worth in conductance is a setting, the same in every layer, and initial weights are those of the initial
    conductances (Nandakumar et al. 2018, 2020).
    """

    name: Literal["perceptron"] = "perceptron"
    """A multilayer perceptron of sigmoid units, with a bias row in every layer."""
    hidden: Units = (64,)
    """Units of each hidden layer, before the width multiplier."""
    task = Recognition
    tasks = (Recognition, Regression)
    plain_rule = plain_cells = PLAIN_COSTS
    plain_with: ClassVar[Mapping[str, str]] = {
        "array.wires": f"wires mix the cells of an array at every update, and {PLAIN_COSTS}",
        "array.significance": f"transfers between pairs of a weight are not compiled, and {PLAIN_COSTS}",
        "adc.errors": f"compiled converters do not err, and {PLAIN_COSTS}",
    }
    joins = True
    on_accelerators = (
        'with --executor "local" designs of one shape learn there in one launch, those on PCM that compiled code '
        "takes; actors, and all other designs, learn on the processor. Speed there was not measured "
        "(findings/benchmarks.md)"
    )
    slow_with: ClassVar[Mapping[tuple[str, Any], str]] = {
        ("dac.coding", "bit_serial"): f"every bit of an input is a product, and {PLAIN_COSTS}",
    }
    idle: ClassVar[Mapping[str, Condition]] = {
        **{f"array.{what}": {} for what in (*OF_MAPPING, *OF_SCALES, "read_noise_per")},
        "accumulator.inference": {},
        **{f"{table}.{what}": {} for table in ("array", "deployment") for what in OF_TILES},
    }

    @classmethod
    def training(cls) -> type[TrainingSpec]:
        """Return plain descent: none of what other networks can do with their training."""
        return TrainingSpec

    @classmethod
    def learns_by(cls, rule: type[AbstractUpdate]) -> bool:
        """Return whether a rule makes layers of a perceptron; torch has no part in it."""
        return rule.perceptrons

    def check(self, info: SampleInfo) -> None:
        """Check that inputs lie in [0, 1]; see `AbstractNetwork`."""
        if not info.bounded:
            msg = (
                f'network.name = "{self.name}" drives unsigned converters with inputs in [0, 1], and some lie outside; '
                'give workload.scaling = "auto"'
            )
            raise ValueError(msg)

    def layer_sizes(self, inputs: int, outputs: int) -> list[tuple[int, int]]:
        """Return (rows, cols) of every layer's weights, bias rows included."""
        units = [inputs, *(self.widened(n) for n in self.hidden), outputs]
        return [(a + 1, b) for a, b in itertools.pairwise(units)]

    def products(self, info: SampleInfo, training: Any) -> Products:  # noqa: ARG002
        """Return what a sample takes of each layer; see `AbstractNetwork`."""
        return tuple(
            LayerProducts(
                rows=rows,
                cols=cols,
                vectors=1,
                places=1,
                activations=cols,
                back=number > 0,
                inside=rows - 1,
                reached=rows - 1,
                bias_rows=1,
                tiled=False,
                updates_all=False,
                unsigned=True,
            )
            for number, (rows, cols) in enumerate(self.layer_sizes(info.pixels, info.outputs))
        )

    def learner(self, data: Data, training: Any, platform: "Platform", *, seed: int) -> Learner:
        """Return what learns in compiled code; see `AbstractNetwork`."""
        from dse.data.images import Dataset  # noqa: PLC0415  torch
        from dse.networks.perceptron.learner import PerceptronLearner, layers_of  # noqa: PLC0415

        images = cast("Dataset", data)
        layers = layers_of(self.layer_sizes(images.info.pixels, images.info.outputs), platform, seed=seed)
        pace, measure = platform.pace(training.learning_rate), self.task_for(type(data.info)).measures[0]
        return PerceptronLearner(layers, images, training.batch_size, pace, measure=measure, seed=seed)

    @classmethod
    def can_join(cls, platform: "Platform") -> bool:
        """Return whether cells, converters and rule are compiled; see `AbstractNetwork`."""
        from dse.networks.perceptron.learner import layers_of  # noqa: PLC0415  torch
        from dse.updates.generation import compiles  # noqa: PLC0415

        return compiles(layers_of([(2, 1), (2, 1)], platform, seed=0))

    @classmethod
    def join(cls, learners: Sequence[Any], seen: int, device: str) -> None:
        """Let them learn in one launch; see `AbstractNetwork`."""
        from dse.networks.perceptron.together import join  # noqa: PLC0415  torch

        join(learners, seen, device)
