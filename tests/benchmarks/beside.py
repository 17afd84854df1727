"""Rates of every kind of work beside an older build, eager torch and other simulators, in one run that takes turns.

    DSE_DATA_DIR=... python -m tests.benchmarks.beside [--against CHECKOUT] [--peers PYTHON] [--only LSTM] [--keep]

Each path has a process of its own and shows that it learns before it is timed (`own_paths`, `peer_paths`). Then all
paths of a row and the reference, eager float torch, take turns; a rate is the median over rounds of the reference's
processor seconds an item over the path's in the same round, so that other work on the machine does little. Fronts, for
which torch has nothing, stand in units of moocore, or in seconds where there is none.

CHECKOUT is another checkout of the project: `git worktree add ../older 9d0c0e1`. PYTHON is the interpreter of an
environment with aihwkit, aihwkit-lightning, moocore and paretoset; how to make one stands on the page of benchmarks.
What an environment lacks is named and left out.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks import deep, mnist, recurrent
from tests.benchmarks.fronts import clouds  # pyright: ignore[reportUnknownVariableType]
from tests.benchmarks.kept import Row, keep, keep_option, processor
from tests.benchmarks.turns import NotPlayedError, Player
from tests.data import load

HERE = Path(__file__).parents[2]
Path_ = Mapping[str, Any]
"""Kind and arguments of a path, see `Player`."""


@dataclass(frozen=True)
class Line:
    """A row of the table: what is measured, the rate that is wanted, the path here, and those of others by name."""

    what: str
    wanted: float | None
    own: Path_
    peers: Mapping[str, Path_] = field(default_factory=dict[str, Path_])


@dataclass(frozen=True)
class Group:
    """Rows with one reference; `by_peer` where that is another library's, not torch's."""

    what: str
    reference: Path_
    lines: tuple[Line, ...]
    by_peer: bool = False


def perceptrons(batch: int, file: str) -> Group:
    """784-250-10 on MNIST."""
    images, rate = (4000, 0.1) if batch == 1 else (20_000, 0.4)
    peer = {"kind": "aihwkit_perceptron", "batch": batch, "file": file, "images": images, "rate": rate}
    refresh = 100 if batch == 1 else 1000  # of mini-batches of 100, one every 100 learns nothing there
    exact = {f"aihwkit, refresh every {refresh}": {**peer, "refresh_every": refresh, "exact": True}}
    noisy = {f"aihwkit, refresh every {refresh}, its converters": {**peer, "refresh_every": refresh, "exact": False}}
    if batch == 1:
        exact["aihwkit, its preset"] = {**peer, "refresh_every": 0, "exact": False}
    read = "PCM, float chi, read noise, 8-bit converters"
    peers = {"PCM, float chi": exact, read: noisy, f"{read}, drift": {}}
    lines = tuple(
        Line(
            what,
            mnist.WANTED.get((batch, what)),
            {"kind": "perceptron", "batch": batch, "settings": mnist.PATHS[what], "images": 4000},
            others,
        )
        for what, others in peers.items()
    )
    eager = {"kind": "eager_perceptron", "batch": batch, "file": file, "images": 1000 if batch == 1 else 4000}
    return Group(f"784-250-10, batch {batch}", eager, lines)


def recurrents(file: str) -> Group:
    """An LSTM of 2 x 128 units, 16 streams of 32 steps."""
    given = {"entropy": recurrent.Bench(128, 16, 32).entropy, "parts": 120}
    lines = tuple(
        Line(what, wanted, {"kind": "lstm", "settings": settings, "file": file, **given})
        for what, (settings, wanted) in recurrent.PATHS.items()
    )
    return Group("LSTM 2 x 128, 16 x 32", {"kind": "fused_lstm", **given}, lines)


KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "exact": ("mixed precision, ideal converters", deep.QUIET),
    "8 bits": ("mixed precision, 8-bit converters", {"device.read_noise_scale": 0.0}),
    "all": ("mixed precision, read noise in every product, 8 bits, drift", {}),
}


def deep_training(network: str, width: float) -> Group:
    """Training of a deep network, mini-batches of 128."""
    given, wanted = {"network": network, "width": width, "batch": 128}, deep.WANTED[network, width]
    own = {"kind": "deep_training", **given, "rate": 0.1}
    lines = [Line(what, wanted[kind], {**own, "settings": more}) for kind, (what, more) in KINDS.items()]
    if network == "resnet20":
        peers = {
            f"{library}, {bits or 'no'} bits": {"kind": "resnet_training", "library": library, "bits": bits}
            for library in ("aihwkit", "aihwkit_lightning")
            for bits in (None, 8)
        }
        peers = {name: {**path, "batch": 128, "rate": 0.05} for name, path in peers.items()}
        aware: dict[str, Any] = {**own, "settings": {}, "noise_aware": True, "rate": 0.05}
        lines.insert(0, Line("noise-aware training", wanted["noise-aware"], aware, peers))
    return Group(f"{network}, training", {"kind": "eager_training", **given}, tuple(lines))


def deep_evaluation(network: str) -> Group:
    """Evaluation of a deep network, mini-batches of 128."""
    given, wanted = {"network": network, "width": 1.0, "batch": 128}, deep.WANTED[network, 1.0]
    lines = tuple(
        Line(
            f"noise and drift, {what}",
            wanted[kind],
            {"kind": "deep_evaluation", **given, "bits": bits},
            {"aihwkit": {"kind": "resnet_evaluation", "library": "aihwkit", "bits": bits, "batch": 128}},
        )
        for kind, what, bits in (("read", "ideal converters", None), ("read 8 bits", "8-bit converters", 8))
    )
    return Group(f"{network}, evaluation", {"kind": "eager_evaluation", **given}, lines)


def fronts(name: str, file: str) -> Group:
    """The front of a million points of three objectives."""
    by = {"kind": "front", "points": file}
    peers = {"paretoset": {**by, "library": "paretoset"}} if name == "cube" else {}
    line = Line(f"{name}, 1e6 x 3", None, by, peers)
    return Group(f"front, {name}", {**by, "library": "moocore"}, (line,), by_peer=True)


def groups(place: Path) -> Iterator[Group]:
    """Yield all rows, with what they learn written to a folder."""
    images, text = str(place / "mnist.npz"), str(place / "text.npy")
    split = load("mnist", 0.0).train
    np.savez(images, images=split.images[:20_000].numpy(), labels=split.labels[:20_000].numpy())
    np.save(text, recurrent.Bench(128, 16, 32).characters.numpy())
    yield from (perceptrons(1, images), perceptrons(100, images), recurrents(text))
    yield from (deep_training("resnet20", 1.0), deep_evaluation("resnet20"), deep_training("cnn9", 0.25))
    for name, points in clouds(1_000_000).items():
        if name in ("cube", "shell"):
            np.save(place / f"{name}.npy", points)
            yield fronts(name, str(place / f"{name}.npy"))


class Table:
    """Runs rows and gathers their rates."""

    def __init__(self, older: Path | None, peers: Path | None, rounds: int) -> None:
        self._older, self._peers, self._rounds = older, peers, rounds
        self.rows: list[Row] = []
        self.failed: list[str] = []

    def run(self, group: Group, only: str) -> None:
        """Measure the rows of a group whose name holds something."""
        lines = [line for line in group.lines if only in f"{group.what}: {line.what}"]
        with ExitStack() as stack:
            reference = self._reference(group, stack) if lines else None
            for line in lines:
                what = f"{group.what}: {line.what}"
                with ExitStack() as own:
                    try:
                        self._line(what, line, reference, own)
                    except (NotPlayedError, BrokenPipeError) as error:  # a path that ended in a turn
                        self.failed.append(f"{what}: {error}")
                        print(f"  {self.failed[-1]}", flush=True)

    def _reference(self, group: Group, stack: ExitStack) -> Player | None:
        if group.by_peer and self._peers is None:
            return None
        return self._start(f"{group.what}: reference", group.reference, stack, peer=group.by_peer)

    def _line(self, what: str, line: Line, reference: Player | None, stack: ExitStack) -> None:
        named = {"": self._start(what, line.own, stack)}
        if self._older is not None:
            named["older"] = self._start(f"{what}: older", line.own, stack, checkout=self._older)
        for name, path in line.peers.items() if self._peers is not None else ():
            named[name] = self._start(f"{what}: {name}", path, stack, peer=True)
        players = {name: player for name, player in named.items() if player is not None}
        for player in (reference, *players.values()):
            if player is not None:
                player.turn()
        rounds = [
            (reference.turn() if reference else 1.0, {name: player.turn() for name, player in players.items()})
            for _ in range(self._rounds)
        ]
        for name in players:
            rate = statistics.median(base / own[name] for base, own in rounds)
            label, wanted = (what, line.wanted) if not name else (f"{what}: {name}", None)
            self._add(label, rate, wanted)
            if name and "" in players:
                self._add(f"{label}, times", statistics.median(own[name] / own[""] for _, own in rounds), None)

    def _add(self, what: str, rate: float, wanted: float | None) -> None:
        self.rows.append((what, rate, wanted))
        print(f"  {what:96} {rate:9.3f} {'' if wanted is None else f'{wanted:8.2f}'}", flush=True)

    def _start(
        self, what: str, path: Path_, stack: ExitStack, *, checkout: Path = HERE, peer: bool = False
    ) -> Player | None:
        file = Path(__file__).with_name("peer_paths.py" if peer else "own_paths.py")
        python = self._peers if peer and self._peers is not None else Path(sys.executable)
        try:
            player = Player(python, file, path, None if peer else checkout)
        except NotPlayedError as error:
            self.failed.append(f"{what}: {error}")
            print(f"  {self.failed[-1]}", flush=True)
            return None
        stack.callback(player.end)
        print(f"    {what}: {player.shown}", flush=True)
        return player


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--against", type=Path, help="an older checkout of the project")
    parser.add_argument("--peers", type=Path, help="Python of an environment with other simulators")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="rows whose name holds this")
    keep_option(parser)
    options = parser.parse_args()
    older = options.against and options.against.resolve()
    table = Table(older, options.peers and options.peers.absolute(), options.rounds)
    print(f"{processor()}\n  {'rate, eager torch = 1; times: of theirs':96} {'rate':>9}   wanted")
    with tempfile.TemporaryDirectory() as place:
        for group in groups(Path(place)):
            table.run(group, options.only)
    if options.keep:
        keep("beside", "eager float torch (fronts: moocore); times: how many times as long another takes", table.rows)
    if table.failed:
        raise SystemExit("not measured:\n  " + "\n  ".join(table.failed))


if __name__ == "__main__":
    main()
