"""A model of every objective, and proposals where the front is expected to gain most.

After a quasi-random start a Gaussian process is fitted to each objective, and to every constraint (`belief`). The next
design is the one of some hundred candidates, half of them near designs of the front, with the largest expected gain in
hypervolume (`gain`), times the probability that it is feasible and does not fail. Trials in flight count as if they had
come out as expected, so that proposals made together differ (Ginsbourger, Le Riche and Carraro, 2010). Every eighth
proposal is quasi-random, whatever the models believe. No design is proposed twice while there are others.

Designs of earlier results inform the models from the first proposal on (`earlier`), and are no trials. The nearest
designs of the space are candidates.

A proposal is a function of its number and of the results told.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, count, islice, product
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np

from dse.designs.space import Value
from dse.metric import signs_of
from dse.search.samplers.base import AbstractSampler, Problem, Proposer
from dse.streams import derived_seed

if TYPE_CHECKING:
    from dse.search.samplers.model.belief import Belief, Kept
    from dse.search.samplers.model.encoding import Encoding
    from dse.search.samplers.model.observations import Observations
    from dse.search.samplers.model.scales import Scale

BLIND_EVERY = 8
"""One proposal in so many is quasi-random."""
CANDIDATES = 256
"""Random designs among which a proposal is chosen; as many again are near the front."""
NEAR = 0.01, 0.3
"""Least and largest standard deviation of a step from a design of the front, in shares of an axis."""
ROUNDS = 0.1, 0.03, 0.01
"""Standard deviations of steps from the best candidates, one round after the other."""
PARENTS, CHILDREN = 8, 16
"""Candidates from which a round goes on, and designs near each of them."""
DIGITS = 9
"""Digits in which the points of equal designs agree."""
MOVED = 0.4
"""Share of the parameters that such a step changes."""
LOOKED_UP = 64
"""Best candidates of which it is looked up together what is known."""
DRAWN = 64
"""Designs that are drawn in search of one that was not proposed before."""
LISTED = 10_000
"""Combinations of values up to which those that are left are listed, where draws find none."""
FEWEST = 6
"""Complete trials from which models are fitted; with fewer, proposals are random."""

Design = Mapping[str, Value]


@final
class Model(AbstractSampler):
    """Gaussian processes of all objectives, and the expected gain in hypervolume."""

    name = "model"
    learns = True

    def proposer(self, problem: Problem) -> Proposer:
        """Return what proposes the designs of a study."""
        return _Proposer(problem)


class _Told(NamedTuple):
    """What came of a trial: values to be minimised, None where it failed, and violations."""

    values: tuple[float, ...] | None
    violations: tuple[float, ...]


class _Proposer:
    """See the module; the proposals of a study, in order."""

    def __init__(self, problem: Problem) -> None:
        from dse.search.samplers.draws import Admitted  # noqa: PLC0415  scipy, which checks do without
        from dse.search.samplers.model.earlier import EarlierSeen, encoding_of  # noqa: PLC0415

        self._space, self._seed, self._given = dict(problem.space), problem.seed, problem.given
        self._decided_before = problem.decided
        self.why: dict[str, Any] = {}
        self._signs = signs_of(problem.goals)
        self._startup = min(max(problem.startup, 1), problem.trials)
        self.blind = max(self._startup, len(self._given))
        self._admitted, self._look_up = Admitted(problem), problem.known
        self._sequence = self._admitted.points() if self._space else None
        self._encoding: Encoding = encoding_of(self._space, problem.acts, problem.earlier)
        self._earlier = EarlierSeen(problem.earlier, self._encoding, self._signs)
        self._asked: list[dict[str, Value]] = []
        self._encoded = self._encoding.points([])
        self._places: set[bytes] = set()
        self._same = problem.same
        self._known: set[Hashable] = set()
        self._told: dict[int, _Told] = {}
        self._observed: Observations | None = None
        self._kept: Kept = {}

    def ask(self) -> dict[str, Value]:
        """Return the parameters of the next trial."""
        from threadpoolctl import threadpool_limits  # noqa: PLC0415

        number = len(self._asked)
        self.why = {"drawn": f"quasi-random, as one proposal in {BLIND_EVERY} is whatever the models believe"}
        found = self._decided(number)
        if found is None:
            with threadpool_limits(1, user_api="blas"):  # several sum in another order
                found = self._best(number)
        self._asked.append(found)
        self._known.add(self._same(found))
        return dict(found)

    def tell(self, number: int, values: Sequence[float] | None, violations: Sequence[float] = ()) -> None:
        """Take what came of a trial; see `Proposer`."""
        own = None if values is None else tuple(s * float(v) for s, v in zip(self._signs, values, strict=True))
        self._told[number] = _Told(own, tuple(violations))

    def observe(self, seen: "Observations") -> None:
        """Take what was seen of all trials so far, in place of what was told and observed before."""
        self._observed = seen

    def _seen(self) -> "Observations | None":
        """Return what was observed, or told; None where nothing was."""
        from dse.search.samplers.model.belief import transformed  # noqa: PLC0415  scipy
        from dse.search.samplers.model.observations import Observations  # noqa: PLC0415

        told, before = sorted(self._told), len(self._earlier)
        values = [*self._earlier.values, *(self._told[own].values for own in told)]
        if self._observed is not None or len(values) == values.count(None):
            return self._observed
        (every, scales), violations = transformed(values, before + self._startup), self._violations(told)
        y = every[before:]
        none, counted = (np.zeros_like(y), np.zeros_like(violations)), np.ones(len(told), np.bool_)
        alike = np.zeros(len(scales))  # the noise of seeds is that which all have
        return Observations(told, y, violations, *none, counted=counted, scales=scales, seed_variance=alike)

    def _decided(self, number: int) -> dict[str, Value] | None:
        """Return the parameters of a trial that no model proposes, or None."""
        if self._sequence is None:
            return {}
        blind = number < self._startup or number % BLIND_EVERY == BLIND_EVERY - 1
        # The sequence goes on below what was given, so that the points after it are those of any other study.
        drawn = next(self._sequence) if blind else None
        if number < len(self._given):
            return dict(self._given[number])
        if number in self._decided_before:
            return dict(self._decided_before[number])
        return drawn and self._new_one(drawn, number)

    def _new_one(self, drawn: dict[str, Value], number: int) -> dict[str, Value]:
        """Return a design that was drawn, or in place of one that was proposed before another; itself if all were."""
        if self._same(drawn) not in self._known:
            return drawn
        draws = np.random.Generator(np.random.PCG64(derived_seed(self._seed, "new", number)))
        return next(self._fresh(islice(self._draws(draws), DRAWN)), None) or self._left(draws) or drawn

    def _fresh(self, designs: Iterable[dict[str, Value]]) -> Iterator[dict[str, Value]]:
        """Yield the designs that were not proposed before."""
        return (design for design in designs if self._same(design) not in self._known)

    def _left(self, draws: np.random.Generator) -> dict[str, Value] | None:
        """Return a design of a small space that was not proposed before; None where there is none, or it is large."""
        counts = [parameter.count() for parameter in self._space.values()]
        known = [count for count in counts if count is not None]
        if len(known) < len(counts) or prod(known) > LISTED:
            return None
        values = [[p.numbered(k) for k in range(n)] for p, n in zip(self._space.values(), known, strict=True)]
        designs = (dict(zip(self._space, own, strict=True)) for own in product(*values))
        left = self._admitted.among(list(self._fresh(designs)))
        return left[int(draws.integers(len(left)))] if left else None

    def _best(self, number: int) -> dict[str, Value]:
        """Return the candidate that is worth most."""
        draws = np.random.Generator(np.random.PCG64(derived_seed(self._seed, "proposal", number)))
        self._encode()
        seen = self._seen()
        before = len(self._earlier)
        if seen is None or before + len(seen.numbers) - int(np.isnan(seen.y[:, 0]).sum()) < FEWEST:
            self.why = {"drawn": "random, as too few designs are known"}
            return self._new_one(next(self._draws(draws)), number)
        known = set(seen.numbers)
        pending = self._points([own for own in range(number) if own not in known])
        belief = self._earlier.belief(seen, self._points(seen.numbers), pending, self._kept, self._elsewhere)
        front = self._front(belief, seen)
        looked = self._looked(belief, front, draws)
        best = self._informed(belief, looked, seen.scales)
        first = next(best, None) or next(self._draws(draws))
        fresh = self._fresh(islice(chain([first], best), DRAWN))
        found = next(fresh, None) or self._left(draws) or first
        self.why = self._reasons(found, belief, seen, len(looked))
        return found

    @cached_property
    def _elsewhere(self) -> np.ndarray:
        """Points of random designs all over the space, the same for all proposals."""
        draws = np.random.Generator(np.random.PCG64(derived_seed(self._seed, "elsewhere")))
        return self._encoding.points_at(draws.random((CANDIDATES, len(self._space))))

    def _front(self, belief: "Belief", seen: "Observations") -> np.ndarray:
        """Return the positions of the front; of that of earlier designs, while no design of the study is complete."""
        before, places = len(self._earlier), belief.best
        own = [self._asked[seen.numbers[int(place) - before]] for place in places[places >= before].tolist()]
        return np.concatenate([self._earlier.positions[places[places < before]], self._encoding.positions(own)])

    def _encode(self) -> None:
        """Take the designs that were proposed since as points."""
        more = self._encoding.points(self._asked[len(self._encoded) :])
        self._encoded = np.concatenate([self._encoded, more])
        self._places.update(row.tobytes() for row in np.round(more, DIGITS))

    def _reasons(self, design: Design, belief: "Belief", seen: "Observations", candidates: int) -> dict[str, Any]:
        """Return what a proposal is made of, for a reader."""
        at = self._encoding.points([design])
        (mean,), (deviation,) = belief.expected(at)
        gain = float(belief.gains(at, belief.expected(at))[0])
        before = {"earlier": len(self._earlier)} if len(self._earlier) else {}
        of = "chance" if belief.seeks_feasible else "gain"
        return {of: gain, "candidates": candidates, **before, **seen.in_words(mean, deviation, self._signs)}

    def _informed(
        self, belief: "Belief", positions: np.ndarray, scales: "Sequence[Scale]"
    ) -> Iterator[dict[str, Value]]:
        """Yield the designs at positions that may be proposed, the best first, given what is known of them.

        What is known is looked up for those that are best by the models, some at a time: that takes longer than to ask
        a model.

        Args:
            belief: what they are worth.
            positions: the best first.
            scales: the scale of each objective.
        """
        from dse.search.samplers.model.belief import Exact  # noqa: PLC0415  scipy

        designs = (self._encoding.design(row) for row in positions)
        if self._look_up is None:
            yield from designs
            return
        while block := list(islice(designs, LOOKED_UP)):
            known = [(d, own) for d, own in zip(block, self._look_up(block), strict=True) if not own.is_out]
            if not known:
                continue
            rows = [[sign * own.values.get(k, np.nan) for k, sign in enumerate(self._signs)] for _, own in known]
            table = np.array(rows).reshape(len(known), len(self._signs))
            table = np.stack([scale.to(table[:, k]) for k, scale in enumerate(scales)], axis=1)
            points = self._encoding.points([design for design, _ in known])
            worth = belief.worth(points, Exact(table, [own.violations.keys() for _, own in known]))
            yield from (known[int(place)][0] for place in np.argsort(-worth, kind="stable"))

    def _looked(self, belief: "Belief", front: np.ndarray, draws: np.random.Generator) -> np.ndarray:
        """Return positions of designs, the best first, shape (designs, parameters).

        Args:
            belief: what they are worth.
            front: positions of designs on the front.
            draws: random numbers.
        """
        sizes = NEAR[0] * (NEAR[1] / NEAR[0]) ** draws.random((CANDIDATES, 1))
        near = self._moved(front[draws.integers(len(front), size=CANDIDATES)], sizes, draws)
        found = np.concatenate([draws.random((CANDIDATES, len(self._space))), near, self._earlier.positions])
        worth = self._worth(belief, found)
        for size in ROUNDS:
            parents = found[np.argsort(-worth, kind="stable")[:PARENTS]]
            children = self._moved(np.repeat(parents, CHILDREN, axis=0), np.array([[size]]), draws)
            found = np.concatenate([found, children])
            worth = np.concatenate([worth, self._worth(belief, children)])
        return found[np.argsort(-worth, kind="stable")]

    def _worth(self, belief: "Belief", positions: np.ndarray) -> np.ndarray:
        """Return what designs are worth, shape (designs,); minus infinity for those that were proposed before."""
        points = self._encoding.points_at(positions)
        worth = belief.worth(points)
        worth[[row.tobytes() in self._places for row in np.round(points, DIGITS)]] = -np.inf
        return worth

    def _moved(self, positions: np.ndarray, sizes: np.ndarray, draws: np.random.Generator) -> np.ndarray:
        """Return positions a step away on some axes, one at least."""
        moves = draws.random(positions.shape)
        moves = (moves < MOVED) | (moves == moves.min(axis=1, keepdims=True))
        return np.where(moves, self._encoding.stepped(positions, sizes, draws), positions)

    def _points(self, numbers: Sequence[int]) -> np.ndarray:
        return self._encoded[list(numbers)]

    def _violations(self, numbers: Sequence[int]) -> np.ndarray:
        """Return the violations of trials, shape (trials, constraints); 0 for failed ones."""
        width = max([len(self._told[own].violations) for own in numbers], default=self._earlier.violations.shape[1])
        return np.array([self._told[own].violations or (0.0,) * width for own in numbers]).reshape(len(numbers), width)

    def _draws(self, draws: np.random.Generator) -> Iterator[dict[str, Value]]:
        """Yield random designs that may be proposed, without end."""
        return self._admitted.of(self._random(draws) for _ in count())

    def _random(self, draws: np.random.Generator) -> dict[str, Value]:
        return {path: parameter.at(float(draws.random())) for path, parameter in self._space.items()}
