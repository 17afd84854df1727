#!/usr/bin/env bash
# An LSTM costs nothing in ZigZag: the whole network is priced as its last layer, without a word.
#
# zigzag-dse 3.9.1 with onnx 1.23.2, 2026-12-01, its own TPU-like accelerator and mapping. A network of an LSTM (64
# units, 16 time steps, 524,288 multiplications a sequence) and a Gemm of 64 x 10 (640 multiplications) is given as a
# valid ONNX file. The answer is the energy and the latency of the Gemm alone: operators without a parser of their own
# become nodes that pass data on, and recurrent ones are among them. Nothing is raised, and no warning names the LSTM
# (two say that the mapping of the Gemm is the default one). The package imports `six` without asking for it.
#
# gemm alone:     energy 63280.8, latency 123.0, layers: gemm
# lstm, gemm:     energy 63280.8, latency 123.0, layers: gemm
#
# Who compares recurrent networks with it compares their read-outs. It fails if the two differ or a warning names the LSTM.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q zigzag-dse==3.9.1 onnx==1.23.2 numpy==2.4.6 six >/dev/null 2>&1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import logging
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import zigzag
from zigzag.api import get_hardware_performance_zigzag

HIDDEN, STEPS, CLASSES = 64, 16, 10
warnings = []


class Noted(logging.Handler):
    def emit(self, record):
        if record.levelno >= logging.WARNING:
            warnings.append(record.getMessage())


logging.getLogger().addHandler(Noted())
inputs = os.path.join(os.path.dirname(zigzag.__file__), "inputs")


def zeros(name, *shape):
    return numpy_helper.from_array(np.zeros(shape, np.float32), name)


def priced(name, nodes, given, weights):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, given)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, CLASSES])
    graph = helper.make_graph(nodes, name, [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(onnx.shape_inference.infer_shapes(model), f"{name}.onnx")
    energy, latency, detail = get_hardware_performance_zigzag(
        workload=f"{name}.onnx",
        accelerator=f"{inputs}/hardware/tpu_like.yaml",
        mapping=f"{inputs}/mapping/tpu_like.yaml",
        opt="energy",
        dump_folder="out",
        pickle_filename="out/all.pickle",
    )
    layers = [str(evaluated[0].layer) for evaluated in detail[0][1]]
    print(f"{name}: energy {energy:.1f}, latency {latency}, layers: {', '.join(layers)}")
    return energy, latency, layers


alone = priced(
    "gemm", [helper.make_node("Gemm", ["x", "g"], ["y"], name="gemm")], [1, HIDDEN], [zeros("g", HIDDEN, CLASSES)]
)
both = priced(
    "lstm_gemm",
    [
        helper.make_node("LSTM", ["x", "w", "r"], ["", "last"], hidden_size=HIDDEN, name="lstm"),
        helper.make_node("Squeeze", ["last", "axis"], ["h"], name="squeeze"),
        helper.make_node("Gemm", ["h", "g"], ["y"], name="gemm"),
    ],
    [STEPS, 1, HIDDEN],
    [
        zeros("w", 1, 4 * HIDDEN, HIDDEN),
        zeros("r", 1, 4 * HIDDEN, HIDDEN),
        zeros("g", HIDDEN, CLASSES),
        numpy_helper.from_array(np.array([0]), "axis"),
    ],
)
assert alone == both, (alone, both)
assert both[0] > 0, both
assert not any("lstm" in text.lower() for text in warnings), warnings
PYTHON
