"""What all tests share: a guard on global randomness, a small study, a Ray that starts once."""

from dse import portable  # noqa: F401  isort: skip  before numpy and torch, which then compute alike on every processor

import logging
import os
import random
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rich.style  # noqa: F401  importing it draws from Python's generator, before the guard looks
from click.testing import CliRunner, Result

from dse.cli.main import main
from dse.cli.stopping import SIGNALS
from dse.startup import collect_less
from tests.no_skips import pytest_addoption, pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401  hooks
from tests.results.disk import DISKS, SmallDisk, small_disk_in
from tests.s3_server import S3Server
from tests.studies import REPLICATED_STUDY, ROOT, SMALL_STUDY
from tests.thinned import pytest_collection_modifyitems  # noqa: F401  a hook
from tests.waiting import HANGS_S

collect_less()


@pytest.fixture(autouse=True)
def no_global_randomness():
    """Fail a test whose subject draws from a global generator."""
    import torch  # noqa: PLC0415  a second, which the process that hands out the tests does without

    torch.set_num_threads(1)
    before = (torch.get_rng_state().clone(), random.getstate(), np.random.get_state()[1].copy())  # noqa: NPY002
    yield
    assert torch.equal(before[0], torch.get_rng_state()), "torch's global generator was used"
    assert before[1] == random.getstate(), "Python's global generator was used"
    assert np.array_equal(before[2], np.random.get_state()[1]), "numpy's global generator was used"  # noqa: NPY002


@pytest.fixture
def small_study(tmp_path: Path) -> Path:
    """A study file of 14 small trials and a control."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL_STUDY)
    return path


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of the small study, run by the local executor to its end."""
    return simulated(SMALL_STUDY, tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture(scope="session")
def replicated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of a study of 20 designs and two controls under three seeds, with four objectives."""
    return simulated(REPLICATED_STUDY, tmp_path_factory.mktemp("replicated"))


def simulated(text: str, place: Path) -> Path:
    """Run a study to its end in this process; return its results folder."""
    from dse.search.executor import LocalExecutor  # noqa: PLC0415
    from dse.search.runs import start  # noqa: PLC0415
    from dse.search.study import parse_study  # noqa: PLC0415

    start(parse_study(text, place), place / "results", LocalExecutor)
    return place / "results"


@pytest.fixture(scope="session")
def s3() -> Generator[S3Server]:
    """A local S3 server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        server = S3Server()
        yield server
        server.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[SmallDisk]:
    """A disk of 300 kB: a file system of its own where one may be mounted."""
    with small_disk_in(tmp_path, list(DISKS)[-1]) as disk:
        yield disk


@pytest.fixture
def noted(record_property: Callable[[str, object], None]) -> Callable[[str, int, int], None]:
    """Note how many of something were survived, told or refused, of all, for `python -m tests.trust`."""

    def note(what: str, held: int, of: int) -> None:
        record_property("trust", [what, held, of])

    return note


@pytest.fixture
def few_forests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importances from two forests in place of forty, where it does not matter how many there are."""
    monkeypatch.setattr("dse.analysis.effects.importance.RESAMPLES", 2)


@pytest.fixture
def own_logging() -> Generator[None]:
    """Take back what a command within this process does to its logger and its handlers of signals."""
    logger, handlers = logging.getLogger("dse"), {number: signal.getsignal(number) for number in SIGNALS}
    yield
    logger.handlers.clear()
    logger.propagate = True
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def here(own_logging: None) -> Callable[..., Result]:
    """The command line, run in this process, which is quicker; a traceback is an error of the test."""

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)

    return call


@pytest.fixture
def dse() -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line, run in a process of its own from the root of the project."""

    def call(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dse", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=HANGS_S,
            check=False,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
        )

    return call


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def ask(own_logging: None) -> Callable[..., Said]:
    """The command line within this process, like `dse`, whose start would take longer than most answers."""

    def call(*arguments: object, env: dict[str, str] | None = None) -> Said:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("default")
            words = list(map(str, arguments))
            done = CliRunner().invoke(main, words, prog_name="dse", catch_exceptions=False, env=env)
        return Said(done.exit_code, done.stdout, "\n".join([done.stderr, *(str(w.category.__name__) for w in heard)]))

    return call
