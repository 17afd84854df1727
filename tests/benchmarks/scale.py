"""What commands take on large tables: processor time and peak memory of processes of their own.

    python -m tests.benchmarks.scale [--rows 1000000] [--folder F] [--against CHECKOUT] [--only front,status]

The table is made once, in F (by default a temporary folder): rows of a study that is simulated here, repeated with
other numbers of trials, parameters and metrics, three seeds a design, in parts as a long run leaves them. Each
command is checked: the front is that of the means written out with numpy, and counts are those that were made. With
--against, another checkout answers on the same folder in turn, and its share of time and memory stands beside ours.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from dse.results.address import place_of
from dse.results.encoding import to_part
from dse.results.reading import PARTS
from dse.results.schema import SCHEMA
from dse.results.store import create, encode_parts, read_table
from dse.search.executor import LocalExecutor, code_version, package_versions
from dse.search.runs import described, start
from dse.search.study import parse_study

SEEDS, ROWS = 3, 8190
"""Seeds of a design, and rows that are compressed together, a multiple of these."""
PART = 15 * ROWS
STUDY = """
name = "scale"
objectives = ["validation_accuracy", "energy_per_sample_j"]
[workload]
dataset = "digits"
images = 60
[design]
network.hidden = [8]
training = { epochs = 3, batch_size = 10 }
[space]
"accumulator.bits" = [4, 5, 6, 7, 8]
"accumulator.epsilon" = { low = 0.5, high = 4.0 }
"training.learning_rate" = { low = 0.1, high = 2.0 }
[search]
sampler = "random"
[budget]
trials = TRIALS
seeds = 3
"""


@dataclass(frozen=True)
class Made:
    """A table with what is known of it: `points` are means over seeds, shape (designs, 2); `rows` those it has."""

    folder: Path
    rows: int
    points: np.ndarray

    @property
    def front(self) -> set[int]:
        """The trials that no other dominates: accuracy up, energy down."""
        order = np.lexsort((self.points[:, 1], -self.points[:, 0]))
        least = np.minimum.accumulate(self.points[order, 1])
        first = np.concatenate([[True], least[1:] < least[:-1]])
        return set(order[first].tolist())


def make(folder: Path, rows: int) -> Made:
    """Make the table, or return what is known of one that is there."""
    trials = rows // SEEDS
    random = np.random.default_rng(7)
    accuracy = random.uniform(0.5, 0.99, (trials, 1)) + random.normal(0, 0.003, (trials, SEEDS))
    energy = 10 ** random.uniform(-9, -7, (trials, 1)) * (1 + random.normal(0, 0.003, (trials, SEEDS)))
    made = Made(folder, trials * SEEDS, np.stack([accuracy.mean(1), energy.mean(1)], axis=1))
    if folder.exists():
        return made
    study = parse_study(STUDY.replace("TRIALS", str(trials)), folder.parent)
    create(folder, {**described(study), "code": code_version(), "packages": package_versions()}, study.files())
    place, names = place_of(folder), list[str]()
    for number, at in enumerate(range(0, made.rows, PART), 1):
        of = np.arange(at, min(at + PART, made.rows))
        pieces = (_rows(study.key, of[n : n + ROWS], accuracy, energy) for n in range(0, len(of), ROWS))
        name, content = to_part(pieces, number)
        place.write(f"trials/{name}", content)
        names.append(f"trials/{name}")
    place.write(PARTS, encode_parts(names))
    return made


@cache
def _pattern() -> pa.Table:
    """Return as many rows as are compressed together, made of those of a small study, each a little different."""
    with tempfile.TemporaryDirectory() as place:
        start(parse_study(STUDY.replace("TRIALS", "40"), Path(place)), Path(place) / "r", LocalExecutor)
        found = read_table(Path(place) / "r")
    random = np.random.default_rng(3)
    taken = found.take(pa.array(np.arange(ROWS) % found.num_rows))
    columns = [_shaken(column.combine_chunks(), random) for column in taken.columns]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _rows(key: str, of: np.ndarray, accuracy: np.ndarray, energy: np.ndarray) -> pa.Table:
    """Return rows of trials `of // SEEDS`: those of the pattern, with other designs and metrics."""
    pattern, trial, seed = _pattern(), of // SEEDS, of % SEEDS
    drawn = np.random.default_rng([5, int(of[0])]).random((len(of), 3))[np.searchsorted(trial, trial)]
    designs = pattern["design"].to_pylist()
    changed = {
        "trial": trial,
        "seed": seed,
        "design_key": [f"{t:020x}" for t in trial],
        "parameters": [_parameters(*own) for own in drawn.tolist()],
        "design": [f'{{"number":{t},{designs[t % len(designs)][1:]}' for t in trial],
        "validation_accuracy": accuracy[trial, seed],
        "energy_per_sample_j": energy[trial, seed],
        "study_key": [key] * len(of),
        "same_as": [None] * len(of),
    }
    same = pattern.slice(0, len(of))
    columns = [pa.array(changed[f.name], f.type) if f.name in changed else same[f.name] for f in SCHEMA]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _shaken(array: pa.Array, random: np.random.Generator) -> pa.Array:
    """Return floats each changed a little, in lists and structures, too: equal ones would take no room on a disk."""
    kind = array.type
    if pa.types.is_list(kind) or pa.types.is_map(kind):
        inner = _shaken(array.values, random)
        return pa.Array.from_buffers(kind, len(array), array.buffers()[:2], array.null_count, array.offset, [inner])
    if pa.types.is_struct(kind):
        inner = [_shaken(array.field(n), random) for n in range(kind.num_fields)]
        return pa.StructArray.from_arrays(inner, fields=list(kind), mask=array.is_null())
    if not pa.types.is_floating(kind):
        return array
    values = array.to_numpy(zero_copy_only=False)
    return pa.array(values * random.uniform(0.9, 1.1, len(values)), kind, mask=np.isnan(values))


def _parameters(bits: float, epsilon: float, rate: float) -> str:
    own = {"accumulator.bits": 4 + int(5 * bits), "accumulator.epsilon": 0.5 + 3.5 * epsilon}
    return json.dumps({**own, "training.learning_rate": 0.1 + 1.9 * rate})


def is_front(made: Made, output: str) -> bool:
    """Return whether a front as CSV is that of the means written out."""
    return {int(row["trial"]) for row in csv.DictReader(output.splitlines())} == made.front


def is_status(made: Made, output: str) -> bool:
    """Return whether a status as JSON has the counts that were made."""
    said = json.loads(output)
    return (said["done"], said["total"], said["front"], said["damaged"]) == (made.rows, made.rows, len(made.front), [])


def is_count(made: Made, output: str) -> bool:
    """Return whether a query counted the rows."""
    return output.rsplit(maxsplit=1)[-1] == str(int((made.points[:, 0] > 0.9).sum()))


COMMANDS: dict[str, tuple[list[str], Callable[[Made, str], bool]]] = {
    "front": (["front", "FOLDER", "--format", "csv"], is_front),
    "status": (["status", "FOLDER", "--format", "json"], is_status),
    "query": (
        ["query", "FOLDER", "SELECT count(*) FROM designs WHERE validation_accuracy > 0.9", "--format", "csv"],
        is_count,
    ),
}


@dataclass(frozen=True)
class Taken:
    """What a process took: processor seconds, those on the clock, and its peak memory in MB."""

    cpu_s: float
    wall_s: float
    peak_mb: float


MEASURED = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stderr=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
sys.exit(status)
"""
"""A small process that starts the one that is measured: the peak of a process begins with that of its parent."""


