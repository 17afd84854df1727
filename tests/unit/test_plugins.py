"""Plug-ins that cannot be used, each with one message; what one brings, and that it is gone when it is unloaded."""

import importlib
import re
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from dse import plugins
from dse.designs.design import compose
from dse.designs.settings import settings
from dse.designs.tables import Design
from dse.devices.card import card_text, library
from dse.errors import PluginError, SettingError
from dse.search.executor import Job, work
from dse.search.study import parse_study
from tests.conftest import Said
from tests.lab import lab
from tests.packages import Install, installing
from tests.studies import SMALL_STUDY

SAMPLER = """
from dse.search.samplers.quasi_random import QuasiRandom
from dse.search.samplers.base import AbstractSampler
class Own(AbstractSampler):
    name = "own"
    blind = True
    def proposer(self, problem):
        return QuasiRandom().proposer(problem)
SAMPLERS = (Own,)
"""
FAILING = """
from dse.search.samplers.base import AbstractSampler
from dse.search.samplers.quasi_random import QuasiRandom
class Own(AbstractSampler):
    name = "own"
    def proposer(self, problem):
        class Proposer:
            def __init__(self, changed=lambda own: own, blind=1, fails=False, why=()):
                self._own, self._asked = QuasiRandom().proposer(problem), 0
                self._changed, self.blind, self._fails, self.why = changed, blind, fails, dict(why)
            def ask(self):
                self._asked += 1
                found = self._own.ask()
                return self._changed(found) if self._asked > 2 and 1 / (not self._fails) else found
            def tell(self, number, values, violations=()):
                pass
        BODY
SAMPLERS = (Own,)
"""
RULE = """
from dse.spec import Spec
from dse.updates.base import AbstractUpdate
from dse.updates.spec import AccumulatorSpec
class Gains(Spec):
    '''Gains.'''
    gain: float = 1.0
    '''A gain.'''
class Rule(AbstractUpdate):
    name = "RULE"
    about = "Nothing."
    on_crossbars = False
    tables = {TABLES}
UPDATES = (Rule,)
"""
DATA = """
from typing import Literal
from dse.data.image_data import AbstractImageData
class Own(AbstractImageData):
    '''Own.'''
    dataset: Literal["own"] = "own"
    classes, shape = 2, (1, 2, 2)
DATA = (Own,)
"""
NETWORK = """
from typing import Literal
from dse.networks.base import ModuleNetwork
class Own(ModuleNetwork):
    '''Own.'''
    name: Literal["own"] = "own"
NETWORKS = (Own,)
"""
NAMED = SMALL_STUDY.replace("objectives", 'plugins = ["lab"]\nobjectives', 1)


def rule(tables: str, name: str = "own") -> str:
    return RULE.replace("{TABLES}", tables).replace("RULE", name)


STUDY = NAMED.replace('"tpe"', '"own"')


@pytest.fixture
def install(tmp_path: Path) -> Generator[Install]:
    with installing(tmp_path) as own:
        yield own


def refusal(name: str = "lab") -> str:
    with pytest.raises(PluginError) as caught:
        plugins.load([name])
    return str(caught.value)


def test_a_plug_in_brings_its_variants_and_takes_them_with_it(install: Install) -> None:
    install("lab", SAMPLER, version="2.5")
    before = plugins.names_of("SAMPLERS")
    version = plugins.load(["lab"])["lab"]
    assert re.fullmatch(r"2\.5\+[0-9a-f]{12}", version)
    assert plugins.load(["lab", "lab"]) == {"lab": version}
    assert plugins.names_of("SAMPLERS") == [*before, "own"]
    plugins.unload("lab")
    assert plugins.names_of("SAMPLERS") == before
    assert plugins.version("lab") is None


def test_its_version_follows_its_source(install: Install) -> None:
    own = install("lab", SAMPLER)
    first = plugins.load(["lab"])["lab"]
    plugins.unload("lab")
    del sys.modules["lab"]  # as in another process
    own.write_text(f"{SAMPLER}\n# changed\n")
    assert plugins.load(["lab"])["lab"] != first
    assert plugins.changes({"lab": first, "a": "1"}, {"lab": first, "a": "2"}) == ["the plug-in 'a' was 1 and is 2"]


