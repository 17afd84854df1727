"""What `import dse` hands on does what the commands do, with the same answers."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import dse
from tests.studies import SMALL_STUDY

TINY: dict[str, Any] = {
    "workload.dataset": "digits",
    "workload.images": 200,
    "network.hidden": [8],
    "training.epochs": 1,
    "training.learning_rate": 2.0,
}


def study(**changes: Any) -> dse.Study:
    """Return a small study, as an object."""
    given: dict[str, Any] = {
        "name": "tiny",
        "objectives": ["validation_accuracy", "energy_per_sample_j"],
        "workload": {"dataset": "digits", "images": 200},
        "design": {"network.hidden": [8], "training.epochs": 1},
        "space": {"accumulator.bits": [4, 8], "training.learning_rate": dse.FloatRange(0.5, 4.0, log=True)},
        "controls": {"digital": {"architecture": "float"}},
        "search": {"sampler": "random"},
        "trials": 3,
    }
    return dse.Study(**given | changes)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dse.Results:
    """The results of the small study."""
    return dse.run(study(), tmp_path_factory.mktemp("door") / "tiny", executor="local", quiet=True)


def test_every_name_is_there_and_has_its_type() -> None:
    for name in dir(dse):
        assert getattr(dse, name) is not None
    assert set(dir(dse)) == {*dse._HOMES, "__version__"}
    stub = (Path(dse.__file__).with_suffix(".pyi")).read_text()
    listed = json.loads(stub.partition("__all__ = ")[2].replace(",\n]", "]"))
    assert set(listed) == {*dse._HOMES, "__version__"}
    with pytest.raises(AttributeError, match="'dse' has no attribute 'nothing'"):
        _ = dse.nothing  # pyright: ignore[reportAttributeAccessIssue]


def test_a_study_made_in_python_is_that_of_its_file(tmp_path: Path) -> None:
    own = study(description='with "quotes" and \\ signs', constraints={"accuracy": ">= 0.01"}, card="bottom_up_14nm")
    (tmp_path / "study.toml").write_text(own.to_toml())
    from dse.search.study import read_study  # noqa: PLC0415

    read = read_study(tmp_path / "study.toml")
    assert read.key == own.checked.key
    assert read.spec == own.checked.spec
    assert (
        own.at({"accumulator.bits": 8, "training.learning_rate": 1.0}).key
        == read.design({"accumulator.bits": 8, "training.learning_rate": 1.0}).key
    )
    assert "one of 4, 8" in own._repr_html_()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trials": 0, "controls": {}}, "nothing to simulate"),
        ({"space": {"accumulator.bit": [4]}}, "did you mean 'accumulator.bits'"),
        ({"design": {"network.hidden": None}}, "network.hidden = None is not allowed"),
        ({"objectives": ["acuracy"]}, "did you mean 'accuracy'"),
        ({"plugins": ["lab-nothing"]}, "the plug-in 'lab-nothing' is not installed"),
    ],
)
def test_what_is_wrong_with_a_study_is_said_when_it_is_made(change: dict[str, Any], message: str) -> None:
    with pytest.raises(dse.SettingError, match=message):
        study(**change)


def test_ranges_and_numbers_of_numpy_become_toml() -> None:
    own = study(
        space={
            "adc.bits": dse.IntRange(4, 8, step=2),
            "dac.bits": dse.Choice((4, 6)),
            "training.learning_rate": {"low": np.float64(0.5), "high": 2.0},
        },
        trials=np.int64(2),
    )
    shown = {path: str(parameter) for path, parameter in own.checked.space.items()}
    assert shown == {
        "adc.bits": "4 to 8 in steps of 2",
        "dac.bits": "one of 4, 6",
        "training.learning_rate": "0.5 to 2.0",
    }
    assert own.checked.space["adc.bits"] == dse.IntRange(4, 8, step=2)


@pytest.mark.slow
def test_a_run_goes_on_and_is_extended(tmp_path: Path) -> None:
    first = dse.run(study(trials=2), tmp_path / "r", executor="local", quiet=True)
    assert len(first.designs) == 3
    again = dse.run(study(trials=2), tmp_path / "r", executor="local", quiet=True)
    assert again.trials.equals(first.trials)
    more = dse.run(study(), tmp_path / "r", executor="local", quiet=True)
    assert len(more.designs) == 4
    assert first.refresh().trials.equals(more.trials)
    with pytest.raises(dse.ResultsError):
        dse.run(study(design={"network.hidden": [9], "training.epochs": 1}), tmp_path / "r", executor="local")
    with pytest.raises(dse.ResultsError, match="no results folder"):
        dse.open(tmp_path / "nothing")


@pytest.mark.slow
def test_a_run_of_a_file_has_the_table_of_the_command(tmp_path: Path, undisturbed: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL_STUDY)
    own = dse.run(tmp_path / "small.toml", tmp_path / "r", executor="local", quiet=True)
    made_by = ("host", "started_at", "wall_s")
    assert own.trials.drop(made_by).equals(dse.open(undisturbed).trials.drop(made_by))


@pytest.mark.slow
def test_answers_are_those_of_the_commands(undisturbed: Path, ask: Any) -> None:
    results = dse.open(undisturbed)

    def told(*arguments: object) -> list[dict[str, Any]]:
        return json.loads(ask(*arguments, "--format", "json").stdout)

    assert results.front().table.to_dicts() == told("front", undisturbed)
    changed = results.front(["accuracy", "area_m2"], cards=["bottom_up_28nm", "bottom_up_14nm"])
    by_command = told("front", undisturbed, "--objectives", "accuracy,area_m2", *("--card", "bottom_up_28nm"),
                      *("--card", "bottom_up_14nm"))  # fmt: skip
    assert changed.table.to_dicts() == by_command
    sql = "SELECT trial, accuracy FROM trials ORDER BY accuracy"
    assert results.sql(sql).to_dicts() == told("query", undisturbed, sql)
    assert results.price(columns=["area_m2"], changes={"adc_fixed_j": 1e-12}).to_dicts() == told(
        "price", undisturbed, "--columns", "area_m2", "--set", "adc_fixed_j=1e-12"
    )
    assert results.ablation(base="3").to_dicts() == told("ablation", undisturbed, "--base", "3")
    assert results.show(1) == json.loads(ask("show", undisturbed, 1, "--format", "json").stdout)
    volume = told("front", undisturbed, "--hypervolume")[0]["hypervolume"]
    assert results.front().hypervolume == volume
    assert results.status.done == 15
    assert results.study.spec.name == "small"


def test_results_show_themselves(results: dse.Results, tmp_path: Path) -> None:
    front = results.front()
    assert repr(front).startswith("tiny: ")
    assert "on the front" in repr(front)
    assert front._repr_html_().count("<svg") == 1
    assert len(front) == len(front.table)
    assert front.plot(tmp_path / "front.png").stat().st_size > 1000
    assert "tiny" in repr(results)
    assert "<svg" in results._repr_html_()
    assert {"trial", "layer", "rows"} <= set(results.layers.columns)
    assert {"epoch", "loss"} <= set(results.curves.columns)
    page = results.report(tmp_path / "page.html", without=["importance"])
    assert "<html" in page.read_text()[:200]
    assert [one.differences for one in results.replay(1)] == [()]


def test_a_design_is_evaluated_to_the_last_bit(results: dse.Results) -> None:
    outcome = dse.evaluate(TINY, seed=3)
    again = dse.evaluate(outcome.design, seed=3)
    assert outcome.metrics == again.metrics
    assert outcome.simulated == again.simulated
    assert dse.evaluate(TINY, seed=4).metrics != outcome.metrics
    assert "accuracy" in repr(outcome)
    assert "accuracy" in outcome._repr_html_()
    row = results.trials.row(1, named=True)
    own = dse.evaluate({**TINY, **json.loads(row["parameters"])}, seed=row["seed"])
    assert own.design.key == row["design_key"]
    assert own.metrics["accuracy"] == row["accuracy"]
    assert own.price("bottom_up_28nm")["energy_per_sample_j"] == row["energy_per_sample_j"]


@pytest.mark.parametrize("seed", [-1, True, 2**63, "0", 1.5])
def test_a_seed_that_is_none_is_refused(seed: Any) -> None:
    with pytest.raises(dse.QueryError, match=r"seed = .* is not allowed"):
        dse.evaluate(TINY, seed=seed)


@pytest.mark.parametrize(
    ("ends", "more"),
    [
        ((0.0, 1.0), {}),
        ((0.5, 2.0), {"log": True}),
        ((1.0, 3.0), {"step": 1.0}),
        ((0.0, 2.0), {"step": 0.5}),
    ],
)
def test_a_range_is_the_same_in_a_file(ends: tuple[float, float], more: dict[str, Any]) -> None:
    given = dse.FloatRange(*ends, **more)
    path = "training.learning_rate" if "log" in more else "device.write_noise_scale"
    assert study(space={path: given}).checked.space[path] == given
    whole = dse.IntRange(4, 8, **({} if "step" in more else more))
    assert study(space={"adc.bits": whole}).checked.space["adc.bits"] == whole


def test_names_may_stand_alone_and_numbers_be_those_of_numpy(results: dse.Results) -> None:
    assert results.front("accuracy").objectives == ["accuracy"]
    assert study(space={"adc.bits": np.array([4, 6])}).checked.space["adc.bits"] == dse.Choice((4, 6))
    assert dse.evaluate(TINY, seed=np.int64(3)).metrics == dse.evaluate(TINY, seed=3).metrics
    with pytest.raises(dse.PluginError, match="the plug-in 'lab' is not installed"):
        dse.design({}, plugins="lab")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (lambda r: r.require({"accuracy": 0.9}), "targets = .* is not allowed; give texts by name"),
        (lambda r: r.front(epsilon=0.01), "epsilon = 0.01 is not allowed; give a text"),
        (lambda r: r.show("1"), "trial = '1' is not allowed; give an integer"),
        (lambda r: r.report(form="htm"), "form = 'htm' is not allowed; did you mean 'html'"),
        (lambda r: r.front([1]), "objectives = .1. is not allowed; give a name, or a list of names"),
        (lambda _: dse.cards("cell"), "kind = 'cell' is not allowed; did you mean 'cells'"),
        (lambda _: dse.run({}, "nowhere"), "study = .* is not allowed; give the path of a study file"),
        (lambda _: dse.evaluate(TINY, data=[1]), "data = list is not allowed; leave it out"),
        (lambda _: dse.evaluate(TINY, plugins="lab"), "the plug-in 'lab' is not installed"),
        (lambda _: dse.design([1]), "settings = .1. is not allowed; give a table"),
        (lambda _: dse.run(study(), "nowhere", executor="loca"), "executor = 'loca' is not allowed; give one of"),
    ],
)
def test_a_wrong_argument_is_one_message(
    asked: Any, message: str, results: dse.Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(dse.DseError, match=message):
        asked(results)
    assert not list(tmp_path.iterdir())


def test_what_there_is_can_be_listed() -> None:
    table = dse.settings("accumulator")
    assert {"path", "about", "allowed", "default"} <= set(table.columns)
    assert "accumulator.bits" in table["path"].to_list()
    assert "bottom_up_28nm" in dse.cards("costs")["name"].to_list()
    with pytest.raises(dse.SettingError, match="no setting or table"):
        dse.settings("accumulators")


def test_merged_results_are_those_of_both(results: dse.Results, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(str(results._place), other)
    dse.merge([str(results._place), str(other)], tmp_path / "both")
    assert dse.open(tmp_path / "both").trials.drop("came_from").equals(results.trials.drop("came_from"))


def test_a_query_that_fails_says_what_there_is(results: dse.Results) -> None:
    with pytest.raises(dse.QueryError, match="trials: trial"):
        results.sql("SELECT nothing FROM trials")
    with pytest.raises(dse.QueryError, match="unknown objective"):
        results.front(["nothing"])
    assert isinstance(results.designs, pl.DataFrame)


def test_a_design_is_made_from_settings_by_path_or_in_tables(tmp_path: Path) -> None:
    flat = dse.design({"network.name": "cnn", "accumulator.bits": 8})
    assert dse.design({"network": {"name": "cnn"}, "accumulator": {"bits": 8}}).key == flat.key
    assert isinstance(flat, dse.Design)
    with pytest.raises(dse.SettingError, match=r"did you mean 'accumulator\.bits'"):
        dse.design({"accumulator.bit": 8})
    with pytest.raises(dse.SettingError, match=r"cannot read the card nothing\.toml"):
        dse.design({"device.card": "nothing.toml"}, folder=tmp_path)
