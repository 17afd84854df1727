"""A graph ready to run: what is known beforehand is computed, nodes with known weights have become modules."""

from collections import ChainMap
from collections.abc import Mapping, MutableMapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from dse.errors import DataError, DseError, SettingError
from dse.networks.onnx.layers import LAYERS, Digital, Layer
from dse.networks.onnx.operators import OPERATORS
from dse.networks.onnx.operators.node import FAULTS, Graph, Node, UnsupportedError, Value, number
from dse.networks.onnx.operators.sequences import LISTS

CONTROL = ("If", "Loop", "Scan")
"""Operators that hold graphs."""
Scope = MutableMapping[str, Value]
"""Values by name: those of a graph before those around it."""
MOST_TURNS = 100_000
"""Turns of the loops of a graph, those of loops in loops counted each; a file may ask for more than ever end."""
_turns: ContextVar[int] = ContextVar("turns", default=0)


class NodeError(DataError):
    """A node cannot take what it gets; its message names the node."""


@dataclass(frozen=True, eq=False)
class Step:
    """What runs.

    Attributes:
        node: the node.
        layer: name of its module; "" for an operator without weights.
        bodies: its graphs, by the name of the attribute.
        spent: names of values that nothing needs afterwards.
    """

    node: Node
    layer: str = ""
    bodies: Mapping[str, "Program"] = field(default_factory=dict[str, "Program"])
    spent: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Program:
    """A graph that can run.

    Attributes:
        steps: what runs, in order.
        inputs: names of what is fed.
        outputs: names of what it returns.
        constants: what was known beforehand and is used, by name.
    """

    steps: Sequence[Step]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, Value]

    def __deepcopy__(self, memo: dict[int, object]) -> "Program":
        """Return the same: nothing in it changes."""
        return self

    def __call__(self, layers: nn.ModuleDict, feeds: Mapping[str, Value], outside: Scope | None = None) -> list[Value]:
        """Return the outputs.

        Args:
            layers: the modules of all nodes, by name.
            feeds: inputs by name.
            outside: what the graph around this one knows.

        Raises:
            DataError: a node cannot take what it gets.
        """
        if outside is None:
            _turns.set(0)
        device = next((value.device for value in feeds.values() if isinstance(value, Tensor)), None)
        constants = {name: _moved(value, device) for name, value in self.constants.items()}
        scope: Scope = ChainMap({**constants, **feeds}, *([] if outside is None else [outside]))
        for step in self.steps:
            for name, value in zip(step.node.outputs, _run(step, layers, scope), strict=False):
                if name:
                    scope[name] = value
            for name in step.spent:
                scope.pop(name, None)
        return [_known(scope, name) for name in self.outputs]


def _known(scope: Mapping[str, Value], name: str) -> Value:
    if name not in scope:
        raise NodeError(f"nothing gives {name!r}: its node has fewer outputs than the file asks of it")
    return scope[name]


def _moved(value: Value, device: torch.device | None) -> Value:
    return value if device is None or not isinstance(value, Tensor) else value.to(device)


def _run(step: Step, layers: nn.ModuleDict, scope: Scope) -> Sequence[Value]:
    """Return the outputs of a step."""
    node = step.node
    inputs = [_known(scope, name) if name else None for name in node.inputs]
    try:
        if step.bodies:
            return _CONTROL[node.kind](step, layers, inputs, scope)
        found = layers[step.layer](*inputs) if step.layer else OPERATORS[node.kind](node, *inputs)
    except (DseError, torch.OutOfMemoryError):
        raise
    except FAULTS as error:
        if "alloc" in str(error):
            raise
        raise NodeError(f"{node.kind} {node.name!r} cannot take {_tensors(inputs)}: {_words(error)}") from error
    several = isinstance(found, (tuple, list)) and node.kind not in LISTS
    return cast("Sequence[Value]", found) if several else [found]


def _tensors(values: Sequence[Value]) -> str:
    """Return the sizes of tensors in words."""
    sizes = ["x".join(map(str, own.shape)) or "one number" for own in values if isinstance(own, Tensor)]
    return f"tensors of {', '.join(sizes)}" if sizes else "no tensors"