def test_one_that_was_edited_since_it_was_loaded_is_refused_until_python_starts_anew(install: Install) -> None:
    own = install("lab", SAMPLER)
    version = plugins.load(["lab"])
    own.write_text(f"{SAMPLER}\n# changed\n")
    assert re.search(r"the plug-in 'lab' was edited since .*lab\.py\).*; restart Python", refusal())
    assert plugins.load_present(["lab"]) == []
    plugins.unload("lab")
    assert "restart Python" in refusal()
    own.write_text(SAMPLER)
    assert plugins.load(["lab"]) == version


def test_modules_that_were_imported_before_count_where_their_files_are_older(
    tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("lab", "from lab_parts.own import SAMPLERS", module="lab_parts").unlink()
    (tmp_path / "lab_parts").mkdir()
    (tmp_path / "lab_parts" / "__init__.py").write_text("")
    own = tmp_path / "lab_parts" / "own.py"
    own.write_text(SAMPLER)
    importlib.import_module("lab_parts.own")
    (tmp_path / "lab_parts" / "__init__.py").write_text("from lab_parts.own import SAMPLERS")
    assert re.search(r"edited since this process imported it \(.*__init__\.py\)", refusal())
    del sys.modules["lab_parts"]
    assert re.search(r"edited since this process imported it \(.*own\.py\)", refusal())
    del sys.modules["lab_parts"]
    monkeypatch.setattr("dse.plugins.source.IMPORTED_S", own.stat().st_ctime)
    assert plugins.load(["lab"])
    del sys.modules["lab_parts.own"]


def test_an_error_in_its_code_is_one_message_that_names_its_line(install: Install) -> None:
    install("lab", f"{SAMPLER}def wrong(job):\n    import torch\n    return torch.ones(2, 3) @ torch.ones(2, 3)\n")
    plugins.load(["lab"])
    job = Job(3, 1, cast("Design", SimpleNamespace(plugins=("lab",))))
    said = r"the plug-in 'lab' failed: RuntimeError: mat1 and mat2 .*lab\.py, line 12\), in trial 3 seed 1"
    with pytest.raises(PluginError, match=said):
        work(job, sys.modules["lab"].wrong)
    with pytest.raises(ZeroDivisionError):  # of the framework: a traceback
        work(job, lambda _: 1 / 0)  # type: ignore[arg-type,return-value]


def test_one_that_is_not_installed_is_named_with_the_nearest(install: Install) -> None:
    install("lab-reram", SAMPLER)
    said = refusal("lab-rerams")
    assert "the plug-in 'lab-rerams' is not installed; did you mean 'lab-reram'? (installed are" in said
    assert "pip" in said


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "import nothing_of_this_name",
            r"imported: ModuleNotFoundError: No module named .*lab\.py, line 1\)",
        ),
        ("x = 1\nraise SystemExit('bye')", r"cannot be imported: SystemExit: bye \(.*lab\.py, line 2\)"),
        ("x = (", r"cannot be imported: SyntaxError: .*lab\.py, line 1\)"),
        ("from dse.networks import Nothing", r"cannot be imported: ImportError: cannot import name 'Nothing'"),
        ("", "the plug-in 'lab' brings nothing: lab has none of NETWORKS, TASKS,"),
        ("NETWORKS = ()", "brings nothing"),
        ("NETWORKS = []", r"lab\.NETWORKS must be a tuple of classes, not \[\]"),
        ("NETWORKS = 3", r"lab\.NETWORKS must be a tuple of classes, not 3"),
        ("NETWORKS = (3,)", r"3 in NETWORKS is no class below dse\.networks\.base\.AbstractNetwork"),
        (f"{SAMPLER}NETWORKS = SAMPLERS", r"lab\.Own'> in NETWORKS is no class below"),
        (f"{SAMPLER}Own.name = 'tpe'", r"brings 'tpe' in SAMPLERS, a name that the framework has already \(dse.search"),
        (f"{SAMPLER}SAMPLERS = (Own, Own)", r"brings 'own' in SAMPLERS, a name that it has already \(lab\.Own\)"),
        (f"{SAMPLER}del Own.name", "Own in SAMPLERS has no name"),
        (
            "from dse.tasks.recognition.spec import Recognition\n"
            "class Own(Recognition):\n    name = 'own'\nTASKS = (Own,)",
            "the task 'own' measures 'accuracy', a name that another metric has already",
        ),
        (
            "from dse.metric import Metric\nfrom dse.tasks.base import AbstractTask\n"
            "class Own(AbstractTask):\n    name = 'own'\n    metrics = {'wall_s': Metric('minimise', 's', 'x')}\n"
            "TASKS = (Own,)",
            "measures 'wall_s', a name that a column of the table has already",
        ),
        (rule("{'network': Gains}"), "rule 'own' has a table 'network', a name that all designs have for something"),
        (rule("{'key': Gains}"), "rule 'own' has a table 'key', a name that all designs have for something else"),
        (rule("{'accumulator': Gains}"), "'accumulator', a name that the rule 'mixed_precision' has for a table of"),
        (rule("{'a.b': Gains}"), r"has a table 'a\.b', which is no name of a table"),
        (rule("{'gains': float}"), r"has a table 'gains' that is <class 'float'>; give a class below dse\.spec\.Spec"),
        (rule("3"), "`tables` of the rule 'own' must map names to classes"),
        (NETWORK, "the network Own has no task; say what it is for"),
        (DATA, r"data set 'own' it cannot be told of what kind its samples are: AttributeError: .*\btotal\b"),
        (f"{DATA}Own.kind = classmethod(lambda cls, settings: 3)", "its samples are of the kind 3, which is no class"),
    ],
)
def test_one_that_cannot_be_used_is_one_message_and_changes_nothing(
    source: str, expected: str, install: Install
) -> None:
    install("lab", source)
    before = {idea: plugins.names_of(idea) for idea in plugins.IDEAS}
    said = refusal()
    assert re.search(expected, said)
    assert "\n" not in said
    assert {idea: plugins.names_of(idea) for idea in plugins.IDEAS} == before


