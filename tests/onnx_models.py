"""ONNX models for tests: small ones from their nodes, answers of onnxruntime, and ours."""

import numpy as np
import onnxruntime
import torch
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import nn

from dse.networks.onnx.program import Compiler
from dse.networks.onnx.read import read_model

DRAWS = np.random.default_rng(20261130)


def some(*shape, low=None, high=None, kind=np.float32):
    """Return numbers: normal, or even within bounds."""
    if kind == np.bool_:
        return DRAWS.integers(0, 2, shape).astype(bool)
    if np.issubdtype(kind, np.integer):
        return DRAWS.integers(-9 if low is None else low, 10 if high is None else high, shape).astype(kind)
    return (DRAWS.standard_normal(shape) if low is None else DRAWS.uniform(low, high, shape)).astype(kind)


def whole(*numbers, kind=np.int64):
    """Return whole numbers that are given."""
    return np.array(numbers, kind)


def model_of(nodes, inputs, outputs, known=None, opset=17, ir=8):
    """Return a model of nodes: inputs and outputs by name as arrays (outputs may be numbers of axes or None)."""
    given = [numpy_helper.from_array(np.asarray(value), name) for name, value in (known or {}).items()]
    kinds = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in inputs.items()}
    ports = [helper.make_tensor_value_info(name, kinds[name], value.shape) for name, value in inputs.items()]
    graph = helper.make_graph(
        nodes, "test", ports, [helper.make_empty_tensor_value_info(name) for name in outputs], initializer=given
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)


def node_model(operator, inputs, attributes=None, *, opset=17, outputs=1, known=()):
    """Return a model of one node; inputs are arrays or None, of which the numbers in `known` come with the model."""
    inputs = [None if value is None else np.asarray(value) for value in inputs]
    names = ["" if value is None else f"i{n}" for n, value in enumerate(inputs)]
    results = [f"o{n}" for n in range(outputs)]
    node = helper.make_node(operator, names, results, name=f"the {operator}", **(attributes or {}))
    fed = {f"i{n}": value for n, value in enumerate(inputs) if value is not None and n not in known}
    held = {f"i{n}": inputs[n] for n in known if inputs[n] is not None}
    return model_of([node], fed, results, held, opset), fed


def theirs(model, feeds):
    """Return the outputs of onnxruntime, without its own rewriting of graphs."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    content = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def reference(model, feeds):
    """Return the outputs of the reference implementation of the standard."""
    return ReferenceEvaluator(model).run(None, feeds)


def ours(model, feeds):
    """Return our outputs, and the modules of nodes with weights by name."""
    content = model if isinstance(model, bytes) else model.SerializeToString()
    read = read_model(content, "model.onnx")
    compiler = Compiler("model.onnx")
    program = compiler.program(read.graph)
    layers = nn.ModuleDict(compiler.layers).eval()
    with torch.no_grad():
        found = program(layers, {name: torch.from_numpy(np.asarray(value)) for name, value in feeds.items()})
    return [value.numpy() for value in found], compiler.layers


def agree(model, feeds, *, rtol=1e-5, atol=2e-6, judge=theirs):
    """Check that our outputs are theirs within rounding, in shape and kind of number, and return our modules."""
    found, layers = ours(model, feeds)
    wanted = judge(model, feeds)
    assert len(found) == len(wanted)
    for own, other in zip(found, wanted, strict=True):
        assert own.shape == other.shape
        assert own.dtype == other.dtype
        np.testing.assert_allclose(own, other, rtol=rtol, atol=atol)
    return layers
