"""What published experiments share: a study of named designs, run or resumed, and intervals over its seeds."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dse.progress import progress
from dse.search.executor import Executor, LocalExecutor
from dse.search.runs import resume, start
from dse.search.study import parse_study

T95 = {1: math.nan, 2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}
"""Two-sided 95 % points of Student's t for the mean of so many values."""


def half_interval(seeds: int, deviation: float | None) -> float | None:
    """Return half of the 95 % interval of a mean, or None where there is none."""
    return None if deviation is None or seeds < 2 else T95.get(seeds, 1.96) * deviation / math.sqrt(seeds)


def study_text(
    name: str, dataset: str, base: Mapping[str, Any], designs: Mapping[str, Mapping[str, Any]], *, seeds: int
) -> str:
    """Return a study file that simulates named designs and searches nothing; all training images are learned.

    Args:
        name: name of the study.
        dataset: its data set.
        base: settings that all designs share.
        designs: what each of them has besides.
        seeds: simulations of each.
    """
    lines = [f'name = "{name}"', 'objectives = ["accuracy", "worst_writes"]']
    lines += ["[workload]", f'dataset = "{dataset}"', "validation = 0.0", "[design]"]
    lines += [f"{path} = {_toml(value)}" for path, value in base.items()]
    for control, settings in designs.items():
        lines += [f"[controls.{control}]", *(f"{path} = {_toml(value)}" for path, value in settings.items())]
    return "\n".join([*lines, "[budget]", "trials = 0", f"seeds = {seeds}", ""])


def _toml(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def simulate(text: str, folder: Path, executor: str, device: str = "cpu") -> None:
    """Run a study into a folder, or go on with it.

    Args:
        text: the study file.
        folder: the results folder.
        executor: "ray", or "local" for this process.
        device: where torch computes networks of convolutions, in this process only.
    """
    study = parse_study(text, folder.parent)

    def make() -> Executor:
        if executor == "local":
            return LocalExecutor(device)
        from dse.search.ray_pool import RayPool  # noqa: PLC0415  not loaded where Ray is not wanted

        return RayPool()

    with progress(study.spec.objectives, quiet=False) as report:
        if (folder / "study.json").exists():
            resume(folder, make, report)
        else:
            start(study, folder, make, report)
