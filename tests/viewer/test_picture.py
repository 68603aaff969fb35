"""The slide under the heatmap: its own pixels, the thumbnail's where it is gone, grey where it is broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.viewer.scored import Scored, ramp, write_slide
from wsi_haloae.errors import SlideError
from wsi_haloae.slide.memory import MemorySlide
from wsi_haloae.viewer import picture
from wsi_haloae.viewer.picture import UNREADABLE_GREY, SlidePicture


def test_a_slide_that_is_there_needs_no_words(scored: Scored) -> None:
    shown = SlidePicture(scored.slide, scored.store)
    assert shown.from_file
    assert shown.message is None
    assert shown.finest_level == shown.deep_zoom.levels - 1
    shown.close()


@pytest.mark.parametrize("kind", ["gone", "unknown", "no slide", "another size"])
def test_without_its_slide_it_is_the_thumbnail_and_says_why(scored: Scored, tmp_path: Path, kind: str) -> None:
    path: Path | None = tmp_path / "slide.tif"
    if kind == "unknown":
        path = None
    elif kind == "no slide":
        (tmp_path / "slide.tif").write_text("no picture")
    elif kind == "another size":
        write_slide(tmp_path / "slide.tif", ramp(1500, 1000))
    shown = SlidePicture(path, scored.store)
    assert not shown.from_file
    assert shown.message is not None
    assert "thumbnail" in shown.message
    assert 0 < shown.finest_level < shown.deep_zoom.levels - 1
    pixels, _ = shown.zoom_tile(shown.finest_level, 0, 0)
    width, height = shown.deep_zoom.dimensions(shown.finest_level)
    assert pixels.shape == (min(height, 255), min(width, 255), 3)
    expected = ramp(width, height)[: len(pixels), : len(pixels[0])].astype(int)
    assert np.abs(pixels.astype(int) - expected)[4:-4, 4:-4].max() < 12
    with pytest.raises(SlideError):
        shown.scored_tile(0)


def test_another_file_of_the_same_size_is_shown_with_a_warning(scored: Scored, tmp_path: Path) -> None:
    other = ramp()
    other[5, 5] = 0
    shown = SlidePicture(write_slide(tmp_path / "ramp.tif", other), scored.store)
    assert shown.from_file
    assert shown.message is not None
    assert "is not the file that was scored" in shown.message
    assert shown.version != SlidePicture(scored.slide, scored.store).version


def test_a_region_that_cannot_be_decoded_is_grey_and_the_rest_is_not(
    scored: Scored, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = MemorySlide(ramp(), unreadable=[(300, 300, 10, 10)])
    shown = SlidePicture(scored.slide, scored.store)
    monkeypatch.setattr(shown._handles, "_opener", lambda: broken)
    pixels, could_be_read = shown.zoom_tile(shown.finest_level, 0, 0)
    assert not could_be_read
    assert (pixels == UNREADABLE_GREY).all()
    pixels, could_be_read = shown.zoom_tile(shown.finest_level, 1, 1)
    assert could_be_read
    assert len(np.unique(pixels)) > 10
    shown.close()


def test_a_file_that_goes_away_while_it_is_looked_at(scored: Scored, tmp_path: Path) -> None:
    path = write_slide(tmp_path / "ramp.tif")
    shown = SlidePicture(path, scored.store)
    path.unlink()
    pixels, could_be_read = shown.zoom_tile(shown.finest_level, 0, 0)
    assert not could_be_read
    assert pixels[10, 10, 2] == pytest.approx(90, abs=8)  # from the thumbnail


def test_a_slide_without_a_pyramid_is_not_read_whole_for_one_tile(
    scored: Scored, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = SlidePicture(scored.slide, scored.store)
    monkeypatch.setattr(shown.deep_zoom, "too_large", lambda *_: True)
    monkeypatch.setattr(picture.DeepZoom, "read", lambda *_: pytest.fail("it was read"))
    assert shown.zoom_tile(5, 0, 0)[1]
    shown.close()
