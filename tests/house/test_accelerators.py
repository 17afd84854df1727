"""Triton stays in its files, and nothing loads it where there is no accelerator."""

import re
import subprocess
import sys

import pytest

from tests.studies import ROOT

KERNELS = {"arithmetic", "cells", "conversion", "perceptron", "pulses", "settings", "words"}


def test_triton_is_imported_by_kernels_alone() -> None:
    files = {
        path.relative_to(ROOT / "dse").as_posix()
        for path in (ROOT / "dse").rglob("*.py")
        if re.search(r"^\s*(import|from) triton\b", path.read_text(), re.MULTILINE)
    }
    assert files == {f"kernel/accelerator/{name}.py" for name in KERNELS}


@pytest.mark.slow
def test_a_processor_loads_no_kernel() -> None:
    program = "import sys, dse.designs.evaluate, dse.updates.modules; print([n for n in sys.modules if 'accel' in n])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name for name in KERNELS if f"dse.kernel.accelerator.{name}'" in done.stdout}
    assert not loaded
    assert "dse.kernel.accelerator.dispatch" in done.stdout
