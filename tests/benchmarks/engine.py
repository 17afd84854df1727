"""How fast the engine is when simulations cost nothing, and whether every row of its tables is right.

    python -m tests.benchmarks.engine rate [--trials 10000]      trials a second through actors, durable rows and tell
    python -m tests.benchmarks.engine samplers [--budget 60]     time of a proposal as trials grow
    python -m tests.benchmarks.engine scale [--trials 100000]    500 slots in simulated time: memory of the driver
    python -m tests.benchmarks.engine tune [--trials 100]        against Ray Tune with OptunaSearch; needs ray[tune]

The objectives are a closed form of the parameters, against which every row is checked. Wall times want an idle machine;
times of the processor are given beside them.
"""

import argparse
import heapq
import json
import os
import platform
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
from ray import cloudpickle

from dse.results.schema import RESULT_COLUMNS
from dse.results.store import read_table
from dse.search.executor import LocalExecutor, work
from dse.search.ray_pool import RayPool
from dse.search.runs import start
from dse.search.study import parse_study
from tests.search import free

cloudpickle.register_pickle_by_value(free)  # actors cannot import a benchmark


class Clock:
    """Times a study from its first proposal to its last row, and sums up the driver's processor time."""

    def __init__(self):
        self.wall, self.cpu, self.total = 0.0, 0.0, 0.0

    def begin(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def report(self, progress):
        if progress.done == progress.total:
            self.wall, self.cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu


def run(text, folder, make):
    """Run a study of free trials and return its clock; what starts actors is not timed."""
    clock = Clock()

    def executor():
        made = make()
        clock.begin()
        return made

    start(parse_study(text, folder), folder / "r", executor, clock.report)
    return clock


def rate(trials):
    print(f"{'sampler':14}{'trials':>8}{'trials/s':>10}{'ms a trial':>12}{'driver, CPU ms a trial':>24}")
    for sampler in ("random", "quasi_random"):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            text = free.study_text(trials, sampler)
            clock = run(text, folder, lambda folder=folder: RayPool(2, folder=folder / "r", simulate=free.free))
            free.check(read_table(folder / "r").to_pylist(), trials)
        each = clock.wall / trials * 1e3
        print(f"{sampler:14}{trials:8}{trials / clock.wall:10.0f}{each:12.2f}{clock.cpu / trials * 1e3:24.2f}")
    with tempfile.TemporaryDirectory() as place:
        text = free.study_text(500, "auto", seeds=2)
        tables = []
        for name, make in (
            ("ray", lambda at: RayPool(2, folder=at / "r", simulate=free.free)),
            ("local", lambda at: LocalExecutor(free.free)),
        ):
            folder = Path(place) / name
            folder.mkdir()
            run(text, folder, lambda make=make, folder=folder: make(folder))
            tables.append(read_table(folder / "r").select(RESULT_COLUMNS))
        if not tables[0].equals(tables[1]):
            raise SystemExit("wrong: the pool and its twin in this process give different tables")
    print("checked: every row against the closed form; two actors and none give the same table of 500 x 2")


def samplers(budget_s):
    """Print the processor time of a proposal at growing numbers of trials."""
    marks = (100, 300, 1000, 3000, 10_000)
    print(f"{'sampler':14}{'objectives':>12}" + "".join(f"{mark:>10}" for mark in marks) + "   CPU ms a proposal at n")
    for sampler in ("random", "quasi_random", "nsga2", "tpe"):
        for objectives in (2, 3):
            print(f"{sampler:14}{objectives:12}", end="", flush=True)
            for mean_ms in _proposals(sampler, objectives, marks, budget_s):
                print(f"{mean_ms:10.2f}", end="", flush=True)
            print()


def _proposals(sampler, objectives, marks, budget_s):
    study = parse_study(free.study_text(max(marks), sampler, objectives), Path())
    proposer = study.proposer()
    begun, spent = time.process_time(), []
    for number in range(max(marks)):
        now = time.process_time()
        if now - begun > budget_s:
            return
        parameters = proposer.ask()
        spent.append(time.process_time() - now)
        if any(path not in parameters for path in study.space):
            raise SystemExit(f"wrong: a proposal without {study.space.keys() - parameters.keys()}")
        if proposer.blind < max(marks):
            proposer.tell(number, list(free.values(study.design(parameters).as_dict(), 0)[:objectives]))
        if number + 1 in marks:
            last = spent[-max(50, len(spent) // 10) :]
            yield sum(last) / len(last) * 1e3


class SimulatedCluster:
    """Slots in simulated time: a job ends after a duration of its own, from 20 to 100 s, and the clock moves on.

    Args:
        slots: jobs in flight.
        poll_s: answers come in together that ended within this time, as they do where a driver is busy, s.
    """

    def __init__(self, slots, poll_s):
        self.slots, self.poll_s = slots, poll_s
        self.now, self.flying, self.most, self.count = 0.0, [], 0, 0

    def submit(self, job):
        duration = 20.0 + 80.0 * ((job.trial * 2654435761) % 2**32 / 2**32)
        self.count += 1
        heapq.heappush(self.flying, (self.now + duration, self.count, job, duration))
        self.most = max(self.most, len(self.flying))

    def wait(self, timeout_s):
        if timeout_s == 0.0 and len(self.flying) < self.slots:
            return []
        self.now = max(self.now, self.flying[0][0]) + self.poll_s
        answers = []
        while self.flying and self.flying[0][0] <= self.now:
            _, _, job, duration = heapq.heappop(self.flying)
            answers.append(replace(work(job, free.free), wall_s=duration))
        return answers

    def close(self):
        pass


def scale(trials, sampler):
    cluster, marks = SimulatedCluster(500, poll_s=5.0), {}

    def report(progress):
        mark = progress.done * 10 // trials
        if mark not in marks:
            marks[mark] = memory_mb()
            print(f"  {progress.done:8} rows  {marks[mark]:6.0f} MB  {time.perf_counter() - begun:6.0f} s", flush=True)

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        begun, cpu = time.perf_counter(), time.process_time()
        start(
            parse_study(free.study_text(trials, sampler, lookahead=1000), folder), folder / "r", lambda: cluster, report
        )
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        grown = marks[10] - marks[1]
        seen = set()
        for part in sorted((folder / "r" / "trials").glob("*.parquet")):
            seen |= check_part(part)
        if seen != {(trial, 0) for trial in range(trials)}:
            raise SystemExit(f"wrong: {len(seen)} different rows of {trials}")
    print(
        f"{trials} trials of {sampler} on {cluster.most} slots: {seconds:.0f} s, {cpu / trials * 1e3:.2f} CPU ms each"
    )
    print(f"simulated time {cluster.now / 3600:.1f} h; memory from a tenth to the end: {grown:+.0f} MB")


def check_part(part):
    """Check the rows of a part against the closed form and return which they are."""
    rows = pq.read_table(part, columns=["trial", "seed", "design", *free.OBJECTIVES]).to_pylist()
    for row in rows:
        if tuple(row[name] for name in free.OBJECTIVES) != free.values(json.loads(row["design"]), row["seed"]):
            raise SystemExit(f"wrong: trial {row['trial']} has other values than its design")
    return {(row["trial"], row["seed"]) for row in rows}


def memory_mb():
    """Return the memory of this process now, MB."""
    if Path("/proc/self/statm").exists():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def tune(trials, ours):
    try:
        import optuna  # noqa: PLC0415
        import ray  # noqa: PLC0415
        from ray import tune as ray_tune  # noqa: PLC0415
        from ray.tune.search.optuna import OptunaSearch  # noqa: PLC0415
    except ImportError as error:
        print(f"skipped: {error}; pip install 'ray[tune]' into a throw-away environment")
        return
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"  # to its advantage: no logs of each trial
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        clock = run(free.study_text(ours, "nsga2"), folder, lambda: RayPool(2, folder=folder / "r", simulate=free.free))
        free.check(read_table(folder / "r").to_pylist(), ours)
        study = parse_study(free.study_text(trials, "nsga2"), folder)

        def objective(parameters):
            accuracy, loss, _ = free.values(study.design(parameters).as_dict(), 0)
            return {"accuracy": accuracy, "loss": loss}

        space = {
            path: ray_tune.choice(list(p.values)) if hasattr(p, "values") else ray_tune.uniform(p.low, p.high)
            for path, p in study.space.items()
            if path != "adc.bits"
        }
        space["adc.bits"] = ray_tune.randint(4, 11)
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        tuner = ray_tune.Tuner(
            ray_tune.with_resources(objective, {"cpu": 1}),
            param_space=space,
            tune_config=ray_tune.TuneConfig(
                search_alg=OptunaSearch(
                    metric=["accuracy", "loss"], mode=["max", "min"], sampler=optuna.samplers.NSGAIISampler(seed=1)
                ),
                num_samples=trials,
                max_concurrent_trials=2,
                reuse_actors=True,
            ),
            run_config=ray_tune.RunConfig(storage_path=str(folder / "tune"), verbose=0),
        )
        begun = time.perf_counter()
        grid = tuner.fit()
        seconds = time.perf_counter() - begun
        ray.shutdown()
        for result in grid:
            if objective(result.config)["loss"] != result.metrics["loss"]:
                raise SystemExit("wrong: a result of Ray Tune is not that of its parameters")
        if len(grid) != trials:
            raise SystemExit(f"wrong: {len(grid)} results of Ray Tune, {trials} expected")
    theirs, mine = trials / seconds, ours / clock.wall
    print(f"Ray Tune with OptunaSearch, NSGA-II, 2 objectives: {trials} trials, {theirs:.1f} a second")
    print(f"this engine, the same objective and sampler: {ours} trials, {mine:.0f} a second: {mine / theirs:.0f} times")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["rate", "samplers", "scale", "tune"])
    parser.add_argument("--trials", type=int)
    parser.add_argument("--budget", type=float, default=60.0, help="processor time a sampler may take, s")
    parser.add_argument("--sampler", default="random", help="of the study in simulated time")
    given = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    if given.what == "rate":
        rate(given.trials or 10_000)
    elif given.what == "samplers":
        samplers(given.budget)
    elif given.what == "scale":
        scale(given.trials or 100_000, given.sampler)
    else:
        tune(given.trials or 100, 20 * (given.trials or 100))


if __name__ == "__main__":
    main()
