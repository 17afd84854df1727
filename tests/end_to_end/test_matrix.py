"""Every command on every kind of network and architecture: an answer with something true in it, or a message."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from filelock import FileLock

from dse.analysis.tables.tables import open_tables
from dse.search.executor import LocalExecutor
from dse.search.runs import start
from dse.search.study import parse_study
from tests.data import needs_ptb
from tests.end_to_end.tasks import ARCHITECTURES, CASES, study_text

STUDIES = [
    pytest.param(kind, architecture, marks=needs_ptb if CASES[kind].settings["workload.dataset"] == "ptb" else ())
    for kind in CASES
    for architecture in ARCHITECTURES
]
every_study = pytest.mark.parametrize(("kind", "architecture"), STUDIES)
TABLES = ("trials", "designs", "layers", "curves", "deployments", "intervals", "ranks", "priced")
QUESTIONS = {
    "check": ["check", "FILE"],
    "status": ["status", "R"],
    "status json": ["status", "R", "--format", "json"],
    "show": ["show", "R", "1"],
    "show a control": ["show", "R", "0"],
    "show json": ["show", "R", "1", "--format", "json"],
    **{f"front {form}": ["front", "R", "--format", form] for form in ("table", "csv", "json", "parquet")},
    "front drawn": ["front", "R", "--plot", "NEW.png"],
    "front of all ranks": ["front", "R", "--ranks", "--knee", "--epsilon", "1%"],
    "hypervolume": ["front", "R", "--hypervolume"],
    "bands": ["front", "R", "--bands"],
    **{f"query {table}": ["query", "R", f"SELECT * FROM {table}", "--format", "json"] for table in TABLES},
    "price": ["price", "R"],
    "price on two cards": ["price", "R", "--card", "bottom_up_28nm", "--card", "digital_fp32", "--format", "json"],
    "importance": ["importance", "R"],
    "ablation": ["ablation", "R", "--base", "1"],
    "require": ["require", "R", "--target", "OBJECTIVE >= 0"],
    "compare": ["compare", "R", "R"],
    "ranges": ["ranges", "R", "--worlds", "20"],
    "report": ["report", "R", "--output", "NEW.html"],
    "figures": ["report", "R", "--format", "png", "--output", "NEW", "--without", "importance"],
    "replay": ["replay", "R", "1"],
    "merge": ["merge", "R", "R", "--out", "NEW"],
    "dashboard": ["dashboard", "R", "--export", "NEW.journal"],
    "resume": ["resume", "COPY", "--executor", "local", "--quiet"],
    "run again": ["run", "FILE", "--executor", "local", "--quiet", "--out", "R"],
}


@pytest.fixture(scope="session")
def study_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """The results of a study, made once for all processes that run tests."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "matrix"
    shared.mkdir(exist_ok=True)

    def made(kind: str, architecture: str) -> Path:
        folder = shared / f"{kind}-{architecture}"
        with FileLock(f"{folder}.lock"), pytest.MonkeyPatch.context() as patch:
            patch.setattr("dse.tasks.generation.frechet.LEARNED_IMAGES", 200)
            if not folder.exists():
                text = study_text(kind, architecture)
                folder.with_suffix(".toml").write_text(text)
                start(parse_study(text, shared), folder, LocalExecutor)
        return folder

    return made


@pytest.mark.one_in(72)
@every_study
@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.usefixtures("few_forests")
def test_a_command_answers_on_every_task_and_architecture(
    question: str, kind: str, architecture: str, study_of: Any, ask: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("dse.tasks.generation.frechet.LEARNED_IMAGES", 200)
    folder = study_of(kind, architecture)
    if question == "resume":
        shutil.copytree(folder, tmp_path / "copy")
    words = {"R": folder, "COPY": tmp_path / "copy", "FILE": folder.with_suffix(".toml")}
    given = [
        str(words.get(word, word)).replace("NEW", str(tmp_path / "new")).replace("OBJECTIVE", CASES[kind].objective)
        for word in QUESTIONS[question]
    ]
    done = ask(*given)
    if reason := refusal(question, kind, architecture):
        assert done.returncode == 2
        assert reason in done.stderr
        return
    assert done.returncode == 0, done.stderr
    for truth in truths(question, kind):
        assert truth in done.stdout
    if question == "show json":
        (run,) = json.loads(done.stdout)["runs"]
        (stored,) = open_tables(folder).trials.filter(pl.col("trial") == 1)[CASES[kind].objective]
        assert run[CASES[kind].objective] == stored


def refusal(question: str, kind: str, architecture: str) -> str | None:
    """Return what the message says where a command has no answer."""
    if question in ("importance", "require") and CASES[kind].trials < 10:
        return "at least 10"
    if question == "ranges" and architecture == "float":
        return "has a price"
    reasons = {"bands": "several seeds", "merge": "are named twice", "run again": "already holds this study"}
    return reasons.get(question)


def truths(question: str, kind: str) -> list[str]:
    """Return what an answer has to hold."""
    case, command = CASES[kind], question.split(maxsplit=1)[0]
    count = case.trials + 1
    found = {
        "check": [": valid", case.objective],
        "status": [f"{count} of {count} simulations done"],
        "show": [f"{case.objective} = "],
        "front": [case.objective],
        "hypervolume": [f"reference_{case.objective}"],
        "ablation": [case.objective],
        "replay": ["all equal to the last bit"],
    }
    machine_readable = question in ("status json", "show json", "front parquet")
    return [] if machine_readable else found.get(command, [])
