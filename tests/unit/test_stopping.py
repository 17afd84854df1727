"""A signal ends a run with last words and status 130, whatever happens on the way; see also the tests of kills."""

import os
import signal
from contextlib import suppress

import pytest

from dse.cli.stopping import SIGNALS, stoppable


@pytest.fixture(autouse=True)
def own_handlers(own_logging):
    """Handlers of this process come back."""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_block_with_last_words(number, capsys):
    with pytest.raises(SystemExit) as ended, stoppable(lambda: "go on so"):
        os.kill(os.getpid(), number)
    assert ended.value.code == 130
    assert capsys.readouterr().err == "go on so\n"


@pytest.mark.parametrize("error", [ValueError("what a library makes of it"), OSError(5, "the terminal is closed")])
def test_what_comes_of_a_signal_on_its_way_out_changes_nothing(error, capsys):
    def swap():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            raise error from None

    with pytest.raises(SystemExit) as ended, stoppable(lambda: "go on so"):
        swap()
    assert ended.value.code == 130
    said = capsys.readouterr().err
    assert said.endswith("go on so\n")
    assert "Traceback" not in said


def test_a_signal_that_a_library_swallowed_is_taken_at_the_next_look(capsys):
    def run():
        with stoppable(lambda: "go on so") as stop:
            with suppress(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGTERM)
            stop.check()

    with pytest.raises(SystemExit):
        run()
    assert capsys.readouterr().err == "go on so\n"


def test_an_error_without_a_signal_is_as_it_was_and_handlers_come_back():
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(ValueError, match="mine"), stoppable(lambda: "go on so"):
        raise ValueError("mine")
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_signal_that_is_ignored_stays_ignored():
    """As under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stoppable(lambda: "go on so") as stop:
        os.kill(os.getpid(), signal.SIGHUP)
    assert not stop.requested
