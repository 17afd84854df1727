#!/usr/bin/env bash
# Four counters give a transposed convolution of stride 2 four and a half times its multiplications, two count it right.
#
# With torch 2.13.0, 2026-12-01: nn.ConvTranspose2d(16, 32, 3, stride=2) on 8 x 8 pixels, the layer of generators. Each of
# the 64 pixels meets 16 x 32 x 9 weights: 294,912 multiplications. thop 0.1.1.post2209072238, torchinfo 1.8.0,
# torchprofile 0.1.0 and torch-pruning 1.6.1 take the formula of an ordinary convolution, weights times pixels of the
# output (17 x 17), most of which see a few of the weights only. ptflops 0.7.5 (but for the bias of its outputs) and torch's own counter take the input.
#
# thop 4.52, torchinfo 4.55, torchprofile 4.52, torch-pruning 4.55, ptflops 1.03, torch 1.00 times 294912
#
# So a generator looks several times as dear as the discriminator that mirrors it. It fails if the factors change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 numpy==2.4.6 tqdm==4.68.2 >/dev/null 2>&1
# Without their dependencies: torchvision, which they name, is not needed to count.
"$folder/venv/bin/pip" install -q --no-deps thop==0.1.1.post2209072238 torchinfo==1.8.0 torchprofile==0.1.0 \
    torch-pruning==1.6.1 ptflops==0.7.5 >/dev/null 2>&1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import torch
import torch_pruning
from ptflops import get_model_complexity_info
from thop import profile
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchinfo import summary
from torchprofile import profile_macs

x = torch.randn(1, 16, 8, 8)
TRUE = 8 * 8 * 16 * 32 * 9


def layer():
    return nn.ConvTranspose2d(16, 32, 3, stride=2)


def by_torch():
    with FlopCounterMode(display=False) as counter:
        layer()(x)
    return counter.get_total_flops() / 2


options = {"as_strings": False, "print_per_layer_stat": False, "verbose": False}
found = {
    "thop": profile(layer(), inputs=(x,), verbose=False)[0],
    "torchinfo": summary(layer(), input_data=x, verbose=0).total_mult_adds,
    "torchprofile": profile_macs(layer(), x),
    "torch-pruning": torch_pruning.utils.count_ops_and_params(layer(), x)[0],
    "ptflops": get_model_complexity_info(layer(), (16, 8, 8), **options)[0],
    "torch": by_torch(),
}
factors = {name: round(value / TRUE, 2) for name, value in found.items()}
print(", ".join(f"{name} {factor:.2f}" for name, factor in factors.items()), f"times {TRUE}")
wanted = {"thop": 4.52, "torchinfo": 4.55, "torchprofile": 4.52, "torch-pruning": 4.55, "ptflops": 1.03, "torch": 1.0}
assert factors == wanted, factors
# What is true: a convolution that multiplies by every weight for every pixel of the input and adds, and no more.
weights, sums = layer().weight, torch.zeros(1, 32, 17, 17)
for row in range(8):
    for column in range(8):
        patch = torch.einsum("bi,iokl->bokl", x[:, :, row, column], weights)  # 16 x 32 x 9 multiplications
        sums[:, :, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3] += patch
torch.testing.assert_close(nn.functional.conv_transpose2d(x, weights, stride=2), sums, rtol=1e-4, atol=1e-4)
PYTHON
