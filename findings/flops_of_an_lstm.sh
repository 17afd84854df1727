#!/usr/bin/env bash
# An LSTM has no floating-point operations in torch's own counter; a GRU of the same size has all of them.
#
# torch 2.13.0 (CPU) and ptflops 0.7.5, 2026-12-01: 64 inputs, 64 units, 16 time steps, 4 * 64 * 128 * 16 = 524,288
# multiplications (a GRU: 393,216). `torch.utils.flop_counter.FlopCounterMode` counts none of the LSTM, in training and
# in evaluation, and says nothing: on a CPU nn.LSTM becomes one oneDNN operator, for which the counter has no formula.
# The same LSTM as an LSTMCell in a loop, or with oneDNN switched off, is counted right. ptflops with its "aten" backend
# inherits the zero; its "pytorch" backend counts 3.5 % too many (additions and activations).
#
# nn.LSTM 0, nn.LSTM without oneDNN 524288, LSTMCell in a loop 524288, nn.GRU 393216 (torch)
# nn.LSTM 0 (ptflops aten), 542720 (ptflops pytorch)
#
# So a network's operations by this counter depend on how its recurrence is written, and on the machine. It fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 ptflops==0.7.5 numpy==2.4.6 >/dev/null 2>&1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import torch
from ptflops import get_model_complexity_info
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

UNITS, STEPS = 64, 16
LSTM, GRU = (gates * UNITS * 2 * UNITS * STEPS for gates in (4, 3))
x = torch.randn(1, STEPS, UNITS)


class Loop(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(UNITS, UNITS)

    def forward(self, x):
        h = c = torch.zeros(x.shape[0], UNITS)
        for step in range(x.shape[1]):
            h, c = self.cell(x[:, step], (h, c))
        return h


def counted(network):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with FlopCounterMode(display=False) as counter:
            network(x)
    assert not told, told
    return counter.get_total_flops() // 2  # two operations a multiplication


def by_ptflops(backend):
    network = nn.LSTM(UNITS, UNITS, batch_first=True)
    options = {"as_strings": False, "print_per_layer_stat": False, "verbose": False}
    return get_model_complexity_info(network, (STEPS, UNITS), backend=backend, **options)[0]


lstm = nn.LSTM(UNITS, UNITS, batch_first=True)
whole, evaluated = counted(lstm.train()), counted(lstm.eval())
with torch.backends.mkldnn.flags(enabled=False):
    without = counted(lstm)
loop, gru = counted(Loop()), counted(nn.GRU(UNITS, UNITS, batch_first=True))
aten, pytorch = by_ptflops("aten"), by_ptflops("pytorch")
print(f"nn.LSTM {whole}, nn.LSTM without oneDNN {without}, LSTMCell in a loop {loop}, nn.GRU {gru} (torch)")
print(f"nn.LSTM {aten} (ptflops aten), {pytorch} (ptflops pytorch)")
assert whole == evaluated == aten == 0, (whole, evaluated, aten)
assert without == loop == LSTM, (without, loop)
assert gru == GRU, gru
assert pytorch == 542720, pytorch
PYTHON
