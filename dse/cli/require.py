"""The command `dse require`: what a design must be like to reach targets."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dse.cli.options import emit_parts, output_options, part_option, price_options, results_argument, seed_option

if TYPE_CHECKING:
    from dse.results.place import Where


class _WithTargets(click.Command):
    """A command with an option for each metric, made when the command is used: `dse --help` need not load them."""

    @cached_property
    def targets(self) -> list[click.Parameter]:
        """The options."""
        from dse.designs.outcome import METRICS  # noqa: PLC0415
        from dse.renamed import QUANTITIES  # noqa: PLC0415

        found: list[click.Parameter] = []
        for name, metric in METRICS.items():
            unit = "" if metric.unit == "1" else f", {metric.unit}"
            spellings = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
            found.append(click.Option([*spellings, name], metavar="BOUND", help=f"Target: {metric.meaning}{unit}."))
        former = [old for old, new in QUANTITIES.items() if new in METRICS]
        return [
            *found,
            *(click.Option([f"--{name}", f"--{name.replace('_', '-')}", name], hidden=True) for name in former),
        ]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return all parameters: the results first, then the targets."""
        results, *others = super().get_params(ctx)
        return [results, *self.targets, *others]


@click.command(cls=_WithTargets)
@results_argument
@click.option(
    "--target",
    "others",
    multiple=True,
    metavar="'NAME BOUND'",
    help="A target of any quantity, of `dse price` too: 'area_m2 <= 1e-7'.",
)
@click.option("--share", type=float, default=0.9, show_default=True, help="Of designs inside that shall meet them.")
@click.option(
    "--next", "count", type=click.IntRange(min=1, max=100), default=5, show_default=True, help="Designs to propose."
)
@part_option("region", "sureness", "next")
@seed_option
@price_options
@output_options
def require(
    results: "Where",
    share: float,
    count: int,
    part: str,
    seed: int,
    others: tuple[str, ...],
    *,
    cards: tuple[str, ...],
    changes: tuple[str, ...],
    format_: str,
    output: Path | None,
    no_free: bool,
    **bounds: str | None,
) -> None:
    """Find what a design must be like to reach targets, from the study in the folder RESULTS.

    \b
    dse require RESULTS --accuracy ">= 0.975" --energy_per_sample_j "<= 1e-7"
    """  # noqa: D301  click reads \b as "do not wrap"
    from dse.analysis.costs.priced import open_priced  # noqa: PLC0415
    from dse.analysis.inverse import require as inverse  # noqa: PLC0415
    from dse.analysis.inverse.targets import parse_targets, split_target  # noqa: PLC0415

    given = {name: text for name, text in bounds.items() if text is not None} | dict(map(split_target, others))
    targets = parse_targets(given)
    tables = open_priced(
        results, [target.metric for target in targets], cards, changes, study=not no_free, constraints=False
    )
    answer = inverse.require(tables, targets, share, seed)
    aim = " and ".join(map(str, targets))
    emit_parts(
        {
            "region": lambda: (inverse.region_table(answer), f"{aim}: the region, loosest first"),
            "sureness": lambda: (
                inverse.summary_table(answer),
                f"share that meets the targets, Wilson's 95 %, seed {seed}",
            ),
            "next": lambda: (inverse.next_table(answer, count), "simulate next: the least certain designs"),
        },
        part,
        format_,
        output,
    )
