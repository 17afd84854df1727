#!/usr/bin/env bash
# The size that fxpmath finds for an array by itself cuts its largest values where its small ones need many fractional bits.
#
# fxpmath 0.4.10, 2026-12-01. `Fxp(values)` without a size takes "the best" one, at most 64 bits: the fraction that all
# values need first, and whatever is left for what stands before the point. [12.0, 0.001] (two conductances in uS) become
# [8.0, 0.001] in fxp-s64/60, [12.0, 0.01] are kept. Of 1,000 normal weights of deviation 3 those beyond 8 become 8: the
# largest error is 3.7, not a step of the last bit. No warning is given; `status["overflow"]` is True.
#
# [12.0, 0.001] -> [8.0, 0.001] in fxp-s64/60; [12.0, 0.01] -> [12.0, 0.01] in fxp-s64/59
# 1000 weights: largest 9.198 -> 8.000, largest error 3.698
#
# A size that is named (n_word, n_frac), or `n_int`, is kept as asked. It fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q fxpmath==0.4.10 numpy==2.4.6 >/dev/null 2>&1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import numpy as np
from fxpmath import Fxp

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    cut, kept = (Fxp(np.array([12.0, small])) for small in (0.001, 0.01))
    weights = np.random.default_rng(0).normal(0.0, 3.0, 1000)
    held = Fxp(weights)
    sized = np.asarray(Fxp(weights, True, n_word=32, n_frac=24), dtype=float)
assert not told, told
a, b, h = (np.asarray(number, dtype=float) for number in (cut, kept, held))
error = np.abs(h - weights).max()
print(f"[12.0, 0.001] -> {a.round(6).tolist()} in {cut.dtype}; [12.0, 0.01] -> {b.round(6).tolist()} in {kept.dtype}")
print(f"1000 weights: largest {weights.max():.3f} -> {h.max():.3f}, largest error {error:.3f}")
assert a[0] == 8.0, a
assert cut.status["overflow"], cut.status
assert b[0] == 12.0, b
assert error > 3.0, error
assert np.abs(sized - weights).max() <= 2.0**-24, "a size that is named keeps the weights"
PYTHON
