"""What a signal does to a run: it ends with what is stored, how to go on, and status 130, whoever simulates."""

import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What a user, a batch system, or a terminal that is closed sends."""
INTERRUPTED = 130
"""Exit status of a run that was stopped."""


class Stop:
    """Whether a run was asked to stop.

    Args:
        last_words: returns what is said then.

    Attributes:
        requested: whether a signal has come.
    """

    def __init__(self, last_words: Callable[[], str]) -> None:
        self._last_words = last_words
        self.requested = False

    def take(self, _number: int, _frame: FrameType | None) -> None:
        """Stop at the first signal; at a second one, which comes while that takes its time, end at once."""
        if self.requested:
            self.say()
            os._exit(INTERRUPTED)
        self.requested = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Stop where a signal has come and some library has swallowed what it raised.

        Raises:
            KeyboardInterrupt: one has.
        """
        if self.requested:
            raise KeyboardInterrupt

    def say(self) -> None:
        """Write the last words; where the terminal is closed nobody reads them."""
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{self._last_words()}\n")
            sys.stderr.flush()


@contextmanager
def stoppable(last_words: Callable[[], str]) -> Generator[Stop]:
    """Let signals end what is done in the block with `last_words` and status 130; ignored ones stay ignored.

    Once a signal has come the handlers stay, so that a further one finds none of the system's, which say nothing.
    """
    stop = Stop(last_words)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    taken = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, stop.take)
    try:
        yield stop
    except BaseException as error:
        if not stop.requested:
            raise
        if isinstance(error, Exception) and not isinstance(error, OSError):
            with suppress(OSError):
                sys.stderr.write(f"error: {error}\n")
        stop.say()
        sys.exit(INTERRUPTED)
    finally:
        if not stop.requested:
            for number in taken:
                signal.signal(number, before[number])
