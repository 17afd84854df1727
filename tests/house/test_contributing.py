"""A variant is added to the framework as CONTRIBUTING.md says: a file in the folder of the idea, a line in its list."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import FOLDER
from tests.studies import ROOT
from tests.waiting import HANGS_S

STUDY = """
name = "medians"
objectives = ["validation_retained_accuracy"]
[design]
architecture = "float"
network.hidden = [16]
deployment.times_s = [1.0, 31536000.0]
[space]
"deployment.compensation" = ["gdc", "gdc_median"]
[budget]
trials = 2
"""


@pytest.mark.slow
def test_a_variant_of_the_example_becomes_one_of_the_framework_by_its_file_and_a_line(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    for package in ("dse", "device_library"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    idea = tmp_path / "dse" / "deployment" / "compensation"
    shutil.copy(FOLDER / "lab_variants" / "gdc_median.py", idea)
    lines = (idea / "__init__.py").read_text()
    added = re.sub(r'("COMPENSATIONS", [\w, ]+)', r"\1, GdcMedian", lines)
    line = "from dse.deployment.compensation.gdc_median import GdcMedian\n"
    (idea / "__init__.py").write_text(
        added.replace("from dse.deployment.compensation.none", f"{line}from dse.deployment.compensation.none")
    )
    (tmp_path / "study.toml").write_text(STUDY)
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    commands = "from dse.cli.main import main\n" + "".join(
        f"main({words}, standalone_mode=False)\n"
        for words in (["check", "study.toml"], ["settings", "deployment.compensation"])
    )
    done = subprocess.run(
        [sys.executable, "-c", commands],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "medians: valid" in done.stdout
    assert '"gdc_median": global drift compensation with the median' in " ".join(done.stdout.split())


def test_the_page_links_every_file_that_the_example_has() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    variants = (path.relative_to(ROOT) for path in (FOLDER / "lab_variants").rglob("*.py") if path.stem != "__init__")
    assert [str(path) for path in sorted(variants) if f"({path})" not in page and path.name != "module.py"] == []
