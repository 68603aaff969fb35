"""What the tests of the export share."""

from __future__ import annotations

import pytest

from tests.export.groovy_tool import Groovy, find_groovy
from tests.made_once import made_once


@pytest.fixture(scope="session")
def groovy(tmp_path_factory: pytest.TempPathFactory) -> Groovy:
    """Groovy, whose start takes longer than what it is started for."""
    return Groovy(made_once(tmp_path_factory, "groovy", find_groovy))
