"""The command `dse submit`: a study handed to a Ray cluster."""

from pathlib import Path, PurePosixPath

import click

from dse.cli.options import actors_option, study_argument, wait_option
from dse.cli.stopping import stoppable
from dse.errors import ExecutorError, SettingError


@click.command()
@study_argument
@click.option("--address", required=True, help="Dashboard of the cluster, such as http://HOST:8265.")
@click.option("--out", required=True, help="Results folder, an absolute path on the cluster's shared disk.")
@actors_option
@wait_option
@click.option("--no-follow", is_flag=True, help="Return at once, and leave the job to the cluster.")
def submit(study: Path, address: str, out: str, actors: int | None, wait_s: float, *, no_follow: bool) -> None:
    """Hand the study file STUDY to a Ray cluster, with this framework; submitted again it continues."""
    from dse.search.ray_jobs import follow  # noqa: PLC0415
    from dse.search.ray_jobs import submit as hand_over  # noqa: PLC0415
    from dse.search.study import read_study  # noqa: PLC0415

    if not PurePosixPath(out).is_absolute():
        raise SettingError(f"--out {out} would be lost with the job; give an absolute path that all nodes see")
    options = [] if actors is None else ["--actors", str(actors)]
    options += ["--wait-for-nodes", str(wait_s)] if wait_s else []
    job = hand_over(read_study(study), address, out, options)
    click.echo(f"job {job} runs on {address}; stop it with: ray job stop {job} --address {address}", err=True)
    if no_follow:
        return
    with stoppable(lambda: f"\nthe job continues; see: ray job logs {job} --follow --address {address}"):
        status = follow(address, job, lambda text: click.echo(text, nl=False))
    if status != "SUCCEEDED":
        raise ExecutorError(f"the job ended as {status}; what is finished is safe in {out}. Submit again to go on")
