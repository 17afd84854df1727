"""Nodes whose weights are known before anything runs: modules with the linear and convolutional layers of torch inside.

These go on crossbars by `dse.crossbar.analog.on_crossbars`. A convolution in one dimension is one in two with images of
height 1; a transposed convolution is a product of every place with the weights of its window, whose parts are added
digitally where windows overlap; recurrent units have one array for their inputs and one for their state.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dse.crossbar.analog import DigitalLayer
from dse.crossbar.traits import Traits, described
from dse.networks.onnx.operators import OPERATORS
from dse.networks.onnx.operators.node import Node
from dse.networks.onnx.operators.normalisation import check_inference
from dse.networks.onnx.operators.products import cropped, transposed_pads
from dse.networks.onnx.operators.recurrent import GATES, Products, check, matrices, run
from dse.networks.onnx.operators.windows import padded, pads_of, windows_of

Operands = Sequence[Tensor | None]
"""The inputs of a node, None for those that are not known."""
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def _linear(weight: Tensor, bias: Tensor | None, activations: int | None = None) -> nn.Linear:
    """Return a linear layer with weights (outputs, inputs)."""
    own = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta").to_empty(device="cpu")
    _fill(own, weight, bias)
    return described(own, Traits(activations=activations))


def _convolution(weight: Tensor, bias: Tensor | None, **how: Any) -> nn.Conv2d:
    """Return a convolution with weights (outputs, inputs, height, width)."""
    outputs, inputs, height, width = weight.shape
    own = nn.Conv2d(inputs, outputs, (height, width), bias=bias is not None, device="meta", **how)
    own = own.to_empty(device="cpu")
    _fill(own, weight, bias)
    return own


def _fill(layer: nn.Linear | nn.Conv2d, weight: Tensor, bias: Tensor | None) -> None:
    layer.weight.data = weight.to(torch.float32).contiguous()
    if bias is not None:
        layer.bias.data = bias.to(torch.float32).reshape(-1).contiguous()  # pyright: ignore[reportOptionalMemberAccess]


class Layer(nn.Module):
    """A node with weights.

    Attributes:
        node: the node.
    """

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.node = node


class Convolution(Layer):
    """A convolution in one or two dimensions, without groups."""

    def __init__(self, node: Node, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__(node)
        self.windows, self.flat = windows_of(node, weight.shape[2:]), weight.dim() == 3
        lead = [1] if self.flat else []
        strides, dilations = ((*lead, *own) for own in self.windows[1:])
        weight = weight[:, :, None] if self.flat else weight
        self.product = _convolution(weight, bias, stride=strides, dilation=dilations)

    def forward(self, x: Tensor, *_: Tensor | None) -> Tensor:
        """Convolve; zeros around the image are rows that are not driven."""
        own = padded(x, pads_of(self.node, self.windows, x.shape[2:])).to(torch.float32)
        y = self.product(own[:, :, None])[:, :, 0] if self.flat else self.product(own)
        return y.to(x.dtype)


class TransposedConvolution(Layer):
    """A transposed convolution in one or two dimensions, without groups: a product for every place of the input."""

    def __init__(self, node: Node, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__(node)
        self.windows, self.flat, self.channels = windows_of(node, weight.shape[2:]), weight.dim() == 3, weight.shape[1]
        self.bias = None if bias is None else nn.Parameter(bias.to(torch.float32).reshape(-1))
        self.product = _convolution(weight.flatten(1).t()[:, :, None, None], None)

    def forward(self, x: Tensor, *_: Tensor | None) -> Tensor:
        """Add the parts of all windows where they belong."""
        sizes = x.shape[2:]
        parts = self.product((x[:, :, None] if self.flat else x).to(torch.float32)).flatten(2)
        lead = [1] if self.flat else []
        axes = zip(sizes, self.windows.strides, self.windows.reach, strict=True)
        whole = [(size - 1) * stride + reach for size, stride, reach in axes]
        size, kernel, dilation, stride = ((*lead, *own) for own in (whole, *(self.windows[n] for n in (0, 2, 1))))
        y = functional.fold(parts, size, kernel, dilation=dilation, stride=stride)
        y = cropped(y[:, :, 0] if self.flat else y, *transposed_pads(self.node, self.windows, sizes))
        y = y if self.bias is None else y + self.bias.reshape(-1, *[1] * len(sizes))
        return y.to(x.dtype)


class MatrixProduct(Layer):
    """A product of inputs with a matrix, from the right or from the left."""

    def __init__(self, node: Node, weight: Tensor, *, left: bool) -> None:
        super().__init__(node)
        self.left, self.vector = left, weight.dim() == 1
        matrix = weight[None] if self.vector else weight
        self.product = _linear(matrix if left or self.vector else matrix.t(), None)

    def forward(self, *operands: Tensor | None) -> Tensor:
        """Return the product, shape as that of matrices."""
        x = _given(operands[1 if self.left else 0])
        turned = self.left and x.dim() > 1
        own = x.transpose(-1, -2) if turned else x
        y = self.product(own.to(torch.float32)).to(x.dtype)
        if self.vector:
            return y.squeeze(-1)
        return y.transpose(-1, -2) if turned else y


class GeneralProduct(Layer):
    """alpha a b + beta c, where the matrix b is known, and c where it is a row."""

    def __init__(self, node: Node, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__(node)
        rows = weight if node.get("transB", 0) else weight.t()
        outputs = rows.shape[0]
        self.inside = bias is not None and bias.numel() in (1, outputs) and (bias.dim() < 2 or bias.shape[0] == 1)
        own = bias.reshape(-1).expand(outputs) * node.get("beta", 1.0) if bias is not None and self.inside else None
        self.product = _linear(rows * node.get("alpha", 1.0), own)

    def forward(self, a: Tensor, _: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        """Return the product and what is added to it."""
        x = a.t() if self.node.get("transA", 0) else a
        y = self.product(x.to(torch.float32)).to(a.dtype)
        return y if self.inside or c is None else y + self.node.get("beta", 1.0) * c


class SumOfProducts(Layer):
    """A sum of products by indices, of inputs and a tensor of weights that is known."""

    def __init__(self, node: Node, weight: Tensor, plan: "IndexPlan") -> None:
        super().__init__(node)
        self.plan = plan
        self.sizes = [weight.shape[plan.own.index(index)] for index in plan.kept]
        rows = weight.permute([plan.own.index(index) for index in (*plan.kept, *plan.summed)])
        self.product = _linear(rows.reshape(math.prod(self.sizes), -1), None)

    def forward(self, *operands: Tensor | None) -> Tensor:
        """Return the sum."""
        x, plan = _given(operands[1 - self.plan.place]), self.plan
        free = [index for index in plan.theirs if index not in plan.summed]
        turned = x.permute([plan.theirs.index(index) for index in (*free, *plan.summed)])
        flat = turned.reshape(*turned.shape[: len(free)], -1)
        y = self.product(flat.to(torch.float32)).to(x.dtype)
        y = y.reshape(*flat.shape[:-1], *self.sizes)
        order = [*free, *plan.kept]
        return y.permute([order.index(index) for index in plan.out])


class Recurrent(Layer):
    """Recurrent units; products with inputs are taken together, those with states step by step."""

    def __init__(self, node: Node, w: Tensor, r: Tensor, b: Tensor | None) -> None:
        super().__init__(node)
        self.units = r.shape[2]
        # Both products are added before the gates, whose functions count with those of the state.
        functions = (GATES[node.kind] + (node.kind == "LSTM")) * self.units
        self.directions = nn.ModuleList(
            nn.ModuleList(
                _linear(weight, bias, functions if place == len(own) - 1 else 0)
                for place, (weight, bias) in enumerate(own)
            )
            for own in matrices(node, w, r, b)
        )

    def forward(self, x: Tensor, *rest: Tensor | None) -> tuple[Tensor, ...]:
        """Return outputs and last states; see `run`."""
        _, _, _, lengths, *initial = [*rest, *[None] * (6 - len(rest))][:6]
        products = [Products(own[0], list(own)[1:]) for own in self.directions]  # pyright: ignore
        states = [None if own is None else own.to(torch.float32) for own in initial]
        found = run(self.node, x.to(torch.float32), products, self.units, lengths, states)
        return tuple(own.to(x.dtype) for own in found)


class Norm(Layer):
    """Batch normalisation, whose statistics a compensation can estimate anew."""

    def __init__(self, node: Node, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> None:
        super().__init__(node)
        self.norm = nn.BatchNorm1d(len(scale), eps=node.get("epsilon", 1e-5))
        values = {"weight": scale, "bias": bias, "running_mean": mean, "running_var": variance}
        self.norm.load_state_dict(
            {**self.norm.state_dict(), **{name: value.to(torch.float32) for name, value in values.items()}}
        )

    def forward(self, x: Tensor, *_: Tensor | None) -> Tensor:
        """Normalise each channel."""
        own = x.flatten(2) if x.dim() > 2 else x
        return self.norm(own.to(torch.float32)).reshape(x.shape).to(x.dtype)


class Digital(Layer, DigitalLayer):
    """A node whose weights stay digital.

    Attributes:
        reason: why no array takes it.
    """

    def __init__(self, node: Node, weight: Tensor, reason: str) -> None:
        # The weights of a transposed convolution have their inputs first, those of matrices before their outputs.
        sizes = [len(weight), weight[0].numel()]
        matrices = node.kind in ("MatMul", "Einsum")
        rows, cols = [weight.shape[-2], weight.shape[-1]] if matrices else sizes if _turned(node) else sizes[::-1]
        DigitalLayer.__init__(self, rows, cols)
        self.node, self.reason = node, reason

    def forward(self, *operands: Tensor | None) -> Any:
        """Return what the operator returns."""
        y = OPERATORS[self.node.kind](self.node, *operands)
        x = _given(operands[0])
        macs = x.numel() * self.cols if _turned(self.node) else y.numel() * self.rows
        self.count(len(x) if x.dim() else 1, macs, y.numel())
        return y


def _turned(node: Node) -> bool:
    return node.kind == "ConvTranspose"


def _given(operand: Tensor | None) -> Tensor:
    if operand is None:
        raise ValueError("an input is left out that has to be given")
    return operand


class IndexPlan:
    """How a sum of products by indices is a product with a matrix.

    Attributes:
        place: which of the two operands holds the weights.
        own: indices of the weights.
        theirs: indices of the other operand.
        out: indices of the sum.
        summed: indices over which is summed.
        kept: indices that only the weights have.
    """

    def __init__(self, place: int, terms: Sequence[str], out: str) -> None:
        self.place, self.own, self.theirs, self.out = place, terms[place], terms[1 - place], out
        self.summed = [index for index in self.theirs if index in self.own and index not in out]
        self.kept = [index for index in self.own if index not in self.theirs]

    @property
    def obstacle(self) -> str | None:
        """Why it is none; None where it is one."""
        whole = (self.own, self.theirs, self.out)
        if any(len(set(term)) < len(term) or not term.isalpha() for term in whole if term):
            return "an index stands twice, or stands for several"
        if any(index in self.own and index in self.out for index in self.theirs):
            return "an index is shared by both factors and the result, and an array connects all rows with all columns"
        lost = [index for index in (*self.own, *self.theirs) if index not in self.out and index not in self.summed]
        return "an index of one factor is summed over" if lost or not self.summed else None


Built = Layer | None
"""A module, or None where there are no weights that are known."""


def convolution(node: Node, operands: Operands) -> Built:
    """Return the module of a convolution."""
    weight, bias = operands[1], operands[2] if len(operands) > 2 else None
    if weight is None or (bias is None and len(operands) > 2 and node.inputs[2]):
        return None
    return _placed(node, weight, lambda: Convolution(node, weight, bias))


def transposed_convolution(node: Node, operands: Operands) -> Built:
    """Return the module of a transposed convolution."""
    weight, bias = operands[1], operands[2] if len(operands) > 2 else None
    if weight is None or (bias is None and len(operands) > 2 and node.inputs[2]):
        return None
    return _placed(node, weight, lambda: TransposedConvolution(node, weight, bias))


def _placed(node: Node, weight: Tensor, build: Callable[[], Layer]) -> Layer:
    axes = weight.dim() - 2
    if node.get("group", 1) != 1:
        return Digital(node, weight, "it has groups, and an array connects all rows with all columns")
    if axes > 2:
        return Digital(node, weight, "it has three dimensions, and one or two go on crossbars")
    return build()


def matrix_product(node: Node, operands: Operands) -> Built:
    """Return the module of a product with a matrix."""
    weight = operands[1] if operands[1] is not None else operands[0]
    if weight is None or weight.dtype not in FLOATS or not weight.dim():
        return None
    left = operands[1] is None
    if weight.dim() > 2 and weight.numel() == weight.shape[-1] * weight.shape[-2] and not left:
        return StackedProduct(node, weight)
    if weight.dim() > 2:
        return Digital(node, weight, "its weights are a stack of matrices")
    return MatrixProduct(node, weight, left=left)


class StackedProduct(MatrixProduct):
    """A product with a stack of one matrix, which gives the result axes of size 1 where the inputs have none."""

    def __init__(self, node: Node, weight: Tensor) -> None:
        super().__init__(node, weight.reshape(weight.shape[-2:]), left=False)
        self.axes = weight.dim()

    def forward(self, *operands: Tensor | None) -> Tensor:
        """Return the product."""
        y = super().forward(*operands)
        x = _given(operands[0])
        lacking = self.axes - max(x.dim(), 2)
        return y.reshape(*[1] * (lacking + (x.dim() < 2)), *y.shape) if lacking > 0 else y


def general_product(node: Node, operands: Operands) -> Built:
    """Return the module of a general product."""
    weight, bias = operands[1], operands[2] if len(operands) > 2 else None
    return None if weight is None or weight.dtype not in FLOATS else GeneralProduct(node, weight, bias)


def sum_of_products(node: Node, operands: Operands) -> Built:
    """Return the module of a sum of products by indices."""
    known = [place for place, own in enumerate(operands) if own is not None and own.dim() > 1]
    if len(operands) != 2 or len(known) != 1:
        return None
    if "equation" not in node.attributes:
        raise ValueError("it has no equation")
    terms, arrow, out = node.get("equation").replace(" ", "").partition("->")
    weight = operands[known[0]]
    parts = terms.split(",")
    if weight is None or weight.dtype not in FLOATS:
        return None
    plan = IndexPlan(known[0], parts, out)
    reason = plan.obstacle if arrow else "its result is not spelt out"
    return SumOfProducts(node, weight, plan) if reason is None else Digital(node, weight, reason)


def recurrent(node: Node, operands: Operands) -> Built:
    """Return the module of recurrent units."""
    _, w, r, b = [*operands, *[None] * 4][:4]
    later = [place for place in (3, 7) if len(operands) > place and node.inputs[place] and operands[place] is None]
    if w is None or r is None or later:
        return None
    check(node, operands[7] if len(operands) > 7 else None)
    return Recurrent(node, w, r, b)


def norm(node: Node, operands: Operands) -> Built:
    """Return the module of a batch normalisation."""
    check_inference(node)
    _, *own = operands
    known = [value for value in own if value is not None]
    return Norm(node, *known) if len(known) == 4 else None


LAYERS: Mapping[str, Callable[[Node, Operands], Built]] = {
    "BatchNormalization": norm,
    "Conv": convolution,
    "ConvTranspose": transposed_convolution,
    "Einsum": sum_of_products,
    "GRU": recurrent,
    "Gemm": general_product,
    "LSTM": recurrent,
    "MatMul": matrix_product,
    "RNN": recurrent,
}
"""What makes the module of a node, by its operator."""
