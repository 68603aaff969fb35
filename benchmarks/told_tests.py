"""Runs tests, and prints as one JSON row how many passed, failed and were skipped."""

from __future__ import annotations

import sys
from collections import Counter

import pytest
from machine import print_row


class Told:
    """A plugin of pytest that counts outcomes."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test by its call, or by what ended it before or after."""
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.outcome] += 1
        if report.failed:
            self.failed.append(report.nodeid)


if __name__ == "__main__":
    told = Told()
    code = pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[told])
    print()
    print_row("tests", asked=sys.argv[1:], failures=told.failed, **told.outcomes)
    sys.exit(code)
