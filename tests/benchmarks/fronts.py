"""How fast fronts of large tables are found, and whether they are right.

    python -m tests.benchmarks.fronts [--points 1000000] [--judged 2000]

Points are even in a cube (few on the front), in a shell (many), on a coarse grid (ties and duplicates) and on a plane
(all on the front). First a part of each kind goes through the definition written out; then points drawn from all of
them are compared with every other. Volumes are those of up to 20,000 points of the front. Processor seconds of one
thread.
"""

import argparse
import platform
import time

import numpy as np

from dse.analysis.fronts.pareto import is_on_front, ranks
from dse.analysis.fronts.quality import hypervolume, worst

GOALS = ["maximise", "minimise", "minimise"]


def clouds(count):
    random = np.random.default_rng(0)
    normal = np.abs(random.normal(size=(count, 3)))
    even = random.random((count, 3))
    return {
        "cube": even,
        "shell": 2.0 - (1.0 - 0.1 * random.random((count, 1))) * normal / np.linalg.norm(normal, axis=1, keepdims=True),
        "grid of ties": np.floor(even * 32),
        "plane": even / even.sum(axis=1, keepdims=True),
    }


def by_definition(costs):
    return np.array([not ((costs <= c).all(axis=1) & (costs < c).any(axis=1)).any() for c in costs])


def check(costs, on, sample):
    """Stop if a sampled point is on the wrong side of the front, by comparing it with every point."""
    for i in np.random.default_rng(1).choice(len(costs), size=min(sample, len(costs)), replace=False):
        beaten = ((costs <= costs[i]).all(axis=1) & (costs < costs[i]).any(axis=1)).any()
        if beaten == on[i]:
            raise SystemExit(f"wrong: point {i} is {'' if on[i] else 'not '}said to be on the front")


def timed(work, *arguments):
    best, answer = float("inf"), None
    for _ in range(3):
        start = time.process_time()
        answer = work(*arguments)
        best = min(best, time.process_time() - start)
    return best, answer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--judged", type=int, default=2_000)
    parser.add_argument("--compared", type=int, default=50)
    given = parser.parse_args()
    print(f"{given.points} points of 3 objectives, {platform.processor() or platform.machine()}")
    print(f"{'points':14}{'on the front':>14}{'front (s)':>12}{'volume (s)':>12}{'ranks of 10,000 (s)':>22}")
    for name, costs in clouds(given.points).items():
        points = costs * [-1.0, 1.0, 1.0]
        few = slice(0, given.judged)
        if not np.array_equal(is_on_front(points[few], GOALS), by_definition(costs[few])):
            raise SystemExit(f"wrong: the front of {given.judged} points of the {name} is not that of the definition")
        seconds, on = timed(is_on_front, points, GOALS)
        check(costs, on, given.compared)
        volume_s, _ = timed(hypervolume, points[on][:20_000], GOALS, worst(points, GOALS))
        ranks_s, order = timed(ranks, points[:10_000], GOALS)
        if not np.array_equal(order == 0, is_on_front(points[:10_000], GOALS)):
            raise SystemExit("wrong: rank 0 is not the front")
        print(f"{name:14}{int(on.sum()):14}{seconds:12.3f}{volume_s:12.3f}{ranks_s:22.3f}")


if __name__ == "__main__":
    main()
