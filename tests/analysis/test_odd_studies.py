"""Every command and every panel on studies that lack something: pulses, energy, deployments, controls, differences."""

import io
import json
import re
import warnings

import numpy as np
import polars as pl
import pytest

from dse.analysis.effects.importance import importance
from dse.analysis.fronts.table import front_table, front_title, hypervolume_table
from dse.analysis.report import panels
from dse.analysis.report.provenance import card_table, study_file
from dse.analysis.report.subject import Subject
from dse.errors import QueryError
from tests.analysis.synthetic import study
from tests.conftest import simulated

pytestmark = pytest.mark.usefixtures("few_forests")
BASE = """
name = "odd"
objectives = ["accuracy", "loss"]
[workload]
dataset = "digits"
images = 60
[design]
network.hidden = [4]
training = { epochs = 1, batch_size = 10 }
DESIGN
[space]
"training.learning_rate" = { low = 0.1, high = 2.0 }
[search]
sampler = "random"
[budget]
trials = 12
"""
FLOAT = 'architecture = "float"'
ODD = {
    "nothing is written": BASE.replace("DESIGN", FLOAT),
    "one design": BASE.replace("DESIGN", "").replace("trials = 12", "trials = 1"),
    "without energy": BASE.replace("DESIGN", 'adc.bits = "ideal"\ndac.bits = "ideal"'),
    "only failures": BASE.replace("DESIGN", "").replace("low = 0.1, high = 2.0", "low = 1e7, high = 1e8"),
    "one objective is the same for all": BASE.replace("DESIGN", FLOAT).replace('"loss"]', '"worst_writes"]'),
    "controls alone": BASE.replace("DESIGN", "")
    .replace("[search]", "[controls.other]\naccumulator.bits = 4\n[search]")
    .replace("trials = 12", "trials = 0"),
    "some are infinite": BASE.replace("DESIGN", "")
    .replace('"loss"]', '"years_to_first_cell"]')
    .replace("[search]", '"accumulator.epsilon" = [1.0, 1000.0]\n[search]'),
}
COMMANDS = [
    ("front",),
    ("front", "--ranks", "--knee"),
    ("front", "--hypervolume"),
    ("front", "--epsilon", "1%"),
    ("front", "--format", "csv"),
    ("status",),
    ("price",),
    ("importance",),
    ("require", "--accuracy", ">= 0.05"),
    ("query", "SELECT * FROM ranks"),
    ("query", "SELECT * FROM intervals"),
    ("query", "SELECT * FROM priced"),
    ("show", "0"),
    ("report",),
    ("report", "--format", "svg"),
    ("front", "--plot"),
]


