"""Where the real slides for tests lie: ``WSI_HALOAE_DATA``, by default ``../shared/data``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
DATA = Path(os.environ.get("WSI_HALOAE_DATA", REPOSITORY.parent / "shared" / "data"))


def real_data(relative: str) -> Path:
    """The path of a real file; the test is skipped where it is absent, and fails where ``CI`` is set."""
    path = DATA / relative
    if not path.exists():
        message = f"{path} is absent: set WSI_HALOAE_DATA to the folder that holds {relative}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def case_input(relative: str) -> Path:
    """The path of an input of ``shared/cases``, public bug reports as small files, beside the data.

    The test is skipped where there are no such cases at all.
    """
    if not (DATA.parent / "cases").is_dir():
        pytest.skip(f"{DATA.parent / 'cases'} is absent")
    return real_data(f"../cases/{relative}")
