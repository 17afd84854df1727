"""From the bytes of an ONNX file to a graph; messages where a file cannot be read or says what is not supported."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from dse.errors import DataError, SettingError
from dse.networks.onnx.operators import OPERATORS
from dse.networks.onnx.operators.node import FAULTS, MOST_NUMBERS, Graph, Node, UnsupportedError
from dse.networks.onnx.operators.quantised import REFUSED
from dse.networks.onnx.operators.shapes import KINDS
from dse.networks.onnx.program import CONTROL

OLDEST = 7
"""The first version of the standard operators in which tensors of different shapes meet as they do today."""
STANDARD = ("", "ai.onnx")


@dataclass(frozen=True)
class Port:
    """An input or output of a model.

    Attributes:
        name: its name.
        kind: the kind of its numbers; None where it is no tensor of numbers.
        sizes: a size for each axis, a name for one that is left open, "" for one without a name; None where even the
            number of axes is open.
    """

    name: str
    kind: torch.dtype | None
    sizes: tuple[int | str, ...] | None

    @property
    def shape(self) -> str:
        """The sizes in words."""
        return "any shape" if self.sizes is None else "x".join(str(size or "?") for size in self.sizes) or "one number"


@dataclass(frozen=True)
class Model:
    """A graph with what it takes and gives.

    Attributes:
        graph: the graph.
        inputs: what has to be fed, without tensors that come with the graph.
        outputs: what it returns.
    """

    graph: Graph
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def onnx_package() -> Any:
    """Return the package onnx.

    Raises:
        SettingError: it is not installed.
    """
    try:
        import onnx  # noqa: PLC0415  optional
        from onnx import inliner, numpy_helper  # noqa: F401, PLC0415  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise SettingError(
            "a network from an ONNX file needs the package onnx, which is not installed; pip install 'pcm-dse[onnx]'"
        ) from error
    return onnx


def read_model(content: bytes, file: str) -> Model:
    """Return the model of a file.

    Args:
        content: the bytes of the file.
        file: its name, for messages.

    Raises:
        SettingError: the package onnx is not installed, or the model says something that is not supported.
        DataError: the file is no ONNX model, is damaged, or keeps its weights elsewhere.
    """
    onnx = onnx_package()
    proto = _parsed(onnx, content, file)
    _check_external(onnx, proto, file)
    if proto.functions:
        proto = _inlined(onnx, proto, file)
        _check_external(onnx, proto, file)
    opsets = {own.domain if own.domain not in STANDARD else "": own.version for own in proto.opset_import}
    if opsets.get("", OLDEST) < OLDEST:
        raise SettingError(
            f"{file}: its operators are of version {opsets['']}; version {OLDEST} and later are supported. Convert it "
            f"with onnx.version_converter.convert_version(onnx.load(...), {OLDEST})"
        )
    _check_operators(onnx, proto.graph, file)
    try:
        graph = _graph(onnx, proto.graph, opsets)
    except UnsupportedError as error:
        raise SettingError(f"{file}: {error}") from None
    except (*FAULTS, MemoryError) as error:
        raise DataError(f"{file} is damaged: {_words(error)}; export or copy it again") from error
    _check_names(graph, set(), file)
    given = graph.constants.keys()
    inputs = tuple(_port(own) for own in proto.graph.input if own.name not in given)
    return Model(graph, inputs, tuple(_port(own) for own in proto.graph.output))


def _parsed(onnx: Any, content: bytes, file: str) -> Any:
    try:
        proto = onnx.load_model_from_string(content)
    except Exception as error:
        raise DataError(f"{file} is no ONNX model, or is damaged: {_words(error)}; export or copy it again") from error
    if not proto.graph.node or not proto.graph.output:
        raise DataError(f"{file} is no ONNX model, or is damaged: it has no operators; export or copy it again")
    return proto


def _inlined(onnx: Any, proto: Any, file: str) -> Any:
    """Return a model with the nodes of its functions where these are called."""
    try:
        return onnx.inliner.inline_local_functions(proto)
    except Exception as error:
        names = _some([own.name for own in proto.functions])
        raise DataError(
            f"{file} is damaged: its functions ({names}) cannot be put where they are called: {_words(error)}; export "
            "or copy it again"
        ) from error


def _words(error: BaseException) -> str:
    """Return what an error says, in one line."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return f"there is no {text}" if isinstance(error, KeyError) else text


def _graphs(onnx: Any, proto: Any) -> Iterator[Any]:
    """Yield a graph and all graphs inside."""
    yield proto
    for node in proto.node:
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs:
                yield from _graphs(onnx, inner)


def _tensors(onnx: Any, proto: Any) -> Iterator[Any]:
    """Yield every tensor of a message: initializers, attributes, parts of sparse tensors, those in functions."""
    if isinstance(proto, onnx.TensorProto):
        yield proto
        return
    for field, value in proto.ListFields():
        if field.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else value:
                yield from _tensors(onnx, inner)


def _check_external(onnx: Any, proto: Any, file: str) -> None:
    """Check that all weights are in the file itself."""
    external = [own for own in _tensors(onnx, proto) if own.data_location == onnx.TensorProto.EXTERNAL]
    if external:
        where = {entry.value for own in external for entry in own.external_data if entry.key == "location"}
        raise DataError(
            f"{file} keeps {len(external)} of its tensors in {', '.join(sorted(where)) or 'another file'}, and a "
            f'design holds one file; put all into one: python -c \'import onnx; onnx.save(onnx.load("{file}"), '
            '"one.onnx")\''
        )