def test_an_entry_point_that_names_no_module_is_refused(install: Install) -> None:
    install("lab", SAMPLER, module="lab:SAMPLERS")
    assert "names 'lab:SAMPLERS', which is no module" in refusal()


def test_two_plug_ins_with_one_name_or_one_variant_are_refused(install: Install) -> None:
    install("lab", SAMPLER, package="one")
    install("lab", SAMPLER, package="two", module="other")
    assert "two packages offer the plug-in 'lab': one (lab) and two (other); uninstall one of them" in refusal()
    install("third", SAMPLER)
    install("fourth", SAMPLER)
    plugins.load(["third"])
    assert "brings 'own' in SAMPLERS, a name that the plug-in 'third' has already" in refusal("fourth")


def test_rules_share_a_table_of_the_same_fields_alone(install: Install) -> None:
    install("lab", rule("{'accumulator': AccumulatorSpec, 'gains': Gains}"))
    install("other", rule("{'gains': Gains}", "another"))
    plugins.load(["lab"])
    with pytest.raises(PluginError, match="rule 'another' has a table 'gains', a name that the rule 'own' has for"):
        plugins.load(["other"])
    assert compose({"architecture": "own", "network.name": "cnn"}).own_tables.keys() == {"accumulator", "gains"}


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("cells", b"title = '\xff'", "is not UTF-8 text"),
        ("cells", b"model = ", r"lab', cards/cells/mine\.toml: the card mine is not valid TOML"),
        ("cells", b"model = 'soft'", "there is no model of cells 'soft'"),
        ("programmed_cells", b"", "card mine: missing "),
        ("costs", b"base = 'bottom_up_28nm'\n[gate_j]\nvalue = 1\nunit = 'J'\nsource = 'x'", "gate_j = 1.0 must be a"),
    ],
)
def test_a_card_that_cannot_be_read_is_one_message_and_changes_nothing(
    kind: str, text: bytes, expected: str, tmp_path: Path, install: Install
) -> None:
    install("lab", "", module="lab_cards").unlink()
    folder = tmp_path / "lab_cards" / "cards" / kind
    folder.mkdir(parents=True)
    (tmp_path / "lab_cards" / "__init__.py").write_text(SAMPLER)
    (folder / "mine.toml").write_bytes(text)
    before = library(kind), plugins.names_of("SAMPLERS")
    said = refusal()
    assert re.search(expected, said)
    assert "\n" not in said
    assert (library(kind), plugins.names_of("SAMPLERS")) == before
    assert "lab" not in plugins.all_loaded()


