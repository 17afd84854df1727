#!/usr/bin/env bash
# The two judges of an ONNX graph disagree on Resize with align_corners and scales that do not give a whole length.
#
# onnx 1.23.2 (ReferenceEvaluator, the reference of the standard) and onnxruntime 1.32.0, CPU, opset 19; 2026-11-30.
# Eight values, scale 0.6: both return floor(8 * 0.6) = 4 values. onnxruntime puts the last of them on the last input, as
# the name of the mode says; the reference divides by the length before it was rounded, 4.8, and never comes near the
# corner. The difference is not one of rounding: 8.0 against 6.53. With a scale that gives a whole length they agree.
#
# onnxruntime:  1.0 3.3333 5.6667 8.0
# reference:    1.0 2.8421 4.6842 6.5263
#
# A network that resizes by such a scale has other outputs in the two, so a converter cannot agree with both.
# It fails if either behaves otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 >/dev/null 2>&1
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper
from onnx.reference import ReferenceEvaluator

x = np.arange(1, 9, dtype=np.float32).reshape(1, 1, 1, 8)


def both(scale):
    node = helper.make_node(
        "Resize", ["x", "", "scales"], ["y"], mode="linear", coordinate_transformation_mode="align_corners"
    )
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)
    found = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["a", "b", "c", "d"])
    scales = helper.make_tensor("scales", TensorProto.FLOAT, [4], [1.0, 1.0, 1.0, scale])
    graph = helper.make_graph([node], "resize", [given], [found], [scales])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0].ravel(), ReferenceEvaluator(model).run(None, {"x": x})[0].ravel()


runtime, reference = both(0.6)
print("onnxruntime", np.round(runtime, 4), "reference", np.round(reference, 4))
assert np.allclose(runtime, [1.0, 10 / 3, 17 / 3, 8.0], atol=1e-5), runtime
assert np.allclose(reference, [1.0, 2.8421052, 4.6842103, 6.5263157], atol=1e-5), reference
runtime, reference = both(0.5)
assert np.allclose(runtime, reference, atol=1e-5), (runtime, reference)
PYTHON
