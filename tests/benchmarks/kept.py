"""Ratios of benchmarks, kept: a line of findings/ratios.jsonl for each run that is asked to keep them."""

import argparse
import datetime
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

FILE = Path(__file__).parents[2] / "findings" / "ratios.jsonl"
Row = tuple[str, float, float | None]
"""What was measured, its rate in units of the reference, and the rate that is wanted."""


def keep_option(parser: argparse.ArgumentParser) -> None:
    """Let a benchmark be asked to keep its ratios."""
    parser.add_argument("--keep", action="store_true", help=f"add the ratios to {FILE.parent.name}/{FILE.name}")


def processor() -> str:
    """Return the name of the processor, as Linux says it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def spent(run: Callable[[], object]) -> float:
    """Return the processor seconds of a call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def in_turns(run: Callable[[], object], reference: Callable[[], object], rounds: int) -> float:
    """Return the rate of one in units of the other: the median over rounds of two turns side by side."""
    run(), reference()
    return statistics.median(1.0 / (spent(run) / spent(reference)) for _ in range(rounds))


def show(row: Row) -> None:
    """Print a row."""
    what, rate, wanted = row
    print(f"  {what:52} {rate:8.2f} {'' if wanted is None else f'{wanted:8.2f}'}", flush=True)


def keep(benchmark: str, reference: str, rows: Sequence[Row]) -> None:
    """Add the ratios of a run to the file."""
    entry = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "benchmark": benchmark,
        "reference": reference,
        "machine": processor(),
        "torch": torch.__version__,
        "rows": [{"what": what, "rate": round(rate, 3), "wanted": wanted} for what, rate, wanted in rows],
    }
    with FILE.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