def test_a_card_of_a_plug_in_lies_in_the_folder_of_its_kind_under_a_name_of_its_own(
    tmp_path: Path, install: Install
) -> None:
    install("lab", "", module="lab_cards")
    (tmp_path / "lab_cards.py").unlink()
    cards = tmp_path / "lab_cards" / "cards"
    (cards / "cells").mkdir(parents=True)
    (tmp_path / "lab_cards" / "__init__.py").write_text("")
    (cards / "mine.toml").write_text("")
    assert "lies in none of cards/cells, cards/programmed_cells, cards/costs" in refusal()
    (cards / "mine.toml").rename(cards / "cells" / "pcm_gst.toml")
    assert "brings the card 'pcm_gst' in cards/cells, a name that the framework has already" in refusal()
    (cards / "cells" / "pcm_gst.toml").unlink()
    (cards / "cells" / "mine.toml").write_text(card_text("cells", "pcm_gst"))
    plugins.load(["lab"])
    assert "mine" in library("cells")
    plugins.unload("lab")
    assert "mine" not in library("cells")


def test_a_study_names_the_plug_ins_that_it_uses(install: Install, tmp_path: Path) -> None:
    install("lab", SAMPLER)
    unnamed = STUDY.replace('plugins = ["lab"]\n', "")
    hint = r"unknown sampler 'own'(.|\n)*does not name may bring what it names: plugins = \[\"lab\"\]"
    with pytest.raises(SettingError, match=hint):
        parse_study(unnamed, tmp_path)
    study = parse_study(STUDY, tmp_path)
    assert study.plugins == plugins.load(["lab"])
    assert study.meaning["plugins"] == study.plugins
    with pytest.raises(SettingError, match=r"sampler = .own. comes from the plug-in 'lab'; name it in the study"):
        parse_study(unnamed, tmp_path)
    with pytest.raises(SettingError, match="plugins = 3 is not allowed"):
        parse_study(STUDY.replace('["lab"]', "3"), tmp_path)


@pytest.mark.parametrize(
    ("design", "what"),
    [
        ('network.name = "vit"', 'network.name = "vit"'),
        ('network.name = "autoencoder"', 'network.name = "autoencoder"'),
        ('architecture = "sign"\nnetwork.name = "cnn"', 'architecture = "sign"'),
        ('device.card = "lab_ecram"', 'device.card = "lab_ecram"'),
        ('architecture = "float"\ndeployment.compensation = "gdc_median"', 'deployment.compensation = "gdc_median"'),
        ("[controls.own]\ndevice.card = 'lab_ecram'", "controls.own"),
    ],
)
def test_whatever_a_study_uses_of_a_plug_in_that_it_does_not_name_is_named(
    design: str, what: str, tmp_path: Path
) -> None:
    text = f"""
name = "unnamed"
objectives = ["loss"]
[space]
"training.learning_rate" = [0.1, 0.2]
[budget]
trials = 2
[design]
{design}
"""
    with lab():
        with pytest.raises(SettingError, match=re.escape(f"{what} comes from the plug-in 'lab_variants'")):
            parse_study(text, tmp_path)
        named = text.replace("objectives", 'plugins = ["lab_variants"]\nobjectives', 1)
        assert "lab_variants" in parse_study(named, tmp_path).plugins


