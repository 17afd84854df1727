"""The example plug-in as users have it: installed by pip, and everything that a study goes through with it.

One study in few processes: pip, a Ray, and the job that `dse submit` would hand over, which is killed on its way.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from dse import plugins
from dse.errors import ExecutorError, ResultsError
from dse.results.store import read_about, read_table
from dse.search import ray_jobs, ray_pool
from dse.search.executor import LocalExecutor
from dse.search.ray_cluster import ray, start_local
from dse.search.ray_pool import RayPool
from dse.search.runs import resume, start
from dse.search.study import Study, parse_study
from tests.conftest import Said
from tests.end_to_end.edits import Stops, results
from tests.lab import FOLDER
from tests.packages import installing
from tests.results.rows import describe
from tests.unit.test_plugins import SAMPLER
from tests.unit.test_plugins import STUDY as ONE_SAMPLER
from tests.waiting import HANGS_S, caught_underway

Ask = Callable[..., Said]
GRATINGS = (FOLDER / "studies" / "gratings.toml").read_text()
EDITS = (
    ("images = 200", "images = 40"),
    ("epochs = 2", "epochs = 1"),
    ("[space]", "network.depth = 1\n[space]"),
    ("trials = 8", "trials = 6"),
)


DIGITAL = """
name = "digital"
plugins = ["lab-variants"]
objectives = ["validation_accuracy"]
[workload]
dataset = "gratings"
images = 40
[design]
architecture = "sign"
network.name = "vit"
network.patch = 3
training.epochs = 1
[space]
"training.learning_rate" = { low = 0.001, high = 0.1, log = true }
[search]
sampler = "mutation"
startup = 4
lookahead = 2
[budget]
trials = 20
"""
"""A study whose job, which is code elsewhere, need not compile anything first."""


def smaller(text: str) -> str:
    for was, now in EDITS:
        assert was in text
        text = text.replace(was, now)
    return text


@pytest.fixture(scope="module")
def a_ray() -> Generator[None]:
    """A Ray of one core, which pools find started and leave running."""
    start_local(1.0)
    with pytest.MonkeyPatch.context() as patch:
        shut_down = ray.shutdown
        patch.setattr(ray_pool, "start_local", lambda cpus: None)
        patch.setattr(ray, "shutdown", lambda: None)
        yield
    shut_down()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """A folder in which pip has installed the example, on the search path; its modules are imported from there."""
    folder = tmp_path_factory.mktemp("site")
    options = ["--no-deps", "--no-build-isolation", "--no-compile", "--quiet", "--disable-pip-version-check"]
    source = tmp_path_factory.mktemp("source") / "example"
    subprocess.run(["cp", "-r", FOLDER, source], check=True)  # pip leaves what it builds beside the source
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", folder, source], check=True, timeout=HANGS_S
    )
    ours = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "lab_variants"}
    with pytest.MonkeyPatch.context() as patch:
        for name in ours:
            patch.delitem(sys.modules, name)
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
        yield folder
        plugins.unload("lab-variants")
        for name in [name for name in sys.modules if name.partition(".")[0] == "lab_variants"]:
            del sys.modules[name]
    sys.modules.update(ours)


@pytest.fixture(scope="module")
def study(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = parse_study(smaller(GRATINGS), tmp_path_factory.mktemp("study"))
    assert plugins.loaded("lab-variants").module.__file__ == str(site / "lab_variants" / "__init__.py")
    return study


@pytest.fixture(scope="module")
def local(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the study, by the local executor."""
    folder = tmp_path_factory.mktemp("local") / "r"
    start(study, folder, LocalExecutor)
    return folder


@pytest.mark.slow
def test_the_studies_of_the_example_are_valid_and_say_which_plug_in_they_use(site: Path, ask: Ask) -> None:
    for path in sorted((FOLDER / "studies").glob("*.toml")):
        done = ask("check", path)
        assert done.returncode == 0, done.stderr
        assert "plug-in: lab-variants 0.1.0+" in done.stdout
    brings = ask("plugins").stdout
    assert "(package lab-variants)" in brings
    assert "networks: vit, autoencoder" in brings
    assert "cards: lab_ecram" in brings


@pytest.mark.slow
def test_every_row_says_which_plug_in_made_it(local: Path, study: Study) -> None:
    rows = read_table(local).to_pylist()
    assert {row["state"] for row in rows} == {"complete"}
    version = plugins.load(["lab-variants"])
    assert [json.loads(row["packages"])["plugins"] for row in rows] == [version] * len(rows)
    assert read_about(local)["plugins"] == version == study.plugins
    chosen = {(d["architecture"], d.get("device", {}).get("card")) for d in (json.loads(row["design"]) for row in rows)}
    assert ("sign", None) in chosen
    assert ("manhattan", "lab_ecram") in chosen


@pytest.mark.slow
def test_actors_give_the_same_table_and_one_with_other_source_is_refused(
    local: Path, study: Study, site: Path, a_ray: None, tmp_path: Path
) -> None:
    """The source is edited when the study has been read, so that later actors load what the study does not say."""
    start(study, tmp_path / "r", lambda: pool_of(study))
    assert results(tmp_path / "r").equals(results(local))
    source = site / "lab_variants" / "sign" / "__init__.py"
    text = source.read_text()
    source.write_text(f"{text}# changed\n")
    here = re.escape(study.plugins["lab-variants"])
    expected = rf"a Ray actor has the plug-in 'lab-variants' in version 0\.1\.0\+\w+, this process in {here}; install"
    with pytest.raises(ExecutorError, match=expected):
        start(study, tmp_path / "other", lambda: pool_of(study))
    source.write_text(text)
    assert not (tmp_path / "other").exists()


