"""What contracts share: the variant is at hand, loads quickly, and says what it is; a small design with it."""

import ast
import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any, ClassVar

import torch

from dse import plugins
from dse.data.base import Data
from dse.designs.design import Design, compose, parse_design
from dse.designs.evaluate import evaluate
from dse.designs.hardware import platform_of
from dse.designs.outcome import Outcome
from dse.designs.settings import conditions, flatten
from dse.designs.settings import settings as every_setting
from dse.errors import SettingError
from dse.results.prefix import prefix_key
from dse.spec import field_at, leaf_paths, meaning
from dse.tasks.base import Learner
from dse.tasks.train import Training

HEAVY = frozenset({"torch", "ray", "optuna", "scipy", "sklearn"})
"""What takes seconds to load, and what a study is checked without."""
SMALL: Mapping[str, Any] = {"workload.dataset": "digits", "workload.images": 40, "training.epochs": 2}
"""A few images, learned in no time."""


class Contract:
    """What a variant of any idea promises.

    Attributes:
        idea: name of the list of the idea.
        variant: the class that is held to the contract.
        settings: settings of a small design with the variant, by path; what chooses the variant need not be among them.
        folder: where card files of these settings lie; None for those of the library.
    """

    idea: ClassVar[str]
    variant: ClassVar[Any]
    settings: ClassVar[Mapping[str, Any]] = SMALL
    folder: ClassVar[Path | None] = None
    _brought: ClassVar[str | None] = None
    _threads: ClassVar[int] = 1

    @classmethod
    def setup_class(cls) -> None:
        """Bring the plug-in of the variant into this process; torch computes on one thread, as in every study."""
        cls._brought, cls._threads = brought(cls.idea, cls.variant), torch.get_num_threads()
        torch.set_num_threads(1)

    @classmethod
    def teardown_class(cls) -> None:
        """Take it out again, so that the tests of others do not see it."""
        torch.set_num_threads(cls._threads)
        if cls._brought is not None:
            plugins.unload(cls._brought)

    @property
    def name(self) -> str:
        """The name of the variant."""
        return plugins.name_of(self.idea, self.variant)

    def test_it_is_a_variant_of_its_idea_with_a_name_of_its_own(self) -> None:
        """Names are found in study files and in tables: one word each."""
        assert issubclass(self.variant, plugins.base_of(self.idea))
        assert plugins.names_of(self.idea).count(self.name) == 1
        assert self.name.replace("-", "_").isidentifier()

    def test_it_says_what_it_is(self) -> None:
        """`dse settings` and this page show it."""
        assert about(self.idea, self.variant).strip()
        assert (self.variant.__doc__ or "").strip()

    def test_it_is_known_without_loading_what_takes_seconds(self) -> None:
        """A study is checked, and results are read, without torch."""
        assert not heavy_imports(self.variant.__module__)


class DesignContract(Contract):
    """What a variant promises that a design chooses by a setting."""

    def chosen(self) -> dict[str, Any]:
        """Return the settings that choose the variant."""
        raise NotImplementedError

    def design(self, **changes: Any) -> Design:
        """Return the small design with some settings changed; dots in their paths are spelt as two underscores."""
        own = {path.replace("__", "."): value for path, value in changes.items()}
        return compose({**self.settings, **self.chosen(), **own}, self.folder)

    def test_a_design_is_stored_sent_and_read_again_as_it_is(self) -> None:
        """Rows of a table hold designs, and actors get them."""
        design = self.design()
        assert parse_design(json.loads(json.dumps(design.as_dict()))) == design
        make, arguments = design.__reduce__()
        assert make(*arguments).key == design.key

    def test_every_setting_says_what_it_is(self) -> None:
        """That is what `dse settings` shows."""
        model = type(self.design())
        paths = leaf_paths(model)
        assert [path for path in paths if not meaning(field_at(path, model))] == []

    def test_what_it_says_of_settings_is_said_of_those_that_there_are(self) -> None:
        """`idle`, `ActsUnless` and defaults name settings by their paths; a slip would be found by a user."""
        given = {**flatten(self.design().as_dict()), **self.chosen()}
        for path in every_setting():
            conditions(path, given)
        known = set(every_setting())
        assert set(getattr(self.variant, "defaults", {})) <= known


