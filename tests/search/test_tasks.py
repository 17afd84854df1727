"""Studies of networks for other tasks: what each is measured on, what is refused, and the way into the table."""

from pathlib import Path

import polars as pl
import pytest

from dse.analysis.tables.tables import open_tables
from dse.errors import SettingError
from dse.search.executor import LocalExecutor
from dse.search.runs import start
from dse.search.study import Study, parse_study

SPACES = sorted((Path(__file__).parents[2] / "search_spaces").glob("*.toml"))
GENERATING = """
name = "generating"
objectives = ["validation_frechet_distance", "energy_per_sample_j", "worst_writes"]
[workload]
dataset = "digits"
validation = 0.2
[design]
network = { name = "gan", hidden = [6, 8], latent = 5 }
training = { epochs = 1, batch_size = 100 }
[space]
"accumulator.bits" = [4, 8]
"training.discriminator_rate" = { low = 0.5, high = 1.0 }
[controls.digital_float]
architecture = "float"
[search]
startup = 2
[budget]
trials = 2
"""
READING = """
name = "reading"
objectives = ["validation_bits_per_character", "worst_writes"]
[workload]
dataset = "ptb"
train_characters = 50000
[design]
network = { name = "lstm", hidden = [8] }
training.epochs = 1
[space]
"accumulator.bits" = [4, 8]
[budget]
trials = 2
"""


def parse(text: str) -> Study:
    return parse_study(text, Path())


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_the_study_files_of_the_project_are_valid(path: Path) -> None:
    study = parse_study(path.read_text(), path.parent)
    assert study.spec.budget.trials + len(study.spec.controls) > 0
    assert study.design({name: p.at(0.5) for name, p in study.space.items()}).key


@pytest.mark.parametrize(
    ("text", "before", "after", "message"),
    [
        (GENERATING, '"validation_frechet_distance"', '"accuracy"', "accuracy is not measured on network.name = "
         '"gan"; it has frechet_distance, validation_frechet_distance'),
        (READING, '"validation_bits_per_character"', '"frechet_distance"', 'network.name = "lstm"; it has '
         "bits_per_character, validation_bits_per_character"),
        (GENERATING, 'name = "gan", hidden = [6, 8], latent = 5', 'name = "cnn"',
         'training.discriminator_rate has no effect where network.name = "cnn"'),
        (GENERATING, "validation = 0.2", "validation = 0.0", "needs workload.validation above 0"),
        (READING, "train_characters = 50000", "validation = 0.1", "workload.validation has no effect where "
         'workload.dataset = "ptb"'),
        (GENERATING, "validation = 0.2", "train_characters = 5", "workload.train_characters has no effect where"),
        (GENERATING, "batch_size = 100", "batch_size = 100, sequence_length = 5", "training.sequence_length has no "
         'effect where network.name = "gan"'),
        (READING, "hidden = [8]", "hidden = [8], latent = 4",
         'network.latent has no effect where network.name = "lstm"'),
        (READING, 'name = "lstm", hidden = [8]', 'name = "resnet8"', 'or a network that reads text: "lstm"'),
        (READING, '"ptb"', '"mnist"', "workload.train_characters has no effect"),
        (READING, "50000", "1", "workload.train_characters = 1 is not allowed; give an integer from 2 to 5017482"),
        (GENERATING, 'architecture = "float"', 'network = { name = "perceptron", hidden = [3] }',
         "networks of different tasks do not compare: gan, perceptron; give each a study"),
    ],
)  # fmt: skip
def test_what_a_task_does_not_have_is_refused(text: str, before: str, after: str, message: str) -> None:
    assert before in text
    with pytest.raises(SettingError) as caught:
        parse(text.replace(before, after))
    assert message in str(caught.value)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the study of a generator, measured by a classifier that has learned little."""
    folder = tmp_path_factory.mktemp("generated") / "results"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dse.tasks.generation.frechet.LEARNED_IMAGES", 1000)
        start(parse(GENERATING), folder, LocalExecutor)
    return folder


@pytest.mark.slow
def test_a_study_of_a_generator_fills_the_table(generated: Path) -> None:
    tables = open_tables(generated)
    assert tables.trials["state"].to_list() == ["complete"] * 3
    assert tables.trials["accuracy"].null_count() == 3
    for name in ("frechet_distance", "validation_frechet_distance"):
        assert float(tables.trials[name].min()) > 0.0  # type: ignore[arg-type]
        ends = tables.curves.filter(pl.col("epoch") == 1)[name]
        assert sorted(ends) == sorted(tables.trials[name])
    assert tables.trials.filter(pl.col("origin") == "search")["energy_per_sample_j"].null_count() == 0


@pytest.mark.parametrize(
    ("objective", "reason"),
    [
        ("loss", "the objective loss misleads here: it is the discriminator's where images are generated"),
        ("validation_retained_accuracy", "validation_retained_accuracy"),
    ],
)
def test_what_says_nothing_of_a_generator_is_no_objective(objective: str, reason: str) -> None:
    with pytest.raises(SettingError, match=reason):
        parse(GENERATING.replace("validation_frechet_distance", objective))


@pytest.mark.parametrize("path", ["refresh.every_samples", "clock.drift_every_samples"])
def test_what_would_happen_after_the_training_is_refused(path: str) -> None:
    given = GENERATING.replace("[space]", f"{path} = 1150\n[space]")
    with pytest.raises(SettingError, match=f"{path} = 1150 has no effect: the longest training has 1149 images"):
        parse(given)
    assert parse(given.replace("1150", "1149")).fixed[path] == 1149


def test_a_generator_is_not_deployed() -> None:
    with pytest.raises(SettingError, match=r"deployment\.repetitions has no effect"):
        parse(GENERATING.replace("[space]", "deployment.repetitions = 3\n[space]"))
