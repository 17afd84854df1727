#!/usr/bin/env bash
# ZigZag takes the height of a convolution's kernel for its width.
#
# zigzag-dse 3.9.1 with onnx 1.23.2, 2026-12-01. ONNX gives `kernel_shape` as (height, width). A convolution of 16 x 16
# pixels with a kernel of 1 x 7 has outputs of 16 x 10; ZigZag reads them as OY = 16 and OX = 10, but the kernel as FX =
# 1 and FY = 7: a row of 10 outputs by a kernel of one pixel, from a row of 10 inputs where there are 16, and a column
# of 22 inputs where there are 16. Multiplications are counted right, inputs and their traffic are not: 220 pixels a
# channel are read where there are 256. Square kernels hide it. (The package imports `six` without asking for it.)
#
# kernel 1 x 7: OX 10 OY 16 FX 1 FY 7, input of 10 x 22
# kernel 7 x 1: OX 16 OY 10 FX 7 FY 1, input of 22 x 10
#
# One-dimensional convolutions (speech, keyword spotting, 1 x n) are the users of such kernels. It fails if the axes agree.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q zigzag-dse==3.9.1 onnx==1.23.2 numpy==2.4.6 six >/dev/null 2>&1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import zigzag
from zigzag.parser.onnx.onnx_model_parser import ONNXModelParser

mapping = os.path.join(os.path.dirname(zigzag.__file__), "inputs", "mapping", "tpu_like.yaml")


def sizes(height, width):
    node = helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[height, width], name="conv")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, 16, 16])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 17 - height, 17 - width])
    weights = numpy_helper.from_array(np.zeros((8, 8, height, width), np.float32), "w")
    graph = helper.make_graph([node], "conv", [x], [y], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(onnx.shape_inference.infer_shapes(model), "conv.onnx")
    (layer,) = ONNXModelParser("conv.onnx", mapping).run().node_list
    return {str(name): size for name, size in layer.layer_dim_sizes.items()}


for height, width in ((1, 7), (7, 1)):
    found = sizes(height, width)
    across, down = found["OX"] + found["FX"] - 1, found["OY"] + found["FY"] - 1
    print(f"kernel {height} x {width}:", *(f"{name} {found[name]}" for name in ("OX", "OY", "FX", "FY")), end=", ")
    print(f"input of {across} x {down}")
    assert (found["OY"], found["OX"]) == (17 - height, 17 - width), found
    assert (found["FX"], found["FY"]) == (height, width), found
    assert {across, down} == {10, 22}, found
PYTHON
