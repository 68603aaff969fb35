"""What batches took is given back before a slide's files are written, and each file's before the next one."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from tests.integration.conftest import Tiny
from wsi_haloae.cli.main import run
from wsi_haloae.export.formats import Format
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.processors.freed_memory import give_back_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc alone")
SMALL = 4 << 20


def unused() -> int:
    """Bytes that this process holds and does not use."""
    held = psutil.Process().memory_info().rss
    give_back_memory()
    return held - psutil.Process().memory_info().rss


def test_files_do_not_add_their_memory_to_that_of_batches(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, found = Format.write, list[int]()

    def measured(written: Format, folder: Path, source: OpenStore) -> None:
        found.append(unused())
        write(written, folder, source)

    monkeypatch.setattr(Format, "write", measured)
    command = ["score", str(tiny.slide), "-m", str(tiny.model), "-o", str(tmp_path), "--batch-size", "48", "-q"]
    assert run(command) == 0
    assert len(found) > 3
    assert max(found) < SMALL
