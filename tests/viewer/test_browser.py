"""The page in a real browser, on a real slide: what people see and do.

Headless Chromium through Playwright; skipped where there is none ('make test-tools'), an error in CI.
"""

from __future__ import annotations

import csv
import io
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.viewer.browsing import ASIDE, HEIGHT, WIDTH, Opened, Placing, bare_slide, field_of, hover, shot
from tests.viewer.process import running_viewer
from tests.viewer.scored import CALIBRATED, DRAWN, LOST, RANGE, Scored, score_slide, write_run_record, write_slide
from wsi_haloae.artefacts.flags import FLAGS
from wsi_haloae.calibration.reach import why_none
from wsi_haloae.heatmap.assembly import assemble_heatmap
from wsi_haloae.heatmap.colours import ColourScale
from wsi_haloae.pages import percent
from wsi_haloae.provenance.use import SlideUse, Use
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.scored_tiles import ScoredTiles
from wsi_haloae.stores.sharded import TileState

NAME = "cmu-1-small-region"


@pytest.fixture(scope="module")
def opened(browser: Browser, viewer: int) -> Iterator[Opened]:
    """One page for all tests; `page` brings it back to the real slide as it is first seen."""
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
    one = Opened(context.new_page())
    one.watch()
    one.page.set_default_timeout(20_000)
    one.page.goto(f"http://127.0.0.1:{viewer}/")
    yield one
    context.close()


@pytest.fixture
def page(opened: Opened) -> Iterator[Page]:
    page = opened.page
    page.goto("about:blank")
    page.goto(opened.asked[0])
    page.wait_for_selector(f"body[data-ready='{NAME}']")
    page.wait_for_load_state("networkidle")
    yield page
    assert not [words for words in opened.told if words.startswith("error")]
    assert all(url.startswith(opened.asked[0]) for url in opened.asked if url != "about:blank")


