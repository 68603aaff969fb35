"""Marking reference tissue in a real browser: the brush, the keyboard, and what is saved."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, expect

from tests.viewer.browsing import ASIDE, HEIGHT, WIDTH, Opened, Placing, bare_slide, field_of, shot
from tests.viewer.process import running_viewer
from tests.viewer.scored import LOST, Scored, rectangle, score_slide, write_slide
from wsi_haloae.cli.main import run
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.viewer.rasters import Rasters, TileMark
from wsi_haloae.workspace.lock import locked


@pytest.fixture
def described(tmp_path: Path) -> Scored:
    """A slide with descriptors, whose tiles can be marked."""
    made = score_slide(tmp_path / "out", write_slide(tmp_path / "s.tif"), described=True)
    regions = {"type": "FeatureCollection", "features": [rectangle(300, 300, 700, 500, "Anomaly")]}
    (made.folder / "regions.geojson").write_text(json.dumps(regions))
    return made


@contextmanager
def viewed(browser: Browser, out: Path) -> Iterator[Page]:
    with running_viewer(out) as (process, port):
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        one = Opened(page)
        one.watch()
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_selector("body[data-ready=s]")
        page.wait_for_load_state("networkidle")
        yield page
        # Chromium reports a refused request as an error, too.
        assert not [words for words in one.told if words.startswith("error") and "status of 422" not in words]
        page.close()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


@pytest.fixture
def markable(browser: Browser, described: Scored) -> Iterator[Page]:
    with viewed(browser, described.folder.parent) as page:
        yield page


def outlined(page: NDArray[np.int64]) -> bool:
    """Whether a line of the first colour of outlines is on the page; the key beside its switch is smaller."""
    return int((page == [0x0B, 0x7A, 0x3E]).all(axis=2).sum()) > 500


def middle_of(scored: Scored, placing: Placing, row: int, column: int) -> tuple[float, float]:
    grid = scored.scene.grid
    offset = (grid.tile_size - grid.stride) / 2 + grid.stride / 2
    return placing.at(offset + column * grid.stride, offset + row * grid.stride)


def test_marked_tiles_change_the_heatmap_and_are_there_after_a_reload(markable: Page, described: Scored) -> None:
    page, file = markable, described.folder / "anchors.geojson"
    expect(page.locator("#adaptation")).to_have_text("")
    placing = Placing.of(page, 0.5)
    before = shot(page)
    assert outlined(before), "the exported region"
    page.keyboard.press("r")
    expect(page.get_by_role("button", name="Mark reference tissue")).to_have_attribute("aria-pressed", "true")
    for row, column in ((3, 4), (6, 9)):
        page.mouse.move(*middle_of(described, placing, row, column))
        read = field_of(page, "score").inner_text()
        with page.expect_response(re.compile(r"/anchors$")) as answered:
            page.mouse.click(*middle_of(described, placing, row, column))
        assert answered.value.status == 200
        expect(field_of(page, "score")).not_to_have_text(read)  # the pointer has not moved since the click
    expect(page.locator("#mark-count")).to_have_text("2 marked")
    expect(page.locator("#mark-words")).to_contain_text("not saved")
    expect(page.locator("#tile")).to_be_hidden()
    expect(page.locator("#adaptation")).to_contain_text("2 marked reference tiles")
    page.mouse.move(*ASIDE)
    previewed = shot(page)
    assert np.abs(previewed - before)[bare_slide(page)].mean() > 8
    assert not outlined(previewed), "it belongs to other scores"
    expect(page.get_by_label("Region: Anomaly")).to_be_disabled()
    expect(page.locator("#outdated-words")).to_be_visible()
    assert not file.exists()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#mark-words")).to_contain_text(f"wsi-haloae export {described.folder.parent}")
    expect(page.get_by_role("button", name="Save")).to_be_disabled()
    page.reload()
    page.wait_for_selector("body[data-ready=s]")
    expect(page.locator("#mark-count")).to_have_text("2 marked")
    expect(page.locator("#adaptation")).to_contain_text("2 marked reference tiles")
    page.mouse.move(*ASIDE)
    page.wait_for_load_state("networkidle")
    # The chosen layers are the same again, but for the buttons beside the slide.
    assert (np.abs(shot(page) - previewed).max(axis=2) <= 8)[bare_slide(page)].mean() > 0.99
    document = json.loads(file.read_text())
    corners = [feature["geometry"]["coordinates"][0][0] for feature in document["features"]]
    assert corners == [[4 * 96, 3 * 96], [9 * 96, 6 * 96]]
    store = ScoreStore.open(described.folder / "scores.zarr")
    expected = tuple(3 * described.scene.grid.columns + 4 + add for add in (0, 3 * described.scene.grid.columns + 5))
    assert store.adapted is not None
    assert store.adapted.record.anchors == expected
    store.adapt("none")
    assert run(["export", str(described.folder), "--anchors", str(file), "-q"]) == 0
    again = ScoreStore.open(described.folder / "scores.zarr").adapted
    assert again is not None
    assert again.record.anchors == expected


def test_the_brush_marks_what_it_passes_and_is_taken_back_as_a_whole(markable: Page, described: Scored) -> None:
    page, marked = markable, markable.locator("#mark-count")
    placing = Placing.of(page, 0.5)
    home = page.locator("#minimap i").get_attribute("style")
    page.get_by_role("button", name="Mark reference tissue").click()
    for _ in range(2):  # the second stroke begins on a marked tile, and takes marks away
        page.mouse.move(*middle_of(described, placing, 4, 3))
        page.mouse.down()
        page.mouse.move(*middle_of(described, placing, 4, 8), steps=2)
        page.mouse.up()
        expect(marked).to_have_text({0: "6 marked", 1: ""}[_])
    assert page.locator("#minimap i").get_attribute("style") == home, "the slide stays where it is"
    page.keyboard.press("u")
    expect(marked).to_have_text("6 marked")
    page.keyboard.press("Control+z")
    expect(marked).to_have_text("")
    expect(page.locator("#adaptation")).to_have_text("")
    expect(page.get_by_label("Region: Anomaly")).to_be_enabled()
    expect(page.locator("#outdated-words")).to_be_hidden()
    expect(page.locator("#mark-undo")).to_be_disabled()
    page.mouse.click(*middle_of(described, placing, 0, LOST))
    page.keyboard.press("u")
    expect(marked).to_have_text("")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Mark reference tissue")).to_have_attribute("aria-pressed", "false")
    page.mouse.click(*middle_of(described, placing, 4, 3))
    expect(page.locator("#tile-name")).to_have_text("Tile in row 4, column 3")
    for key in ("Escape", "j", "r", "x"):  # the highest score, on a slide that is mostly within the scale
        page.keyboard.press(key)
    expect(page.locator("#mark-words")).to_contain_text("1 marked tile was clearly anomalous (red) before")
    page.keyboard.press("u")
    expect(page.locator("#mark-words")).not_to_contain_text("clearly anomalous")


def test_tiles_can_be_marked_without_a_pointer(markable: Page, described: Scored) -> None:
    page, name = markable, markable.locator("#tile-name")
    page.keyboard.press("r")
    page.keyboard.press("ArrowDown")
    rasters = Rasters(described.store)
    not_ranked = (rasters.marks & (TileMark.FLAGGED | TileMark.LITTLE_TISSUE)) != 0
    scores = np.where(not_ranked, np.inf, np.nan_to_num(rasters.scores, nan=np.inf))
    row, column = (int(place) for place in np.unravel_index(np.argmin(scores), scores.shape))
    expect(name).to_have_text(f"Tile in row {row}, column {column}")
    page.keyboard.press("x")
    step = "ArrowUp" if row else "ArrowDown"
    page.keyboard.press(step)
    expect(name).to_have_text(f"Tile in row {row + (-1 if row else 1)}, column {column}")
    page.keyboard.press("x")
    expect(page.locator("#mark-count")).to_have_text("2 marked")
    page.keyboard.press("x")
    expect(page.locator("#mark-count")).to_have_text("1 marked")
    page.locator("#mark-save").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#mark-words")).to_contain_text("wsi-haloae export")
    assert (described.folder / "anchors.geojson").exists()


def test_unsaved_marks_stay_while_another_slide_is_looked_at(
    browser: Browser, described: Scored, tmp_path: Path
) -> None:
    score_slide(tmp_path / "out", write_slide(tmp_path / "t.tif"), tile_size=256, stride=256)
    with viewed(browser, tmp_path / "out") as page:
        words, marked = page.locator("#mark-words"), page.locator("#mark-count")
        for key in ("r", "ArrowDown", "x"):
            page.keyboard.press(key)
        expect(marked).to_have_text("1 marked")
        page.keyboard.press("n")
        page.wait_for_selector("body[data-ready=t]")
        expect(page.locator("#mark")).to_be_disabled()
        expect(marked).to_have_text("")
        expect(words).to_contain_text("without descriptors")
        page.keyboard.press("p")
        page.wait_for_selector("body[data-ready=s]")
        expect(marked).to_have_text("1 marked")
        expect(page.locator("#adaptation")).to_contain_text("1 marked reference tile.")
        expect(words).to_contain_text("not saved")


def test_what_keeps_marks_from_being_saved_is_told(markable: Page, described: Scored) -> None:
    page, words = markable, markable.locator("#mark-words")
    for key in ("r", "ArrowDown", "x"):
        page.keyboard.press(key)
    with locked(described.folder):
        page.get_by_role("button", name="Save").click()
        expect(words).to_contain_text("another run is writing here")
    page.get_by_role("button", name="Save").click()
    expect(words).to_contain_text("wsi-haloae export")
