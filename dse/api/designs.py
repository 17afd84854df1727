"""One design, made and simulated here and now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import polars as pl

from dse import plugins as plugged
from dse.analysis.costs.prices import open_card
from dse.analysis.tables.render import render
from dse.api import given
from dse.api.html import pairs, titled
from dse.crossbar.usage import LayerUsage
from dse.data.base import Data
from dse.deployment.evaluation import Evaluation
from dse.designs.design import compose, flatten
from dse.designs.outcome import Failure
from dse.designs.outcome import Outcome as Simulated
from dse.designs.tables import Design
from dse.errors import DivergedError, QueryError, SettingError
from dse.pricing.card import DEFAULT_CARD
from dse.pricing.price import COLUMNS
from dse.pricing.text import cell
from dse.results.rows import result_fields
from dse.search.criteria import prices_of
from dse.search.executor import check_device, one_thread
from dse.tasks.curve import Epoch


def design(
    settings: Mapping[str, Any] | None = None, *, folder: Path | str = ".", plugins: Sequence[str] = ()
) -> Design:
    """Return the design for some settings; what is not given takes its default.

        dse.design({"network.hidden": [100], "accumulator.bits": 8})

    Args:
        settings: by their paths, or in nested tables; `dse.settings()` lists them.
        folder: where card files and data files are looked for.
        plugins: plug-ins whose variants it uses.

    Raises:
        SettingError: everything that is wrong, what came and what is allowed.
    """
    plugged.load(given.names("plugins", plugins))
    return compose(_flat({} if settings is None else settings), Path(folder))


def _flat(settings: object) -> dict[str, Any]:
    if not isinstance(settings, Mapping):
        raise SettingError(f'settings = {settings!r} is not allowed; give a table, such as {{"accumulator.bits": 8}}')
    return flatten(cast("Mapping[str, Any]", settings))


@dataclass(frozen=True)
class Outcome:
    """What came of the simulation of a design.

    Attributes:
        design: the design.
        seed: the seed.
        simulated: everything that was measured and counted.
    """

    design: Design
    seed: int
    simulated: Simulated

    @property
    def metrics(self) -> Mapping[str, float | int]:
        """What was measured, by name."""
        return self.simulated.metrics

    @property
    def curve(self) -> tuple[Epoch, ...]:
        """Loss and metrics after each epoch."""
        return self.simulated.curve

    @property
    def layers(self) -> tuple[LayerUsage, ...]:
        """Size, events and wear of each layer."""
        return self.simulated.layers

    @property
    def deployments(self) -> tuple[Evaluation, ...]:
        """What was measured at each time of the deployment."""
        return self.simulated.deployments

    def price(self, card: str = DEFAULT_CARD) -> dict[str, float | None]:
        """Return energy, latency, area and lifetime on a cost card, by name; None for what has no price.

        Args:
            card: a card of the library, or a file that ends in .toml.

        Raises:
            SettingError: there is no such card.
        """
        found = prices_of([result_fields(self.simulated)], open_card(card), list(COLUMNS))[0]
        return {name: found[name] for name in COLUMNS}

    def __repr__(self) -> str:
        table = pl.DataFrame([self._shown()])
        return render(table, title=f"design {self.design.key}, seed {self.seed}")

    def _shown(self) -> dict[str, float | int]:
        return {**self.metrics, "train_samples": self.simulated.train_samples}

    def _repr_html_(self) -> str:
        shown = [(name, cell(name, value)) for name, value in self._shown().items()]
        return titled(f"design {self.design.key}, seed {self.seed}", pairs(shown))


def evaluate(
    design: Design | Mapping[str, Any],
    seed: int = 0,
    data: Data | None = None,
    *,
    device: str = "cpu",
    plugins: Sequence[str] = (),
) -> Outcome:
    """Train the network of a design, deploy it where the design says so, and return what was measured.

    It runs in this process, on one thread of torch: the same design and seed give the same outcome to the last bit.

    Args:
        design: the design, or its settings as for `dse.design`.
        seed: seed of every random stream.
        data: the data set; by default the one that the design names is loaded.
        device: where torch computes products of deep networks, such as "cuda".
        plugins: plug-ins whose variants the settings use.

    Raises:
        SettingError: settings that are wrong.
        QueryError: a seed or data that are none.
        DataError: the data set is missing or unreadable.
        DivergedError: the training left the range of numbers.
    """
    from dse.designs.evaluate import evaluate as simulate  # noqa: PLC0415  torch

    plugged.load(given.names("plugins", plugins))
    chosen = design if isinstance(design, Design) else compose(_flat(design))
    if data is not None and not hasattr(data, "info"):
        raise QueryError(
            f"data = {type(data).__name__} is not allowed; leave it out, or give what design.workload.load() returns. "
            'Data of your own come from a file: workload.dataset = "arrays"'
        )
    seed = given.whole("seed", seed)
    check_device(device)
    with one_thread():
        outcome = simulate(chosen, seed, chosen.workload.load() if data is None else data, device)
    if isinstance(outcome, Failure):
        raise DivergedError(outcome.reason)
    return Outcome(chosen, seed, outcome)
