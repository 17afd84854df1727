"""The reference of settings says what the fields say, and the page in the repository is the one that is made."""

from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from dse.cli.main import main
from dse.designs.design import compose
from dse.designs.reference import Setting, reference
from dse.designs.settings import settings
from dse.errors import SettingError

PAGE = Path(__file__).parents[2] / "search_spaces" / "SETTINGS.md"


@cache
def by_path() -> dict[str, Setting]:
    """Return the reference; making it takes a second, which belongs to no collection."""
    return {setting.path: setting for setting in reference()}


def run(*arguments: str) -> str:
    done = CliRunner().invoke(main, ["settings", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


@pytest.mark.slow
def test_every_setting_is_explained_with_what_it_may_be() -> None:
    assert set(by_path()) == set(settings())
    for setting in by_path().values():
        assert setting.about, setting.path
        assert setting.allowed != "a table", setting.path
        assert setting.default, setting.path


@pytest.mark.slow
def test_the_page_in_the_repository_is_what_the_command_prints() -> None:
    assert PAGE.read_text() == run("--format", "markdown"), "run `dse settings --format markdown` into the page"


@pytest.mark.slow
def test_defaults_are_those_of_the_networks_that_have_them() -> None:
    sizes = {
        name: compose({"network.name": name, "workload.dataset": data}).training.batch_size
        for name, data in (("perceptron", "digits"), ("lstm", "ptb"), ("gan", "digits"), ("cnn", "digits"))
    }
    said = by_path()["training.batch_size"].default
    assert said == (
        f"{sizes['perceptron']}; {sizes['lstm']} for lstm; {sizes['gan']} for gan; "
        f"{sizes['cnn']} for any but perceptron, lstm, gan, onnx"
    )


NO_ONNX = "network.name = any but onnx"
FLOAT_MODULES = ('architecture = "float" (network.name = any but perceptron, onnx)',)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "belongs_to", "idle"),
    [
        ("training.dropout", "network.name = cnn9", ()),
        (
            "accumulator.rounding",
            "network.name = any but onnx",
            ('architecture = "float"', 'accumulator.bits = "float"', 'architecture = "pulse_trains"'),
        ),
        ("workload.train_characters", "workload.dataset = ptb", ()),
        (
            "array.initial_mean_us",
            "network.name = any but onnx",
            FLOAT_MODULES,
        ),
    ],
)
def test_owners_and_conditions_are_said(path: str, belongs_to: str, idle: tuple[str, ...]) -> None:
    assert (by_path()[path].belongs_to, by_path()[path].idle) == (belongs_to, idle)


def test_a_table_a_setting_or_a_nested_table_can_be_asked_for() -> None:
    assert {s.path for s in reference(["dac"])} == {"dac.bits", "dac.backward_bits", "dac.coding"}
    assert [s.path for s in reference(["adc.bits"])] == ["adc.bits"]
    assert all(s.path.startswith("deployment.device.") for s in reference(["deployment.device"]))
    assert "adc.bits = 8" in run("adc.bits")


def test_what_is_not_there_is_answered_with_the_nearest() -> None:
    with pytest.raises(SettingError, match="no setting or table 'acumulator'; did you mean 'accumulator'"):
        reference(["acumulator"])
