#!/usr/bin/env bash
# torchinfo counts a linear layer over 16 time steps once, and an LSTM cell that is called 16 times 1,040 times.
#
# torchinfo 1.8.0 with torch 2.13.0, 2026-12-01, `summary(...).total_mult_adds` of 64 inputs and 64 units:
# - nn.Linear on a sequence of 16 vectors, 65,536 multiplications: 4,160, those of a single vector (and its bias), whatever
#   the length. A batch of 16 vectors is counted 16 times. So a read-out of a recurrent network, or a layer of a
#   transformer, loses the factor of its length.
# - nn.LSTMCell called for 16 steps, 524,288 multiplications: 34,078,720, 65 times as many; a single call of it is 65
#   times, too. nn.LSTM over the same 16 steps is right but for the biases (532,480).
# Nothing is said in either case.
#
# linear: a vector 4160, 16 in a batch 66560, 16 steps 4160
# 16 steps: nn.LSTM 532480, LSTMCell 34078720
#
# It fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 torchinfo==1.8.0 numpy==2.4.6 >/dev/null 2>&1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import torch
from torch import nn
from torchinfo import summary

UNITS, STEPS = 64, 16


class Loop(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(UNITS, UNITS)

    def forward(self, x):
        h = c = torch.zeros(x.shape[0], UNITS)
        for step in range(x.shape[1]):
            h, c = self.cell(x[:, step], (h, c))
        return h


def counted(network, *shape):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = summary(network, input_data=torch.randn(shape), verbose=0).total_mult_adds
    assert not told, told
    return found


vector, batch, steps = (counted(nn.Linear(UNITS, UNITS), *shape, UNITS) for shape in ((1,), (16,), (1, 16)))
lstm = counted(nn.LSTM(UNITS, UNITS, batch_first=True), 1, STEPS, UNITS)
loop, once = counted(Loop(), 1, STEPS, UNITS), counted(Loop(), 1, 1, UNITS)
print(f"linear: a vector {vector}, 16 in a batch {batch}, 16 steps {steps}")
print(f"16 steps: nn.LSTM {lstm}, LSTMCell {loop}")
assert (vector, batch, steps) == (4160, 66560, 4160), (vector, batch, steps)
assert lstm == 532480, lstm
assert loop == 65 * 4 * UNITS * 2 * UNITS * STEPS, loop
assert loop == STEPS * once, once
PYTHON
