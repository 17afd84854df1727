"""Operators of ONNX graphs, one by one, against onnxruntime, which is another implementation of the same standard."""

import itertools

import numpy as np
import pytest
from onnx import helper

from dse.errors import DataError, SettingError
from dse.networks.onnx import program
from dse.networks.onnx.operators import OPERATORS
from dse.networks.onnx.program import CONTROL
from tests.onnx_models import agree, model_of, node_model, ours, reference, some, whole

X, POSITIVE, UNIT = some(2, 3, 4), some(2, 3, 4, low=0.1, high=3.0), some(2, 3, 4, low=-0.9, high=0.9)
TRUTH, OTHER_TRUTH = some(2, 3, 4, kind=np.bool_), some(3, 4, kind=np.bool_)
INTS, DIVISORS = some(2, 3, 4, kind=np.int64), some(2, 3, 4, low=1, high=5, kind=np.int64)
IMAGE = some(2, 6, 5, 7)
ROWS = some(3, 5)

REDUCTIONS = (
    *("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"),
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"),
)
PLAIN = (
    *("Abs", "Atan", "Ceil", "Cos", "Erf", "Exp", "Floor", "Identity", "Neg", "Relu", "Round", "Sigmoid", "Sign"),
    *("Sin", "Softplus", "Softsign", "Tanh", "HardSwish"),
)
OF_INTEGERS = ("Add", "Sub", "Mul", "Div", "Mod", "Max", "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual")
NORM = [some(6), some(6), some(6), some(6, low=0.2, high=2.0)]
SHIFTED = [some(5, low=0, high=9, kind=np.uint8), some(5, low=0, high=3, kind=np.uint8)]
ADDING = {"axis": 1, "reduction": "add"}
TURNED = {"transA": 1, "transB": 1, "alpha": 0.3, "beta": 1.7}
GRID, SCALES = [some(1, 2, 4, 5), some(1, 3, 3, 2, low=-1.1, high=1.1)], some(3, low=0.02, high=0.1)

