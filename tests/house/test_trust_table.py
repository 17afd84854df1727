"""The table of the page on trust: what it runs is there, and what ran nothing is a failure."""

import re

import pytest

from tests import trust
from tests.studies import ROOT


@pytest.mark.parametrize("path", sorted({**trust.TESTS, **trust.SLOW}))
def test_each_word_that_chooses_tests_chooses_one(path):
    names = re.findall(r"^def (test_\w+)", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    for chosen in (table[path] for table in (trust.TESTS, trust.SLOW) if path in table):
        for word in chosen.split(" or "):
            assert any(word in name for name in names), word


def test_a_file_of_which_nothing_was_run_is_a_failure(monkeypatch):
    monkeypatch.setattr(pytest, "main", lambda *_, **__: pytest.ExitCode.NO_TESTS_COLLECTED)
    failed = trust.noted(quick=False).failed
    assert len(failed) == len({**trust.TESTS, **trust.SLOW})
    assert "tests/results/test_disk.py::NO_TESTS_COLLECTED with -k 'any_operation'" in failed
