"""What tests of the page share: the subject of a study under several seeds, and one browser for all."""

import pytest

from dse.analysis.report.subject import Subject
from dse.analysis.tables.tables import open_tables
from tests.analysis.browser import Browser


@pytest.fixture(scope="module")
def subject(replicated):
    tables = open_tables(replicated)
    return Subject(replicated, tables, tables.objectives)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser
