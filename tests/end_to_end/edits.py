"""The small study with changes, and what tests of its life share."""

from dse.results.schema import RESULT_COLUMNS
from dse.results.store import read_table
from dse.search.executor import LocalExecutor, work
from dse.search.study import parse_study
from tests.studies import SMALL_STUDY

WITHOUT_KEY = [name for name in RESULT_COLUMNS if name != "study_key"]

LOSS_TOO = ('"worst_writes"]', '"worst_writes", "loss"]')


def results(where):
    return read_table(where).select(WITHOUT_KEY)


def edited(*changes):
    text = SMALL_STUDY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def study_of(text, tmp_path):
    return parse_study(text, tmp_path)


class Stops(LocalExecutor):
    """Holds several jobs, answers the newest first, and is interrupted after some answers."""

    def __init__(self, after, slots=1):
        super().__init__()
        self.left, self.slots = after, slots

    def wait(self, timeout_s):
        if timeout_s == 0.0:
            return []  # nothing is ready so soon
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return [work(self._jobs.pop())]
