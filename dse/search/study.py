"""A study: what a study file says, checked as a whole before anything runs.

name = "quickstart"
plugins = ["lab-reram"]         installed plug-ins whose variants the study uses; none by default
learn_from = ["results/coarse"] earlier results that the search learns from; none by default; see `dse.search.learning`
objectives = ["validation_accuracy", "energy_per_sample_j", "worst_writes"]

[workload]                      the task, the same for all designs
[design]                        settings that all designs share; the rest takes its default
[space]                         settings that vary; see `dse.designs.space`
[[first]]                       designs to try first; see `dse.search.first`
[constraints]                   bounds that designs must meet, on anything that could be an objective
[controls.digital_float]        further designs to compare with, outside the search
[search]                        how designs are proposed
[budget]                        how many
[price]                         the cost card
[free]                          choices that only prices depend on; see `dse.pricing.axes`
[resources]                     what a simulation may use of a cluster; no part of the study's meaning
"""

import hashlib
import json
import tomllib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dse import plugins, renamed
from dse.designs.design import Design, compose, flatten
from dse.designs.named_files import Places
from dse.designs.space import Parameter, parse_space
from dse.devices.card import card_file
from dse.errors import SettingError
from dse.files import Content, Seen
from dse.metric import Goal
from dse.pricing.axes import FreeAxes
from dse.pricing.bounds import Bound
from dse.pricing.card import CostCard, read_cost_card
from dse.pricing.quantities import quantity
from dse.pricing.text import counted
from dse.search.acting import Acting
from dse.search.checks import check_names, check_steps, check_time, check_wanted, checked_constraints, most_epochs
from dse.search.criteria import Criteria
from dse.search.first import Designs, check_first, completed, parse_first
from dse.search.guarded import proposer_of
from dse.search.knowledge import Knowledge, knowledge_of
from dse.search.learned import FILE as LEARNED
from dse.search.learned import Learned
from dse.search.learning import kept_in, learned_from
from dse.search.meaning import choices, meaning_of
from dse.search.plugin_checks import check_plugins, unnamed
from dse.search.samplers import SAMPLERS
from dse.search.samplers.base import AbstractSampler, EarlierDesign, Problem, Proposer, by_values
from dse.search.scope import Scope
from dse.search.shipped import shipped
from dse.search.spec import StudySpec, sampler_named
from dse.search.table_checks import check_space, control_of, files_of, fixed_of, free_axes_of, mistakes, named_plugins

Kept = Mapping[str, Mapping[str, Any]]
"""What results say of the files of the user's that their study names, by name: SHA-256, size, and where it was."""
MOST_TRIALS = 10_000_000
"""Designs of a search that only its epochs limit, at most."""
FEWEST_BLIND = 4
"""Designs that are proposed without regard to results, at least, however many earlier ones are learned from."""
KEPT_BYTES = 64 << 20
"""Largest file of the user's that is copied into results."""


