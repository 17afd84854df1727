"""`on_crossbars`: puts the linear and convolutional layers of a torch module on crossbars."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from dse.crossbar.analog.base import AnalogLayer, analog_layers, named_parts
from dse.crossbar.analog.layers import AnalogConv2d, AnalogLinear
from dse.crossbar.analog.spec import Crossbars
from dse.errors import SettingError

_KEPT = (
    "{} is on crossbars already and keeps its arrays and converters; convert the digital module to give it others, or "
    "let `choose` leave it out"
)
Choose = Callable[[str, nn.Module], bool]
"""(name of a layer, layer) -> whether it goes on crossbars."""


@dataclass(frozen=True)
class Placement:
    """Where a layer of a converted module is.

    Attributes:
        name: its name in the module.
        rows: inputs of the array, without a bias row.
        cols: outputs of the array.
        row_tiles: arrays along the inputs.
        column_tiles: arrays along the outputs.
    """

    name: str
    rows: int
    cols: int
    row_tiles: int
    column_tiles: int

    @property
    def weights(self) -> int:
        """Weights on the arrays; two cells each with one pair a weight."""
        return self.rows * self.cols


def on_crossbars(module: nn.Module, crossbars: Crossbars, *, seed: int = 0, choose: Choose | None = None) -> nn.Module:
    """Return a copy of a module whose linear and convolutional layers are on crossbars.

    What stays digital although it holds matrices of weights is named in a warning, with the reason: layers of other
    kinds, grouped convolutions, weights that several layers share, that are not float32, or that are computed from
    others. `placement_of` says where the rest is. A layer that is on other crossbars already keeps them, and a warning
    says so, too: give layers different arrays in several calls, with `choose`.

    Args:
        module: any module; it is not changed.
        crossbars: arrays and converters of all layers.
        seed: seed of the read noise.
        choose: which of the layers that could go on crossbars do; all by default.

    Raises:
        SettingError: no layer goes on crossbars.
    """
    converted, number = copy.deepcopy(module), 0
    shared = _shared_parameters(converted)
    for name, layer in named_parts(converted):
        if isinstance(layer, AnalogLayer):
            number += 1
            if layer.crossbars != crossbars and (choose is None or choose(name, layer)):
                warnings.warn(_KEPT.format(name or "the module"), stacklevel=2)
            continue
        if not any(p.dim() > 1 for p in layer.parameters(recurse=False)):
            continue
        reason = _obstacle(layer, shared)
        if reason is not None:
            warnings.warn(f"{name or 'the module'} stays digital: {reason}", stacklevel=2)
        elif choose is None or choose(name, layer):
            analog = _analog(layer, crossbars, seed, number)
            analog.label = name
            converted = _replaced(converted, name, analog)
            number += 1
    if number == 0:
        raise SettingError(
            "no layer of the module goes on crossbars; linear layers and convolutions without groups can, in float32"
        )
    return converted


def placement_of(module: nn.Module) -> list[Placement]:
    """Return where the layers of a converted module are, in its order."""
    return [
        Placement(name, layer.rows, layer.cols, len(layer.row_tiles), len(layer.column_tiles))
        for name, layer in analog_layers(module)
    ]


def _shared_parameters(module: nn.Module) -> set[int]:
    """Return the identities of parameters that stand in several places."""
    seen: set[int] = set()
    shared: set[int] = set()
    for part in module.modules():
        for parameter in part.parameters(recurse=False):
            (shared if id(parameter) in seen else seen).add(id(parameter))
    return shared


def _obstacle(layer: nn.Module, shared: set[int]) -> str | None:
    """Return why a layer cannot go on crossbars, or None."""
    if type(layer) not in (nn.Linear, nn.Conv2d):
        return f"{type(layer).__name__} is neither torch.nn.Linear nor torch.nn.Conv2d"
    own = dict(layer.named_parameters(recurse=False))
    kinds = {str(parameter.dtype) for parameter in own.values()}
    hooks = [getattr(layer, name) for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")]
    obstacles = {
        "its weight is computed from other parameters": "weight" not in own,
        "another layer has the same weights, and an array belongs to one": any(id(p) in shared for p in own.values()),
        f"its parameters are {', '.join(sorted(kinds))}, and cells hold float32": kinds != {"torch.float32"},
        "it has hooks, which would be lost": any(hooks),
    }
    if isinstance(layer, nn.Conv2d):
        obstacles |= {
            f"groups = {layer.groups}, and an array connects all rows with all columns": layer.groups != 1,
            f"padding = {layer.padding!r}; give it in numbers": isinstance(layer.padding, str),
            f"padding_mode = {layer.padding_mode!r}; rows outside an image are not driven": (
                layer.padding_mode != "zeros"
            ),
        }
    return next((reason for reason, met in obstacles.items() if met), None)


def _analog(layer: nn.Module, crossbars: Crossbars, seed: int, number: int) -> AnalogLayer:
    """Return a layer on crossbars with the parameters of a digital one."""
    if isinstance(layer, nn.Conv2d):
        return AnalogConv2d(layer, crossbars, seed=seed, number=number)
    if isinstance(layer, nn.Linear):
        return AnalogLinear(layer, crossbars, seed=seed, number=number)
    raise TypeError(f"{type(layer).__name__} cannot go on crossbars")


def _replaced(module: nn.Module, name: str, layer: nn.Module) -> nn.Module:
    """Return the module with one part replaced; the part itself where the module is that part."""
    if not name:
        return layer
    parent, _, own = name.rpartition(".")
    setattr(module.get_submodule(parent), own, layer)
    return module
