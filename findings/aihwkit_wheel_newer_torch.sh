#!/usr/bin/env bash
# The wheel of aihwkit 1.1.0 imports beside a torch that its metadata allow, and refuses weights of the right shape.
#
# aihwkit 1.1.0 asks for "torch>=2.9.1"; torch 2.13.0 (CPU), Python 3.11, Linux on x86-64, 2026-12-01. It installs and
# imports without a word. Making a layer, or at the latest its first product, ends:
# - AnalogLinear(10, 10) on FloatingPointRPUConfig or SingleRPUConfig: "Invalid weights dimensions: expected [10,10]
#   tensor", where the weights are a tensor of 10 x 10;
# - InferenceRPUConfig: "weights must be a CPU tensor", where they are one.
# (A configuration of mixed precision ends the process with a segmentation fault there, which is not run here.)
#
# FloatingPointRPUConfig: RuntimeError: Invalid weights dimensions: expected [10,10] tensor
# SingleRPUConfig: RuntimeError: Invalid weights dimensions: expected [10,10] tensor
# InferenceRPUConfig: RuntimeError: weights must be a CPU tensor
#
# Its compiled part takes a tensor of this torch for something else, it seems. Version 1.2.0, compiled from its sources
# beside torch 2.13.0, computes. It fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 numpy==2.4.6 scipy tqdm requests protobuf scikit-learn >/dev/null 2>&1
"$folder/venv/bin/pip" install -q --no-deps aihwkit==1.1.0 >/dev/null 2>&1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import importlib.metadata

import torch
from aihwkit.nn import AnalogLinear
from aihwkit.simulator.configs import FloatingPointRPUConfig, InferenceRPUConfig, SingleRPUConfig

SHAPE, DEVICE = "Invalid weights dimensions: expected [10,10] tensor", "weights must be a CPU tensor"
assert torch.__version__.startswith("2.13.0"), torch.__version__
assert any("torch>=2.9.1" in asked for asked in importlib.metadata.requires("aihwkit"))


def refused(config):
    torch.manual_seed(0)
    try:
        AnalogLinear(10, 10, rpu_config=config)(torch.ones(1, 10))
    except RuntimeError as error:
        print(f"{type(config).__name__}: RuntimeError: {error}")
        return str(error)
    raise SystemExit(f"{type(config).__name__} computes")


for config, message in (
    (FloatingPointRPUConfig(), SHAPE),
    (SingleRPUConfig(), SHAPE),
    (InferenceRPUConfig(), DEVICE),
):
    assert message in refused(config)
PYTHON