def test_a_design_says_which_plug_ins_it_comes_from() -> None:
    with lab():
        own = {"network.name": "vit", "workload.dataset": "gratings", "device.card": "lab_ecram"}
        assert compose(own).plugins == ("lab_variants",)
        assert compose({}).plugins == ()
        assert "driver.least" in settings()
    assert "driver.least" not in settings()
    with pytest.raises(SettingError, match=r"network\.name = .vit. is not allowed"):
        compose({"network.name": "vit"})


def test_a_space_may_nest_the_tables_of_a_plug_in(tmp_path: Path) -> None:
    text = """
name = "nested"
plugins = ["lab_variants"]
objectives = ["loss"]
[design]
architecture = "manhattan"
network.name = "cnn"
[space]
driver.least = [0.1, 0.5]
[budget]
trials = 2
"""
    with lab():
        assert list(parse_study(text, tmp_path).space) == ["driver.least"]


def test_commands_list_plug_ins_and_explain_their_settings(install: Install, ask: Callable[..., Said]) -> None:
    assert "no plug-in is installed" in ask("plugins").stdout or plugins.installed()
    install("lab", SAMPLER, version="2.5")
    install("wrong", "raise ValueError('no')")
    done = ask("plugins")
    assert done.returncode == 2
    assert re.search(r"^lab 2\.5\+[0-9a-f]{12} \(package lab\)\n  samplers: own$", done.stdout, re.MULTILINE)
    assert "wrong: the plug-in 'wrong' (wrong) cannot be imported: ValueError: no" in done.stdout
    with lab():
        found = ask("settings", "--plugin", "lab_variants", "driver")
        assert "driver.least = 0.1" in found.stdout
        assert "lab_ecram" in ask("device", "list", "--plugin", "lab_variants").stdout
        compensations = ask("settings", "deployment.compensation").stdout
        assert "median of the outputs" in " ".join(compensations.split())
    assert ask("settings", "--plugin", "nowhere").returncode == 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 3", "its proposer has no ask"),
        ("raise KeyError('space')", r"when the search began, it failed: KeyError: 'space' \(.*lab.py, line \d+\)"),
        ("return Proposer(blind='all')", "its proposer has blind = 'all'; give a number of trials"),
        ("return Proposer(fails=True)", r"when it was asked for trial 2, it failed: ZeroDivisionError: .*lab.py, line"),
        ("return Proposer(lambda own: None)", "trial 2: it proposes None, and no values by path"),
        ("return Proposer(lambda own: {})", "trial 2: it proposes no accumulator.bits"),
        ("return Proposer(lambda own: own | {'dac.bits': 8})", "trial 2: it proposes dac.bits, which does not vary"),
        (
            "return Proposer(lambda own: own | {'accumulator.bits': 5})",
            "accumulator.bits = 5 is not in the space, which",
        ),
        ("return Proposer(lambda own: own | {'accumulator.epsilon': float('nan')})", "nan is not in the space"),
        (
            "import numpy\n        return Proposer(lambda own: own | {'accumulator.bits': numpy.int64(8)})",
            "no plain number",
        ),
        ("return Proposer(why={'belief': object()})", "when it was asked why, it failed: TypeError"),
    ],
)
def test_a_sampler_that_fails_or_leaves_the_space_is_named_in_a_message(
    body: str, said: str, install: Install, tmp_path: Path
) -> None:
    install("lab", FAILING.replace("BODY", body))
    study = parse_study(STUDY, tmp_path)

    def searched() -> None:
        proposer = study.proposer()
        for number in range(3):
            proposer.ask()
            getattr(proposer, "why", None)
            proposer.tell(number, [0.5, 1.0])

    with pytest.raises(PluginError, match=f"^the plug-in 'lab': the sampler 'own': (.|\n)*{said}"):
        searched()