CASES = {
    # One input, number by number.
    **{name: (name, [X]) for name in PLAIN},
    **{name: (name, [UNIT]) for name in ("Acos", "Asin", "Atanh", "Asinh", "Sinh", "Cosh", "Tan")},
    **{name: (name, [POSITIVE]) for name in ("Sqrt", "Log", "Reciprocal")},
    "Acosh": ("Acosh", [POSITIVE + 1]),
    "Round to even": ("Round", [np.array([0.5, 1.5, 2.5, -0.5, -2.5], np.float32)]),
    "IsNaN": ("IsNaN", [np.array([1.0, np.nan, np.inf], np.float32)]),
    "IsInf": ("IsInf", [np.array([1.0, np.nan, np.inf, -np.inf], np.float32)]),
    "IsInf below": ("IsInf", [np.array([1.0, np.inf, -np.inf], np.float32)], {"detect_positive": 0}),
    "Not": ("Not", [TRUTH]),
    "BitwiseNot": ("BitwiseNot", [INTS], {}, 18),
    # Two and more, of shapes that meet.
    **{name: (name, [X, some(3, 1)]) for name in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean")},
    **{f"{name} of integers": (name, [INTS, DIVISORS]) for name in OF_INTEGERS},
    **{name: (name, [TRUTH, OTHER_TRUTH]) for name in ("And", "Or", "Xor")},
    **{name: (name, [INTS, DIVISORS], {}, 18) for name in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")},
    "Max of one": ("Max", [X]),
    "Max of three": ("Max", [X, some(4), some(1, 3, 1)]),
    "Mean of three": ("Mean", [X, some(4), some(1, 3, 1)]),
    "Mod as C has it": ("Mod", [X, POSITIVE], {"fmod": 1}),
    "Pow": ("Pow", [POSITIVE, some(4)]),
    "Pow of two": ("Pow", [X, np.float32(2)]),
    "Pow of a half": ("Pow", [POSITIVE, np.float32(0.5)]),
    "Pow of integers": ("Pow", [INTS, np.int64(2)]),
    "Pow of a float and an integer": ("Pow", [X, np.int64(3)]),
    "BitShift": ("BitShift", SHIFTED, {"direction": "LEFT"}),
    "Where": ("Where", [TRUTH, X, np.float32(2)]),
    "Clip": ("Clip", [X, np.float32(-0.5), np.float32(0.7)]),
    "Clip below": ("Clip", [X, np.float32(-0.5)]),
    "Clip above": ("Clip", [X, None, np.float32(0.5)]),
    "Clip at both": ("Clip", [X], {"min": -0.3, "max": 0.4}, 6 + 1),
    "Clip of integers": ("Clip", [INTS, np.int64(-2), np.int64(3)]),
    # Activations.
    "LeakyRelu": ("LeakyRelu", [X]),
    "LeakyRelu alpha": ("LeakyRelu", [X], {"alpha": 0.3}),
    "PRelu": ("PRelu", [IMAGE, some(6, 1, 1)]),
    "Elu": ("Elu", [X], {"alpha": 0.7}),
    "Celu": ("Celu", [X], {"alpha": 0.6}),
    "Selu": ("Selu", [X]),
    "Selu of its own": ("Selu", [X], {"alpha": 1.2, "gamma": 0.9}),
    "HardSigmoid": ("HardSigmoid", [3 * X]),
    "HardSigmoid of its own": ("HardSigmoid", [3 * X], {"alpha": 1 / 6, "beta": 0.45}),
    "ThresholdedRelu": ("ThresholdedRelu", [X], {"alpha": 0.4}),
    "Mish": ("Mish", [X], {}, 18),
    "Gelu": ("Gelu", [X], {}, 20),
    "Gelu by tanh": ("Gelu", [X], {"approximate": "tanh"}, 20),
    "Shrink": ("Shrink", [X], {"bias": 0.2, "lambd": 0.6}),
    **{f"{name} until 12": (name, [X], {"axis": 1}, 11) for name in ("Softmax", "LogSoftmax", "Hardmax")},
    **{f"{name} from 13": (name, [X], {"axis": 1}, 13) for name in ("Softmax", "LogSoftmax", "Hardmax")},
    **{f"{name} by default": (name, [X], {}, opset) for name, opset in (("Softmax", 11), ("Softmax", 13))},
    # Normalisation.
    "BatchNormalization": ("BatchNormalization", [IMAGE, *NORM], {"epsilon": 1e-3}),
    "BatchNormalization of rows": ("BatchNormalization", [ROWS, some(5), some(5), some(5), some(5, low=0.2, high=2.0)]),
    "BatchNormalization, old": ("BatchNormalization", [IMAGE, *NORM], {}, 7),
    "InstanceNormalization": ("InstanceNormalization", [IMAGE, some(6), some(6)], {"epsilon": 1e-3}),
    "LayerNormalization": ("LayerNormalization", [X, some(4), some(4)]),
    "LayerNormalization over two axes": ("LayerNormalization", [X, some(3, 4)], {"axis": 1, "epsilon": 1e-3}),
    "GroupNormalization": ("GroupNormalization", [IMAGE, some(6), some(6)], {"num_groups": 3}, 21),
    "LRN": ("LRN", [IMAGE], {"size": 3, "alpha": 0.3, "beta": 0.6, "bias": 1.2}),
    "LpNormalization": ("LpNormalization", [X], {"axis": 1, "p": 1}),
    "LpNormalization of the last axis": ("LpNormalization", [X]),
    "MeanVarianceNormalization": ("MeanVarianceNormalization", [IMAGE]),
    # Shapes.
    "Reshape": ("Reshape", [X, whole(0, -1, 2)]),
    "Reshape, zeros allowed": ("Reshape", [np.zeros((0, 3), np.float32), whole(3, 0)], {"allowzero": 1}),
    "Flatten": ("Flatten", [IMAGE], {"axis": 2}),
    "Flatten from behind": ("Flatten", [IMAGE], {"axis": -1}, 13),
    "Flatten all": ("Flatten", [IMAGE], {"axis": 0}),
    "Transpose": ("Transpose", [X]),
    "Transpose by axes": ("Transpose", [X], {"perm": [1, 2, 0]}),
    "Squeeze": ("Squeeze", [some(1, 3, 1), whole(-1)], {}, 13),
    "Squeeze all": ("Squeeze", [some(1, 3, 1)], {}, 13),
    "Squeeze, old": ("Squeeze", [some(1, 3, 1)], {"axes": [0]}, 11),
    "Unsqueeze": ("Unsqueeze", [X, whole(0, -1)], {}, 13),
    "Unsqueeze, old": ("Unsqueeze", [X], {"axes": [1, 4]}, 11),
    "Concat": ("Concat", [X, some(2, 1, 4)], {"axis": -2}),
    "Split": ("Split", [X, whole(1, 3)], {"axis": 2}, 13, 2),
    "Split, old": ("Split", [X], {"axis": 1, "split": [1, 2]}, 11, 2),
    "Split evenly": ("Split", [X], {"axis": 2}, 13, 2),
    "Split by number": ("Split", [some(2, 7)], {"axis": 1, "num_outputs": 3}, 18, 3),
    "Slice": ("Slice", [IMAGE, whole(1, -3), whole(100, -1), whole(1, -1)]),
    "Slice of the first axes": ("Slice", [IMAGE, whole(0, 2), whole(1, 5)]),
    "Slice backwards": ("Slice", [IMAGE, whole(-1, 4), whole(-1000, 0), whole(3, 2), whole(-2, -1)]),
    "Slice to the front": ("Slice", [IMAGE, whole(5), whole(-8), whole(3), whole(-1)]),
    "Slice of nothing": ("Slice", [IMAGE, whole(4), whole(2), whole(3)]),
    "Slice, old": ("Slice", [IMAGE], {"starts": [1, 0], "ends": [3, -1], "axes": [2, 3]}, 9),
    "Shape": ("Shape", [X]),
    "Shape of some axes": ("Shape", [X], {"start": -2, "end": -1}, 15),
    "Size": ("Size", [X]),
    "Expand": ("Expand", [some(3, 1), whole(2, 1, 4)]),
    "Tile": ("Tile", [ROWS, whole(2, 3)]),
    "Pad": ("Pad", [IMAGE, whole(0, 1, 2, 0, 0, 0, 1, 3), np.float32(0.5)]),
    "Pad that cuts": ("Pad", [IMAGE, whole(0, 0, -1, 0, 0, 0, 1, -2)]),
    "Pad of some axes": ("Pad", [IMAGE, whole(1, 2), None, whole(-1)], {"mode": "reflect"}, 18),
    "Pad with the edge": ("Pad", [IMAGE, whole(0, 0, 2, 3, 0, 0, 1, 4)], {"mode": "edge"}),
    "Pad, mirrored": ("Pad", [IMAGE, whole(0, 0, 2, 3, 0, 0, 4, 1)], {"mode": "reflect"}),
    "Pad around": ("Pad", [IMAGE, whole(0, 0, 2, 3, 0, 0, 4, 1)], {"mode": "wrap"}, 19),
    "Pad, old": ("Pad", [ROWS], {"pads": [0, 1, 2, 0], "value": 0.3}, 9),
    "Pad of integers": ("Pad", [INTS, whole(0, 1, 0, 0, 0, 1), np.int64(7)]),
    "ConstantOfShape": ("ConstantOfShape", [whole(2, 3)], {"value": helper.make_tensor("v", 7, [1], [5])}),
    "ConstantOfShape of zeros": ("ConstantOfShape", [whole(2, 3)]),
    "Range": ("Range", [np.int64(2), np.int64(11), np.int64(3)]),
    "Range of floats, down": ("Range", [np.float32(2), np.float32(0.3), np.float32(-0.5)]),
    "EyeLike": ("EyeLike", [ROWS], {"k": 1, "dtype": 7}),
    "Trilu": ("Trilu", [X], {"upper": 0}),
    "Trilu, moved": ("Trilu", [X, np.int64(1)]),
    "DepthToSpace": ("DepthToSpace", [some(1, 8, 2, 3)], {"blocksize": 2}),
    "DepthToSpace by columns": ("DepthToSpace", [some(1, 8, 2, 3)], {"blocksize": 2, "mode": "CRD"}),
    "SpaceToDepth": ("SpaceToDepth", [some(1, 2, 4, 6)], {"blocksize": 2}),
    "ReverseSequence": ("ReverseSequence", [some(4, 3, 2), whole(1, 4, 2)], {"time_axis": 0, "batch_axis": 1}),
    "CenterCropPad": ("CenterCropPad", [IMAGE, whole(3, 10)], {"axes": [2, 3]}, 18),
    "Cast to whole numbers": ("Cast", [3 * X], {"to": 7}),
    "Cast to truth": ("Cast", [INTS], {"to": 9}),
    "Cast to halves": ("Cast", [X], {"to": 10}),
    "CastLike": ("CastLike", [X, INTS], {}, 15),
    "Dropout": ("Dropout", [X], {}, 12, 2),
    "Dropout with a share": ("Dropout", [X, np.float32(0.3), np.bool_(False)], {}, 13),
    # Look-ups.
    "Gather": ("Gather", [X, whole(-1, 0, 2)], {"axis": 1}),
    "Gather one": ("Gather", [X, np.int64(1)], {"axis": 2}),
    "Gather a table": ("Gather", [ROWS, some(2, 3, low=0, high=3, kind=np.int32)]),
    "GatherElements": ("GatherElements", [X, some(2, 2, 4, low=-3, high=3, kind=np.int64)], {"axis": 1}),
    "GatherND": ("GatherND", [X, whole([0, 1], [1, -1])]),
    "GatherND by sample": ("GatherND", [X, whole([[1]], [[0]])], {"batch_dims": 1}),
    "ScatterElements": ("ScatterElements", [X, whole([[0, 1, 2, 1]]), some(1, 1, 4)], {"axis": 1}),
    "ScatterElements that adds": ("ScatterElements", [ROWS, whole([1, 1]), some(1, 2)], ADDING, 16),
    "ScatterND": ("ScatterND", [X, whole([1, 2], [0, 0]), some(2, 4)]),
    "ScatterND that multiplies": ("ScatterND", [X, whole([1, 2], [1, 2]), some(2, 4)], {"reduction": "mul"}, 16),
    "Compress": ("Compress", [X, np.array([True, False, True])], {"axis": 1}),
    "Compress all": ("Compress", [ROWS, np.array([True, False, True])]),
    "NonZero": ("NonZero", [some(3, 4, kind=np.bool_)]),
    "OneHot": ("OneHot", [whole(1, -1, 7, 0), np.int64(4), np.array([0.2, 0.9], np.float32)]),
    "OneHot in front": ("OneHot", [whole([1, 2], [0, 3]), np.int64(4), whole(0, 1)], {"axis": 0}),
    "TopK": ("TopK", [X, whole(2)], {"axis": 1}, 11, 2),
    "TopK of the least": ("TopK", [X, whole(2)], {"axis": -1, "largest": 0}, 11, 2),
    "ArgMax": ("ArgMax", [INTS], {"axis": 2}),
    "ArgMax of the last": ("ArgMax", [INTS], {"axis": 1, "keepdims": 0, "select_last_index": 1}),
    "ArgMin": ("ArgMin", [X], {"axis": -2}),
    "Unique": ("Unique", [whole(3, 1, 1, 3, 2)], {}, 11, 4),
    "Unique in order": ("Unique", [whole(3, 1, 1, 3, 2)], {"sorted": 0}, 11, 4),
    "CumSum": ("CumSum", [X, np.int64(1)]),
    "CumSum from behind": ("CumSum", [X, np.int64(-1)], {"reverse": 1, "exclusive": 1}),
    # Reductions.
    **{f"{name} by attribute": (name, [POSITIVE], {"axes": [0, -1]}, 11) for name in REDUCTIONS},
    **{f"{name} by input": (name, [POSITIVE, whole(1)], {"keepdims": 0}, 18) for name in REDUCTIONS},
    "ReduceSum of all": ("ReduceSum", [INTS], {"keepdims": 0}, 13),
    "ReduceSum of none": ("ReduceSum", [X, whole()], {"noop_with_empty_axes": 1}, 13),
    "ReduceMean of all": ("ReduceMean", [X], {}, 13),
    # Pools over everything.
    **{name: (name, [IMAGE]) for name in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")},
    "GlobalMaxPool of a signal": ("GlobalMaxPool", [X]),
    # Products.
    "MatMul": ("MatMul", [X, some(4, 5)]),
    "MatMul of stacks": ("MatMul", [some(2, 3, 4), some(2, 4, 2)]),
    "MatMul with a vector": ("MatMul", [X, some(4)]),
    "MatMul of a vector": ("MatMul", [some(4), some(4, 3)]),
    "MatMul with a stack of one": ("MatMul", [some(3, 4), some(1, 4, 5)]),
    "Gemm": ("Gemm", [ROWS, some(5, 4), some(4)]),
    "Gemm, turned": ("Gemm", [some(5, 3), some(4, 5), some(3, 1)], TURNED),
    "Gemm without a bias": ("Gemm", [ROWS, some(5, 4)], {"alpha": 2.0}),
    "Gemm with a number": ("Gemm", [ROWS, some(5, 4), np.float32(0.7)], {"beta": 0.5}),
    "Einsum": ("Einsum", [some(2, 3, 4), some(4, 5, 6)], {"equation": "abc,cde->abde"}),
    "Einsum with two sums": ("Einsum", [some(2, 3, 4, 5), some(4, 6, 5)], {"equation": "abcd,cfd -> afb"}),
    "Einsum by sample": ("Einsum", [some(2, 3, 4), some(2, 4, 5)], {"equation": "bij,bjk->bik"}),
    "Einsum of one": ("Einsum", [ROWS], {"equation": "ij->ji"}),
    # Whole numbers with a scale.
    "QuantizeLinear": ("QuantizeLinear", [3 * X, np.float32(0.05), np.uint8(120)], {}, 13),
    "QuantizeLinear by channel": ("QuantizeLinear", [3 * X, SCALES, whole(1, -3, 0, kind=np.int8)], {"axis": 1}, 13),
    "DequantizeLinear": ("DequantizeLinear", [some(2, 3, kind=np.int8), np.float32(0.1), np.int8(3)], {}, 13),
    "DequantizeLinear by channel": ("DequantizeLinear", [some(2, 3, kind=np.int8), SCALES], {"axis": 1}, 13),
    "DynamicQuantizeLinear": ("DynamicQuantizeLinear", [X], {}, 13, 3),
    # Signals and grids.
    "STFT": ("STFT", [some(2, 32, 1), np.int64(8), some(16)], {}, 17),
    "DFT": ("DFT", [some(2, 16, 1)], {"onesided": 1}, 17),
    "DFT, inverse": ("DFT", [some(2, 16, 2)], {"inverse": 1}, 17),
    **{name: (name, [np.int64(10)], {}, 17) for name in ("HannWindow", "HammingWindow", "BlackmanWindow")},
    "HannWindow, symmetric": ("HannWindow", [np.int64(10)], {"periodic": 0}, 17),
    "GridSample": ("GridSample", GRID, {"padding_mode": "border"}, 16),
    "GridSample at corners": ("GridSample", GRID, {"align_corners": 1, "mode": "nearest"}, 16),
    "Col2Im": ("Col2Im", [some(1, 12, 12), whole(4, 5), whole(2, 2)], {}, 18),
    "Det": ("Det", [some(2, 3, 3)]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_operator_computes_what_onnxruntime_computes(name):
    operator, inputs, attributes, opset, outputs = (*CASES[name], *({}, 17, 1)[len(CASES[name]) - 2 :])
    tolerance = 1e-4 if operator in ("STFT", "DFT", "ReduceProd") else 1e-5
    for known in ([], range(1, len(inputs)), range(len(inputs))):
        model, fed = node_model(operator, inputs, attributes, opset=opset, outputs=outputs, known=known)
        agree(model, fed, rtol=tolerance, atol=tolerance)


AT_HAND = {"rtol": 2e-5, "atol": 5e-6}


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("auto_pad", ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])
def test_a_convolution_of_any_geometry_computes_what_onnxruntime_computes(axes, auto_pad):
    turns = itertools.product([1, 2, 3], [1, 2], [1, 2], [True, False])
    for stride, dilation, groups, biased in turns:
        if dilation > 1 and auto_pad.startswith("SAME"):
            continue  # onnxruntime leaves it out
        kernel, sizes = [3, 2, 2][:axes], [9, 8, 7][:axes]
        how = {"strides": [stride, 1, 2][:axes], "dilations": [dilation] * axes, "group": groups}
        how |= {"pads": [1, 0, 2, 0, 3, 1][: 2 * axes]} if auto_pad == "NOTSET" else {"auto_pad": auto_pad}
        inputs = [some(2, 4, *sizes), some(6, 4 // groups, *kernel), some(6) if biased else None]
        model, fed = node_model("Conv", inputs if biased else inputs[:2], how, known=range(1, 3 if biased else 2))
        layers = agree(model, fed, **AT_HAND)
        assert len(layers) == 1


@pytest.mark.parametrize("axes", [1, 2])
def test_a_transposed_convolution_of_any_geometry_computes_what_onnxruntime_computes(axes):
    extents = [{}, {"pads": [1, 0, 1, 1][: 2 * axes]}, {"output_padding": [1, 0][:axes]}, {"auto_pad": "SAME_UPPER"}]
    extents += [{"auto_pad": "SAME_LOWER"}, {"auto_pad": "VALID"}, {"output_shape": [10, 11][:axes]}]
    for stride, dilation, groups, extent in itertools.product([2, 3], [1, 2], [1, 2], extents):
        how = {"strides": [stride] * axes, "dilations": [dilation] * axes, "group": groups, **extent}
        inputs = [some(2, 4, *[5, 6][:axes]), some(4, 6 // groups, *[3, 2][:axes]), some(6)]
        for known in ([], [1, 2]):
            model, fed = node_model("ConvTranspose", inputs, how, known=known)
            agree(model, fed, **AT_HAND)


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool", "LpPool"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_pool_of_any_geometry_computes_what_onnxruntime_computes(operator, axes):
    x = some(2, 3, *[9, 8, 7][:axes])
    pads = [{"pads": [1, 0, 1, 0, 1, 1][: 2 * axes]}, {"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"}, {}]
    for stride, dilation, ceil, pad in itertools.product([1, 2, 3], [1, 2], [0, 1], pads):
        if "auto_pad" in pad and (ceil or dilation > 1):
            continue
        if operator == "LpPool" and (ceil or dilation > 1):
            continue  # onnxruntime leaves these out, or has them in later versions
        how = {"kernel_shape": [3, 2, 3][:axes], "strides": [stride, 2, 1][:axes], **pad}
        how |= {"ceil_mode": 1} if ceil else {}
        how |= {"dilations": [dilation] * axes} if dilation > 1 else {}
        extra = [{}] if operator != "AveragePool" else [{}, {"count_include_pad": 1}]
        for more in extra:
            model, fed = node_model(operator, [x], {**how, **more}, opset=19)
            agree(model, fed, **AT_HAND)


def test_the_places_of_a_max_pool_are_those_of_onnxruntime_and_lead_back():
    x = some(2, 3, 6, 7)
    for order in (0, 1):
        how = {"kernel_shape": [2, 3], "strides": [2, 2], "pads": [0, 1, 1, 0], "storage_order": order}
        agree(*node_model("MaxPool", [x], how, outputs=2))
    nodes = [
        helper.make_node("MaxPool", ["x"], ["y", "where"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("MaxUnpool", ["y", "where"], ["z"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    agree(model_of(nodes, {"x": some(1, 2, 4, 6)}, ["z"]), {"x": some(1, 2, 4, 6)})


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_resizing_by_any_rule_computes_what_onnxruntime_computes(mode):
    x = some(1, 2, 5, 7)
    rules = ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners", "tf_crop_and_resize"]
    roundings = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"] if mode == "nearest" else [None]
    extents = [([1, 1, 1.7, 0.6], None), ([1, 1, 0.5, 2.0], None), (None, [1, 2, 3, 10]), (None, [1, 2, 1, 14])]
    for rule, rounding, (scales, sizes) in itertools.product(rules, roundings, extents):
        how = {"mode": mode, "coordinate_transformation_mode": rule}
        how |= {"nearest_mode": rounding} if rounding else {"exclude_outside": int(mode == "cubic")}
        roi = np.array([0, 0, 0.1, 0.2, 1, 1, 0.9, 0.7], np.float32) if rule == "tf_crop_and_resize" else None
        inputs = [x, roi, None if scales is None else np.array(scales, np.float32)]
        inputs += [] if sizes is None else [whole(*sizes)]
        model, fed = node_model("Resize", inputs, how, opset=13, known=range(1, 4 if sizes else 3))
        agree(model, fed, rtol=1e-4, atol=1e-5)


def test_older_ways_to_resize_compute_what_onnxruntime_computes():
    x, scales = some(1, 2, 3, 4), np.array([1, 1, 2, 3], np.float32)
    for mode in ("nearest", "linear"):
        agree(*node_model("Resize", [x, scales], {"mode": mode}, opset=10, known=[1]), **AT_HAND)
        agree(*node_model("Upsample", [x, scales], {"mode": mode}, opset=9, known=[1]), **AT_HAND)
        agree(*node_model("Upsample", [x], {"mode": mode, "scales": [1.0, 1.0, 2.0, 2.0]}, opset=7), **AT_HAND)
    policy = {"keep_aspect_ratio_policy": "not_smaller", "axes": [2, 3], "mode": "linear"}
    agree(*node_model("Resize", [x, None, None, whole(7, 7)], policy, opset=18, known=[3]), **AT_HAND)


GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
OWN = {"LSTM": ["HardSigmoid", "Tanh", "Softsign"], "GRU": ["HardSigmoid", "Softsign"], "RNN": ["Relu"]}


def recurrent_inputs(operator, ways, *, lengths, states):
    steps, streams, inputs, units = 5, 3, 4, 6
    count = GATES[operator] * units
    found = [some(steps, streams, inputs), some(ways, count, inputs), some(ways, count, units), some(ways, 2 * count)]
    found += [whole(5, 2, 4, kind=np.int32) if lengths else None]
    found += [some(ways, streams, units) if states else None for _ in range(2 if operator == "LSTM" else 1)]
    return found


@pytest.mark.one_in(3)
@pytest.mark.parametrize("operator", GATES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_recurrent_units_compute_what_onnxruntime_computes(operator, direction):
    ways = 2 if direction == "bidirectional" else 1
    variants = [{}, {"clip": 0.4}, {"activations": OWN[operator] * ways}]
    variants += {"GRU": [{"linear_before_reset": 1}], "LSTM": [{"input_forget": 1}], "RNN": []}[operator]
    for more, lengths, states in itertools.product(variants, [False, True], [False, True]):
        inputs = recurrent_inputs(operator, ways, lengths=lengths, states=states)
        how = {"hidden_size": 6, "direction": direction, **more}
        for known in ([], [1, 2, 3]):
            model, fed = node_model(
                operator, inputs, how, opset=14, outputs=3 if operator == "LSTM" else 2, known=known
            )
            layers = agree(model, fed, rtol=1e-4, atol=1e-5)
            assert len(layers) == len(known[:1])


def test_recurrent_units_with_streams_first_compute_what_the_standard_says():
    # onnxruntime does not take them.
    x, *rest = recurrent_inputs("LSTM", 1, lengths=False, states=True)
    x, rest = x.swapaxes(0, 1), [own if own is None or own.shape[1] != 3 else own.swapaxes(0, 1) for own in rest]
    model, fed = node_model("LSTM", [x, *rest], {"hidden_size": 6, "layout": 1}, opset=14, outputs=3, known=[1, 2, 3])
    agree(model, fed, rtol=1e-4, atol=1e-5, judge=reference)


def test_a_parameter_of_a_gate_goes_to_the_gate_that_has_one():
    inputs = recurrent_inputs("LSTM", 1, lengths=False, states=False)
    how = {"hidden_size": 6, "activations": ["HardSigmoid", "LeakyRelu", "Tanh"]}
    how |= {"activation_alpha": [0.25, 0.1], "activation_beta": [0.4]}
    agree(*node_model("LSTM", inputs, how, opset=14, outputs=3, known=[1, 2, 3]), rtol=1e-4, atol=1e-5)


def test_conditions_run_the_branch_that_holds():
    def branch(name, operator):
        node = helper.make_node(operator, ["x", "w"], [f"{name}_y"], name=f"{name} product")
        return helper.make_graph([node], name, [], [helper.make_empty_tensor_value_info(f"{name}_y")])

    nodes = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Greater", ["most", "zero"], ["positive"]),
        helper.make_node("If", ["positive"], ["y"], then_branch=branch("a", "MatMul"), else_branch=branch("b", "Sub")),
    ]
    known = {"w": some(4, 4), "zero": np.float32(0)}
    for x in (POSITIVE[0, 0:1].repeat(4, 0), -POSITIVE[0, 0:1].repeat(4, 0)):
        agree(model_of(nodes, {"x": x}, ["y"], known), {"x": x})


def test_of_a_condition_that_is_known_one_branch_is_left():
    def branch(name):
        node = helper.make_node("MatMul", ["x", f"w_{name}"], [f"{name}_y"], name=f"product {name}")
        return helper.make_graph([node], name, [], [helper.make_empty_tensor_value_info(f"{name}_y")])

    nodes = [
        helper.make_node("Equal", ["rate", "low"], ["is_low"]),
        helper.make_node("If", ["is_low"], ["y"], then_branch=branch("low"), else_branch=branch("high")),
    ]
    known = {"w_low": some(4, 3), "w_high": some(4, 2), "low": np.int64(8), "rate": np.int64(16)}
    layers = agree(model_of(nodes, {"x": ROWS[:, :4]}, ["y"], known), {"x": ROWS[:, :4]})
    assert list(layers) == ["product_high"]


def test_loops_and_scans_compute_what_onnxruntime_computes():
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "w"], ["next"]),
            helper.make_node("Tanh", ["next"], ["after"]),
            helper.make_node("ReduceSum", ["after"], ["sum"], keepdims=0),
            helper.make_node("Less", ["sum", "limit"], ["again"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", 7, []),
            helper.make_tensor_value_info("goes", 9, []),
            helper.make_tensor_value_info("state", 1, None),
        ],
        [helper.make_empty_tensor_value_info(name) for name in ("again", "after", "sum")],
    )
    loop = helper.make_node("Loop", ["turns", "", "x"], ["last", "sums"], body=body)
    known = {"w": some(4, 4), "turns": np.int64(6), "limit": np.float32(100)}
    layers = agree(model_of([loop], {"x": ROWS[:, :4]}, ["last", "sums"], known), {"x": ROWS[:, :4]}, **AT_HAND)
    assert len(layers) == 1
    step = helper.make_graph(
        [helper.make_node("Add", ["total", "x"], ["more"]), helper.make_node("Mul", ["more", "more"], ["square"])],
        "step",
        [helper.make_tensor_value_info("total", 1, [5]), helper.make_tensor_value_info("x", 1, [5])],
        [helper.make_empty_tensor_value_info(name) for name in ("more", "square")],
    )
    for way in (0, 1):
        how = {"num_scan_inputs": 1, "scan_input_directions": [way], "scan_output_directions": [way]}
        scan = helper.make_node("Scan", ["start", "x"], ["sum", "squares"], body=step, **how)
        agree(model_of([scan], {"start": some(5), "x": ROWS}, ["sum", "squares"]), {"start": some(5), "x": ROWS})


def loop_body(name, step):
    """Return a body of a loop whose step makes NAME_after of NAME_state."""
    types = {"turn": (7, []), "goes": (9, []), "state": (1, None)}
    held = [helper.make_tensor_value_info(f"{name}_{own}", *kind) for own, kind in types.items()]
    ends = [helper.make_empty_tensor_value_info(f"{name}_{own}") for own in ("goes", "after")]
    return helper.make_graph([step], name, held, ends)


@pytest.mark.parametrize(("nested", "turns", "fails"), [(0, 50, 0), (0, 2**62, 1), (1, 7, 0), (1, 8, 1)])
def test_loops_that_do_not_end_are_refused(nested, turns, fails, monkeypatch):
    monkeypatch.setattr(program, "MOST_TURNS", 50)
    body = loop_body("a", helper.make_node("Add", ["a_state", "one"], ["a_after"]))
    if nested:  # seven turns for each of its own
        body = loop_body("b", helper.make_node("Loop", ["six", "", "b_state"], ["b_after"], body=body))
    loop = helper.make_node("Loop", ["turns", "", "x"], ["y"], body=body)
    known = {"turns": np.int64(turns), "six": np.int64(6), "one": np.float32(1)}
    model = model_of([loop], {"x": ROWS}, ["y"], known)
    if fails:
        with pytest.raises(DataError, match="the loops of this network take more than 50 turns"):
            ours(model, {"x": ROWS})
    else:
        (found,), _ = ours(model, {"x": ROWS})
        np.testing.assert_allclose(found, ROWS + (42 if nested else 50), rtol=1e-6)


def test_lists_of_tensors_compute_what_onnxruntime_computes():
    nodes = [
        helper.make_node("SplitToSequence", ["x"], ["parts"], axis=1, keepdims=0),
        helper.make_node("SequenceAt", ["parts", "second"], ["one"]),
        helper.make_node("SequenceInsert", ["parts", "one"], ["more"]),
        helper.make_node("SequenceErase", ["more", "first"], ["fewer"]),
        helper.make_node("ConcatFromSequence", ["fewer"], ["y"], axis=0, new_axis=1),
        helper.make_node("SequenceLength", ["fewer"], ["count"]),
    ]
    known = {"second": np.int64(1), "first": np.int64(0)}
    agree(model_of(nodes, {"x": ROWS}, ["y", "count"], known), {"x": ROWS})


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 15, 18, 20, 22])
def test_a_network_of_any_version_from_7_to_22_computes_what_onnxruntime_computes(opset):
    w, b, k = some(12, 5), some(5), some(4, 1, 3, 3)
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], pads=[1, 1, 1, 1], name="conv"),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["g"], name="gemm"),
        helper.make_node("Softmax", ["g"], ["y"], axis=1),
    ]
    x = some(3, 1, 2, 6)
    model = model_of(nodes, {"x": x}, ["y"], {"k": k, "w": w, "b": b}, opset, 3 if opset < 9 else 8)
    assert list(agree(model, {"x": x}, **AT_HAND)) == ["conv", "gemm"]


def test_nodes_that_hold_the_same_weights_share_an_array():
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="once"),
        helper.make_node("Tanh", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w"], ["y"], name="again"),
    ]
    model = model_of(nodes, {"x": ROWS}, ["y"], {"w": some(5, 5)})
    assert list(agree(model, {"x": ROWS})) == ["once"]


def test_weights_that_other_nodes_compute_from_constants_are_known():
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "scale"], ["w"]),
        helper.make_node("Transpose", ["w"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "turned"], ["y"], name="product"),
    ]
    model = model_of(nodes, {"x": ROWS}, ["y"], {"q": some(4, 5, kind=np.int8), "scale": np.float32(0.1)})
    assert list(agree(model, {"x": ROWS})) == ["product"]


def test_halves_and_doubles_keep_their_kind_of_number():
    for kind in (np.float16, np.float64):
        x, w = some(2, 3).astype(kind), some(3, 4).astype(kind)
        model, fed = node_model("MatMul", [x, w], known=[1])
        tolerance = 4e-3 if kind == np.float16 else 1e-6
        agree(model, fed, rtol=tolerance, atol=tolerance)


WITH_PEEPHOLES = [*recurrent_inputs("LSTM", 1, lengths=False, states=True), some(1, 18)]
HALF = np.array([1, 1, 0.5, 0.5], np.float32)
COSINE = {"hidden_size": 6, "activations": ["Cosine"]}
REFUSED = {
    "peepholes": ("LSTM", WITH_PEEPHOLES, {"hidden_size": 6}, 17, 1),
    "as in training": ("BatchNormalization", [IMAGE, *NORM], {"training_mode": 1}, 15, 3),
    "antialias": ("Resize", [IMAGE, None, HALF], {"antialias": 1, "mode": "linear"}, 18, 1),
    "Cosine": ("RNN", recurrent_inputs("RNN", 1, lengths=False, states=False), COSINE, 17, 1),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_is_not_supported_is_said_with_its_node(said):
    operator, inputs, attributes, opset, outputs = REFUSED[said]
    model, fed = node_model(operator, inputs, attributes, opset=opset, outputs=outputs, known=range(1, len(inputs)))
    with pytest.raises(SettingError, match=f"{operator} 'the {operator}': .*{said}"):
        ours(model, fed)


def test_tensors_that_a_node_cannot_take_are_one_message_with_its_name():
    model, _ = node_model("MatMul", [ROWS, some(5, 4)], known=[1])
    with pytest.raises(DataError, match="MatMul 'the MatMul' cannot take tensors of 3x6, 5x4"):
        ours(model, {"i0": some(3, 6)})


def test_every_operator_is_compared_with_another_implementation():
    named = {case[0] for case in CASES.values()}
    elsewhere = {"AveragePool", "MaxPool", "LpPool", "MaxUnpool", "Conv", "ConvTranspose", "Resize", "Upsample", *GATES}
    elsewhere |= {name for name in OPERATORS if "Sequence" in name and name != "ReverseSequence"}
    untested = set(OPERATORS) - named - elsewhere
    assert untested == {
        "AffineGrid", "Attention", "Constant", "OptionalGetElement", "OptionalHasElement", "RMSNormalization",
        "Scatter", "SequenceConstruct", "SequenceEmpty", "Swish",
    } - elsewhere  # fmt: skip
    assert set(CONTROL) == {"If", "Loop", "Scan"}
