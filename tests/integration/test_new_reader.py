"""A reader that a row of the table adds: every command opens its files, and nothing else had to change."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import wsi_haloae
from tests.integration.conftest import Tiny
from wsi_haloae.cli.main import run
from wsi_haloae.errors import SlideError
from wsi_haloae.slide import readers
from wsi_haloae.slide.memory import MemorySlide
from wsi_haloae.slide.properties import Slide
from wsi_haloae.slide.readers import READERS, SlideReader, open_slide
from wsi_haloae.workspace.slide_inputs import find_slides


def open_array(path: Path, *, mpp: float | None, override_mpp: bool) -> Slide:
    """A slide of pixels in a .npy file, at 0.5 µm a pixel."""
    try:
        pixels = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise SlideError(f"{path}: not an array ({error}).") from None
    slide = MemorySlide(pixels, name=path.name)
    assert slide.properties.with_mpp(mpp, override=override_mpp) == slide.properties
    return slide


@pytest.fixture
def array_slide(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny slide's pixels in a file of the made-up format, and the reader in the table."""
    row = SlideReader("arrays", frozenset({".npy"}), f"{__name__}:open_array")
    monkeypatch.setattr(readers, "READERS", (row, *READERS))
    with closing(open_slide(tiny.slide)) as slide:
        pixels = slide.read_region(0, 0, 0, slide.properties.width, slide.properties.height)
    folder = tmp_path / "slides"
    folder.mkdir()
    np.save(folder / "array.npy", pixels)
    return folder / "array.npy"


def test_a_folder_is_searched_for_its_suffix(array_slide: Path) -> None:
    (array_slide.parent / "notes.txt").write_text("no slide")
    found = find_slides([str(array_slide.parent)], mpp=None, override_mpp=None, name_by="stem")
    assert [slide.path for slide in found] == [array_slide]


def test_info_tile_and_score_open_it(
    array_slide: Path, tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["info", str(array_slide)]) == 0
    assert "memory" in capsys.readouterr().out
    assert run(["tile", str(array_slide), "-o", str(tmp_path / "tiles"), "--tile-size", "64", "-q"]) == 0
    assert (tmp_path / "tiles" / "array" / "preview.png").exists()
    assert run(["score", str(array_slide), "--model", str(tiny.model), "-o", str(tmp_path / "out"), "-q"]) == 0
    assert run(["score", str(tiny.slide), "--model", str(tiny.model), "-o", str(tmp_path / "out"), "-q"]) == 0
    array, tiff = (pd.read_csv(tmp_path / "out" / name / "tiles.csv") for name in ("array", "tiny"))
    both = array.merge(tiff, on=["x", "y"])  # the TIFF's lower levels make another thumbnail, so another tissue mask
    assert len(both) > 0.9 * max(len(array), len(tiff)) > 0
    assert (both["score_x"] == both["score_y"]).all()
    assert json.loads((tmp_path / "out" / "array" / "run.json").read_text())["state"] == "done"


def test_python_opens_it(array_slide: Path) -> None:
    assert wsi_haloae.open_slide(array_slide).properties.vendor == "memory"


def test_a_file_that_it_cannot_open_is_an_error_in_words(array_slide: Path, capsys: pytest.CaptureFixture[str]) -> None:
    array_slide.write_bytes(b"not an array")
    assert run(["info", str(array_slide)]) == 2
    assert "not an array" in capsys.readouterr().err