def brought(idea: str, variant: Any) -> str | None:
    """Load the plug-in of a variant, and return its name; None where the variant was there.

    That is the installed plug-in whose module is in the same package, else that package itself.
    """
    if variant in plugins.variants_of(idea):
        return None
    top = variant.__module__.partition(".")[0]
    offered = (name for name, points in plugins.installed().items() if points[0].value.partition(".")[0] == top)
    name = next(offered, None)
    own = plugins.adopt(importlib.import_module(top)) if name is None else plugins.loaded(name)
    assert variant in plugins.variants_of(idea), f"{variant} is not in {own.module.__name__}.{idea}"
    return own.name


def about(idea: str, variant: Any) -> str:
    """Return what a variant says of itself, in a line."""
    fields = getattr(variant, "model_fields", {})
    key = plugins.IDEAS[idea].key
    said = fields[key].description if key in fields else getattr(variant, "about", variant.__doc__)
    return said or ""


def learner_of(design: Design, data: Data | None = None, seed: int = 0) -> Learner:
    """Return the network of a design, ready to learn."""
    own = design.workload.load() if data is None else data
    return design.network.learner(own, design.training, platform_of(design), seed=seed)


def outcome_of(design: Design, seed: int = 0) -> Outcome:
    """Return what comes of a design, simulated anew."""
    found = evaluate(design, seed, design.workload.load())
    assert isinstance(found, Outcome), found
    return found


def check_pauses(design: Design) -> None:
    """Check that the training of a design that can pause goes on to the last bit, and so do shorter ones.

    One that cannot, as a part of it does not say what it goes on from, is as good. What a part forgets to say shows
    here: `dse.pausing`.
    """
    data, passes = design.workload.load(), design.training.passes
    if passes < 2:
        return
    paused, whole = (evaluate(design, 0, data, until=until, keep_state=True) for until in (1, None))
    assert isinstance(paused, Outcome), paused
    assert isinstance(whole, Outcome), whole
    if paused.state is not None:
        training = Training(learner_of(design, data), sample_time_s=platform_of(design).sample_time_s)
        training.restore(paused.state)  # evaluate would start from the beginning without a word
        assert evaluate(design, 0, data, start=paused.state) == whole
    if prefix_key(design) is not None:
        once = compose_again(design, epochs=1)
        if once is not None:
            assert evaluate(once, 0, data) == replace(paused, is_paused=False)


def compose_again(design: Design, epochs: int) -> Design | None:
    """Return a design with other epochs; None where a setting does not allow for that."""
    content = design.as_dict()
    try:
        return parse_design({**content, "training": {**content["training"], "epochs": epochs}})
    except SettingError:
        return None


def losses(outcome: Outcome) -> list[float]:
    """Return the loss of each epoch."""
    return [epoch.loss for epoch in outcome.curve]


def refusal(settings: Mapping[str, Any], folder: Path | None = None) -> str:
    """Return why there is no design with some settings; "" where there is one."""
    try:
        compose(settings, folder)
    except SettingError as error:
        return str(error)
    return ""


@lru_cache(maxsize=1000)
def heavy_imports(module: str) -> frozenset[str]:
    """Return what of `HEAVY` is imported as a module is, in its own package and in the framework, by reading them."""
    ours = {"dse", module.partition(".")[0]}
    seen: set[str] = set()
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        top = name.partition(".")[0]
        if top in ours:
            waiting += [*_imports(name), *([name.rpartition(".")[0]] if "." in name else [])]
        elif top in HEAVY:
            found.add(top)
    return frozenset(found)


@lru_cache(maxsize=10_000)
def _imports(module: str) -> tuple[str, ...]:
    """Return what a module imports as it is loaded itself; of `from a import b`, a.b too where that is a module."""
    loaded = sys.modules.get(module)
    spec = find_spec(module) if loaded is None else loaded.__spec__
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return ()
    package = spec.name if spec.submodule_search_locations is not None else spec.name.rpartition(".")[0]
    found: list[str] = []
    for node in _executed(ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            whence = resolve_name("." * node.level + (node.module or ""), package)
            members = [f"{whence}.{alias.name}" for alias in node.names]
            found += [whence, *(name for name in members if name in sys.modules or _is_module(name))]
    return tuple(found)


def _is_module(name: str) -> bool:
    top = name.partition(".")[0]
    if top in sys.builtin_module_names or top in sys.stdlib_module_names:
        return False
    try:
        return find_spec(name) is not None
    except (ImportError, AttributeError, ValueError):
        return False


def _executed(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run as a module is loaded; those for type checkers alone do not."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield from _executed([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            handled = [own for handler in node.handlers for own in handler.body]
            yield from _executed([*node.body, *handled, *node.orelse, *node.finalbody])
        elif isinstance(node, (ast.With, ast.ClassDef)):
            yield from _executed(node.body)
