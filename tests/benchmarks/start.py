"""What a first study costs beside its simulations: processor time of commands, and memory of the processes of Ray.

    DSE_DATA_DIR=... python -m tests.benchmarks.start [--against CHECKOUT] [--keep]

The quickstart with `--executor local`, and `dse report` of its results, by the processor seconds of their processes;
an actor by a process that imports what actors do, simulates a small design and a perceptron on MNIST, and then counts
its memory: proportional set size, so what others have of the same libraries is shared with them. Then studies on Ray
with two actors, of which the driver and the actors are looked at twice a second: the quickstart, and a perceptron on
MNIST. What is said of them is the median while they work, and the largest. With --against, another checkout does the
same afterwards, and its share stands beside. Both must end in the same front.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.benchmarks.kept import Row, keep, keep_option, processor, show

COMPILED = "from dse.search.executor import warm_up; warm_up()"
HERE = Path(__file__).parents[2]
ACTOR = """
import ray, sys
import dse.search.ray_pool
from dse.designs.design import compose
from dse.search.executor import Job, simulate_design, warm_up
warm_up()
small = {line.split()[0]: int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.startswith("Pss:")}
given = {"workload.dataset": "mnist", "network.hidden": [250], "training.epochs": 1, "training.batch_size": 10}
outcome = simulate_design(Job(0, 0, compose({**given, "training.learning_rate": 0.4})))
assert outcome.metrics["accuracy"] > 0.8, outcome
try:
    from dse.startup import give_memory_back
    give_memory_back()
except ImportError:
    pass
large = {line.split()[0]: int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.startswith("Pss:")}
print(small["Pss:"] / 1024, large["Pss:"] / 1024)
"""
MNIST = """
name = "mnist"
objectives = ["validation_accuracy", "energy_per_sample_j"]
workload.dataset = "mnist"
search.seed = 1
budget.trials = 4
[design]
network.hidden = [250]
training = { epochs = 2, batch_size = 10, learning_rate = 0.4 }
[space]
"accumulator.bits" = [6, 8, 12, 16]
"""
LOOK_S = 0.5
"""Time between two looks at the memory of processes."""


def asked(checkout: Path, arguments: Sequence[str]) -> tuple[str, float]:
    """Return what Python prints in a checkout, and the processor seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{arguments} in {checkout} ended with {done.returncode}: {done.stderr[-800:]}")
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def resident(process: int) -> float | None:
    """Return the proportional set size of a process in mebibytes; None for one that is gone, or is not ours."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), None)


def descendants(process: int) -> list[int]:
    """Return the processes that a process has started, and those that these have."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found, left = list[int](), [process]
    while left:
        found += (own := children.get(left.pop(), []))
        left += own
    return found


def works(process: int) -> bool:
    """Return whether a process is an actor that simulates, as Ray names it."""
    try:
        return (Path("/proc") / str(process) / "cmdline").read_bytes().startswith(b"ray::Simulator.work")
    except OSError:
        return False


def on_ray(checkout: Path, study: Path, place: Path) -> dict[str, float]:
    """Return the memory of the driver and of an actor during a study, by name, in mebibytes: median and largest.

    Raises:
        SystemExit: the study did not end well, or nobody was seen at work.
    """
    run = ["-m", "dse", "run", str(study), "--quiet", "--actors", "2", "--out", str(place / f"{study.stem}-on-ray")]
    environment, seen = {**os.environ, "PYTHONPATH": str(checkout)}, {"driver": list[float](), "actor": list[float]()}
    with subprocess.Popen([sys.executable, *run], cwd=checkout, env=environment, stdout=subprocess.DEVNULL) as driver:
        while driver.poll() is None:
            actors = [size for own in descendants(driver.pid) if works(own) and (size := resident(own)) is not None]
            seen["actor"] += actors
            if actors and (own := resident(driver.pid)) is not None:
                seen["driver"].append(own)
            time.sleep(LOOK_S)
    if driver.returncode or not seen["driver"]:
        raise SystemExit(f"{study.stem} in {checkout} ended with {driver.returncode}; looks: {len(seen['driver'])}")
    return {
        f"{who} of {study.stem} on Ray, {what}, MiB": how(values)
        for who, values in seen.items()
        for what, how in (("median", statistics.median), ("largest", max))
    }


def measured(checkout: Path, place: Path) -> tuple[dict[str, float], str]:
    """Return seconds and mebibytes of a checkout, and the front that it found."""
    study, results = checkout / "search_spaces" / "quickstart.toml", place / "results"
    asked(checkout, ["-c", COMPILED])  # what is compiled once a user and machine is not counted
    run = ["-m", "dse", "run", str(study), "--executor", "local", "--quiet", "--out", str(results)]
    report = ["-m", "dse", "report", str(results), "--output", str(place / "page.html")]
    found = {"quickstart, local executor, s": asked(checkout, run)[1], "report of it, s": asked(checkout, report)[1]}
    print(f"  {checkout}: {found}", flush=True)
    small, large = asked(checkout, ["-c", ACTOR])[0].split()
    found |= {"actor after a small design, MiB": float(small), "actor after MNIST, MiB": float(large)}
    (mnist := place / "mnist.toml").write_text(MNIST, encoding="utf-8")
    for own in (study, mnist):
        found |= on_ray(checkout, own, place)
    print(f"  {found}", flush=True)
    return found, asked(checkout, ["-m", "dse", "front", str(results)])[0].partition("\nresults:")[0]


WANTED = {"quickstart, local executor, s": 11.0, "report of it, s": 2.0, "actor after MNIST, MiB": 350.0} | {
    f"{who} of {study} on Ray, median, MiB": wanted
    for study in ("quickstart", "mnist")
    for who, wanted in (("actor", 350.0), ("driver", 150.0))
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--against", type=Path, help="another checkout of the project")
    keep_option(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as beside:
        (own, front), (other, old) = measured(HERE, Path(place)), ({}, "")
        if options.against:
            other, old = measured(options.against.resolve(), Path(beside))
    if options.against and front.splitlines()[1:] != old.splitlines()[1:]:
        raise SystemExit(f"the fronts differ:\n{front}\n{old}")
    print(f"{processor()}\n  {'':52} {'here':>8}   wanted   the other")
    rows: list[Row] = []
    for what, value in own.items():
        show((what, value, wanted := WANTED.get(what)))
        rows.append((what, value, wanted))
        if other:
            print(f"  {'':52} {'':8} {'':8} {other[what]:8.2f}", flush=True)
            rows.append((f"{what}: of the other", value / other[what], None))
    if options.keep:
        keep("start", "seconds and MiB; shares of another checkout", rows)


if __name__ == "__main__":
    main()
