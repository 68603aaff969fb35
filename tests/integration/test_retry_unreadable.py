"""Tiles that could not be read, after the slide's file was repaired: tried again if asked, or if the file says so."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.integration.conftest import Tiny
from tests.integration.test_export_set import killed, record
from tests.integration.test_score import digests, score
from wsi_haloae.cli.main import run
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.slide.slide_file import FINGERPRINT_BYTES
from wsi_haloae.stores.score_store import ScoreStore

LEAST_BYTES = 3 * FINGERPRINT_BYTES


def copied(tiny: Tiny, folder: Path) -> Path:
    """The slide, made so long that its fingerprint leaves out a part of its pixels."""
    folder.mkdir()
    with tifffile.TiffFile(tiny.slide) as tiff:
        pixels, resolution = tiff.pages[0].asarray(), tiff.pages[0].get_resolution("CENTIMETER")
    path = folder / "tiny.tif"
    with tifffile.TiffWriter(path) as writer:
        for place, level in enumerate((pixels, np.ascontiguousarray(pixels[::4, ::4]))):
            writer.write(
                level, tile=(256, 256), photometric="rgb", subfiletype=min(place, 1), compression="deflate",
                compressionargs={"level": 0}, resolution=resolution, resolutionunit="CENTIMETER",
            )  # fmt: skip
    assert path.stat().st_size > LEAST_BYTES
    return path


def middle(slide: Path) -> tuple[int, int]:
    """Offset and length of a row of tiles in the middle of the file."""
    with tifffile.TiffFile(slide) as tiff:
        page = tiff.pages[0]
        places = sorted(zip(page.dataoffsets, page.databytecounts, strict=True))
    (first, _), (last, length) = places[len(places) // 2], places[len(places) // 2 + 7]
    return first, last + length - first


def patch(slide: Path, offset: int, content: bytes, *, keep_time: bool) -> bytes:
    """Replace some bytes, and return the old ones."""
    before = slide.stat()
    with slide.open("r+b") as stream:
        stream.seek(offset)
        old = stream.read(len(content))
        stream.seek(offset)
        stream.write(content)
    if keep_time:
        os.utime(slide, ns=(before.st_atime_ns, before.st_mtime_ns))
    return old


@pytest.fixture
def damaged(tiny: Tiny, tmp_path: Path) -> tuple[Path, int, bytes]:
    """A slide with tiles that cannot be read, scored into ``out``; where its bytes belong, and what they were."""
    slide = copied(tiny, tmp_path / "slides")
    whole = open_slide(slide).properties.fingerprint
    assert score(tiny, tmp_path / "quiet", slide=slide) == 0
    offset, length = middle(slide)
    old = patch(slide, offset, b"\xff" * length, keep_time=True)
    assert open_slide(slide).properties.fingerprint == whole
    assert score(tiny, tmp_path / "out", slide=slide) == 1
    assert ScoreStore.open(tmp_path / "out/tiny/scores.zarr").unreadable()
    return slide, offset, old


def test_they_are_tried_again_when_asked(
    tiny: Tiny, damaged: tuple[Path, int, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slide, offset, old = damaged
    patch(slide, offset, old, keep_time=True)
    record_path, out = tmp_path / "out/tiny/run.json", tmp_path / "out"
    document = json.loads(record_path.read_text())
    del document["slide"]["file"]  # as an older version wrote it
    record_path.write_text(json.dumps(document))
    command = ["score", str(slide), "--model", str(tiny.model), "-o", str(out)]
    assert run(command) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "nothing to do" in told
    assert "--retry-unreadable tries again" in told
    assert run([*command, "--retry-unreadable"]) == 0
    assert "trying again, as you asked" in " ".join(capsys.readouterr().err.split())
    assert digests(out / "tiny") == digests(tmp_path / "quiet/tiny")


def test_they_are_tried_again_when_the_file_was_changed(
    tiny: Tiny, damaged: tuple[Path, int, bytes], tmp_path: Path
) -> None:
    """Files that `export` wrote are as they were asked for, also after a kill at any moment."""
    slide, offset, old = damaged
    out, quiet = tmp_path / "out", tmp_path / "quiet"
    for folder in (out, quiet):
        assert run(["export", str(folder), "--threshold", "1.5", "--adapt", "none", "-q"]) == 0
    patch(slide, offset, old, keep_time=False)
    for number in (3, 8, 40):
        copy = shutil.copytree(out, tmp_path / f"killed{number}")
        assert killed(copy, number, "score", slide, "--model", tiny.model, "-o", copy, "-q")
        assert score(tiny, copy, slide=slide) == 0
        assert digests(copy / "tiny") == digests(quiet / "tiny")
        assert record(copy / "tiny")["called"] == record(quiet / "tiny")["called"]


def test_other_pixels_under_old_scores_are_refused(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slide = copied(tiny, tmp_path / "slides")
    assert score(tiny, tmp_path / "out", slide=slide) == 0
    os.utime(slide)  # another copy of the same file
    assert score(tiny, tmp_path / "out", slide=slide) == 0
    offset, length = middle(slide)
    patch(slide, offset, b"\xff" * length, keep_time=False)
    assert score(tiny, tmp_path / "out", slide=slide) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "changed after it was scored" in told
    assert "--overwrite" in told
