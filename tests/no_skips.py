"""The option --no-skips of the tests, which continuous integration switches on: what is skipped is tested nowhere."""

from collections.abc import Generator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --no-skips, which continuous integration switches on: what is skipped there would be tested nowhere."""
    parser.addoption("--no-skips", action="store_true", help="A skipped test fails, unless it needs an accelerator.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail what was skipped under --no-skips."""
    report = yield
    excused = item.get_closest_marker("accelerator") is not None or hasattr(report, "wasxfail")
    if item.config.getoption("--no-skips") and report.skipped and not excused:
        report.outcome = "failed"
        report.longrepr = f"skipped, which --no-skips does not allow: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that was skipped as a whole under --no-skips."""
    report = yield
    if collector.config.getoption("--no-skips") and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, which --no-skips does not allow: {report.longrepr}"
    return report
