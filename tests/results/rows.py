"""Rows and descriptions for tests of the store."""

from dse.designs.outcome import Failure
from dse.results.rows import result_fields
from dse.results.schema import COLUMNS
from dse.results.store import encode_about

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


def describe(folder, about):
    """Change what a folder says of itself, as a run would."""
    for name in ("study.json", "study.json.copy"):
        (folder / name).write_bytes(encode_about(about))


def row(trial, seed=0, reason="for the test"):
    fields = result_fields(Failure("diverged", reason))
    return {**dict.fromkeys(COLUMNS), **fields, "trial": trial, "seed": seed, "wall_s": 0.1 + trial}
