"""``--dry-run``: what a run would do is what it then does, and nothing is written."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.integration.conftest import Tiny
from wsi_haloae.cli.main import run


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.fixture
def slides(tiny: Tiny, tmp_path: Path) -> Path:
    folder = tmp_path / "slides"
    folder.mkdir()
    for name in "ab":
        shutil.copy(tiny.slide, folder / f"{name}.tif")
    return folder


def test_tile_says_what_it_then_does(slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (slides / "gone.tif").symlink_to("nowhere.tif")
    command = ["tile", str(slides), "-o", str(tmp_path / "out"), "--tile-size", "64", "-q"]
    before = everything(tmp_path)
    assert run([*command, "--dry-run"]) == 1, "one slide is not there"
    assert everything(tmp_path) == before
    said = capsys.readouterr()
    assert "gone.tif: a link to nothing" in said.err
    (slides / "gone.tif").unlink()
    [tiles] = {int(found) for found in re.findall(r"^[ab]  .* 0\.5 x 0\.5 µm/px, (\d+) tiles$", said.out, re.MULTILINE)}
    assert f"2 slides to do, {2 * tiles} tiles" in said.out
    for words in ("time: about 0:", "disk: about", "are free in", "a.tif", "nothing was written"):
        assert words in said.out
    assert run([*command[:1], str(slides / "a.tif"), *command[2:]]) == 0
    assert run([*command, "--dry-run"]) == 0
    said = capsys.readouterr()
    assert f"1 slide to do, {tiles} tiles" in said.out
    assert re.search(r"^a  .*, done before$", said.out, re.MULTILINE)


def test_score_says_what_it_then_takes(
    tiny: Tiny, slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["score", str(slides / "a.tif"), "-m", str(tiny.model), "-o", str(tmp_path / "out"), "-q"]
    before = everything(tmp_path)
    assert run([*command[:-1], "--dry-run"]) == 0
    assert everything(tmp_path) == before
    caught = capsys.readouterr()
    assert "a.tif: looking for tissue (slide 1 of 1)" in caught.err
    assert "a.tif: trying a few tiles, to measure time and disk" in caught.err
    said = caught.out
    assert re.search(r"^1 slide to do, \d{2,} tiles$", said, re.MULTILINE)
    assert "measured on 32 tiles of" in said
    [(number, unit)] = re.findall(r"disk: about ([\d.]+) (kB|MB) ", said)
    assert run(command) == 0
    taken = sum(path.stat().st_size for path in (tmp_path / "out/a").rglob("*") if path.is_file())
    assert 0.5 < float(number) * {"kB": 1e3, "MB": 1e6}[unit] / taken < 2
    assert run([*command, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "done before" in said
    assert "0 slides to do, 0 tiles" in said


def test_what_would_be_refused_is_refused(tiny: Tiny, slides: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(["tile", str(slides / "a.tif"), "-o", str(out), "--tile-size", "64", "-q"]) == 0
    assert run(["tile", str(slides / "a.tif"), "-o", str(out), "--tile-size", "128", "-q", "--dry-run"]) == 2
