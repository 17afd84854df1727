"""A study as a job of a Ray cluster: the cluster runs driver and actors, and this machine may leave.

The job brings along the study file, its cards, its plug-ins and the source of this framework, so that every process of
the cluster runs the code that was submitted; the nodes need its dependencies only.
"""

import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ray import job_submission

import dse
from dse import plugins
from dse.devices.card import device_library
from dse.errors import ExecutorError
from dse.files import Content
from dse.search.ray_cluster import first_line, use_token
from dse.search.study import Study

POLL_S = 1.0
"""Time between two looks at a job."""


def command(study_file: str, out: str, options: Sequence[str]) -> str:
    """Return the command line of a job; it goes on where an earlier one was stopped."""
    arguments = ["python", "-m", "dse", "run", study_file, "--out", out, "--resume", "--address", "auto", *options]
    return shlex.join(arguments)


def pack(study: Study, folder: Path) -> None:
    """Copy what a job needs: the study file, files that it names, its plug-ins and the source of the framework."""
    for name, content in study.files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    for name, seen in study.data_files.items():
        if not (folder / name).exists():  # too large to be kept with results
            for part, content in Content.at(seen.path).read().items():
                (folder / name / part).parent.mkdir(parents=True, exist_ok=True)
                (folder / name / part).write_bytes(content)
    # As it is installed: the device library lies in the package.
    for source, to in ((Path(dse.__file__).parent, "dse"), (device_library(), "dse/device_library")):
        compiled = shutil.ignore_patterns("__pycache__")
        shutil.copytree(str(source), folder / to, ignore=compiled, dirs_exist_ok=True)
    plugins.pack(study.plugins, folder)


def submit(study: Study, address: str, out: str, options: Sequence[str]) -> str:
    """Hand a study to a cluster and return the name of its job.

    Args:
        study: the study.
        address: the cluster's dashboard, such as http://HOST:8265.
        out: results folder, as the cluster sees it.
        options: further options of `dse run`.

    Raises:
        ExecutorError: there is no cluster, or it does not take the job.
    """
    client = _client(address)
    beside = ["--files-beside"] if study.data_files or study.learned else []
    with tempfile.TemporaryDirectory() as place:
        pack(study, Path(place))
        try:
            return client.submit_job(
                entrypoint=command("study.toml", out, [*options, *beside]),
                runtime_env={"working_dir": place},
                metadata={"study": study.spec.name, "study_key": study.key},
            )
        except Exception as error:  # Ray raises many kinds here, and all mean the same to the user
            raise ExecutorError(f"the cluster at {address} did not take the job: {first_line(error)}") from error


def follow(address: str, job: str, write: Callable[[str], None]) -> str:
    """Pass on what a job writes until it ends, and return how: "SUCCEEDED", "FAILED" or "STOPPED".

    Raises:
        ExecutorError: the cluster is lost; the job may go on.
    """
    client, seen = _client(address), 0
    try:
        while True:
            status = client.get_job_status(job)
            logs: str = client.get_job_logs(job)
            write(logs[seen:])
            seen = len(logs)
            if status.is_terminal():
                return status.value
            time.sleep(POLL_S)
    except (RuntimeError, OSError) as error:
        raise ExecutorError(f"the cluster at {address} was lost: {first_line(error)}; the job may go on") from error


def _client(address: str) -> Any:
    if find_spec("aiohttp") is None or find_spec("ray.dashboard.modules.job.sdk") is None:
        raise ExecutorError("submitting needs Ray's job client; install it with: pip install 'pcm-dse[cluster]'")
    use_token()
    try:
        return job_submission.JobSubmissionClient(address)
    except Exception as error:  # Ray raises many kinds here, and all mean the same to the user
        raise ExecutorError(
            f"no Ray dashboard answers at {address}: {first_line(error)}. Give http://HOST:8265, and the cluster's "
            "token in RAY_AUTH_TOKEN with RAY_AUTH_MODE=token where it has one"
        ) from error
