"""Paths of a benchmark that take turns, each in a process of its own, whatever environment or checkout it needs.

    python -P tests/benchmarks/turns.py FILE '{"kind": "perceptron", ...}'

is one of them: it makes the path of that kind of FILE (`PATHS`), which shows that it learns, says so on a line of JSON,
and then runs a turn for each line it is sent and answers with its processor seconds an item. `Player` is the other end.
Nothing beyond Python's own library is needed here, so that the environment of another simulator can play, too.
"""

import json
import os
import runpy
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

Made = tuple[str, Callable[[], int]]
"""What a path has shown, and what runs a turn of it and says how many items it was."""


class NotPlayedError(Exception):
    """A path did not learn what it should, or is not there."""


class Player:
    """A path in a process of its own.

    Args:
        python: the interpreter of its environment.
        file: file with its kind among `PATHS`.
        path: its kind and arguments, as JSON takes them.
        checkout: folder that it imports the project from; None where it needs none.

    Attributes:
        shown: what the path has shown before it is timed.

    Raises:
        NotPlayedError: the process ended before it was ready; the message has its last line.
    """

    def __init__(self, python: Path, file: Path, path: Mapping[str, Any], checkout: Path | None = None) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        environment.pop("PYTHONPATH", None)
        if checkout is not None:
            environment["PYTHONPATH"] = str(checkout)
        # Into a file: a pipe that nobody reads would stop who says much.
        self._errors = TemporaryFile("w+")  # noqa: SIM115  as long as the process
        self._process = subprocess.Popen(
            [str(python), "-P", __file__, str(file), json.dumps(path)],
            cwd=checkout,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.shown: str = self._said()

    def turn(self) -> float:
        """Run a turn and return the processor seconds that an item took."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._said()

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _said(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            lines = [own for own in self._errors.read().splitlines() if own.strip()]
            raise NotPlayedError(lines[-1].strip() if lines else "it ended without a word")
        return json.loads(line)


def play(made: Made, answers: Any) -> None:
    """Say what a path has shown, then run a turn a line until there are no more."""
    shown, turn = made
    print(json.dumps(shown), file=answers, flush=True)
    for _ in sys.stdin:
        start = time.process_time()
        items = turn()
        print(json.dumps((time.process_time() - start) / items), file=answers, flush=True)


def main() -> None:
    """Play the path that the command line names; what libraries print goes to the errors."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    file, path = sys.argv[1], json.loads(sys.argv[2])
    play(runpy.run_path(file)["PATHS"][path.pop("kind")](**path), answers)


if __name__ == "__main__":
    main()
