"""Results do not depend on how wide the instructions of the processor are."""

import json
import os
import subprocess
import sys

import pytest

from dse import portable

UNSET = {name: value for name, value in os.environ.items() if name not in portable.pins()}
WIDE = (
    "import dse.portable as p; p.VENDORS = {}; p._flags = lambda: {'avx2', 'avx512f'}; "
    "p.platform.machine = lambda: 'x86_64'; "
)
SAID = "import torch, numpy; from numpy._core._multiarray_umath import __cpu_features__ as f; import json; print(json.dumps(dict(said=p.arithmetic(), torch=torch.backends.cpu.get_cpu_capability(), numpy=f.get('X86_V4', False) or f.get('AVX512_SKX', False), env={name: p.os.environ[name] for name in p.pins()})))"  # noqa: E501  a program


def said(program, **env):
    env = {**UNSET, **env}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert "Warning" not in done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_libraries_that_are_loaded_after_this_package_take_no_wider_code_than_avx2():
    found = said(f"{WIDE} p.pin(); {SAID}")
    assert found["said"] == "x86-64"
    assert found["torch"] != "AVX512"
    assert not found["numpy"]


@pytest.mark.slow
@pytest.mark.parametrize("library", ["torch", "numpy"])
def test_a_library_that_was_there_before_is_told(library):
    """A process that loaded it first computes as its processor does, and its rows say so."""
    assert said(f"import {library}; {WIDE} p.os.environ.clear(); p.pin(); {SAID}")["said"] == "x86-64 with AVX-512"


@pytest.mark.slow
def test_a_process_that_inherits_the_environment_may_load_them_in_any_order():
    assert said(f"import numpy; {WIDE} p.pin(); {SAID}", **portable._ours())["said"] == "x86-64"


@pytest.mark.slow
def test_what_the_environment_sets_is_kept_and_told():
    found = said(f"{WIDE} p.pin(); {SAID}", ATEN_CPU_CAPABILITY="default")
    assert found["env"]["ATEN_CPU_CAPABILITY"] == "default"
    assert found["said"] == "x86-64 with AVX-512"


def test_other_processors_are_told_by_their_name(monkeypatch):
    monkeypatch.setattr(portable.platform, "machine", lambda: "aarch64")
    monkeypatch.setitem(portable._state, "arithmetic", "")
    portable.pin()
    assert portable.arithmetic() == "aarch64"


@pytest.mark.parametrize(
    ("cpuinfo", "arithmetic"),
    [
        ("flags\t: fpu avx2 fma", "x86-64"),
        ("vendor_id\t: AuthenticAMD\nflags\t: fpu avx2 fma", "x86-64"),
        ("vendor_id\t: GenuineIntel\nflags\t: fpu avx2 fma", "x86-64 of Intel"),
        ("vendor_id\t: GenuineIntel\nflags\t: fpu avx2 avx512f", "x86-64 with AVX-512 of Intel"),
        ("flags\t: fpu sse2", "x86-64 without AVX2"),
        (None, "x86-64 with AVX-512"),
    ],
)
def test_the_kind_follows_what_the_system_says(cpuinfo, arithmetic, monkeypatch):
    """Where it says nothing the processor may have AVX-512; torch and numpy are loaded here, so that it is too late."""

    class Info:
        def __init__(self, path):
            assert path == "/proc/cpuinfo"

        def read_text(self, **_):
            if cpuinfo is None:
                raise PermissionError
            return cpuinfo

    for name in portable.pins():
        monkeypatch.setenv(name, "else")
    monkeypatch.setattr(portable.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(portable, "Path", Info)
    monkeypatch.setitem(portable._state, "arithmetic", "")
    portable.pin()
    assert portable.arithmetic() == arithmetic