def pool_of(study: Study) -> RayPool:
    return RayPool(1, names=tuple(study.plugins), wait_s=HANGS_S)


@pytest.mark.slow  # half a minute; kills are in test_kills, and what a job brings in test_cluster_files, too
def test_a_submitted_job_brings_the_plug_in_and_its_results_survive_a_kill(site: Path, tmp_path: Path) -> None:
    """The job runs from the folder that is handed over, without the packages of this process."""
    study, packed, made = parse_study(DIGITAL, tmp_path), tmp_path / "packed", iter(range(100))
    start(study, tmp_path / "whole", LocalExecutor)
    packed.mkdir()
    ray_jobs.pack(study, packed)
    assert {"lab_variants", "lab_variants-0.1.0.dist-info", "dse", "study.toml"} <= {p.name for p in packed.iterdir()}
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    folder = tmp_path / "r0"

    def launch() -> "subprocess.Popen[bytes]":
        nonlocal folder
        folder = tmp_path / f"r{next(made)}"
        command = [sys.executable, "-m", "dse", "run", "study.toml", "--executor", "local", "--quiet", "--out"]
        return subprocess.Popen([*command, str(folder)], cwd=packed, env=env, stdout=subprocess.DEVNULL)

    def rows() -> int:
        return read_table(folder).num_rows if (folder / "study.json").exists() else 0

    with caught_underway(launch, rows, 2, 20) as process:
        process.send_signal(signal.SIGKILL)
    assert resume(folder, LocalExecutor).key == study.key
    assert results(folder).equals(results(tmp_path / "whole"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("replay", 3), "all equal to the last bit"),
        (("front",), "on the front"),
        (("show", 1), "lab-variants"),
        (("price",), "area_m2"),
        (("status",), "finished"),
        (("query", "SELECT trial, \"device.card\" FROM trials"), "lab_ecram"),
        (("report",), "report.html"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)  # fmt: skip
def test_commands_answer_for_results_with_a_plug_in(
    command: tuple[str | int, ...], expected: str, local: Path, ask: Ask
) -> None:
    first, *more = command
    done = ask(first, local, *more)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout + done.stderr


@pytest.fixture
def gone(local: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """The plug-in is not installed any more."""
    plugins.unload("lab-variants")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(site)])
    yield
    monkeypatch.undo()
    assert plugins.load_present(["lab-variants"]) == []


@pytest.mark.slow
def test_results_whose_plug_in_is_gone_are_read_as_far_as_they_need_nothing_of_it(
    gone: None, local: Path, ask: Ask
) -> None:
    for command in (("status", local), ("front", local), ("show", local, 1), ("price", local),
                    ("query", local, "SELECT trial FROM trials"), ("report", local)):  # fmt: skip
        done = ask(*command)
        assert done.returncode == 0, done.stderr
    for command in (("replay", local, 3), ("resume", local, "--executor", "local")):
        done = ask(*command)
        assert done.returncode == 2
        assert "the plug-in 'lab-variants' is not installed" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_an_objective_of_a_plug_in_that_is_gone_is_named_with_it(
    gone: None, local: Path, tmp_path: Path, ask: Ask
) -> None:
    copy = tmp_path / "r"
    subprocess.run(["cp", "-r", local, copy], check=True)
    about = json.loads((copy / "study.json").read_text())
    describe(copy, {**about, "objectives": ["validation_pixel_error"]})
    for command in (("front", copy), ("status", copy), ("report", copy)):
        done = ask(*command)
        assert done.returncode == 2
        assert "validation_pixel_error" in done.stderr
        assert "the plug-in 'lab-variants' is not installed" in done.stderr


@pytest.mark.slow
def test_a_plug_in_that_changed_is_told_from_what_to_what_and_gone_on_with_where_asked(
    tmp_path: Path, ask: Ask
) -> None:
    (tmp_path / "study.toml").write_text(ONE_SAMPLER)
    (tmp_path / "site").mkdir()
    run = ("run", tmp_path / "study.toml", "--executor", "local", "--quiet", "--out", tmp_path / "r", "--resume")
    with installing(tmp_path / "site") as install:
        own = install("lab", SAMPLER)
        study = parse_study(ONE_SAMPLER, tmp_path)
        with pytest.raises(KeyboardInterrupt):
            start(study, tmp_path / "r", lambda: Stops(4))
        was, rows = study.plugins["lab"], read_table(tmp_path / "r").num_rows
        plugins.unload("lab")
        del sys.modules["lab"]  # as in another process
        own.write_text(f"{SAMPLER}\n# changed\n")
        now = plugins.load(["lab"])["lab"]
        for command in (("resume", tmp_path / "r", "--executor", "local"), run):
            done = ask(*command)
            assert done.returncode == 2
            assert f"the plug-in 'lab' was {was} and is {now}. One table would hold results of both" in done.stderr
        with pytest.raises(ResultsError, match="already holds this study"):
            start(parse_study(ONE_SAMPLER, tmp_path), tmp_path / "r", LocalExecutor)
        assert read_table(tmp_path / "r").num_rows == rows
        more = tmp_path / "more.toml"
        more.write_text(ONE_SAMPLER.replace("trials = 14", "trials = 15"))
        done = ask("resume", tmp_path / "r", "--executor", "local", "--quiet", "--other-code", "--study", more)
        assert done.returncode == 0, done.stderr
        assert read_table(tmp_path / "r").num_rows == 16
