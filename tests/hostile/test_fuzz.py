"""Every reader with some damaged files, always the same ones; ``make fuzz`` takes many more. And the harness itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.hostile.batch import Inputs, problem
from tests.hostile.fuzz import fuzz
from tests.hostile.readers import READERS, FuzzedReader
from wsi_haloae.errors import UsageError

INPUTS = 160
"""Of a quick reader: a second or two."""


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    assert list(fuzz(name, 0, max(8, INPUTS // READERS[name].seldom), tmp_path)) == []


def nothing(_folder: Path) -> None:
    """No file is needed."""


def raises(error: Exception) -> FuzzedReader:
    def read(_path: Path, _folder: Path) -> None:
        raise error

    return FuzzedReader(nothing, read)


def test_our_own_errors_are_no_problem(tmp_path: Path) -> None:
    assert problem(raises(UsageError("a.svs: it is empty")), tmp_path, tmp_path) is None
    assert problem(raises(UsageError(" ")), tmp_path, tmp_path) == "an error without words"


def test_other_errors_are_reported_with_their_traceback(tmp_path: Path) -> None:
    told = problem(raises(KeyError("patient")), tmp_path, tmp_path)
    assert told is not None
    assert told.endswith("KeyError: 'patient'\n")


def test_memory_is_measured(tmp_path: Path) -> None:
    greedy = FuzzedReader(nothing, lambda _path, _folder: np.ones(1200 << 20, np.uint8))
    told = problem(greedy, tmp_path, tmp_path)
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("this system does not tell how much memory a process used")
    assert told is not None
    assert told.endswith("MiB of memory")


def test_the_same_number_gives_the_same_input(tmp_path: Path) -> None:
    inputs = Inputs("geojson", tmp_path)
    first = [(path.name, path.read_bytes()) for number in range(20) for path in [inputs.write(number)]]
    for path in inputs.place.iterdir():
        inputs.restore(path)
    again = [(path.name, path.read_bytes()) for number in range(20) for path in [inputs.write(number)]]
    assert first == again
    assert len(set(first)) > 15
