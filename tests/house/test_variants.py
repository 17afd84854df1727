"""A variant stays at home: what is said of one network, data set, cell, update rule and so on stands in one place."""

import re
from pathlib import Path

import pytest

from dse.crossbar.wires import SOLUTIONS
from dse.data import DATA
from dse.deployment.compensation import COMPENSATIONS
from dse.devices import CELLS
from dse.networks import NETWORKS
from dse.search.samplers import SAMPLERS
from dse.tasks import TASKS
from dse.updates import UPDATES

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "dse" / "testing"
"""Suites of tests name the variants that they test on."""
FILES = {path: path.read_text() for path in sorted((ROOT / "dse").rglob("*.py")) if TESTS not in path.parents}
OTHER_MEANINGS = {"auto", "none", "pcm", "float", "arrays", "model"}
"""Names that are words for something else, too: "auto" is an address of a Ray cluster, "none" an augmentation, "pcm"
what accumulators are stored in, "float" their words, "arrays" what a saved state has."""
NAMES = sorted(
    {
        *(own.model_fields["name"].default for own in NETWORKS),
        *(own.model_fields["dataset"].default for own in DATA),
        *(own.name for own in TASKS),
        *(own.name for own in SAMPLERS),
        *(own.name for own in COMPENSATIONS),
        *(own.name for own in SOLUTIONS),
        *(own.model for own in CELLS),
        *(own.name for own in UPDATES),
    }
    - OTHER_MEANINGS
)


def homes(name: str) -> set[str]:
    """Return the files that name a variant as a string."""
    quoted = re.compile(rf"""["']{re.escape(name)}["']""")
    return {str(path.relative_to(ROOT)) for path, text in FILES.items() if quoted.search(text)}


@pytest.mark.parametrize("name", NAMES)
def test_a_variant_is_named_in_one_file(name: str) -> None:
    assert len(homes(name)) == 1, homes(name)


def test_no_line_speaks_of_an_architecture_by_its_name() -> None:
    names = "|".join(own.name for own in UPDATES)
    named = re.compile(rf"""(\barchitecture\b|\bUPDATE\b|\brule(\.name)? ([!=]=|in)).*["']({names})["']""")
    assert named.search('if given.get("architecture") == "float":')
    assert named.search('if design.rule.name == "float":')
    assert not [line for text in FILES.values() for line in text.splitlines() if named.search(line)]


def test_names_are_looked_for_where_they_are() -> None:
    assert homes("lstm") == {"dse/networks/lstm/spec.py"}
    assert {"lstm", "gan", "gdc", "tpe", "mixed_precision"} <= set(NAMES)


@pytest.mark.parametrize("variants", [NETWORKS, DATA, TASKS, SAMPLERS, COMPENSATIONS, SOLUTIONS, CELLS, UPDATES])
def test_a_variant_is_final(variants: tuple[type, ...]) -> None:
    assert not [(a, b) for a in variants for b in variants if a is not b and issubclass(a, b)]
