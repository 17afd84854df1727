"""Compile every kernel for an accelerator that need not be there: `python -m tests.end_to_end.compiled_kernels`.

In a process where Triton interprets, nothing is compiled; so this is a program of its own.
"""

from typing import Any

from triton import compile as compile_for
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from dse.kernel.accelerator import cells, conversion, perceptron
from dse.kernel.accelerator.arithmetic import EXACT

# pyright: basic
TARGET = GPUTarget("cuda", 90, 32)
KINDS = {
    "*i64": (
        *("life_at", "resets_at", "integers_at", "counts_at", "lines_at", "windows_at", "key_table", "starts_at"),
        *("cut_at", "sources_at", "settings_at", "counted_at", "order_at"),
    ),
    "*i32": ("word_at", "flips_at", "peak_at", "peaks_at"),
    "*fp64": ("time_at", "squares_at"),
    "*i1": ("stuck_at",),
    "fp32": ("now_s",),
    "i32": (
        *("size", "wide", "number", "responses", "turns", "samples", "length", "inner", "places", "blocks"),
        *("vectors", "taps", "channels", "rows", "cols", "outputs", "apart", "stride", "drawn", "start", "length"),
        "designs",
    ),
}
"""The types of arguments that are no floats in memory."""
CELLS = [{"PAIRS": pairs, "NOISY": True, "BLOCK": cells.BLOCK} for pairs in (1, 3)]
TILE = {"NOISY": True, "SAMPLES": perceptron.SAMPLES, "BLOCK": perceptron.COLUMNS}
KERNELS: list[tuple[Any, dict[str, Any]]] = [
    *((kernel, {**own, "WEARS": own["PAIRS"] > 1}) for kernel in (cells._update, cells._refresh) for own in CELLS),
    *((cells._age, own) for own in CELLS),
    (conversion._drive, {"CONVERTS": True, "COUNTS": True, "BLOCK": conversion.BLOCK}),
    (conversion._read, {"NOISY": True, "CONVERTS": True, "ADDS": True, "WATCHES": True, "BLOCK": conversion.BLOCK}),
    (conversion._gather, {"BLOCK": 64}),
    *((perceptron._forward, {**TILE, "TRAINS": own, "SIGMOID": own}) for own in (True, False)),
    (perceptron._drive, {"BLOCK": perceptron.ROWS}),
    (perceptron._miss, {"LINEAR": False, "SAMPLES": perceptron.SAMPLES}),
    (perceptron._drive_back, {"BLOCK": 16}),
    (perceptron._backward, TILE),
    (perceptron._scale, {"LAYERS": 2, "BLOCK": 16}),
    (perceptron._outer, {"BLOCK": perceptron.BLOCK}),
]


def code_of(kernel: Any, constants: dict[str, Any]) -> bytes:
    """Return the machine code of a kernel for some constants."""
    kinds = {name: kind for kind, names in KINDS.items() for name in names}
    names = list(kernel.arg_names)
    signature = {name: "constexpr" if name in constants else kinds.get(name, "*fp32") for name in names}
    source = ASTSource(kernel, signature, {(names.index(name),): value for name, value in constants.items()})
    return compile_for(source, target=TARGET, options=EXACT).asm["cubin"]


if __name__ == "__main__":
    for kernel, constants in KERNELS:
        print(kernel.__name__, len(code_of(kernel, constants)))
