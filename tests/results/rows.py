"""Rows and descriptions for tests of the store."""

from dse.designs.outcome import Failure
from dse.results.rows import result_fields
from dse.results.schema import COLUMNS

ABOUT = {
    "name": "test",
    "objectives": ["accuracy"],
    "parameters": [],
    "seeds": 1,
    "trials": 1,
    "study_key": "k",
    "code": "0",
    "packages": "{}",
}


def row(trial, seed=0, reason="for the test"):
    fields = result_fields(Failure("diverged", reason))
    return {**dict.fromkeys(COLUMNS), **fields, "trial": trial, "seed": seed, "wall_s": 0.1 + trial}
