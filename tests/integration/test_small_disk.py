"""A disk that is full: a file system of less than a megabyte, where one may be mounted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Tiny
from tests.integration.test_score import digests, score


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("file systems can be mounted by root alone; test_nothing_lost.py limits the size of files instead")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_is_named_and_the_rerun_completes(
    tiny: Tiny, tmp_path: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(tiny, small_disk) == 2
    said = capsys.readouterr().err
    assert f"{small_disk / 'tiny'}" in said
    assert ": No space left on device (0 MB are free)" in said
    assert "Make room there" in said
    assert "unexpected" not in said
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    assert score(tiny, small_disk) == 0
    assert score(tiny, tmp_path / "quiet") == 0
    assert digests(small_disk / "tiny") == digests(tmp_path / "quiet/tiny")
    assert json.loads((small_disk / "tiny/run.json").read_text())["state"] == "done"
