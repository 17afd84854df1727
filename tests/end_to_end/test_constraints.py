"""A study with constraints, as a user meets it: checked, run, stopped short, extended, looked at."""

import json

import polars as pl
import pytest

from tests.studies import SMALL_STUDY

LOOSE = '[constraints]\nvalidation_accuracy = ">= 0.15"\narea_m2 = "<= 1e-6"\n'
NO_DESIGN = '[constraints]\nvalidation_accuracy = ">= 0.999"\n'


def with_constraints(text):
    return SMALL_STUDY.replace("[workload]", f"{text}[workload]")


@pytest.mark.slow
def test_the_life_of_a_study_with_constraints(here, tmp_path):
    study, results = tmp_path / "study.toml", tmp_path / "results"
    study.write_text(with_constraints(LOOSE))
    assert "constraint: validation_accuracy >= 0.15" in here("check", study).output
    done = here("run", study, "--executor", "local", "--quiet", "--out", results)
    assert done.exit_code == 0, done.output
    assert "complete designs are" in done.output
    designs = pl.read_json(
        here("query", results, "SELECT * FROM designs WHERE origin = 'search'", "--format", "json").stdout.encode()
    )
    feasible = designs.filter((pl.col("validation_accuracy") >= 0.15) & (pl.col("area_m2") <= 1e-6))
    assert 0 < len(feasible) < len(designs)
    front = json.loads(here("front", results, "--format", "json").stdout)
    assert {row["trial"] for row in front} <= set(feasible["trial"])
    every = json.loads(here("front", results, "--all", "--format", "json").stdout)
    assert len(every) > len(front)
    assert json.loads(here("status", results, "--format", "json").stdout)["infeasible"] == len(designs) - len(feasible)

    study.write_text(with_constraints(NO_DESIGN).replace("trials = 14", "trials = 16"))
    more = here("resume", results, "--study", study, "--executor", "local", "--quiet")
    assert more.exit_code == 0, more.output
    assert "none of 16 complete designs is feasible; not met: validation_accuracy >= 0.999 (16); the" in more.output
    assert json.loads(here("front", results, "--format", "json").stdout) == []

    study.write_text(SMALL_STUDY.replace("trials = 14", "trials = 16"))
    plain = here("resume", results, "--study", study, "--executor", "local", "--quiet")
    assert plain.exit_code == 0, plain.output
    assert "feasible" not in plain.output
    assert here("replay", results, "15").exit_code == 0


def test_a_mistake_in_a_constraint_ends_with_status_2(here, tmp_path):
    study = tmp_path / "study.toml"
    for text, message in (
        ('[constraints]\nacuracy = ">= 0.9"\n', "unknown constraint 'acuracy'; did you mean 'accuracy'?"),
        ("[constraints]\naccuracy = 0.9\n", "constraint '0.9' of accuracy is not understood; give >= or <= and a"),
        ('constraints = "accuracy"\n', "constraints"),
        ("[constraints.accuracy]\nlow = 0.9\n", "is not understood; give >= or <= and a number, in quotes"),
    ):
        study.write_text(with_constraints(text))
        refused = here("check", study)
        assert refused.exit_code == 2
        assert message in refused.output
