"""Arithmetic that gives the same digits on x86-64 processors, whatever the width of their instructions.

torch, oneDNN, MKL, numpy and OpenBLAS choose their code by the instructions that the processor has, and what they have
for AVX-512 rounds differently from what they have for AVX2: a deep network trained on two nodes of one cluster ends in
different accuracies, and TPE, resumed on another machine, proposes different designs. So a process that imports this
package computes as on a processor with AVX2. What that costs is in findings/decisions.md.

The libraries read what says so when they are loaded: import `dse` before them. Variables that the environment sets
already are left as they are. Nothing is set where the processor has no AVX-512, and nothing is needed there. Seen to
hold between a processor with AVX2 and an AMD EPYC with AVX-512.

Processors of Intel are a kind of their own: MKL 2024.2 takes other code for matrix products there, of the same width of
instructions, and none of its settings but the slow MKL_CBWR=COMPATIBLE changes that. Deep networks then differ in their
last digits, and rows say which kind made them.
"""

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

_NUMPY = {
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}
_NUMPY_BEFORE_2_4 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"
_TORCH = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}
WIDE = "x86-64 with AVX-512"
"""Kind of a process whose libraries take what the processor has, as `arithmetic` says it."""
VENDORS = {"GenuineIntel": " of Intel"}
"""Vendors, as Linux names them, whose processors are a kind of their own, and what its name ends with."""
_state = {"arithmetic": ""}


def pins() -> dict[str, str]:
    """Return the environment in which the libraries compute as on a processor with AVX2.

    What the environment of this process sets otherwise, it keeps.
    """
    return {name: os.environ.get(name, value) for name, value in _ours().items()}


def pin() -> None:
    """Let the libraries that are loaded from now on compute as on a processor with AVX2; see the module."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        _state["arithmetic"] = platform.machine()
        return
    flags, vendor = _flags(), VENDORS.get(" ".join(_said_of_processor("vendor_id")), "")
    if "avx512f" not in flags:
        _state["arithmetic"] = ("x86-64" if "avx2" in flags else "x86-64 without AVX2") + vendor
        return
    wanted = _ours()
    loaded = [names for library, names in (("numpy", _NUMPY), ("torch", _TORCH)) if library in sys.modules]
    late = any(os.environ.get(name) != wanted[name] for names in loaded for name in names)
    for name, value in wanted.items():
        os.environ.setdefault(name, value)
    differs = late or any(os.environ[name] != value for name, value in wanted.items())
    _state["arithmetic"] = (WIDE if differs else "x86-64") + vendor


def arithmetic() -> str:
    """Return the kind of processor as which this process computes: results of one kind are equal to the last bit."""
    return _state["arithmetic"]


def _flags() -> set[str]:
    """Return what the processor can do; where the system does not say, that it may have AVX-512."""
    return set(_said_of_processor("flags") or ("avx2", "avx512f"))


def _said_of_processor(name: str) -> list[str]:
    """Return the words of a line of what Linux says of the processor; none where there is no such line."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    line = next((line for line in text.splitlines() if line.partition(":")[0].strip() == name), "")
    return line.partition(":")[2].split()


def _ours() -> dict[str, str]:
    version = tuple(int(part) for part in metadata.version("numpy").split(".")[:2])
    names = _NUMPY if version >= (2, 4) else {**_NUMPY, "NPY_DISABLE_CPU_FEATURES": _NUMPY_BEFORE_2_4}
    return {**names, **_TORCH}
