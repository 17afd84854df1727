"""Epochs are prefixes: rows of shorter trainings that were never simulated, equal to the last bit."""

import json
from typing import Any

import pytest

from dse.crossbar.usage import LayerUsage
from dse.designs.design import compose
from dse.designs.evaluate import evaluate
from dse.pricing.card import read_cost_card
from dse.results.prefix import is_prefix_design, prefix, prefix_key
from dse.results.rows import Row, result_fields
from dse.search.criteria import prices_of
from dse.tasks.trail import Trail, shortened, value_at
from tests.unit.test_pausing import KINDS

KEPT = "deployment."
CONSTANT = {"training.schedule": "constant"}
CHOSEN = (
    "float words", "rare transfers", "words in PCM, three pairs", "digital", "convolutions", "convolutions, digital",
    "dropout", "text", "generated",
)  # fmt: skip


def settings_of(kind: str, epochs: int) -> dict[str, Any]:
    own = {path: value for path, value in KINDS[kind].items() if not path.startswith(KEPT)}
    return {**own, **({} if "network.name" not in own else CONSTANT), "training.epochs": epochs}


@pytest.mark.one_in(18)
@pytest.mark.parametrize("kind", CHOSEN)
def test_a_shorter_training_is_the_beginning_of_a_longer_one(kind: str) -> None:
    designs = {epochs: compose(settings_of(kind, epochs)) for epochs in (3, 4, 5)}
    data = designs[5].workload.load()
    rows: dict[int, Row] = {n: result_fields(evaluate(own, 3, data)) for n, own in designs.items()}  # type: ignore[arg-type]
    assert len({prefix_key(own) for own in designs.values()}) == 1
    longest = json.loads(json.dumps(rows[5]))
    for epochs, row in rows.items():
        found = prefix(longest, epochs, designs[5])
        assert found == row
        assert [type(layer["resets"]) for layer in found["layers"]] == [int] * len(row["layers"])
    card, names = read_cost_card("nandakumar2020"), ["energy_per_sample_j", "energy_j"]
    own, cut = prices_of([rows[3], prefix(longest, 3, designs[5])], card, names)
    assert own == cut
    assert own["energy_per_sample_j"] is not None
    assert prefix(prefix(longest, 4, designs[5]), 3, designs[5]) == rows[3]


def test_shorter_trainings_have_the_same_key_and_others_do_not() -> None:
    base = settings_of("convolutions", 4)
    longer = compose(base)
    shorter, other = compose({**base, "training.epochs": 2}), compose({**base, "training.learning_rate": 0.25})
    assert is_prefix_design(shorter, longer)
    assert is_prefix_design(longer, longer)
    assert not is_prefix_design(longer, shorter)
    assert not is_prefix_design(other, longer)


@pytest.mark.parametrize(
    "changes",
    [{"training.schedule": "cosine"}, {"training.schedule": "step"}, {"deployment.repetitions": 1}],
    ids=["cosine", "step", "deployment"],
)
def test_trainings_that_look_at_their_length_are_no_prefixes(changes: dict[str, Any]) -> None:
    design = compose({**settings_of("convolutions", 4), **changes})
    assert prefix_key(design) is None
    assert not is_prefix_design(design, design)


def test_what_is_no_beginning_is_refused() -> None:
    design = compose(settings_of("digital", 2))
    row = result_fields(evaluate(design, 3, design.workload.load()))
    for epochs in (0, 3):
        with pytest.raises(ValueError, match=f"a row of 2 epochs has no beginning of {epochs}; give 1 to 2"):
            prefix(row, epochs, design)
    with pytest.raises(ValueError, match="does not say what its layers were by epoch"):
        prefix({**row, "trail": {}}, 1, design)
    scheduled = compose({**settings_of("convolutions", 4), "training.schedule": "cosine"})
    with pytest.raises(ValueError, match="no training of its own"):
        prefix(row, 1, scheduled)


def test_a_trail_leaves_out_what_follows_from_the_rest() -> None:
    values = {"same": [2.0, 2.0, 2.0], "even": [0.1, 0.2, 3 * 0.1], "any": [1.0, 3.0, 4.0], "later": [1.0, 1.0, 2.0]}
    end = {name: own[-1] for name, own in values.items()}
    found = shortened(values, end)
    assert found == {"even": [0.1], "any": values["any"], "later": values["later"]}
    for name, own in values.items():
        assert [value_at(found.get(name), epoch, end[name]) for epoch in (1, 2, 3)] == own


def test_events_that_appear_later_were_none_before() -> None:
    def layer(events: dict[str, int], wear: float) -> LayerUsage:
        return LayerUsage(0, 2, 3, 0, 1.0, events, {"writes_max": wear, "heat": wear})

    trail, end = Trail(), layer({"resets": 5, "sparks": 4}, 3.0)
    trail.add([layer({"resets": 5}, 1.0)])
    trail.add([end])
    assert trail.until_the_end([end]) == {
        "0.events.sparks": [0.0, 4.0],
        "0.wear_writes_max": [1.0, 3.0],
        "0.wear.heat": [1.0, 3.0],
    }