def _words(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def _if(step: Step, layers: nn.ModuleDict, inputs: Sequence[Value], scope: Scope) -> Sequence[Value]:
    body = step.bodies["then_branch" if bool(inputs[0]) else "else_branch"]
    return body(layers, {}, scope)


def _loop(step: Step, layers: nn.ModuleDict, inputs: Sequence[Value], scope: Scope) -> Sequence[Value]:
    """Run a body a number of times, or until it says that it is done."""
    (body,), (limit, goes_on, *carried) = step.bodies.values(), inputs
    count, states = len(carried), list(carried)
    gathered: list[list[Tensor]] = [[] for _ in body.outputs[1 + count :]]
    turn, going = 0, True if goes_on is None else bool(goes_on)
    while going and (limit is None or turn < int(number(limit))):
        _count_turn(step.node)
        values = [torch.tensor(turn), torch.tensor(going), *states]
        again, *found = body(layers, dict(zip(body.inputs, values, strict=True)), scope)
        going, states = bool(again), found[:count]
        for own, value in zip(gathered, found[count:], strict=True):
            own.append(value)
        turn += 1
    return [*states, *(torch.stack(own) if own else torch.zeros(0) for own in gathered)]


def _count_turn(node: Node) -> None:
    """Count a turn of a loop.

    Raises:
        NodeError: there were too many.
    """
    _turns.set(_turns.get() + 1)
    if _turns.get() > MOST_TURNS:
        raise NodeError(
            f"{node.kind} {node.name!r} does not end: the loops of this network take more than {MOST_TURNS:,} turns. "
            "Check the number of turns in the file"
        )


def _scan(step: Step, layers: nn.ModuleDict, inputs: Sequence[Value], scope: Scope) -> Sequence[Value]:
    """Run a body for every slice of some inputs."""
    node, (body,) = step.node, step.bodies.values()
    if node.opset < 9:
        raise node.refuse("a Scan of version 8, which has an axis of samples, is not supported; export a later version")
    scanned = node.get("num_scan_inputs")
    count = len(inputs) - scanned
    states, parts = list(inputs[:count]), inputs[count:]
    axes, ways = node.get("scan_input_axes", [0] * scanned), node.get("scan_input_directions", [0] * scanned)
    slices = [own.unbind(axis)[:: -1 if way else 1] for own, axis, way in zip(parts, axes, ways, strict=True)]
    gathered: list[list[Tensor]] = [[] for _ in body.outputs[count:]]
    for values in zip(*slices, strict=True):
        found = body(layers, dict(zip(body.inputs, [*states, *values], strict=True)), scope)
        states = found[:count]
        for own, value in zip(gathered, found[count:], strict=True):
            own.append(value)
    ends = node.get("scan_output_axes", [0] * len(gathered)), node.get("scan_output_directions", [0] * len(gathered))
    whole = [torch.stack(own[:: -1 if way else 1], axis) for own, axis, way in zip(gathered, *ends, strict=True)]
    return [*states, *whole]


_CONTROL = {"If": _if, "Loop": _loop, "Scan": _scan}


class Compiler:
    """Makes programs of graphs, and the modules of their nodes.

    Attributes:
        layers: modules by name; nodes that hold the same weights share one, as they share an array.

    Args:
        file: name of the file, for messages.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.layers: dict[str, Layer] = {}
        self._shared: dict[Any, str] = {}
        self._kept: list[Any] = []

    def program(
        self, graph: Graph, outside: Mapping[str, Value] | None = None, outputs: tuple[str, ...] | None = None
    ) -> Program:
        """Return the program of a graph.

        Args:
            graph: the graph.
            outside: what is known around it.
            outputs: the outputs that are asked for; all by default. What only others need is left out.

        Raises:
            SettingError: a node says what is not supported.
            DataError: a node cannot be built, or not take what is known of its inputs.
        """
        known: ChainMap[str, Value] = ChainMap(dict(graph.constants), *([] if outside is None else [dict(outside)]))
        wanted = graph.outputs if outputs is None else outputs
        steps = [step for node in _needed(graph, wanted) if (step := self._step(node, known)) is not None]
        used = {name for step in steps for name in needs(step)} | set(wanted)
        constants = {name: value for name, value in known.items() if name in used}
        return Program(_with_ends(steps, wanted), graph.inputs, wanted, constants)

    def _step(self, node: Node, known: ChainMap[str, Value]) -> Step | None:
        """Return what runs for a node; None where its outputs are known now."""
        try:
            return self._read(node, known)
        except UnsupportedError as error:
            raise SettingError(f"{self.file}: {error}") from None
        except NodeError as error:
            raise DataError(f"{self.file} is damaged: {error}; export or copy it again") from error
        except (*FAULTS, MemoryError) as error:
            weights = _tensors([known.get(name) for name in node.inputs])
            raise DataError(
                f"{self.file} is damaged: {node.kind} {node.name!r} cannot be built with {weights}: {_words(error)}; "
                "export or copy it again"
            ) from error

    def _read(self, node: Node, known: ChainMap[str, Value]) -> Step | None:
        bodies = {name: own for name, own in node.attributes.items() if isinstance(own, Graph)}
        given = all(not name or name in known for name in node.inputs)
        if node.kind == "If" and given:
            return self._branch(node, bodies, known)
        if bodies:
            return Step(node, bodies={name: self.program(own, known) for name, own in bodies.items()})
        operands = [known.get(name) if name else None for name in node.inputs]
        if given:
            for name, value in zip(node.outputs, _run(Step(node), nn.ModuleDict(), known), strict=False):
                known[name] = value
            return None
        return Step(node, layer=self._layer(node, operands))

    def _branch(self, node: Node, bodies: Mapping[str, Graph], known: ChainMap[str, Value]) -> Step | None:
        """Return the branch of a condition that is known; None where all of it is known."""
        name = "then_branch" if bool(known[node.inputs[0]]) else "else_branch"
        body = self.program(bodies[name], known)
        if not body.steps:
            for own, value in zip(node.outputs, body.outputs, strict=True):
                known[own] = body.constants[value]
            return None
        return Step(node, bodies={name: body})

    def _layer(self, node: Node, operands: Sequence[Value]) -> str:
        """Return the name of the module of a node; "" for a node without weights that are known."""
        if node.kind not in LAYERS:
            return ""
        said = sorted((name, str(value)) for name, value in node.attributes.items())
        key = (node.kind, *(id(own) for own in operands), *said)
        if key not in self._shared:
            built = LAYERS[node.kind](node, operands)
            if built is None:
                return ""
            self._shared[key] = self._named(node.name)
            self.layers[self._shared[key]] = built
            self._kept.append(operands)  # an identity is that of an object only while it lives
        return self._shared[key]

    def _named(self, name: str) -> str:
        """Return a name for a module that is not taken."""
        own = "".join(letter if letter.isalnum() else "_" for letter in name).strip("_") or "layer"
        number_, found = 1, own
        while found in self.layers or hasattr(nn.ModuleDict, found):
            number_ += 1
            found = f"{own}_{number_}"
        return found


def _needed(graph: Graph, outputs: Sequence[str]) -> list[Node]:
    """Return the nodes on which some outputs depend, in their order."""
    wanted, found = set(outputs), list[Node]()
    for node in reversed(graph.nodes):
        if wanted & set(node.outputs):
            found.append(node)
            wanted |= _taken(node)
    return found[::-1]


def _taken(node: Node) -> set[str]:
    """Return the names of what a node takes, its graphs included; names that are made inside do no harm."""
    used = set(node.inputs)
    for body in (value for value in node.attributes.values() if isinstance(value, Graph)):
        used |= set(body.outputs) | {name for inner in body.nodes for name in _taken(inner)}
    return used


def needs(step: Step) -> set[str]:
    """Return the names of the values that a step takes from its graph, those that its bodies take included."""
    used = set(step.node.inputs) - {""}
    for body in step.bodies.values():
        inside = {name for own in body.steps for name in own.node.outputs} | set(body.inputs)
        used |= {name for own in body.steps for name in needs(own)} - inside
        used |= set(body.outputs) - inside
    return used


def _with_ends(steps: Sequence[Step], outputs: Sequence[str]) -> list[Step]:
    """Return steps that know which values nothing needs after them."""
    last: dict[str, int] = {}
    made = {name for step in steps for name in step.node.outputs}
    for place, step in enumerate(steps):
        last |= dict.fromkeys(needs(step) & made, place)
    ends: dict[int, list[str]] = {}
    for name, place in last.items():
        if name not in outputs:
            ends.setdefault(place, []).append(name)
    return [replace(step, spent=tuple(ends.get(place, ()))) for place, step in enumerate(steps)]


def digital_layers(layers: nn.ModuleDict) -> dict[str, Digital]:
    """Return the modules whose weights stay digital, by name."""
    return {name: own for name, own in layers.items() if isinstance(own, Digital)}
