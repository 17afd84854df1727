"""An executor whose answers come in another order, and that is stopped on the way."""

import random
from pathlib import Path

import pytest

from dse.search.executor import simulate_design, work
from dse.search.runs import resume, start
from dse.search.study import parse_study
from tests.search.free import sized


class Scrambled:
    """Simulates in this process and answers in a random order, several at a time; can stop after some answers."""

    def __init__(self, slots, seed, stop_after=None, simulate=simulate_design):
        self.slots = slots
        self.simulate = simulate
        self.random = random.Random(seed)
        self.held = []
        self.left = stop_after
        self.most = 0

    def submit(self, job):
        self.held.append(job)
        self.most = max(self.most, len(self.held))
        assert len(self.held) <= self.slots

    def wait(self, timeout_s):
        if timeout_s == 0.0:
            return []  # nothing is ready so soon
        self.random.shuffle(self.held)
        count = self.random.randint(1, len(self.held))
        if self.left is not None and self.left < count:
            raise KeyboardInterrupt
        if self.left is not None:
            self.left -= count
        now, self.held = self.held[:count], self.held[count:]
        return [work(job, self.simulate) for job in now]

    def close(self):
        self.held.clear()


def run_with_stops(text: str, folder: Path) -> None:
    """Run a study of made sizes into a folder, in a scrambled order, stopped twice and resumed each time."""
    with pytest.raises(KeyboardInterrupt):
        start(parse_study(text, folder.parent), folder, lambda: Scrambled(4, seed=0, stop_after=20, simulate=sized))
    with pytest.raises(KeyboardInterrupt):
        resume(folder, lambda: Scrambled(3, seed=1, stop_after=25, simulate=sized))
    resume(folder, lambda: Scrambled(5, seed=2, simulate=sized))