def ask(made: Made, name: str, checkout: Path) -> Taken:
    """Let a checkout answer in a process of its own, check the answer, and return what it took."""
    arguments, is_right = COMMANDS[name]
    code, answer, taken = measured([str(made.folder) if a == "FOLDER" else a for a in arguments], checkout)
    if code or not is_right(made, answer):
        raise SystemExit(f"{name} of {checkout} gave another answer than it should: {answer[:500]}")
    return taken


def measured(arguments: Sequence[str], checkout: Path) -> tuple[int, str, Taken]:
    """Let a checkout answer in a process of its own; return its status, its answer and what it took."""
    command = [sys.executable, "-m", "dse", *arguments]
    env = {**os.environ, "PYTHONPATH": str(checkout), "POLARS_MAX_THREADS": "2"}
    with tempfile.TemporaryFile() as out:
        before = os.times().elapsed
        done = subprocess.run(
            [sys.executable, "-S", "-c", MEASURED, *command],
            stdout=out,
            stderr=subprocess.PIPE,
            env=env,
            cwd=checkout,
            check=False,
        )
        after = os.times().elapsed
        out.seek(0)
        answer = out.read().decode()
    cpu_s, peak_kb = map(float, done.stderr.split()[-2:])
    return done.returncode, answer, Taken(cpu_s, after - before, peak_kb / 1024)


def lines(made: Made, names: list[str], against: Path | None) -> Iterator[str]:
    """Yield a line for each command."""
    here = Path(__file__).resolve().parents[2]
    for name in names:
        ours = ask(made, name, here)
        said = f"{name:8} {made.rows:>9} rows  {ours.cpu_s:6.1f} s CPU  {ours.wall_s:6.1f} s  {ours.peak_mb:6.0f} MB"
        if against is not None:
            other = ask(made, name, against)
            share = ours.peak_mb / other.peak_mb
            said += f"   before: {other.cpu_s:6.1f} s CPU  {other.peak_mb:6.0f} MB; memory {share:.0%}"
        yield said


def main() -> None:
    """Make the table, ask, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--only", default=",".join(COMMANDS))
    given = parser.parse_args()
    folder: Path = given.folder or Path(tempfile.mkdtemp()) / "r"
    made = make(folder, given.rows)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{made.rows} rows, {size / 1e6:.0f} MB on disk, {len(made.front)} on the front")
    for line in lines(made, given.only.split(","), given.against):
        print(line, flush=True)
    if given.folder is None:
        shutil.rmtree(folder.parent)


if __name__ == "__main__":
    main()
