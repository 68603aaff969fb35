"""What batches took is given back before a slide's files are written, and each file's before the next one."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from tests.integration.conftest import Tiny
from wsi_haloae.cli.main import run
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.processors.freed_memory import give_back_memory
from wsi_haloae.runs import score
from wsi_haloae.stores.score_store import ScoreStore

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc alone")
SMALL = 8 << 20


def unused() -> int:
    """Bytes that this process holds and does not use."""
    held = psutil.Process().memory_info().rss
    give_back_memory()
    return held - psutil.Process().memory_info().rss


def test_exports_do_not_add_their_memory_to_that_of_batches(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before: list[int] = []
    after: list[int] = []

    def measured(store: ScoreStore, folder: Path) -> OpenStore:
        before.append(unused())
        written = write_exports(store, folder)
        after.append(unused())
        return written

    monkeypatch.setattr(score, "write_exports", measured)
    command = ["score", str(tiny.slide), "-m", str(tiny.model), "-o", str(tmp_path), "--batch-size", "48", "-q"]
    assert run(command) == 0
    assert max(before) < SMALL
    assert max(after) < SMALL
