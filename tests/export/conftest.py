"""What the tests of the export share."""

from __future__ import annotations

import pytest

from tests.export.groovy_tool import Groovy, find_groovy


@pytest.fixture(scope="session")
def groovy(tmp_path_factory: pytest.TempPathFactory) -> Groovy:
    """Groovy, whose start takes longer than what it is started for."""
    return find_groovy(tmp_path_factory.mktemp("groovy"))