def _check_operators(onnx: Any, proto: Any, file: str) -> None:
    """Check that all operators are known; one message names all that are not."""
    unknown: dict[str, list[str]] = {}
    for graph in _graphs(onnx, proto):
        for node in graph.node:
            kind = _kind(node)
            if kind not in OPERATORS and kind not in CONTROL:
                unknown.setdefault(kind, []).append(node.name or next(iter(node.output), ""))
    if not unknown:
        return
    lines = [f"{kind} ({_some(names)})" for kind, names in sorted(unknown.items())]
    hint = "export the network with standard operators, without those of one runtime"
    if set(unknown) & set(REFUSED):
        hint = "export it in floats, or with QuantizeLinear and DequantizeLinear around float operators"
    raise SettingError(f"{file}: operators that are not supported: {'; '.join(lines)}; {hint}")


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _kind(node: Any) -> str:
    return node.op_type if node.domain in STANDARD else f"{node.domain}:{node.op_type}"


def _graph(onnx: Any, proto: Any, opsets: Mapping[str, int]) -> Graph:
    constants = {own.name: _tensor(onnx, own) for own in proto.initializer}
    constants |= {own.values.name: _dense(onnx, own) for own in proto.sparse_initializer}
    return Graph(
        nodes=[_node(onnx, node, opsets) for node in proto.node],
        inputs=tuple(own.name for own in proto.input),
        outputs=tuple(own.name for own in proto.output),
        constants=constants,
    )


def _node(onnx: Any, proto: Any, opsets: Mapping[str, int]) -> Node:
    name = proto.name or next((output for output in proto.output if output), "")
    attributes = {own.name: _attribute(onnx, own, opsets) for own in proto.attribute}
    domain = "" if proto.domain in STANDARD else proto.domain
    return Node(name, _kind(proto), tuple(proto.input), tuple(proto.output), attributes, opsets.get(domain, OLDEST))


def _attribute(onnx: Any, proto: Any, opsets: Mapping[str, int]) -> Any:
    kinds = onnx.AttributeProto
    if proto.type == kinds.GRAPH:
        return _graph(onnx, proto.g, opsets)
    if proto.type == kinds.TENSOR:
        return _tensor(onnx, proto.t)
    if proto.type == kinds.SPARSE_TENSOR:
        return _dense(onnx, proto.sparse_tensor)
    value = onnx.helper.get_attribute_value(proto)
    if proto.type == kinds.STRING:
        return value.decode()
    if proto.type == kinds.STRINGS:
        return [text.decode() for text in value]
    return list(value) if proto.type in (kinds.INTS, kinds.FLOATS) else value


def _tensor(onnx: Any, proto: Any) -> Tensor:
    if proto.data_location == onnx.TensorProto.EXTERNAL:  # whose content no checksum of a design covers
        raise ValueError(f"the tensor {proto.name!r} is in another file")
    if proto.data_type not in onnx.TensorProto.DataType.values():
        raise ValueError(f"the tensor {proto.name!r} holds numbers of kind {proto.data_type}, which there is not")
    array: np.ndarray = onnx.numpy_helper.to_array(proto)
    kind = str(array.dtype)
    if kind in ("int4", "uint4", "int2", "uint2"):
        array = array.astype(np.int8 if kind.startswith("int") else np.uint8)
    elif kind == "bfloat16":
        return torch.from_numpy(array.astype(np.float32)).to(torch.bfloat16)
    elif array.dtype.kind not in "biuf":
        raise UnsupportedError(f"the tensor {proto.name!r} holds {kind}; numbers alone are supported")
    return torch.from_numpy(array.copy())


def _dense(onnx: Any, proto: Any) -> Tensor:
    """Return a tensor that is given by its entries that are not zero."""
    values, places = _tensor(onnx, proto.values), _tensor(onnx, proto.indices)
    if math.prod(proto.dims) > MOST_NUMBERS:
        raise ValueError(f"the sparse tensor {proto.values.name!r} has more than {MOST_NUMBERS} numbers")
    whole = torch.zeros(list(proto.dims), dtype=values.dtype)
    where = (places,) if places.dim() == 1 else tuple(places.t())
    if places.dim() == 1:
        whole.view(-1)[where] = values
    else:
        whole[where] = values
    return whole


def _check_names(graph: Graph, outside: set[str], file: str) -> None:
    """Check that everything that is used was made before."""
    known = outside | set(graph.inputs) | set(graph.constants)
    for node in graph.nodes:
        for inner in (value for value in node.attributes.values() if isinstance(value, Graph)):
            _check_names(inner, known, file)
        lacking = [name for name in node.inputs if name and name not in known]
        if lacking:
            raise DataError(
                f"{file} is damaged: {node.kind} {node.name!r} takes {lacking[0]!r}, which nothing gives before it; "
                "export or copy it again"
            )
        known |= set(node.outputs)
    if missing := [name for name in graph.outputs if name not in known]:
        raise DataError(f"{file} is damaged: nothing gives its output {missing[0]!r}; export or copy it again")


def _port(proto: Any) -> Port:
    own = proto.type.tensor_type
    kind = KINDS.get(own.elem_type) if proto.type.WhichOneof("value") == "tensor_type" else None
    sizes = tuple(_size(dimension) for dimension in own.shape.dim) if kind and own.HasField("shape") else None
    return Port(proto.name, kind, sizes)


def _size(dimension: Any) -> int | str:
    """Return a size; 0 and below, as some exporters write it, is left open like one without a value."""
    value = cast("int", dimension.dim_value)
    return value if value > 0 else cast("str", dimension.dim_param)
