"""What the results of a study answer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

import polars as pl

from dse.analysis.costs import prices as costs
from dse.analysis.costs.by_epoch import curves_for
from dse.analysis.costs.priced import open_priced, priced_designs
from dse.analysis.fronts import table as fronts
from dse.analysis.fronts.plot import plot_front
from dse.analysis.queries.sql import query
from dse.analysis.queries.status import Status, status
from dse.analysis.tables.epochs import curves_of
from dse.analysis.tables.render import render
from dse.analysis.tables.tables import Tables, open_tables
from dse.api import given
from dse.api.html import titled
from dse.api.page import Page
from dse.errors import QueryError
from dse.pricing.price import COLUMNS
from dse.pricing.text import counted
from dse.renamed import quantity
from dse.results.address import place_of
from dse.results.folder import Folder
from dse.results.inside import fresh
from dse.results.place import Where
from dse.search.replay import Replay, replay
from dse.search.runs import open_study
from dse.search.study import Study as Checked


class Front:
    """A Pareto front: the designs that no other dominates. In a notebook it is a picture.

    Attributes:
        table: a row a design, the best in the first objective first; see `dse.analysis.fronts.table.front_table`.
        objectives: names of the quantities that are traded off.
        title: how many designs are on the front, of how many.
    """

    def __init__(self, tables: Tables, objectives: Sequence[str], **options: Any) -> None:
        self._tables, self.objectives = tables, list(objectives)
        self.table = fronts.front_table(tables, self.objectives, **options)
        self.title = fronts.front_title(tables, self.objectives)

    @property
    def hypervolume(self) -> float:
        """The volume that the front dominates, from the worst values of the complete designs."""
        return float(fronts.hypervolume_table(self._tables, self.objectives)["hypervolume"][0])

    def plot(self, path: Path | str) -> Path:
        """Draw the front into a .png, .svg or .pdf file and return its path.

        Raises:
            QueryError: there is nothing to draw, or the file cannot be written.
        """
        plot_front(self._tables, self.objectives, Path(path))
        return Path(path)

    def __len__(self) -> int:
        """Return the number of its designs."""
        return len(self.table)

    def __repr__(self) -> str:
        return render(self.table, title=self.title)

    def html(self) -> str:
        """Return the picture and the table as HTML, as a notebook shows them."""
        return titled(self.title, self._picture(), self.table._repr_html_())  # pyright: ignore[reportPrivateUsage]  what notebooks show

    _repr_html_ = html

    def _picture(self) -> str:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "front.svg"
            try:
                plot_front(self._tables, self.objectives, path)
            except QueryError:  # a front of one objective, or of nothing, is its table
                return ""
            return path.read_text(encoding="utf-8").partition("<!DOCTYPE")[2].partition(">")[2]


class Requirement(NamedTuple):
    """What a design must be like to reach targets.

    Attributes:
        region: a row a parameter, the loosest first.
        sureness: shares that meet the targets, with their intervals.
        next: designs to simulate next.
    """

    region: pl.DataFrame
    sureness: pl.DataFrame
    next: pl.DataFrame


class Results:
    """The results of a study, read when they are asked for; while it runs, `refresh` reads what has come since.

    Args:
        where: folder, or address of an object store.

    Raises:
        ResultsError: there are none, or they are damaged.
    """

    def __init__(self, where: Where) -> None:
        self._place = place_of(where)
        self._tables = open_tables(self._place)

    def refresh(self) -> "Results":
        """Read the results again, and return them."""
        self._tables = open_tables(self._place)
        return self

    @property
    def about(self) -> Mapping[str, Any]:
        """What the results say of themselves: name, objectives, versions, ..."""
        return self._tables.about

    @property
    def study(self) -> Checked:
        """The study, as it is kept with the results."""
        return open_study(self._place, dict(self.about))

    @property
    def objectives(self) -> list[str]:
        """Names of the objectives of the study."""
        return list(self._tables.objectives)

    @property
    def trials(self) -> pl.DataFrame:
        """A row a trial and seed; what the search chose, and what was measured."""
        return self._tables.trials

    @property
    def designs(self) -> pl.DataFrame:
        """A row a trial: means over its seeds."""
        return self._tables.designs

    @property
    def layers(self) -> pl.DataFrame:
        """A row a trial, seed and layer: size, events, wear."""
        return self._tables.layers

    @property
    def curves(self) -> pl.DataFrame:
        """A row a trial, seed and epoch: what was measured, pulses and wear until then; prices by `sql`."""
        return curves_of(self._tables)

    @property
    def deployments(self) -> pl.DataFrame:
        """A row a trial, seed, compensation and time of the deployment."""
        return self._tables.deployments

    @property
    def status(self) -> Status:
        """How far the study is, read now."""
        return status(self._place)

    def front(
        self,
        objectives: Sequence[str] | None = None,
        *,
        ranked: bool = False,
        knee: bool = False,
        epsilon: str | None = None,
        cards: Sequence[str] = (),
        changes: Mapping[str, Any] | None = None,
        constraints: bool = True,
    ) -> Front:
        """Return the Pareto front.

        Args:
            objectives: metrics, or quantities of `dse price`; by default those of the study.
            ranked: all designs, by rank: 0 is the front.
            knee: add the expected marginal utility, and put the knee first.
            epsilon: also designs that none beats by more, such as "1%" or "accuracy=0.005,loss=2%".
            cards: cost cards; several multiply the designs.
            changes: constants of the cost card, {name: value}; a list of values multiplies the designs.
            constraints: hold designs against the constraints of the study.

        Raises:
            QueryError: an objective that is none; what there is.
        """
        asked = _quantities(objectives)
        if epsilon is not None and not isinstance(epsilon, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise QueryError(f'epsilon = {epsilon!r} is not allowed; give a text, such as "1%" or "accuracy=0.005"')
        tables = open_priced(
            self._place, asked, given.names("cards", cards), _changes(changes), constraints=constraints
        )
        names = asked or tables.objectives
        return Front(tables, names, ranked=ranked, knee=knee, epsilon=epsilon)

    def sql(self, text: str) -> pl.DataFrame:
        """Run polars SQL over trials, designs, layers, curves, deployments, intervals, ranks and priced.

            results.sql('SELECT trial, accuracy, "accumulator.bits" FROM trials ORDER BY accuracy DESC')

        Raises:
            QueryError: SQL that polars does not take, with its reason and what there is.
        """
        return query(
            self._tables,
            text,
            lambda columns: priced_designs(self._place, self._tables, columns),
            lambda columns: curves_for(self._place, self._tables, columns),
        )

    def price(
        self,
        *cards: str,
        changes: Mapping[str, float] | None = None,
        columns: Sequence[str] = COLUMNS,
    ) -> pl.DataFrame:
        """Return the price of every design on cost cards, without simulating again.

        Args:
            cards: cards of the library, or .toml files; by default the one of the study.
            changes: constants to replace, {name: value}.
            columns: quantities.

        Returns:
            Columns card, trial, origin, seeds and `columns`, as means over seeds.

        Raises:
            SettingError: there is no such card, or a value is out of its range.
            QueryError: an unknown constant or quantity.
        """
        found = [costs.open_card(name) for name in cards] or [costs.own_card(self._place, self._tables)]
        values = costs.settings(_changes(changes))
        chosen = [costs.with_settings(card, values) for card in found]
        return costs.prices(self._tables, chosen, [quantity(name) for name in given.names("columns", columns)])

    def show(self, trial: int) -> dict[str, Any]:
        """Return everything about a trial: design, metrics, layers, curve, deployment of each seed.

        Raises:
            QueryError: no such trial.
        """
        from dse.analysis.queries.show import as_dict  # noqa: PLC0415

        return as_dict(self._tables, given.whole("trial", trial))

    def importance(self, objectives: Sequence[str] | None = None, seed: int = 0) -> pl.DataFrame:
        """Return how much each parameter matters for each objective; see `dse.analysis.effects.importance`."""
        from dse.analysis.effects.importance import importance  # noqa: PLC0415  scikit-learn

        asked = _quantities(objectives)
        tables = open_priced(self._place, asked, constraints=False)
        return importance(tables, asked or tables.objectives, given.whole("seed", seed))

    def ablation(self, objectives: Sequence[str] | None = None, base: str | int | None = None) -> pl.DataFrame:
        """Return the controls of the study compared: differences with 95 % intervals."""
        from dse.analysis.effects.ablation import ablation  # noqa: PLC0415

        asked = _quantities(objectives)
        tables = open_priced(self._place, asked, study=False, constraints=False)
        return ablation(tables, asked or tables.objectives, None if base is None else str(base))

    def require(self, targets: Mapping[str, str], *, share: float = 0.9, count: int = 5, seed: int = 0) -> Requirement:
        """Return what a design must be like to reach targets, such as {"accuracy": ">= 0.975"}.

        Args:
            targets: bounds by quantity.
            share: of designs inside the region that shall meet them.
            count: designs to propose next.
            seed: seed of all random draws.

        Raises:
            QueryError: a target that cannot be read, or too few designs to learn from.
        """
        from dse.analysis.inverse import require as inverse  # noqa: PLC0415  scikit-learn
        from dse.analysis.inverse.targets import parse_targets  # noqa: PLC0415

        parsed = parse_targets(given.texts("targets", targets, '{"accuracy": ">= 0.975"}'))
        tables = open_priced(self._place, [target.metric for target in parsed], constraints=False)
        answer = inverse.require(tables, parsed, share, seed)
        return Requirement(
            inverse.region_table(answer), inverse.summary_table(answer), inverse.next_table(answer, count)
        )

    def report(
        self,
        path: Path | str | None = None,
        *,
        objectives: Sequence[str] | None = None,
        without: Sequence[str] = (),
        form: Literal["html", "png", "svg"] = "html",
    ) -> Path:
        """Make the page of the study, or its main figures as files, and return where; a notebook shows the page.

        Args:
            path: file of the page, or folder of the figures; by default in the results, or here for an object store.
            objectives: by default those of the study.
            without: panels to leave out, such as "importance", which takes longest.
            form: "html" for the page, "png" or "svg" for the figures.

        Raises:
            QueryError: an objective or a panel that is none, or a file that cannot be written.
        """
        given.one_of("form", form, ("html", "png", "svg"))
        asked = _quantities(objectives)
        tables = open_priced(self._place, asked, study=False)
        names = asked or tables.objectives
        here = self._place.path if isinstance(self._place, Folder) else Path()
        if form == "html":
            from dse.analysis.report.page import write_page  # noqa: PLC0415

            page = Page(path or fresh(here, "report.html"))
            write_page(page, self._place, tables, names, given.names("without", without))
            return page
        from dse.analysis.report.figures import write_pictures  # noqa: PLC0415

        folder = Path(path) if path else fresh(here, "figures")
        write_pictures(folder, self._place, tables, names, form, given.names("without", without))
        return folder

    def replay(self, trial: int, seed: int | None = None) -> list[Replay]:
        """Simulate a stored trial again, in this process, and compare it to the last bit.

        Raises:
            QueryError: there is no such trial or seed.
        """
        return replay(self._place, given.whole("trial", trial), None if seed is None else given.whole("seed", seed))

    def __repr__(self) -> str:
        about = self.about
        # Of a search in epochs nobody knows how many designs there will be.
        in_steps = bool(self._tables.rungs.height > self._tables.trials.height)
        of = counted(len(self.designs), "design") if in_steps else f"{len(self.designs)} of {about['trials']} trials"
        return f"Results({str(self._place)!r}): {about['name']}, {of}, objectives {', '.join(self.objectives)}"

    def _repr_html_(self) -> str:
        return titled(repr(self), self.front().html())


def _quantities(names: Sequence[str] | None) -> list[str] | None:
    """Return names of quantities as they are called now; None for those of the study."""
    return None if names is None else [quantity(name) for name in given.names("objectives", names)]


def _changes(changes: Mapping[str, Any] | None) -> list[str]:
    """Return changes of constants as `--set` spells them."""
    return [
        f"{name}={','.join(map(str, value)) if isinstance(value, list | tuple) else value}"  # pyright: ignore[reportUnknownArgumentType]
        for name, value in (changes or {}).items()
    ]
