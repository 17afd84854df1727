"""Which settings of a space act in a design."""

from pathlib import Path

import numpy as np

from dse.search.samplers.model.encoding import Encoding
from dse.search.study import parse_study

STUDY = """
name = "acting"
objectives = ["validation_accuracy", "energy_per_sample_j"]
[workload]
dataset = "digits"
[space]
architecture = ["mixed_precision", "float"]
"accumulator.bits" = [4, 8, "float"]
"accumulator.rounding" = ["nearest", "stochastic"]
"training.learning_rate" = { low = 0.5, high = 4.0, log = true }
"refresh.every_samples" = { low = 0, high = 3 }
"refresh.threshold_us" = { low = 4.0, high = 8.0 }
[budget]
trials = 40
"""
PLAIN = STUDY.replace('architecture = ["mixed_precision", "float"]\n', "").replace('[4, 8, "float"]', "[4, 8]")


def test_what_acts_in_a_design_is_what_changes_it() -> None:
    study = parse_study(STUDY, Path())
    assert study.acts is not None
    draws = np.random.Generator(np.random.PCG64(1))
    seen = set()
    for point in draws.random((40, len(study.space))):
        design = {path: p.at(u) for (path, p), u in zip(study.space.items(), point, strict=True)}
        for path, parameter in study.space.items():
            others = [parameter.at(u) for u in (0.1, 0.5, 0.9)]
            changed = any(study.same({**design, path: other}) != study.same(design) for other in others)
            assert changed == (path in study.acts(design)), path
        seen.add(study.acts(design))
    assert len(seen) >= 4


def test_designs_that_are_equal_are_one_point() -> None:
    study = parse_study(STUDY, Path())
    points, first = Encoding(study.space, study.acts), {path: p.at(0.0) for path, p in study.space.items()}
    digital = {**first, "architecture": "float"}
    same, other = {**digital, "accumulator.bits": 8, "refresh.threshold_us": 7.0}, {**first, "accumulator.bits": 8}
    assert study.same(digital) == study.same(same)
    assert np.array_equal(*points.points([digital, same]))
    assert not np.array_equal(*points.points([first, other]))


def test_a_space_whose_settings_always_act_is_told_from_others() -> None:
    cut = [line for line in PLAIN.splitlines() if "refresh" not in line]
    assert parse_study("\n".join(cut), Path()).acts is None
    assert parse_study(PLAIN, Path()).acts is not None
