"""Processor time of a decision of a search with rungs, when some hundred designs are known.

    python -m tests.benchmarks.decided [--designs 500]

Designs are quasi-random points of the recorded space (`recorded`): half of them wait after 3 epochs, a quarter after
10, a quarter has ended, and the better two thirds of these have three seeds. Before each round another design ends, so
that all that depends on values is found anew. Each decision is checked: who goes on waits at the rung, who gets seeds
lacks them, and what is proposed is new.
"""

import argparse
import time

import numpy as np
from threadpoolctl import threadpool_limits

from dse.search.plans import plan_of
from dse.search.rung_outlook import Outlook
from dse.search.rung_record import Record
from dse.search.samplers.draws import Admitted
from tests.benchmarks.recorded import EPOCHS, SEEDS, World, natural, study_of
from tests.benchmarks.rungs import STEPS

ROUNDS = 3
RUNGS = 3, 10


def records_of(world, designs):
    """Return what is known of designs, the better ones at later rungs, with the values of each under all seeds."""
    means = world.means(designs)
    rank = np.argsort(np.argsort(means[:, -1, 0]))
    found, ends = [], []
    for n, design in enumerate(designs):
        seen = means[n] + world.noise[n % len(world.noise)]
        seen[..., 0] = np.clip(seen[..., 0], 0.0, 1.0)
        curves = natural(seen)
        values = {at: {0: curves[0, at - 1].tolist()} for at in RUNGS}
        end = {seed: curves[seed, -1].tolist() for seed in range(SEEDS)}
        own = Record(n, design, EPOCHS, seen={RUNGS[0]: values[RUNGS[0]]})
        if rank[n] < len(designs) // 2:
            own.seen[RUNGS[1]] = values[RUNGS[1]]
        if rank[n] < len(designs) // 4:
            own.seen[EPOCHS] = end if rank[n] < len(designs) // 6 else {0: end[0]}
        found.append(own)
        ends.append(end)
    return found, ends


def timed(what, ask, *given):
    """Print the processor time of a call, and return what it returns."""
    begin = time.process_time()
    found = ask(*given)
    print(f"  {what:28} {time.process_time() - begin:.3f} s", flush=True)
    return found


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--designs", type=int, default=500)
    count = parser.parse_args().designs
    world = World()
    study = study_of(STEPS, 'seeds = 3\nseeds_for = "front"\nepochs = 100000', 0)
    points = Admitted(study._problem()).points()  # as the sampler draws them
    designs = [next(points) for _ in range(count)]
    records, ends = records_of(world, designs)
    proposer, place = study.proposer(given=designs), plan_of(study)._place  # where plans look
    for _ in designs:
        proposer.ask()
    kept = {}
    with threadpool_limits(1, user_api="blas"):
        for n in range(ROUNDS):
            print(f"round {n}")
            more = [own for own in records if own.top == RUNGS[1]][n]
            more.seen[EPOCHS] = {0: ends[more.trial][0]}
            outlook = timed("what is expected", Outlook, place, records, SEEDS, kept)
            waiting = [own for own in records if own.top == RUNGS[0]]
            assert timed("who goes on from a rung", outlook.best, waiting, outlook.ended)[0] in waiting
            lacking = [own for own in records if own.has_ended and len(own.seeds) < SEEDS]
            assert timed("who gets seeds", outlook.best, lacking, outlook.whole)[0] in lacking
            timed("who is certified", outlook.to_certify, SEEDS)
            proposer.observe(outlook.observations)
            design = timed("a new design", proposer.ask)
            assert study.same(design) not in {study.same(own) for own in designs}


if __name__ == "__main__":
    main()
