"""What the page of a large study takes: to make, to send, to open, and to move over.

    python -m tests.benchmarks.page [--designs 100000] [--folder F] [--without importance]

The table is that of `tests.benchmarks.scale`, three seeds a design, made without simulating. The page is made by `dse
report` in a process of its own, and opened in Chromium without a screen: from the address to the first pictures, and to
the last. Then a pointer moves over a Pareto view, a slider of a price is dragged, and frames are counted. It stops
unless the page holds every design, and marks on the front are just those of the means written out.
"""

import argparse
import itertools
import json
import sys
import tempfile
from pathlib import Path

from tests.analysis.browser import Browser
from tests.benchmarks.scale import SEEDS, make, measured

FRAMES = """
const [done] = arguments, plot = document.querySelector('#front .overlay'), box = plot.getBoundingClientRect();
const times = [], all = 120;
function step(now) {
  times.push(now);
  if (times.length > all) return done(times);
  const turn = times.length / 12;
  plot.dispatchEvent(new PointerEvent('pointermove', { bubbles: true, pointerType: 'mouse',
    clientX: box.x + box.width * (0.5 + 0.35 * Math.cos(turn)),
    clientY: box.y + box.height * (0.5 + 0.35 * Math.sin(turn)) }));
  requestAnimationFrame(step);
}
requestAnimationFrame(step);
"""
PRICES = """
const [done] = arguments, times = [], all = 20;
function step(now) {
  times.push(now);
  if (times.length > all) { dse.back(); return done(times); }
  dse.set({ adc_per_bit_j: 1e-13 * (1 + times.length) });
  requestAnimationFrame(step);
}
requestAnimationFrame(step);
"""
ROOT = Path(__file__).resolve().parents[2]
DRAWN = "document.documentElement.dataset.drawn"


def rate(times: list[float]) -> str:
    """Return the mean rate of frames and the longest of them, in words."""
    gaps = sorted(b - a for a, b in itertools.pairwise(times))
    return f"{1000 * len(gaps) / sum(gaps):.0f} frames/s, 19 of 20 within {gaps[int(0.95 * len(gaps))]:.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--designs", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where the table is, or is made")
    parser.add_argument("--without", default="", help="panels to leave out, separated by commas")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        made = make(options.folder or Path(place) / "results", options.designs * SEEDS)
        page = Path(place) / "report.html"
        left = [part for name in options.without.split(",") if name for part in ("--without", name)]
        code, said, took = measured(["report", str(made.folder), "--output", str(page), *left], ROOT)
        if code:
            sys.exit(f"dse report failed: {said}")
        used = f"{took.cpu_s:.1f} CPU s, {took.wall_s:.1f} s, {took.peak_mb:.0f} MB"
        print(f"dse report of {options.designs:,} designs: {used}")
        print(f"page: {page.stat().st_size / 1e6:.1f} MB")
        with Browser(Path(place) / "profile") as browser:
            browser.used_s()
            browser.open(page.as_uri())
            opened_s = browser.used_s()
            first = browser.ask("performance.getEntriesByType('navigation')[0].loadEventEnd")
            browser.wait(DRAWN)
            every = browser.ask("performance.getEntriesByName('all drawn')[0].startTime")
            print(f"opens: first pictures after {first / 1000:.2f} s, the last after {every / 1000:.2f} s")
            seen = json.loads(str(browser.ask("JSON.stringify(dse.designs())")))
            if len(seen) != options.designs:
                sys.exit(f"the page holds {len(seen)} designs of {options.designs}")
            if {design["trial"] for design in seen if design["role"] == "front"} != made.front:
                sys.exit("the front of the page is not that of the means")
            print(f"its thread used {opened_s:.2f} CPU s until it was open, {browser.used_s():.2f} until all was drawn")
            for name, script, frames in (("pointer over a view", FRAMES, 120), ("a price changed", PRICES, 20)):
                before = browser.used_s()
                times = browser.run_async(script)
                used = 1000 * (browser.used_s() - before) / frames
                print(f"{name}: {rate(times)}; {used:.0f} CPU ms a frame")
            if errors := browser.errors():
                sys.exit(f"the page complains: {errors}")


if __name__ == "__main__":
    main()