@pytest.fixture(scope="module", params=ODD)
def odd(request, tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return simulated(ODD[request.param], tmp_path_factory.mktemp("odd"))


@pytest.mark.one_in(18)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_answers_or_says_why_not(odd, command, here, tmp_path):
    more = [tmp_path / "f.png"] if command[-1] == "--plot" else []
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        done = here(command[0], odd, *command[1:], *more)
    assert done.exit_code in (0, 2), done.output
    assert done.exit_code == 0 or "error: " in done.stderr
    assert "could not be made" not in done.output


@pytest.mark.one_in(3)
def test_a_page_says_in_the_place_of_each_panel_why_it_is_empty(odd, here, tmp_path):
    assert here("report", odd, "--output", tmp_path / "p.html").exit_code == 0
    page = (tmp_path / "p.html").read_text()
    assert "could not be made" not in page
    if "float" in (odd / "source" / "study.toml").read_text():
        assert "No design has cells that wear." in page


def test_a_panel_that_fails_says_so_in_its_place_and_costs_no_other(undisturbed, here, tmp_path, monkeypatch, caplog):
    def broken(subject):
        raise ZeroDivisionError("all is zero")

    changed = [
        panel if panel.name != "wear" else panel.__class__(**{**vars(panel), "content": broken})
        for panel in panels.PANELS
    ]
    monkeypatch.setattr(panels, "PANELS", tuple(changed))
    done = here("report", undisturbed, "--without", "importance", "--output", tmp_path / "p.html")
    assert done.exit_code == 0
    page = (tmp_path / "p.html").read_text()
    assert "This panel could not be made: ZeroDivisionError: all is zero" in page
    assert "the panel 'wear' could not be made: ZeroDivisionError" in caplog.text
    data = json.loads(re.search(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', page, re.S)[1])
    assert "energy" in data["panels"]
    assert "wear" not in data["panels"]


def test_tables_that_no_folder_holds_have_no_study_file_and_no_card(tmp_path):
    tables = study(lambda chosen: {"accuracy": chosen["training.learning_rate"]}, count=4)
    subject = Subject(tmp_path, tables, tables.objectives)
    assert study_file(subject) is None
    assert card_table(subject) is None


def test_a_report_that_fails_leaves_what_was_there(undisturbed, here, tmp_path):
    path = tmp_path / "p.html"
    path.write_text("the last one")
    assert here("report", undisturbed, "--without", "nonsense", "--output", path).exit_code == 2
    assert path.read_text() == "the last one"
    assert here("report", undisturbed, "--without", "nonsense", "--output", tmp_path / "new.html").exit_code == 2
    assert not (tmp_path / "new.html").exists()


def lives(parameters):
    """An objective that is infinite for the designs of 4 bits."""
    bits = parameters["adc.bits"]
    return {"accuracy": parameters["training.learning_rate"], "loss": np.inf if bits == 4 else float(bits)}


NAMES = ["accuracy", "loss"]


@pytest.mark.parametrize("seeds", [1, 3])
def test_what_is_infinite_is_named_and_left_out_of_volumes(seeds):
    tables = study(lives, count=60, seeds=seeds)
    endless = [row["trial"] for row in tables.designs.to_dicts() if row["adc.bits"] == 4]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        title = front_title(tables, NAMES)
        row = hypervolume_table(tables, NAMES).row(0, named=True)
        ranked = front_table(tables, NAMES, ranked=True, knee=True)
        found = importance(tables, ["loss"])
    shown = ", ".join(map(str, endless[:8])) + (", ..." if len(endless) > 8 else "")
    assert f"loss is infinite for {len(endless)} designs (trial {shown})" in title
    # The definition: the same study without these designs.
    finite = study(lives, count=60, seeds=seeds)
    finite = finite.__class__(**{**vars(finite), "trials": finite.trials.filter(pl.col("adc.bits") != 4)})
    expected = hypervolume_table(finite, NAMES).row(0, named=True)
    assert row["infinite"] == len(endless)
    assert {name: row[name] for name in expected} == expected
    assert row["share"] > 0
    assert ranked["distance"].is_finite().all()
    assert ranked["knee"].drop_nulls().is_finite().all()
    assert set(ranked["trial"]) == set(range(60))
    assert found["designs"].unique().to_list() == [60 - len(endless)]


def test_a_study_in_which_all_is_infinite_says_so():
    tables = study(lambda parameters: {**lives(parameters), "loss": np.inf}, count=20)
    with pytest.raises(QueryError, match="no complete design has a finite value of each objective; loss is infinite"):
        hypervolume_table(tables, NAMES)
    with pytest.raises(QueryError, match="0 complete designs have loss, and 20 have one that is infinite"):
        importance(tables, ["loss"])


def test_commands_say_which_objective_is_infinite_in_every_form(tmp_path, here):
    folder = simulated(ODD["some are infinite"], tmp_path)
    for form in ("table", "csv", "json"):
        done = here("front", folder, "--hypervolume", "--format", form)
        assert done.exit_code == 0, done.stderr
        assert "years_to_first_cell is infinite for " in done.stdout + done.stderr
    volume = pl.read_csv(io.StringIO(here("front", folder, "--hypervolume", "--format", "csv").stdout))
    assert volume["infinite"][0] + volume["designs"][0] == 12


def test_an_objective_that_is_the_same_for_all_has_no_volume_and_says_so(tmp_path, here):
    folder = simulated(ODD["one objective is the same for all"], tmp_path)
    done = here("front", folder, "--hypervolume")
    assert done.exit_code == 0
    assert "worst_writes is the same for all designs: there is no volume" in done.stdout