def expected_colours(
    store: ScoreStore, placing: Placing, ends: tuple[float, float] = RANGE
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Of the whole page under an opaque heatmap (h, w, 3), and where it is known: inside of scored cells."""
    heatmap = assemble_heatmap(store)
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    l0_x, l0_y = (x - placing.x) / placing.scale, (y - placing.y) / placing.scale
    columns = (l0_x - heatmap.l0_offset_x) / heatmap.l0_cell_width
    rows = (l0_y - heatmap.l0_offset_y) / heatmap.l0_cell_height
    # The readout has three digits, so edges are known to a pixel or two.
    rim = 3 / placing.scale / heatmap.l0_cell_width
    inside = (np.abs(columns % 1 - 0.5) < 0.5 - rim) & (np.abs(rows % 1 - 0.5) < 0.5 - rim)
    slide = store.header.slide
    inside &= (l0_x > 8) & (l0_y > 8) & (l0_x < slide.width - 8) & (l0_y < slide.height - 8)
    inside &= (rows >= 0) & (columns >= 0) & (rows < heatmap.grid.rows) & (columns < heatmap.grid.columns)
    cells = np.floor(np.where(inside, rows, 0)).astype(int), np.floor(np.where(inside, columns, 0)).astype(int)
    rgba = ColourScale(*ends).rgba(heatmap.values)[cells].astype(int)
    return rgba[..., :3], inside & (rgba[..., 3] == 255)


def set_slider(page: Page, selector: str, key: str) -> None:
    page.focus(selector)
    page.keyboard.press(key)


def test_the_slide_is_there_and_its_list(page: Page, real: Scored) -> None:
    expect(page.locator("#slide-name")).to_have_text(NAME)
    expect(page.locator("#slides button")).to_have_count(2)
    expect(page.locator("#slides button[aria-current=true]")).to_contain_text(NAME)
    expect(page.locator("#notice")).to_be_hidden()
    set_slider(page, "#opacity", "Home")
    page.keyboard.press("h")
    placing = Placing.of(page, real.scene.mpp_x)
    for key in "aho":
        page.keyboard.press(key)
    page.locator("#heat").uncheck()
    shown = shot(page)
    slide = open_slide(real.slide)
    for l0_x, l0_y in ((1000, 600), (1200, 1500), (1500, 2300), (900, 2000)):
        x, y = (round(place) for place in placing.at(l0_x, l0_y))
        expected = slide.read_region(l0_x - 60, l0_y - 60, 0, 120, 120).reshape(-1, 3).mean(axis=0)
        reach = round(60 * placing.scale)
        found = shown[y - reach : y + reach, x - reach : x + reach].reshape(-1, 3).mean(axis=0)
        np.testing.assert_allclose(found, expected, atol=6)
    slide.close()


def test_colours_are_those_of_the_pictures_and_in_their_places(page: Page, real: Scored) -> None:
    placing = Placing.of(page, real.scene.mpp_x)
    for key in "ao":
        page.keyboard.press(key)
    set_slider(page, "#opacity", "End")
    page.mouse.move(*ASIDE)
    expected, known = expected_colours(real.store, placing)
    known &= bare_slide(page)
    assert known.sum() > 50_000
    matches = np.abs(shot(page) - expected).max(axis=2)[known] <= 2
    assert matches.mean() > 0.99


def test_a_tile_without_a_score_is_hatched(page: Page, real: Scored) -> None:
    placing = Placing.of(page, real.scene.mpp_x)
    page.keyboard.press("f")
    expect(page.locator("#unscored li")).to_have_count(2)
    grid = real.scene.grid
    offset = (grid.tile_size - grid.stride) / 2
    left, top = placing.at(offset + LOST * grid.stride, offset)
    right, bottom = placing.at(offset + (LOST + 1) * grid.stride, offset + grid.stride)
    page.keyboard.press("f")
    cell = shot(page)[round(top) + 3 : round(bottom) - 3, round(left) + 3 : round(right) - 3].reshape(-1, 3)
    assert np.ptp(cell, axis=1).max() < 60, "greys over the tissue"
    assert np.ptp(cell.mean(axis=1)) > 50, "dark and light stripes"


def test_sliders_change_the_picture_without_a_request(page: Page, opened: Opened) -> None:
    page.mouse.move(*ASIDE)
    before, asked = shot(page), len(opened.asked)
    middle = bare_slide(page)
    set_slider(page, "#opacity", "Home")
    bare = shot(page)
    assert np.abs(bare - before)[middle].mean() > 8
    expect(page.locator("#opacity-value")).to_have_text("0 %")
    set_slider(page, "#opacity", "End")
    full = shot(page)
    set_slider(page, "#threshold", "End")
    expect(page.locator("#threshold-words")).to_contain_text("score ≥ 3: ")
    few = shot(page)
    assert np.abs(few - full)[middle].mean() > 8
    set_slider(page, "#threshold", "Home")
    expect(page.locator("#threshold-words")).to_have_text("all scores shown")
    assert np.abs(shot(page) - full)[middle].max() == 0
    assert len(opened.asked) == asked


def test_pointing_at_a_tile_tells_the_numbers_of_the_table(page: Page, real: Scored) -> None:
    with (real.folder / "tiles.csv").open(newline="") as file:
        lines = {(line["row"], line["column"]): line for line in csv.DictReader(file)}
    seen = 0
    for x, y in ((480, 200), (560, 333), (640, 480), (700, 610), (745, 700)):
        um_x, um_y = hover(page, x, y)
        cell = re.fullmatch(r"row (\d+), column (\d+)", field_of(page, "cell").inner_text())
        assert cell
        line = lines[cell[1], cell[2]]
        assert float(field_of(page, "score").locator("b").inner_text()) == pytest.approx(float(line["score"]), rel=1e-3)
        assert float(field_of(page, "p").locator("b").inner_text()) == pytest.approx(float(line["p_value"]), rel=1e-3)
        flags = field_of(page, "flags")
        words = ", ".join(FLAGS[name].words for name in line["flags"].split(";") if name)
        assert (flags.inner_text() if flags.count() else "") == words
        assert 0 <= um_x / 0.499 - float(line["x"]) < 128
        assert 0 <= um_y / 0.499 - float(line["y"]) < 128
        seen += 1
    page.mouse.move(*ASIDE)
    expect(page.locator("#readout")).to_be_hidden()
    assert seen == 5


def test_a_click_opens_the_tile_with_its_picture_and_its_map(page: Page, real: Scored) -> None:
    with page.expect_response(re.compile(r"/tiles/\d+_\d+\.jpg")) as answered:
        page.mouse.click(600, 480)
    assert answered.value.status == 200
    row, column = map(int, re.findall(r"(\d+)_(\d+)\.jpg", answered.value.url)[0])
    expect(page.locator("#tile-name")).to_have_text(f"Tile in row {row}, column {column}")
    number = row * real.scene.grid.columns + column
    score = float(real.store.scores().score[number])
    assert float(page.locator("#tile-facts .score").inner_text()) == pytest.approx(score, rel=1e-3)
    with Image.open(io.BytesIO(answered.value.body())) as image:
        shown = np.asarray(image).astype(int)
    slide = open_slide(real.slide)
    expected = slide.read_region(*real.store.index.location[number].tolist(), 0, 128, 128)
    slide.close()
    assert np.abs(shown - expected).mean() < 2  # JPEG
    with page.expect_response(re.compile(r"/tiles/\d+_\d+\.png")) as answered:
        page.get_by_text("Anomaly map").click()
    assert answered.value.status == 200
    expect(page.locator("#map-words")).to_contain_text("not part of this score (rule content)")
    page.keyboard.press("Escape")
    expect(page.locator("#tile")).to_be_hidden()


def test_keys_lead_through_the_tiles_by_score(page: Page, real: Scored) -> None:
    """Those without a flag and with enough tissue; the others are between them, and behind a switch."""
    store, columns = real.store, real.scene.grid.columns
    scores = np.where(store.states() == TileState.DONE, store.read("score"), -np.inf)
    clean = np.isfinite(scores) & (store.read("flags") == 0) & (store.index.tissue_fraction >= 0.5)
    every = np.argsort(-scores, kind="stable")
    order = [number for number in every.tolist() if clean[number]]
    assert not clean[every[0]], "else this test shows nothing"
    expect(page.locator("#unclean-words")).to_contain_text(f"{len(store) - 2 - len(order)} tiles with a flag or less")

    def expect_tile(number: int, rank: str) -> None:
        row, column = divmod(number, columns)
        expect(page.locator("#tile-facts .rank")).to_have_text(rank)
        expect(page.locator("#tile-name")).to_have_text(f"Tile in row {row}, column {column}")

    page.get_by_role("checkbox", name="Rank flagged tiles too").check()
    page.keyboard.press("j")
    expect_tile(int(every[0]), f"1 of {len(store) - 2}")
    page.get_by_role("checkbox", name="Rank flagged tiles too").uncheck()
    expect_tile(int(every[0]), "not ranked")
    page.get_by_role("button", name="Rank them").click()
    expect_tile(int(every[0]), f"1 of {len(store) - 2}")
    page.get_by_role("button", name="Leave out").click()
    expect_tile(int(every[0]), "not ranked")
    expect(page.locator("#tile-left-out")).to_contain_text(f"{len(store) - 2 - len(order)} not ranked")
    expect(page.locator("#tile-previous")).to_be_disabled()
    for key, rank in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        expect_tile(order[rank], f"{rank + 1} of {len(order)}")
    page.wait_for_timeout(700)  # the way there is animated
    page.locator("#tile-next").focus()  # the pointer leaves no mark, the focus none on the slide
    middle_x, middle_y = hover(page, (232 + 64 + WIDTH - 300) / 2, (66 + HEIGHT - 56) / 2)
    l0_x, l0_y = real.store.index.location[order[1]] + 64
    assert (middle_x, middle_y) == pytest.approx((l0_x * 0.499, l0_y * 0.499), abs=3)


def test_keys_switch_layers_and_move(page: Page) -> None:
    page.mouse.move(*ASIDE)
    expect(page.locator("#heat")).to_be_checked()
    page.keyboard.press("h")
    expect(page.locator("#heat")).not_to_be_checked()
    page.keyboard.press("h")
    page.keyboard.press("]")
    expect(page.locator("#opacity-value")).to_have_text("60 %")
    page.keyboard.press("[")
    page.keyboard.press("[")
    expect(page.locator("#opacity-value")).to_have_text("50 %")
    before = shot(page)
    with page.expect_response(re.compile(r"/map/\d+/\d+_\d+\.png")):
        page.keyboard.press("m")
    expect(page.get_by_role("radio", name="Pixels")).to_be_checked()
    expect(page.locator("#threshold-words")).to_contain_text("not to be compared between slides")
    expect(page.locator("#scale-words")).to_contain_text("does not explain it")
    page.wait_for_load_state("networkidle")
    assert np.abs(shot(page) - before)[bare_slide(page)].mean() > 5
    page.keyboard.press("m")
    expect(page.locator("#scale-words")).to_contain_text("Half of the held-out reference tiles score below 0.5")
    bar = page.locator("#scale-bar-words")
    home = bar.inner_text()
    for key in ("+", "+", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    expect(bar).not_to_have_text(home)
    page.keyboard.press("0")
    expect(bar).to_have_text(home)
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()


def test_annotations_are_drawn_where_they_are_and_can_be_hidden(page: Page, real: Scored) -> None:
    placing = Placing.of(page, real.scene.mpp_x)
    page.locator("#heat").uncheck()
    page.locator("#anomalous").uncheck()
    page.mouse.move(*ASIDE)
    switch = page.get_by_role("checkbox", name="Tumor")
    expect(switch).to_be_checked()
    drawn = shot(page)
    switch.uncheck()
    bare = shot(page)
    ys, xs = np.nonzero((np.abs(drawn - bare).max(axis=2) > 40) & bare_slide(page))
    x, y, width, height = DRAWN
    left, top, right, bottom = *placing.at(x, y), *placing.at(x + width, y + height)
    np.testing.assert_allclose([xs.min(), ys.min(), xs.max(), ys.max()], [left, top, right, bottom], atol=4)


def test_a_slide_that_is_gone_is_shown_from_its_thumbnail(page: Page) -> None:
    page.keyboard.press("n")
    page.wait_for_selector("body[data-ready=gone]")
    expect(page.locator("#slide-name")).to_have_text("gone")
    expect(page.locator("#notice")).to_contain_text("not where it was scored")
    page.mouse.move(*ASIDE)
    page.wait_for_load_state("networkidle")
    shown = shot(page)[bare_slide(page)]
    assert len(np.unique(shown, axis=0)) > 50
    page.keyboard.press("p")
    page.wait_for_selector(f"body[data-ready='{NAME}']")
    expect(page.locator("#notice")).to_be_hidden()


def test_every_control_has_a_name_and_is_reached_by_tab(page: Page) -> None:
    controls = page.locator("main button:visible, main input:visible, nav button:visible").all()
    assert len(controls) > 12
    reached = set()
    page.locator("#toggle-list").focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.locator(":focus").count():  # past the last one the browser's own controls would follow
            reached.add(page.locator(":focus").get_attribute("id"))
    for name in ("zoom-in", "zoom-home", "show-help", "heat", "opacity", "threshold", "anomalous", "flags"):
        assert name in reached
    tree = page.locator("body").aria_snapshot()
    for line in tree.splitlines():
        assert not re.fullmatch(r"\s*- (button|slider|checkbox|radio)( \[.*\])?:?", line), f"no name: {line}"


def test_where_no_tile_can_be_called_the_page_says_why_and_counts_none(browser: Browser, tmp_path: Path) -> None:
    """In the list, from the run record, and beside the switch, from the store; another slide has its share."""
    coarse = CALIBRATED.model_copy(update={"effective_tiles": 18.88})
    reason = " ".join((why_none(coarse.smallest_p) or "").split())
    out = tmp_path / "out"
    able = score_slide(out, write_slide(tmp_path / "able.tif"))
    unable = score_slide(out, write_slide(tmp_path / "unable.tif"), calibration=coarse)
    tiles = len(unable.store)
    counts = {"tiles": tiles, "scored": tiles - 2, "unreadable": 1, "anomalous": None}
    told = {"counts": counts, "summary": {"why_none": why_none(coarse.smallest_p)}}
    write_run_record(unable.folder, unable.slide, unable.store.header.slide, tiles, **told)
    with running_viewer(out) as (process, port):
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/#unable")
        page.wait_for_selector("body[data-ready=unable]")
        expect(page.locator("#criterion")).to_have_text(reason)
        expect(page.locator("#anomalous")).to_be_disabled()
        expect(page.locator("#list-note")).to_have_text(reason)
        entries = page.locator("#slides button").all_inner_texts()
        assert [("anomalous" in words, "%" in words) for words in entries] == [(True, True), (False, False)]
        assert not re.search(r"\b0(\.0)? %", page.locator("body").inner_text())
        page.locator("#slides button").first.click()
        page.wait_for_selector("body[data-ready=able]")
        called = int((ScoredTiles.read(able.store).p_value <= 0.05).sum())
        expect(page.locator("#criterion")).to_contain_text(f"{called} tiles, {percent(called / (tiles - 2))}, at a")
        expect(page.locator("#anomalous")).to_be_enabled()
        page.close()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_a_slide_that_training_used_says_so_in_the_list_and_over_the_picture(browser: Browser, tmp_path: Path) -> None:
    use = Use(slide={"train": 12})
    made = score_slide(tmp_path / "out", write_slide(tmp_path / "s.tif"), trained_on=SlideUse(**dict(use)))
    told = {"trained_on": use.model_dump(mode="json")}
    write_run_record(made.folder, made.slide, made.store.header.slide, len(made.store), **told)
    with running_viewer(tmp_path / "out") as (process, port):
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/#s")
        page.wait_for_selector("body[data-ready=s]")
        expect(page.locator("#slides button")).to_contain_text("used in training: slide: train")
        expect(page.locator("#notice")).to_contain_text(use.notice or "")
        page.close()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_a_slide_without_descriptors_offers_no_marking(page: Page) -> None:
    expect(page.locator("#mark")).to_be_disabled()
    expect(page.locator("#mark-words")).to_contain_text("without descriptors")
    page.keyboard.press("r")
    expect(page.locator("#mark-tools")).to_be_hidden()


def test_colours_can_be_stretched_to_the_slide_and_the_colour_bar_says_so(page: Page, real: Scored) -> None:
    placing, words = Placing.of(page, real.scene.mpp_x), page.locator("#stretch-words")
    for key in "ao":
        page.keyboard.press(key)
    set_slider(page, "#opacity", "End")
    expect(words).to_be_hidden()
    page.get_by_role("checkbox", name="Stretch colours").check()
    expect(words).to_contain_text("not to be compared with other slides")
    page.mouse.move(*ASIDE)
    scores = np.sort(real.store.read("score")[real.store.states() == TileState.DONE])[::-1]
    low, high = (float(scores[int(share * (len(scores) - 1))]) for share in (0.99, 0.005))
    for ends in ((low, high), RANGE):
        expected, known = expected_colours(real.store, placing, ends)
        assert (np.abs(shot(page) - expected).max(axis=2)[known & bare_slide(page)] <= 2).mean() > 0.99
        page.get_by_role("checkbox", name="Stretch colours").uncheck()
        page.mouse.move(*ASIDE)


def test_it_can_be_read_in_the_dark(browser: Browser, viewer: int) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme, viewport={"width": WIDTH, "height": HEIGHT})
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{viewer}/")
        page.wait_for_selector("body[data-ready]")
        title = page.locator("#title").bounding_box()
        assert title is not None
        card = shot(page)[int(title["y"]) + 8 : int(title["y"]) + 40, int(title["x"]) + 45 : int(title["x"]) + 200]
        colours[scheme] = np.percentile(card.mean(axis=2), [2, 50, 98])
        context.close()
    assert colours["light"][1] - colours["light"][0] > 120, "dark words on a light card"
    assert colours["dark"][2] - colours["dark"][1] > 120, "light words on a dark card"
