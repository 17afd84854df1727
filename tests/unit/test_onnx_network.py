"""Networks from ONNX files: what is found in a file, how samples are fed, what is decided, what is said of mistakes."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from dse.data.base import BareInfo
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.errors import DataError, SettingError
from dse.files import Content
from dse.networks.onnx import read
from dse.networks.onnx.fit import Fit, Wanted, check_samples, constants_of, sizes_of
from dse.networks.onnx.module import Decision, look
from dse.networks.onnx.spec import Onnx
from tests.choices import OWN
from tests.onnx_models import model_of, node_model, ours, some, theirs

FLOAT = onnx.TensorProto.FLOAT


def saved(model, folder: Path, name: str = "net.onnx") -> Path:
    path = folder / name
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


def with_ports(model, *, inputs=None, outputs=None):
    """Return a model whose inputs or outputs have the sizes given, by name: numbers, or names of open ones."""
    for ports, sizes in ((model.graph.input, inputs or {}), (model.graph.output, outputs or {})):
        for port in ports:
            if port.name in sizes:
                kind = port.type.tensor_type.elem_type or FLOAT
                port.CopyFrom(helper.make_tensor_value_info(port.name, kind, sizes[port.name]))
    return model


def found_in(path: Path, **wanted):
    return look(Content.at(path), Wanted(**wanted))


def network(path: Path, shape, given=(), **settings):
    """Return the network of a file for samples of a shape."""
    info = BareInfo(10, shape=shape, given=tuple(given))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Onnx, "content", lambda self: Content.at(path))
        own = {"file": path.name, **settings}
        facts = {"sha256": "0", "size": 1, **Onnx.look(own, Content.at(path))}
        spec = Onnx.model_validate({**own, "found": facts})
        spec.check(info)
        (net,) = spec.build(info, None, seed=0)
    return net.eval()


def outputs_of(net, x):
    with torch.no_grad():
        return net(torch.from_numpy(x)).numpy()


def test_what_is_found_in_a_file_names_its_layers_and_those_that_stay_digital(tmp_path, caplog):
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], name="deep", group=2),
        helper.make_node("BatchNormalization", ["c", "s", "s", "s", "v"], ["n"], name="norm"),
        helper.make_node("GlobalAveragePool", ["n"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["y"], name="read_out"),
    ]
    known = {"k": some(4, 1, 3, 3), "s": some(4), "v": np.ones(4, np.float32), "w": some(4, 5)}
    path = saved(model_of(nodes, {"x": some(1, 2, 6, 6)}, ["y"], known), tmp_path)
    found = found_in(path)
    assert found == {
        "input": "x", "sizes": (1, 2, 6, 6), "output": "y", "layers": 1, "digital": ("deep",), "batch_norms": 1,
    }  # fmt: skip
    assert (
        "net.onnx: stays digital: deep: it has groups, and an array connects all rows with all columns" in caplog.text
    )


SHAPES = {
    "stacked": ((("n", 3, 8, 8)), (3, 8, 8), (), Fit(True, (3, 8, 8), "as it is", None)),
    "channels last": ((("n", 8, 9, 3)), (3, 8, 9), (), Fit(True, (8, 9, 3), "channels last", None)),
    "as the file has them": ((("n", 8, 9, 3)), (3, 8, 9), (8, 9, 3), Fit(True, (8, 9, 3), "channels last", None)),
    "vectors": ((("n", 20)), (1, 1, 20), (20,), Fit(True, (20,), "as it is", None)),
    "signals": ((("n", 20, 1)), (1, 1, 20), (20,), Fit(True, (20, 1), "as it is", None)),
    "images as vectors": ((("n", 64)), (1, 8, 8), (8, 8), Fit(True, (64,), "as it is", None)),
    "images without channels": ((("n", 8, 8)), (1, 8, 8), (), Fit(True, (8, 8), "as it is", None)),
    "images with one": ((("n", 1, 8, 8)), (1, 8, 8), (8, 8), Fit(True, (1, 8, 8), "as it is", None)),
    "one at a time": (((1, 3, 8, 8)), (3, 8, 8), (), Fit(True, (3, 8, 8), "as it is", 1)),
    "whole inputs": ((("length", 20)), (1, 30, 20), (30, 20), Fit(False, (30, 20), "as it is", None)),
    "open sizes": ((("n", "", 20)), (1, 30, 20), (30, 20), Fit(True, (30, 20), "as it is", None)),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_samples_fit_an_input(name):
    sizes, shape, given, wanted = SHAPES[name]
    assert check_samples(sizes, {}, shape, given, "x") == wanted


def test_samples_that_do_not_fit_are_told_what_would():
    with pytest.raises(ValueError, match="x takes nx3x8x8, and a sample is 3x9x8; give samples of 3x8x8, which lie"):
        check_samples(("n", 3, 8, 8), {}, (3, 9, 8), (), "x")
    with pytest.raises(ValueError, match="x takes nx3x6x8"):
        check_samples(("n", 3, "height", 8), {"height": 6}, (3, 9, 8), (), "x")


def test_constants_and_sizes_are_read_as_they_are_written():
    found = constants_of(["rate = 16000", "state=0.5 of 2x1x128", "list = [[1, 2], [3, 4]]"])
    assert [(own.value, own.shape) for own in found.values()] == [
        (16000, None), (0.5, (2, 1, 128)), ([[1, 2], [3, 4]], None),
    ]  # fmt: skip
    assert sizes_of(["length = 64"]) == {"length": 64}
    unread = ("rate", "rate = x", "= 3", "rate = {}", "rate = NaN", "rate = -Infinity", "rate = 1e999", "rate = null")
    ragged = ("l = [[1, 2], [3]]", "l = [1, [2]]", 'l = ["a"]', 'l = "a"', "l = [1, NaN]", "l = []", "l = [1] of 2")
    for wrong in (*unread, *ragged, f"rate = 1{'0' * 400}", f"rate = 1{'0' * 5000}", f"deep = {'[' * 10**5}"):
        with pytest.raises(ValueError, match="cannot be read"):
            constants_of([wrong])
    with pytest.raises(ValueError, match="has too large a shape"):
        constants_of(["state = 0.5 of 1000000x1000000"])
    with pytest.raises(ValueError, match="cannot be read"):
        sizes_of(["length = 0"])


def test_an_input_that_takes_one_sample_or_three_gets_all_of_them(tmp_path):
    x = some(7, 5)
    model, _ = node_model("Gemm", [x, some(5, 4), some(4)], known=[1, 2])
    wanted = theirs(model, {"i0": x})[0]
    for together in ("n", 1, 3):
        path = saved(with_ports(model, inputs={"i0": [together, 5]}), tmp_path)
        np.testing.assert_allclose(outputs_of(network(path, (1, 1, 5), (5,)), x)[:, 0], wanted, rtol=1e-5, atol=1e-6)


def test_samples_with_channels_first_reach_a_network_that_has_them_last(tmp_path):
    x, weight = some(4, 3, 5, 6), some(5 * 6 * 3, 2)
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["y"])]
    model = model_of(nodes, {"x": np.ascontiguousarray(x.transpose(0, 2, 3, 1))}, ["y"], {"w": weight})
    found = outputs_of(network(saved(model, tmp_path), (3, 5, 6)), x)
    np.testing.assert_allclose(found[:, 0], x.transpose(0, 2, 3, 1).reshape(4, -1) @ weight, rtol=1e-4, atol=1e-5)


def stateful():
    """Return a model of a recurrent layer over windows of a signal, with a state, a rate and two outputs."""
    lstm = helper.make_node(
        "LSTM", ["turned", "w", "r", "b", "", "h", "h"], ["all", "last"], hidden_size=4, name="lstm"
    )
    nodes = [
        helper.make_node("Cast", ["rate"], ["factor"], to=FLOAT),
        helper.make_node("Mul", ["x", "factor"], ["scaled"]),
        helper.make_node("Unsqueeze", ["scaled", "one"], ["turned"]),
        lstm,
        helper.make_node("Squeeze", ["all", "one"], ["flat"]),
        helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[2], keepdims=0),
        helper.make_node("Squeeze", ["mean", "one"], ["p"]),
    ]
    known = {"w": some(1, 16, 3), "r": some(1, 16, 4), "b": some(1, 32), "one": np.array([1])}
    inputs = {"x": some(6, 3), "h": some(1, 1, 4), "rate": np.array(2)}
    model = model_of(nodes, inputs, ["p", "last"], known, opset=13)
    return with_ports(model, inputs={"x": ["length", 3], "h": [1, "streams", 4]}, outputs={"p": ["length"]})


def test_other_inputs_get_constants_or_zeros_and_samples_can_be_whole_inputs(tmp_path):
    model, x = stateful(), some(5, 6, 3)
    net = network(saved(model, tmp_path), (1, 6, 3), (6, 3), constants=["rate = 2"], threshold=0.1)
    for sample, found in zip(x, outputs_of(net, x[:, None]), strict=True):
        feeds = {"x": sample, "h": np.zeros((1, 1, 4), np.float32), "rate": np.array(2)}
        # A number for each window, of which each decides by the threshold, which has been subtracted.
        np.testing.assert_allclose(found[:, 0], theirs(model, feeds)[0] - 0.1, rtol=1e-5, atol=1e-6)
    given = network(
        saved(model, tmp_path), (1, 6, 3), (6, 3), constants=["rate = 2", "h = 0.5 of 1x1x4"], threshold=0.1
    )
    feeds["h"][:] = 0.5
    np.testing.assert_allclose(
        outputs_of(given, x[-1:, None])[0, :, 0], theirs(model, feeds)[0] - 0.1, rtol=1e-5, atol=1e-6
    )


def test_what_only_another_output_needs_is_left_out(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "v"], ["z"], name="other"),
        helper.make_node("MatMul", ["x", "w"], ["y"], name="mine"),
    ]
    path = saved(model_of(nodes, {"x": some(2, 3)}, ["z", "y"], {"v": some(3, 4), "w": some(3, 5)}), tmp_path)
    assert list(network(path, (1, 1, 3), (3,), output="y").layers) == ["mine"]


DECISIONS = {
    "one number": ((6,), "auto", "auto", (6, 1, 1)),
    "a column": ((6, 1), "auto", "auto", (6, 1, 1)),
    "classes": ((6, 5), "auto", "auto", (6, 1, 5)),
    "classes at each step": ((6, 7, 5), "auto", "auto", (6, 7, 5)),
    "channels of an image": ((6, 5, 2, 3), "auto", "auto", (6, 6, 5)),
    "a mask": ((6, 1, 2, 3), "auto", "auto", (6, 6, 1)),
    "an axis of one's own": ((6, 7, 5), "auto", 1, (6, 5, 7)),
    "each by itself": ((6, 5), "threshold", "auto", (6, 5, 1)),
}


@pytest.mark.parametrize("name", DECISIONS)
def test_an_output_is_arranged_by_places_and_classes(name):
    shape, kind, axis, wanted = DECISIONS[name]
    values = torch.from_numpy(some(*shape))
    found = Decision(kind, 0.5, axis).arranged(values)
    assert found.shape == wanted
    moved = found + 0.5 if wanted[2] == 1 else found
    assert torch.allclose(moved.flatten().sort().values, values.flatten().sort().values)
    if name == "channels of an image":
        assert torch.equal(found[1, 4], values[1, :, 1, 1])


def test_an_axis_that_the_output_has_not_is_one_message():
    with pytest.raises(SettingError, match=r"class_axis = 3 is not allowed; the output has the axes 1 to 1"):
        Decision("auto", 0.5, 3).arranged(torch.zeros(2, 4))


def plain_model():
    model, _ = node_model("Gemm", [some(2, 5), some(5, 4), some(4)], known=[1, 2])
    return with_ports(model, inputs={"i0": ["n", 5]}, outputs={"o0": ["n", 4]})


def of_version(version):
    model = plain_model()
    model.opset_import[0].version = version
    return model


def with_unknown():
    nodes = [
        helper.make_node("Fancy", ["x"], ["a"], domain="com.acme", name="first"),
        helper.make_node("Fancy", ["a"], ["b"], domain="com.acme", name="second"),
        helper.make_node("NonMaxSuppression", ["b", "b"], ["y"], name="third"),
    ]
    return model_of(nodes, {"x": some(2, 3)}, ["y"])


def quantised():
    nodes = [helper.make_node("MatMulInteger", ["x", "w"], ["y"], name="product")]
    return model_of(nodes, {"x": np.zeros((2, 3), np.uint8)}, ["y"], {"w": np.zeros((3, 4), np.uint8)})


def apart(tensor):
    """Say of a tensor that it is in another file."""
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    tensor.ClearField("raw_data")
    return tensor


def with_external():
    model = plain_model()
    apart(model.graph.initializer[0])
    return model


def constant_of(**value):
    """Return a model of a product with a constant."""
    nodes = [helper.make_node("Constant", [], ["w"], **value), helper.make_node("MatMul", ["x", "w"], ["y"])]
    return model_of(nodes, {"x": some(2, 3)}, ["y"])


def sparse():
    """Return a sparse tensor that is a matrix of 3 x 4."""
    values, places = numpy_helper.from_array(some(2), "w"), numpy_helper.from_array(np.array([1, 7]), "at")
    return helper.make_sparse_tensor(values, places, [3, 4])


def with_sparse(part):
    """Return a model with a sparse initializer, of which a part is in another file."""
    model, own = model_of([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": some(2, 3)}, ["y"]), sparse()
    apart(getattr(own, part))
    model.graph.sparse_initializer.append(own)
    return model


def with_sparse_attribute():
    own = sparse()
    apart(own.values)
    return constant_of(sparse_value=own)


def with_function(nodes):
    """Return a model that calls a function f of some nodes, from x to y."""
    model = model_of([helper.make_node("f", ["x"], ["y"], domain="own")], {"x": some(2, 3)}, ["y"])
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model.opset_import.append(sets[1])
    model.functions.append(helper.make_function("own", "f", ["x"], ["y"], nodes, sets))
    return model


def with_external_function():
    return with_function(constant_of(value=apart(numpy_helper.from_array(some(3, 4)))).graph.node)


def with_short_weights():
    model = plain_model()
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-4]
    return model


def with_gap():
    model = plain_model()
    model.graph.node[0].input[0] = "nowhere"
    return model


def with_strange_kind():
    model = plain_model()
    model.graph.initializer[0].data_type = 99
    return model


def with_recursion(*calls):
    """Return a model with functions that call each other in a circle."""
    model = with_function([helper.make_node(calls[0], ["x"], ["y"], domain="own")])
    for name, other in zip(calls, (*calls[1:], "f"), strict=True):
        if name != "f":
            node = helper.make_node(other, ["x"], ["y"], domain="own")
            model.functions.append(
                helper.make_function("own", name, ["x"], ["y"], [node], list(model.functions[0].opset_import))
            )
    return model


def with_damaged_node(operator, *weights, attributes=None, inputs=2, opset=17):
    """Return a model of a node with an input and weights that it cannot have, before a product that it could have."""
    names = ["x", *(f"w{place}" for place in range(len(weights)))][:inputs]
    nodes = [
        helper.make_node(operator, names, ["a"], name="wrong", **(attributes or {})),
        helper.make_node("MatMul", ["a", "w"], ["y"], name="right"),
    ]
    known = {**{f"w{place}": own for place, own in enumerate(weights)}, "w": some(3, 4)}
    return model_of(nodes, {"x": some(2, 3)}, ["y"], known, opset)


def with_ambiguous_branch():
    bodies = {
        name: helper.make_graph(
            [helper.make_node("Identity", ["x"], [name])], name, [], [helper.make_empty_tensor_value_info(name)]
        )
        for name in ("then_branch", "else_branch")
    }
    nodes = [
        helper.make_node("If", ["c"], ["a"], name="wrong", **bodies),
        helper.make_node("MatMul", ["a", "w"], ["y"]),
    ]
    return model_of(nodes, {"x": some(2, 3)}, ["y"], {"c": np.array([True, False]), "w": some(3, 4)})


def with_huge(operator, **inputs):
    """Return a model that adds a tensor that the file asks for, and does not hold."""
    nodes = [
        helper.make_node(operator, list(inputs), ["a"], name="wrong"),
        helper.make_node("Add", ["x", "a"], ["b"]),
        helper.make_node("MatMul", ["b", "w"], ["y"]),
    ]
    return model_of(nodes, {"x": some(2, 3)}, ["y"], {**inputs, "w": some(3, 4)})


def with_wide_state():
    return with_ports(stateful(), inputs={"x": ["length", 3], "h": [10**6, 10**6, 4]}, outputs={"p": ["length"]})


def digital_alone():
    return model_of([helper.make_node("Relu", ["x"], ["y"])], {"x": some(2, 3)}, ["y"])


def with_rate():
    nodes = [
        helper.make_node("Cast", ["rate"], ["r"], to=FLOAT),
        helper.make_node("Mul", ["x", "r"], ["m"]),
        helper.make_node("MatMul", ["m", "w"], ["y"]),
    ]
    return model_of(nodes, {"x": some(2, 3), "rate": np.array(2)}, ["y"], {"w": some(3, 4)})


DAMAGED = "net.onnx is no ONNX model, or is damaged"
WRONG_FILES = {
    "text": (lambda: b"this is no model", DataError, DAMAGED),
    "empty": (lambda: b"", DataError, f"{DAMAGED}: it has no operators"),
    "cut off": (lambda: plain_model().SerializeToString()[:-40], DataError, "net.onnx is .*damaged"),
    "short weights": (with_short_weights, DataError, "net.onnx is damaged"),
    "a gap": (with_gap, DataError, "net.onnx is damaged: Gemm 'the Gemm' takes 'nowhere', which nothing gives before"),
    "external": (with_external, DataError, "net.onnx keeps 1 of its tensors in weights.bin, and a design holds one"),
    "external in a constant": (
        lambda: constant_of(value=apart(numpy_helper.from_array(some(3, 4)))),
        DataError,
        "keeps 1 of its tensors in weights.bin",
    ),
    "external values of a sparse tensor": (lambda: with_sparse("values"), DataError, "keeps 1 of its tensors in wei"),
    "external places of a sparse tensor": (lambda: with_sparse("indices"), DataError, "keeps 1 of its tensors in wei"),
    "external in a sparse constant": (with_sparse_attribute, DataError, "keeps 1 of its tensors in weights.bin"),
    "external in a function": (with_external_function, DataError, "keeps 1 of its tensors in weights.bin"),
    "a kind of number": (with_strange_kind, DataError, "net.onnx is damaged: the tensor 'i1' holds numbers of kind 99"),
    "a function in itself": (
        lambda: with_recursion("f"),
        DataError,
        r"net.onnx is damaged: its functions \('f'\) cannot be put where they are called",
    ),
    "functions in a circle": (
        lambda: with_recursion("g", "h"),
        DataError,
        r"net.onnx is damaged: its functions \('f', 'g', 'h'\) cannot be put where they are called",
    ),
    "a convolution with a matrix": (
        lambda: with_damaged_node("Conv", some(3, 4)),
        DataError,
        "net.onnx is damaged: Conv 'wrong' cannot be built with tensors of 3x4: ",
    ),
    **{
        f"{operator} of one input": (
            lambda operator=operator: with_damaged_node(operator, inputs=1),
            DataError,
            f"net.onnx is damaged: {operator} 'wrong' cannot be built with no tensors: ",
        )
        for operator in ("MatMul", "Conv", "ConvTranspose", "Gemm")
    },
    "LSTM with a matrix": (
        lambda: with_damaged_node("LSTM", some(16, 3), some(16, 4), inputs=3),
        DataError,
        "net.onnx is damaged: LSTM 'wrong' cannot be built with tensors of 16x3, 16x4: ",
    ),
    "no equation": (
        lambda: with_damaged_node("Einsum", some(3, 3)),
        DataError,
        "net.onnx is damaged: Einsum 'wrong' cannot be built with tensors of 3x3: it has no equation",
    ),
    "batch normalisation of other sizes": (
        lambda: with_damaged_node("BatchNormalization", some(3), some(2), some(3), some(3), inputs=5),
        DataError,
        "net.onnx is damaged: BatchNormalization 'wrong' cannot be built with tensors of 3, 2, 3, 3: ",
    ),
    "a general product with a stack": (
        lambda: with_damaged_node("Gemm", some(2, 3, 3)),
        DataError,
        "net.onnx is damaged: Gemm 'wrong' cannot be built with tensors of 2x3x3: ",
    ),
    "a condition of two values": (
        with_ambiguous_branch,
        DataError,
        "net.onnx is damaged: If 'wrong' cannot be built with tensors of 2: ",
    ),
    "a huge constant": (
        lambda: with_huge("ConstantOfShape", s=np.array([10**6, 10**6])),
        SettingError,
        "net.onnx: ConstantOfShape 'wrong': it asks for 1000000x1000000 numbers; at most",
    ),
    "a huge range": (
        lambda: with_huge("Range", s=np.array(0), e=np.array(10**13), d=np.array(1)),
        SettingError,
        "net.onnx: Range 'wrong': it asks for 10000000000000 numbers",
    ),
    "a huge tile": (
        lambda: with_huge("Tile", s=some(1, 1), r=np.array([10**6, 10**6])),
        SettingError,
        "net.onnx: Tile 'wrong': it asks for 1x1000000x1000000 numbers",
    ),
    "constants that do not meet": (
        lambda: with_huge("MatMul", s=some(2, 3), e=some(4, 5)),
        DataError,
        "net.onnx is damaged: MatMul 'wrong' cannot take tensors of 2x3, 4x5: ",
    ),
    "unknown operators": (
        with_unknown,
        SettingError,
        r"not supported: NonMaxSuppression \('third'\); com.acme:Fancy \('first', 'second'\)",
    ),
    "quantised": (quantised, SettingError, r"MatMulInteger \('product'\); export it in floats, or with QuantizeLinear"),
    "old": (lambda: of_version(6), SettingError, "its operators are of version 6; version 7 and later"),
    "no layer": (digital_alone, SettingError, "net.onnx: no layer goes on crossbars"),
    "a rate that lacks": (with_rate, SettingError, r"another input 'rate' .* give it: network.constants = ..rate = "),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_file_that_cannot_be_used_is_one_message(name, tmp_path):
    make, error, said = WRONG_FILES[name]
    path = saved(make(), tmp_path)
    with pytest.raises(error, match=said) as found:
        found_in(path)
    assert "\n" not in str(found.value)


def test_no_tensor_is_read_from_beside_a_file(tmp_path, monkeypatch):
    saved(some(5, 4).tobytes(), tmp_path, "weights.bin")
    monkeypatch.chdir(tmp_path)
    for make in (with_external, lambda: with_sparse("values"), with_sparse_attribute, with_external_function):
        monkeypatch.setattr(read, "_check_external", lambda *_: None)
        with pytest.raises(DataError, match=r"net.onnx is damaged: the tensor '.*' is in another file"):
            found_in(saved(make(), tmp_path))


def test_an_output_that_a_node_does_not_have_is_one_message():
    nodes = [helper.make_node("Neg", ["x"], ["a", "z"]), helper.make_node("Neg", ["z"], ["y"])]
    x = some(2, 3)
    with pytest.raises(DataError, match="nothing gives 'z': its node has fewer outputs than the file asks of it"):
        ours(model_of(nodes, {"x": x}, ["y"]), {"x": x})


WRONG_SETTINGS = {
    "input": ("z", r"no input 'z'; network.input is one of 'i0' \(nx5\)"),
    "output": ("z", r"no output 'z'; network.output is one of 'o0' \(nx4\)"),
    "constants": (("z = 1",), "network.constants names 'z', and there is no other input"),
    "constants of the samples": (("i0 = 1",), "network.constants names 'i0', and its samples come from the workload"),
    "constants that are no numbers": (("i0 = NaN",), "network.constants: 'i0 = NaN' cannot be read"),
    "sizes": (("z = 1",), "network.sizes names 'z', and the file leaves open 'n'"),
}


@pytest.mark.parametrize("name", WRONG_SETTINGS)
def test_a_setting_that_does_not_fit_a_file_is_one_message(name, tmp_path):
    value, said = WRONG_SETTINGS[name]
    with pytest.raises(SettingError, match=said):
        found_in(saved(plain_model(), tmp_path), **{name.partition(" ")[0]: value})


def test_a_constant_that_its_input_cannot_hold_is_one_message(tmp_path):
    path = saved(with_rate(), tmp_path)
    for value, shown in (("0.5", "0.5"), ("1e30", "1e+30"), ("18446744073709551615", "1844"), ("[2, 0.5]", "[2, 0.5]")):
        said = f"network.constants: the input 'rate' holds int64, which {shown}"
        with pytest.raises(SettingError, match=re.escape(said)):
            found_in(path, constants=(f"rate = {value}",))
    state = saved(stateful(), tmp_path)
    with pytest.raises(SettingError, match=r"the input 'h' holds float32, which 1e.300 is not"):
        found_in(state, constants=("rate = 2", "h = 1e300 of 1x1x4"))
    wide = saved(with_wide_state(), tmp_path)
    with pytest.raises(SettingError, match="the input 'h' would hold 1000000x1000000x4 numbers; at most"):
        found_in(wide, constants=("rate = 2",))


def test_mistakes_of_settings_are_one_message(tmp_path):
    base = {"network.name": "onnx", "network.file": str(OWN / "network.onnx")}
    assert compose(base).architecture == "float"
    assert compose(base).deployment is not None
    for settings, said in (
        ({"network.file": ""}, "network.file is missing"),
        ({"network.file": "nowhere.onnx"}, "there is no file"),
        ({"architecture": "mixed_precision"}, "which trains, and a network from a file is trained already"),
        ({"workload.dataset": "cifar10"}, "the input 'x' takes nx1x8xwidth, and a sample is 3x32x32"),
        ({"network.constants": ["offset"]}, "cannot be read"),
        ({"workload.dataset": "ptb"}, "reads samples|cannot learn"),
    ):
        with pytest.raises((SettingError, DataError), match=said):
            compose({**base, **settings})
    assert compose({**base, "deployment.compensation": "adabs"}).network.has_batch_norm
    plain = saved(plain_model(), tmp_path)
    np.savez(tmp_path / "x.npz", x=some(20, 5))
    vectors = {"network.name": "onnx", "network.file": str(plain), "workload.dataset": "arrays"}
    vectors["workload.file"] = str(tmp_path / "x.npz")
    assert compose(vectors).task.name == "inference"
    with pytest.raises(SettingError, match="re-estimates batch-norm statistics, and this network has none"):
        compose({**vectors, "deployment.compensation": "adabs"})


def test_a_design_knows_a_network_by_its_content(tmp_path):
    base = {"network.name": "onnx"}
    one, other = (OWN / name for name in ("network.onnx", "other.onnx"))
    same = tmp_path / "network.onnx"
    same.write_bytes(one.read_bytes())
    keys = [compose({**base, "network.file": str(path)}).key for path in (one, same, other)]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.slow
def test_settings_load_without_torch_and_onnx():
    code = "import sys, dse.networks\nprint('torch' in sys.modules, 'onnx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_without_the_package_one_message_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    path = saved(numpy_helper.from_array(some(2)).SerializeToString(), tmp_path)
    with pytest.raises(SettingError, match=re.escape("pip install 'pcm-dse[onnx]'")):
        found_in(path)


def test_layers_that_stay_digital_stand_in_the_account_with_their_multiply_accumulates(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], name="deep", group=2, pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["y"], name="read_out"),
    ]
    known = {"k": some(4, 1, 3, 3), "w": some(4, 5)}
    saved(with_ports(model_of(nodes, {"x": some(1, 2, 6, 6)}, ["y"], known), inputs={"x": ["n", 2, 6, 6]}), tmp_path)
    np.savez(tmp_path / "x.npz", x=some(30, 2, 6, 6))
    files = {"network.file": "net.onnx", "workload.dataset": "arrays", "workload.file": "x.npz"}
    design = compose({"network.name": "onnx", **files, "deployment.repetitions": 1}, tmp_path)
    outcome = evaluate(design, 0, design.workload.load())
    deep, read_out = outcome.layers
    assert (deep.rows, deep.cols, deep.cells, deep.places) == (9, 4, 0, 36)
    assert deep.events["macs_forward"] == outcome.train_samples * 36 * 9 * 4
    assert deep.events["weight_reads"] == outcome.train_samples * 9 * 4
    assert (read_out.rows, read_out.cols, read_out.cells) == (4, 5, 40)
    assert read_out.events["mvm_forward"] == outcome.train_samples == design.workload.info.samples
    assert read_out.events["macs_forward"] == 0
    assert outcome.metrics["cells"] == 40
    assert "loss" not in outcome.metrics


def test_answers_keep_the_numbers_that_their_file_gives_them(tmp_path):
    weights = np.eye(6, dtype=np.float32)
    model, _ = node_model("MatMul", [some(2, 6), weights], known=[1])
    saved(with_ports(model, inputs={"i0": ["n", 6]}), tmp_path)
    y = np.array([2, 5] * 20)
    np.savez(tmp_path / "xy.npz", x=weights[y] + 0.01, y=y)
    files = {"network.file": "net.onnx", "workload.dataset": "arrays", "workload.file": "xy.npz"}
    design = compose({"network.name": "onnx", **files, "deployment.repetitions": 1}, tmp_path)
    outcome = evaluate(design, 0, design.workload.load())
    assert design.task.name == "judged_inference"
    assert outcome.metrics["accuracy"] == outcome.metrics["programmed_accuracy"] == 1.0
    np.savez(tmp_path / "xy.npz", x=weights[y], y=y + 3)
    other = compose({"network.name": "onnx", **files}, tmp_path)
    with pytest.raises(DataError, match="classes from 5 to 8, and the output of the network decides between 0 and 5"):
        evaluate(other, 0, other.workload.load())


def test_classes_that_are_text_are_refused_as_nothing_says_which_output_is_whose(tmp_path):
    saved(plain_model(), tmp_path)
    files = {"network.file": "net.onnx", "workload.dataset": "arrays", "workload.file": "xy.npz"}
    given = {"network.name": "onnx", **files}
    for answers, said in ((["dog", "cat"], "'cat', 'dog'"), (["7", "8"], "'7', '8'"), ([b"b", b"a"], "'a', 'b'")):
        np.savez(tmp_path / "xy.npz", x=some(40, 5), y=np.array(answers * 20))
        words = re.escape(said).replace("'", "[\"']")
        with pytest.raises(SettingError, match=rf"are text \({words}\), .* numbers from 0 in the order of its outputs"):
            compose(given, tmp_path)
    assert compose({**given, "workload.answers": "none"}, tmp_path).task.name == "inference"
