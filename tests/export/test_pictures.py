"""The pictures for people: what they show, and that odd input does not break them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from matplotlib.axes import Axes
from PIL import Image

from tests.export.stores import Scene, make_index, make_store
from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.export.blend import LINE, OPACITY, blended
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.export.truth_picture import write_truth_picture
from wsi_haloae.figures import slide_frame
from wsi_haloae.figures import slide_frame as frame
from wsi_haloae.figures.scale_bar import length_words, scale_bar_length
from wsi_haloae.heatmap.assembly import assemble_heatmap
from wsi_haloae.heatmap.colours import COLOUR_TABLE, ColourScale
from wsi_haloae.stores.scored_tiles import ScoredTiles
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.tiles.preview import write_preview


def preview_of(path: Path, scene: Scene, kept: np.ndarray | None = None, mask: np.ndarray | None = None) -> Path:
    thumbnail = np.full((scene.height // 10, scene.width // 10, 3), 240, np.uint8)
    tissue = np.ones(thumbnail.shape[:2], np.bool_) if mask is None else mask
    write_preview(path, thumbnail, tissue, slide=scene.slide, grid=scene.grid, index=make_index(scene, kept))
    return path


@pytest.mark.parametrize(
    ("picture_um", "length", "words"),
    [(1100, 200, "200 µm"), (4000, 1000, "1 mm"), (39_999, 5000, "5 mm"), (8, 2, "2 µm"), (2, 0.5, "0.5 µm")],
)
def test_scale_bar_is_round_and_at_most_a_quarter(picture_um: float, length: float, words: str) -> None:
    assert scale_bar_length(picture_um) == pytest.approx(length)
    assert length_words(length) == words


def test_tissue_under_a_cell_is_grey_and_elsewhere_as_it_is(tmp_path: Path) -> None:
    scene = Scene(width=128, height=64)
    store = make_store(tmp_path / "scores.zarr", scene, kept=np.array([[True, False]]))
    base = np.full((64, 128, 3), (200, 80, 150), np.uint8)
    result = blended(base, ScoredTiles.read(store), assemble_heatmap(store), ColourScale(0.0, 1.0))
    np.testing.assert_array_equal(result[:, 64:], base[:, 64:])
    grey = np.array([200, 80, 150]) @ (0.299, 0.587, 0.114)
    np.testing.assert_allclose(result[30, 30], grey * (1 - OPACITY) + COLOUR_TABLE[0] * OPACITY, atol=0.51)


def test_unscored_tiles_are_hatched_in_grey(tmp_path: Path) -> None:
    scene = Scene(width=128, height=64)
    state = np.array([TileState.UNREADABLE, TileState.DONE], np.uint8)
    store = make_store(tmp_path / "scores.zarr", scene, state=state)
    tiles = ScoredTiles.read(store)
    result = blended(np.full((64, 128, 3), 255, np.uint8), tiles, assemble_heatmap(store), ColourScale(0.0, 1.0))
    hatched = result[:, :64].reshape(-1, 3)
    assert len(np.unique(hatched, axis=0)) == 2
    assert (hatched[:, 0] == hatched[:, 1]).all()
    assert (hatched[:, 1] == hatched[:, 2]).all()
    assert tiles.not_scored == 1


CALIBRATION = CalibrationFacts(tiles=60, groups=30, correlation=0.2, effective_tiles=39)


def test_a_line_lies_inside_the_called_tiles_and_is_fainter_on_small_cells(tmp_path: Path) -> None:
    """One of 2 x 2 tiles is called; it is blue all the same."""
    p_value = np.array([0.5, 0.5, 0.5, 0.025], np.float32)
    scene = Scene(width=128, height=128, calibration=CALIBRATION)
    store = make_store(tmp_path / "scores.zarr", scene, p_value=p_value, score=np.zeros(4, np.float32))
    tiles, heatmap, darkest = ScoredTiles.read(store), assemble_heatmap(store), {}
    for side in (128, 16):
        base = np.full((side, side, 3), 200, np.uint8)
        plain = np.floor(200 * (1 - OPACITY) + COLOUR_TABLE[0] * OPACITY + 0.5).astype(int)
        drawn, half = blended(base, tiles, heatmap, ColourScale(0.0, 1.0)).astype(int), side // 2
        changed = (drawn != plain).any(axis=2)
        assert not changed[:half].any()
        assert not changed[:, :half].any()
        called = changed[half:, half:]
        assert called[[0, -1]].all(), "closed, at the edge of the picture too"
        assert called[:, [0, -1]].all()
        assert not called[half // 4 : -half // 4, half // 4 : -half // 4].any()
        darkest[side] = drawn.min()
    assert darkest[128] == LINE
    assert darkest[16] > LINE


@pytest.mark.parametrize("limit", [60, 700, 3000])
def test_the_colour_bar_is_marked_where_calls_begin(limit: int, tmp_path: Path) -> None:
    """On a strip, whose bar lies below it; a limit beyond the bar is marked at its end."""
    scene = Scene(width=1280, height=192, calibration=CALIBRATION, display_range=(0.0, 1000.0))
    score = np.array([0.0] * 50 + [limit] * 10, np.float32)
    store = make_store(tmp_path / "scores.zarr", scene, score=score, p_value=np.where(score > 0, 0.025, 0.5))
    assert ScoredTiles.read(store).called_from == limit
    write_exports(store, tmp_path, formats=["heatmap"])
    with Image.open(tmp_path / "heatmap.png") as picture:
        row = np.asarray(picture)[frame.HEADER + 210 + 22 + 12].astype(int)
    marked = int(row.sum(axis=1).argmin())
    assert row[marked].max() < 60, "a dark line"
    beside = np.abs(COLOUR_TABLE.astype(int) - row[marked - 4]).sum(axis=1).argmin()
    assert beside == pytest.approx(min(limit, 1000) / 1000 * 255, abs=3)


def test_a_long_caption_stays_on_a_narrow_picture(tmp_path: Path) -> None:
    """Three lines between title and slide, none of which is cut off."""
    calibration = CalibrationFacts(tiles=39, groups=9, correlation=0.1, effective_tiles=18.88)
    scene = Scene(width=200, height=800, calibration=calibration, name="\N{LATIN CAPITAL LETTER U WITH DIAERESIS}.svs")
    store = make_store(tmp_path / "scores.zarr", scene)
    write_exports(store, tmp_path, formats=["heatmap"])
    pixels = np.asarray(Image.open(tmp_path / "heatmap.png")).astype(int)
    inked = (pixels < 200).any(axis=2)
    assert not inked[:, -frame.MARGIN // 2 :].any()
    assert not inked[:4].any()
    assert not inked[frame.HEADER - 3 : frame.HEADER - 1].any()
    rows = np.flatnonzero(np.diff(inked[: frame.HEADER - 2].any(axis=1).astype(int)) == 1)
    assert len(rows) >= 4, "title and three lines, with gaps between them"


def test_preview_draws_tiles_where_they_are(tmp_path: Path) -> None:
    scene = Scene(width=640, height=448)
    kept = np.zeros((scene.grid.rows, scene.grid.columns), np.bool_)
    kept[2, 3] = True
    figure = np.asarray(Image.open(preview_of(tmp_path / "preview.png", scene, kept))).astype(int)
    zoom = min(slide_frame.LONGEST_WIDTH / 640, slide_frame.LONGEST_HEIGHT / 448)
    width, height = round(640 * zoom), round(448 * zoom)
    # The frame's own line takes the outermost pixels.
    slide = figure[
        slide_frame.HEADER + 2 : slide_frame.HEADER + height - 2,
        slide_frame.MARGIN + 2 : slide_frame.MARGIN + width - 2,
    ]
    ys, xs = np.nonzero((slide != 240).any(axis=2))
    found = np.array([xs.min(), ys.min(), xs.max(), ys.max()]) + 2
    expected = np.array([3 * 64, 2 * 64, 4 * 64, 3 * 64]) * zoom
    np.testing.assert_allclose(found, expected, atol=2)


@pytest.mark.parametrize("kind", ["all", "none", "some"])
def test_preview_of_any_mask(tmp_path: Path, kind: str) -> None:
    mask = np.zeros((73, 100), np.bool_)
    mask[20:50, 30:60] = kind == "some"
    mask |= kind == "all"
    preview_of(tmp_path / "preview.png", Scene(), mask=mask)


def test_preview_without_tiles(tmp_path: Path) -> None:
    scene = Scene()
    preview_of(tmp_path / "preview.png", scene, np.zeros((scene.grid.rows, scene.grid.columns), np.bool_))


def test_preview_is_the_same_twice(tmp_path: Path) -> None:
    one, other = (preview_of(tmp_path / name, Scene()).read_bytes() for name in ("one.png", "other.png"))
    assert one == other


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = preview_of(tmp_path / "preview.png", Scene())
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="No space"):
        preview_of(path, Scene(width=300, height=300))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["preview.png"]


@pytest.mark.parametrize(("width", "stacked"), [(512, False), (2560, True)])
def test_panels_of_a_wide_slide_lie_one_above_the_other(
    width: int, stacked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles, draw = [], Axes.set_title
    monkeypatch.setattr(Axes, "set_title", lambda axes, title, **how: (titles.append(title), draw(axes, title, **how)))
    store = make_store(tmp_path / "scores.zarr", Scene(width=width, height=256))
    write_truth_picture(tmp_path / "truth.png", store, shapely.box(0, 0, 256, 256), "Liver")
    assert "scene.svs: liver (the reference) outlined" in titles
    with Image.open(tmp_path / "truth.png") as picture:
        across, down = picture.size
    assert (across / down < width / 256) == stacked
    assert across < 4000


def test_the_colour_bar_of_a_strip_lies_below_it_and_no_room_is_empty(tmp_path: Path) -> None:
    strip, square = Scene(width=1280, height=192), Scene(width=640, height=640)
    sizes = {}
    for name, scene in (("strip", strip), ("square", square)):
        write_exports(make_store(tmp_path / name / "scores.zarr", scene), tmp_path / name, formats=["heatmap"])
        with Image.open(tmp_path / name / "heatmap.png") as picture:
            sizes[name] = picture.size
            pixels = np.asarray(picture)
        if name == "strip":
            below = pixels[frame.HEADER + 210 :]  # the strip is 1400 x 210 pixels
            assert (below == COLOUR_TABLE[0]).all(axis=2).any(), "blue of the bar"
            assert (below == COLOUR_TABLE[-1]).all(axis=2).any(), "red of the bar"
    assert sizes["strip"] == (1400 + 2 * frame.MARGIN, frame.HEADER + 210 + frame.FOOTER + frame.BELOW)
    assert sizes["square"][0] == 1100 + 2 * frame.MARGIN + 190
