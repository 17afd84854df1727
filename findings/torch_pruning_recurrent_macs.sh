#!/usr/bin/env bash
# torch-pruning counts 66 times the multiplications of an LSTM, or a quarter of them, by the order of its axes.
#
# torch-pruning 1.6.1 with torch 2.13.0, 2026-12-01: `utils.count_ops_and_params` of nn.LSTM with 64 inputs, 64 units and
# 16 time steps of one sequence; 4 * 64 * 128 * 16 = 524,288 multiplications. With batch_first=True, 34,734,080 of them
# (66.25 times: a factor that grows with the units, 34.25 at 32 and 130.25 at 128); with time first, 135,680 for the same
# sequence (0.26), and twice as many for half of its steps. A linear layer is right but for the bias. Nothing is said.
#
# 32 units: 34.25 and 0.13, 64 units: 66.25 and 0.26, 128 units: 130.25 and 0.51 times
# time first, 8 steps: 271360; 16 steps: 135680
#
# Speed-ups that are reported by it for pruned recurrent networks are speed-ups of this count. It fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 torch-pruning==1.6.1 numpy==2.4.6 >/dev/null 2>&1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import torch
from torch import nn
from torch_pruning.utils import count_ops_and_params


def counted(units, steps, batch_first):
    x = torch.randn((1, steps, units) if batch_first else (steps, 1, units))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = count_ops_and_params(nn.LSTM(units, units, batch_first=batch_first), x)[0]
    assert not told, told
    return found


factors = {
    units: tuple(counted(units, 16, first) / (4 * units * 2 * units * 16) for first in (True, False))
    for units in (32, 64, 128)
}
print(", ".join(f"{units} units: {a:.2f} and {b:.2f}" for units, (a, b) in factors.items()), "times")
few, many = counted(64, 8, False), counted(64, 16, False)
print(f"time first, 8 steps: {few:.0f}; 16 steps: {many:.0f}")
linear = count_ops_and_params(nn.Linear(64, 64), torch.randn(1, 64))[0]
assert 4096 <= linear <= 4160, linear
assert [round(a, 2) for a, _ in factors.values()] == [34.25, 66.25, 130.25], factors
assert [round(b, 2) for _, b in factors.values()] == [0.13, 0.26, 0.51], factors
assert few == 2 * many == 271360, (few, many)
PYTHON