@dataclass(frozen=True)
class Study:
    """A checked study.

    Attributes:
        spec: the tables of the file.
        fixed: settings that all designs share, flat.
        space: what varies.
        controls: designs to compare with, by name.
        card: the cost card.
        free: the free axes.
        folder: where the card files of the study lie.
        text: the study file as it was given.
        data_files: files that settings name, such as data of the user, by name.
        constraints: what designs must meet, in the order of their names.
        plugins: versions of the plug-ins that the study names; see `dse.plugins`.
        first: values of the designs to try first; what they leave open is left out.
        skips: whether designs that are known to miss a constraint are left out of the search; not of one that began in
            a version that simulated them.
        learned: what is learned from earlier results; None without any.
    """

    spec: StudySpec
    fixed: Mapping[str, Any]
    space: Mapping[str, Parameter]
    controls: Mapping[str, Design]
    card: CostCard
    free: FreeAxes
    folder: Path
    text: str
    data_files: Mapping[str, Seen] = field(default_factory=dict[str, Seen])
    constraints: Sequence[Bound] = ()
    plugins: Mapping[str, str] = field(default_factory=dict[str, str])
    first: Designs = ()
    skips: bool = True
    learned: Learned | None = None

    def design(self, parameters: Mapping[str, Any]) -> Design:
        """Return the design for values of the space.

        Raises:
            SettingError: settings that contradict each other.
        """
        return compose({**self.fixed, **parameters}, self.folder)

    def learning_as(self, former: "Study") -> "Study":
        """Return the study with what a former one learned, if it learns from the same results.

        They may be gone since, or have grown.
        """
        if self.learned is None or not _can_learn_as(former, self):
            return self
        return replace(self, learned=former.learned)

    def as_of(self, plugins: Mapping[str, str]) -> "Study":
        """Return the study as it was when its plug-ins had some versions, if these are its plug-ins."""
        return replace(self, plugins=dict(plugins)) if plugins.keys() == self.plugins.keys() else self

    @property
    def scope(self) -> Scope:
        """The designs that the study can have."""
        return Scope(self.fixed, self.space, self.folder)

    @property
    def criteria(self) -> Criteria:
        """What designs are judged by."""
        return Criteria(self.spec.objectives, self.card, self.constraints)

    @property
    def sampler(self) -> AbstractSampler:
        """Who proposes designs."""
        return sampler_named(self.spec.search.sampler)

    @property
    def trials(self) -> int:
        """Designs that the search proposes at most."""
        budget = self.spec.budget
        if budget.trials is not None:
            return budget.trials
        return min(MOST_TRIALS, (budget.epochs or 0) // min([*self.spec.search.rungs, self.longest]))

    @property
    def extent(self) -> str:
        """How much the search may simulate, in words."""
        budget = self.spec.budget
        said = [] if budget.trials is None else [counted(budget.trials, "trial")]
        return " or ".join([*said, *([] if budget.epochs is None else [counted(budget.epochs, "epoch")])])

    @cached_property
    def earlier(self) -> Sequence[EarlierDesign]:
        """Designs of earlier results that the search learns from."""
        return () if self.learned is None else self.learned.judged(self.criteria)

    @property
    def startup(self) -> int:
        """Designs at the start that are proposed without regard to results: each earlier one stands for one of them.

        Some remain, which tell how the earlier designs relate to those of this study. With rungs all do: earlier ones
        were seen at their ends, and tell nothing of rungs.
        """
        own = self.spec.search.startup
        return own if self.spec.search.rungs else max(min(own, FEWEST_BLIND), own - len(self.earlier))

    @property
    def longest(self) -> int:
        """Epochs of the longest training that a design of the search can have."""
        return most_epochs(self.scope)

    @property
    def goes_in_steps(self) -> bool:
        """Whether designs do not all go to the end of their training at once, under all seeds."""
        budget = self.spec.budget
        return bool(self.spec.search.rungs) or budget.epochs is not None or budget.seeds_for != "all"

    @property
    def rows(self) -> int:
        """Rows that the study asks for at most, those of controls included."""
        return (len(self.controls) + self.trials) * self.spec.budget.seeds

    def proposer(
        self, given: Sequence[Mapping[str, Any]] = (), decided: Mapping[int, Mapping[str, Any]] | None = None
    ) -> Proposer:
        """Return what proposes the designs, from the first on.

        Args:
            given: parameters of the first trials, decided before; designs to try first come behind them.
            decided: parameters of later trials that were decided before, by number.

        Raises:
            PluginError: the sampler of a plug-in cannot propose.
        """
        return proposer_of(self.sampler, self._problem(given, decided or {}))

    def _problem(
        self, given: Sequence[Mapping[str, Any]] = (), decided: Mapping[int, Mapping[str, Any]] = MappingProxyType({})
    ) -> Problem:
        search = self.spec.search
        return Problem(
            self.space,
            self.goals,
            search.seed,
            self.startup,
            trials=self.trials,
            given=[*given, *completed(self.first, self.space, search.seed)[len(given) :]],
            decided=decided,
            same=self.same,
            known=self.known,
            excludes=bool(self.constraints),
            acts=self.acts,
            earlier=self.earlier,
        )

    def check_known(self) -> None:
        """Check that some design can meet the constraints, as far as that is known without a simulation.

        Raises:
            SettingError: none of very many designs meets them, with the nearest; or one that is to be tried first does
                not.
        """
        if not self.constraints or not self.space or self.known is None:
            return
        from dse.search.samplers.draws import Admitted  # noqa: PLC0415  scipy, which other checks do without

        problem = self._problem()
        for number, own in enumerate(self.known(problem.given), 1):
            if own.is_out:
                raise SettingError(f"first {number} misses {own.missed}; loosen the constraint, or leave it out")
        next(Admitted(problem).points())

    @cached_property
    def known(self) -> Knowledge | None:
        """What is known of designs before they are simulated; None where nothing is, or it is not to be used."""
        return knowledge_of(self.scope, self.design, self.criteria) if self.skips else None

    @cached_property
    def acts(self) -> Acting | None:
        """What tells which settings of the space act in a design; None where all do in all of them."""
        acting = Acting(self.fixed, self.space, self.folder)
        return None if acting.is_settled else acting

    def same(self, parameters: Mapping[str, Any]) -> Hashable:
        """Return what is equal for values of the space that make equal designs."""
        try:
            return self.design(parameters).key
        except SettingError:
            return by_values(parameters)

    @property
    def goals(self) -> list[Goal]:
        """Which way is better, for each objective."""
        return [quantity(name).goal for name in self.spec.objectives]

    @property
    def meaning(self) -> dict[str, Any]:
        """Everything that decides the table: settings, cells and prices by value, search and budget."""
        return meaning_of(self)

    @cached_property
    def key(self) -> str:
        """A hash of the meaning."""
        text = json.dumps(self.meaning, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def files(self) -> dict[str, bytes]:
        """Return the files that a results folder keeps, by relative path: the study file and the cards beside it."""
        names = [self.spec.price.card]
        for path in ("device.card", "deployment.device.card"):
            tables = (self.fixed, *map(flatten, self.spec.controls.values()))
            names += [*choices(self, path), *(str(table.get(path, "")) for table in tables)]
        names += list(self.free.cards)
        cards = {name: card_file(name, self.folder).read_bytes() for name in names if name.endswith(".toml")}
        kept = {
            f"{name}/{part}" if part else name: content
            for name, seen in self.data_files.items()
            if is_kept(seen)
            for part, content in Content.at(seen.path).read().items()
        }
        own = {"study.toml": self.text.encode()}
        if self.learned is not None:
            own[LEARNED] = self.learned.content
        for name in sorted(own.keys() & {*cards, *kept} | cards.keys() & kept.keys()):
            raise SettingError(f"two files of the study are called {name} in the results; rename one of them")
        return {**cards, **kept, **own}


def is_kept(seen: Seen) -> bool:
    """Return whether results keep a copy of a file that settings name; a larger one is found where it was."""
    return seen.size <= KEPT_BYTES


def read_study(path: Path, *, warn: bool = True, kept: Kept | None = None, former: Study | None = None) -> Study:
    """Read and check a study file.

    Args:
        path: the file.
        warn: say which names in it are those of before.
        kept: for a study that is kept with its results, what these say of the files that it names: then they lie
            beside it, whatever folders it names, or where they were.
        former: the study that is to be gone on with. What that learned from earlier results is not read again.

    Raises:
        SettingError: everything that is wrong with it, as far as it can be told at once.
        DataError: a file that it names is missing, or not what it should be.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for, and a device may have no end
        raise SettingError(f"the study file {path} is no file")
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark of its encoding
    except OSError as error:
        known = None if path.exists() else shipped(path.name)
        hint = "" if known is None else f". The package has one of that name: {known}"
        raise SettingError(f"cannot read the study file {path}: {error.strerror}{hint}") from None
    except UnicodeDecodeError:
        raise SettingError(f"the study file {path} is not UTF-8 text") from None
    return parse_study(text, path.parent, str(path), warn=warn, kept=kept, former=former)


def parse_study(
    text: str,
    folder: Path,
    where: str = "study",
    *,
    warn: bool = True,
    kept: Kept | None = None,
    former: Study | None = None,
) -> Study:
    """Check the text of a study file; `folder` is where its card files lie, the others are as for `read_study`.

    Raises:
        SettingError: see `read_study`.
    """
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingError(f"{where} is not valid TOML: {error}") from None
    try:
        tables = renamed.in_study(tables, warn=warn)
    except SettingError as error:
        raise SettingError(f"{where}: {error}") from None
    try:
        plugins.load(named_plugins(tables))
    except SettingError as error:
        raise SettingError(f"{where}: {error}") from None
    try:
        study = _parsed(tables, Places(folder, kept), text)
        return replace(study, learned=_learned(study, kept, former)) if study.spec.learn_from else study
    except SettingError as error:
        lines = str(error).strip("\n").split("\n")
    lines += unnamed(tables)
    raise SettingError(f"{where}: " + ("\n".join(["", *lines]) if len(lines) > 1 else lines[0]))


def _parsed(tables: Mapping[str, Any], places: Places, text: str) -> Study:
    """Return the study of the tables of a file.

    Raises:
        SettingError: see `read_study`; a line for each mistake.
    """
    spec = StudySpec.parse(tables)
    try:
        return _check(spec, places, text)
    except SettingError as error:
        first = str(error)
    others = [line for line in mistakes(spec, places.folder) if line not in first]
    raise SettingError("\n".join([first.strip(), *others]))


def _check(spec: StudySpec, places: Places, text: str) -> Study:
    folder = places.folder
    check_names(spec.objectives)
    constraints = checked_constraints(spec.constraints, spec.objectives)
    fixed = fixed_of(spec)
    if spec.budget.trials == 0 and not spec.controls:
        raise SettingError("budget.trials = 0 and no controls: there is nothing to simulate")
    space = parse_space(spec.space, folder) if spec.space or spec.budget.trials != 0 else {}
    found = files_of(spec, fixed, space, places)
    fixed |= found
    check_space(fixed, space, folder)
    scope = Scope(fixed, space, folder)
    check_time(scope)
    check_steps(spec, scope)
    first = parse_first(spec.first, space, MOST_TRIALS if spec.budget.trials is None else spec.budget.trials)
    check_first(first, fixed, space, spec.search.seed, folder)
    controls = {name: control_of(name, table, fixed, folder) for name, table in spec.controls.items()}
    card = read_cost_card(spec.price.card, folder)
    free = free_axes_of(spec, space, folder)
    wanted = {bound.metric: f"the constraint on {bound.metric}" for bound in constraints}
    check_plugins(spec, scope, controls)
    check_wanted({**wanted, **{name: f"the objective {name}" for name in spec.objectives}}, scope, controls, card)
    return Study(
        spec=spec,
        fixed=fixed,
        space=space,
        controls=controls,
        card=card,
        free=free,
        folder=folder,
        text=text,
        data_files={name: seen for own in found.values() for name, seen in own.seen.items()},
        constraints=constraints,
        plugins=plugins.load(spec.plugins),
        first=first,
    )


def _can_learn_as(former: Study, study: Study) -> bool:
    """Return whether what a former study learned is what another learns."""
    same = former.spec.learn_from == study.spec.learn_from and list(former.space) == list(study.space)
    return same and former.learned is not None and former.learned.has(study.criteria)


def _learned(study: Study, kept: Kept | None, former: Study | None) -> Learned | None:
    """Return what a study learns from earlier results.

    Args:
        study: the study.
        kept: as for `read_study`; if it is given, what was learned lies beside the study file.
        former: as for `read_study`.

    Raises:
        SettingError: its sampler learns from none, or it cannot.
    """
    if not study.sampler.learns:
        learning = " or ".join(f'"{sampler.name}"' for sampler in SAMPLERS if sampler.learns)
        raise SettingError(
            f'learn_from: search.sampler = "{study.sampler.name}" does not learn from earlier results; set '
            f"search.sampler = {learning}, or leave learn_from out (`dse run --reuse` takes over equal designs)"
        )
    if former is not None and _can_learn_as(former, study):
        return former.learned
    if kept is not None:
        return kept_in(study.folder)
    return learned_from(study.spec.learn_from, study.scope, study.acts, study.criteria)
