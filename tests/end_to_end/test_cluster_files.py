"""What is handed to clusters: a file for Ray's launcher, a manifest for Kubernetes, and jobs with what they need."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from dse.cli.main import main
from dse.errors import ExecutorError, SettingError
from dse.search import ray_jobs
from dse.search.executor import code_version
from dse.search.study import parse_study
from tests.forked import finished
from tests.studies import ROOT, SMALL_STUDY

CLUSTER = ROOT / "pipelines" / "cluster"


def parse(command):
    """Parse a command line as `dse` would, without running it, and return the values of its options."""
    name, *arguments = command
    chosen = main.commands[name]
    return chosen.make_context(name, list(arguments), parent=click.Context(main)).params


def test_the_launcher_of_ray_takes_the_file_for_machines_of_your_own():
    config = prepare_config(yaml.safe_load((CLUSTER / "onprem.yaml").read_text()))
    validate_config(config)
    nodes = config["available_node_types"]
    assert config["head_node_type"] in nodes
    assert config["max_workers"] == 2
    for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        assert any("RAY_AUTH_MODE=token" in line and "ray start" in line for line in commands)


def test_the_manifest_of_kubernetes_is_whole_and_its_command_is_one_of_ours():
    manifest = yaml.safe_load((CLUSTER / "rayjob.yaml").read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayJob")
    spec = manifest["spec"]
    assert spec["submissionMode"] in ("K8sJobMode", "HTTPMode", "SidecarMode")
    program, *command = shlex.split(spec["entrypoint"])
    options = parse(command)
    assert program == "dse"
    assert options["go_on"]
    assert options["address"] == "auto"
    assert options["out"].parts[:2] == ("/", "results")
    assert options["study"].parts[:2] == ("/", "study")
    cluster = spec["rayClusterSpec"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts == {"results": "/results", "study": "/study"}
        assert {volume["name"] for volume in pod["volumes"]} == set(mounts)
        env = {entry["name"]: entry for entry in container["env"]}
        assert env["RAY_AUTH_MODE"]["value"] == "token"
        assert "secretKeyRef" in env["RAY_AUTH_TOKEN"]["valueFrom"]
        assert container["resources"]["requests"] == container["resources"]["limits"]
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


@pytest.fixture
def study(tmp_path):
    return parse_study(SMALL_STUDY, tmp_path)


@pytest.mark.slow
def test_a_job_brings_the_study_and_the_code_it_was_submitted_with(study, tmp_path, monkeypatch):
    folder = tmp_path / "packed"
    folder.mkdir()
    ray_jobs.pack(study, folder)
    assert parse_study((folder / "study.toml").read_text(), folder).key == study.key
    script = "from dse.search.executor import code_version; import dse; print(code_version(), dse.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True, env={}
    )
    version, file = done.stdout.split()
    assert version == code_version()
    assert Path(file).is_relative_to(folder)


def test_the_command_of_a_job_goes_on_where_an_earlier_one_was_stopped():
    program = shlex.split(ray_jobs.command("study.toml", "/results/my study", ["--actors", "3"]))
    assert program[:3] == ["python", "-m", "dse"]
    options = parse(program[3:])
    assert options["go_on"]
    assert str(options["out"]) == "/results/my study"
    assert (options["address"], options["actors"]) == ("auto", 3)


class FakeClient:
    """A cluster that takes one job, which ends in a given way."""

    def __init__(self, end):
        self.end, self.looks, self.taken = end, 0, None

    def submit_job(self, **job):
        files = sorted(path.name for path in Path(job["runtime_env"]["working_dir"]).iterdir())
        self.taken = {**job, "files": files}
        return "job-1"

    def get_job_logs(self, job):
        return "one\ntwo\n"[: 4 * (self.looks + 1)]

    def get_job_status(self, job):
        self.looks += 1
        status = type("Status", (), {"value": self.end, "is_terminal": lambda _: self.looks > 2})
        return status()


def submit(monkeypatch, capsys, end, path):
    client = FakeClient(end)
    monkeypatch.setattr(ray_jobs, "_client", lambda address: client)
    monkeypatch.setattr(ray_jobs, "POLL_S", 0.0)
    arguments = ["submit", str(path), "--address", "http://127.0.0.1:8265", "--out", "/results/r"]
    code = main.main(arguments, standalone_mode=False)
    return client, capsys.readouterr(), code


def test_submit_hands_over_and_follows(monkeypatch, capsys, small_study):
    client, said, code = submit(monkeypatch, capsys, "SUCCEEDED", small_study)
    assert not code
    assert client.taken["entrypoint"].endswith("run study.toml --out /results/r --resume --address auto")
    assert client.taken["files"] == ["dse", "study.toml"]
    assert json.dumps(client.taken["metadata"])
    assert said.out == "one\ntwo\n"
    assert "job job-1 runs on http://127.0.0.1:8265" in said.err


def test_submit_says_when_a_job_failed(monkeypatch, capsys, small_study):
    _, said, code = submit(monkeypatch, capsys, "FAILED", small_study)
    assert code == 2
    assert "error: the job ended as FAILED" in said.err


def test_submit_refuses_a_relative_results_folder(small_study, ask):
    done = ask("submit", small_study, "--address", "http://127.0.0.1:8265", "--out", "r")
    assert done.returncode == 2
    assert "give an absolute path" in done.stderr


def test_submit_without_a_cluster_says_so(study):
    with pytest.raises(ExecutorError, match=r"no Ray dashboard answers|pcm-dse\[cluster\]"):
        ray_jobs.submit(study, "http://127.0.0.1:9", "/r", [])


def test_resources_are_checked_and_no_part_of_the_study(tmp_path):
    plain = parse_study(SMALL_STUDY, tmp_path)
    rich = parse_study(
        f"{SMALL_STUDY}\n[resources]\ncpus = 2\ngpus = 0.25\ntime_limit_s = 60\nattempts = 1\n", tmp_path
    )
    assert rich.key == plain.key
    assert (rich.spec.resources.cpus, rich.spec.resources.gpus) == (2.0, 0.25)
    for wrong, message in [
        ("gpus = 1.5", r"gpus = 1\.5 is not allowed; give a whole number, or a fraction below 1"),
        ("cpus = 0", r"resources\.cpus = 0 is not allowed; give a number above 0 up to 1024"),
        ("time_limit_s = 0", r"time_limit_s = 0 is not allowed"),
        ("gpu = 1", r"unknown key 'resources\.gpu'; did you mean 'gpus'"),
    ]:
        with pytest.raises(SettingError, match=message):
            parse_study(f"{SMALL_STUDY}\n[resources]\n{wrong}\n", tmp_path)


def test_the_local_executor_refuses_what_it_cannot_do(small_study, ask, tmp_path):
    small_study.write_text(f"{SMALL_STUDY}\n[resources]\ntime_limit_s = 60\n")
    done = ask("run", small_study, "--executor", "local", "--out", tmp_path / "r")
    assert done.returncode == 2
    assert "resources.time_limit_s needs Ray actors" in done.stderr
    done = ask("run", small_study, "--executor", "local", "--address", "auto", "--out", tmp_path / "r")
    assert done.returncode == 2
    assert "--address" in done.stderr
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_one_message(small_study, tmp_path):
    # In a process of its own: how Ray shows tokens is settled when a process first looks for a cluster.
    command = ("-m", "dse", "run", small_study, "--address", "127.0.0.1:9", "--out", tmp_path / "r")
    done = finished(*command, place=tmp_path)
    assert done.returncode == 2
    assert "error: no Ray cluster answers at 127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "r").exists()
