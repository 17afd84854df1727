"""Continuous integration lets no test pass over in silence: --no-skips fails what is skipped."""

import subprocess
import sys

import pytest

from tests.studies import ROOT, without_options

MARKED = """
import pytest

@pytest.mark.accelerator
@pytest.mark.skipif(True, reason="no accelerator")
def test_on_an_accelerator(): ...

@pytest.mark.skipif(True, reason="no browser")
def test_marked(): ...

def test_inside():
    pytest.importorskip("no_such_module")

@pytest.mark.xfail(strict=True)
def test_expected_to_fail():
    assert False

def test_plain(): ...
"""
WHOLE = "import pytest\npytest.importorskip('no_such_module')"


@pytest.mark.slow
@pytest.mark.parametrize(("options", "failed", "skipped"), [([], 0, 4), (["--no-skips"], 3, 1)])
def test_only_an_accelerator_excuses_a_skip(options, failed, skipped, tmp_path):
    (tmp_path / "test_marked.py").write_text(MARKED)
    (tmp_path / "test_whole.py").write_text(WHOLE)
    plain = ["-n", "0", "-p", "no:cacheprovider", "-p", "tests.no_skips", "-c", ROOT / "pyproject.toml"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plain, *options, "--continue-on-collection-errors", tmp_path],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=without_options(),
        check=False,
    )
    summary = done.stdout.splitlines()[-1]
    assert f"{skipped} skipped" in summary
    assert done.returncode == (1 if failed else 0)
    assert sum(line.startswith(("FAILED", "ERROR")) for line in done.stdout.splitlines()) == failed
