"""What the server answers: no more than there is, nothing from elsewhere, and never a traceback."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.types import ASGIApp

from tests.export.stores import Scene, make_store
from tests.viewer.asking import Answer, ask
from tests.viewer.scored import LOST, REFERENCE, Scored, score_slide, write_run_record, write_slide
from wsi_haloae.calibration.reference_scale import usual_scores
from wsi_haloae.config import autoencoder_words, map_words
from wsi_haloae.heatmap.colours import COLOUR_TABLE
from wsi_haloae.provenance.use import SlideUse, Use
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.tiles.plan import ReadPlan
from wsi_haloae.viewer.catalogue import find_scored
from wsi_haloae.viewer.opened import MOST_OPEN, OpenedSlides
from wsi_haloae.viewer.pages import viewer_app

MOST_BYTES = 1 << 20


def picture(answer: Answer) -> np.ndarray:
    assert answer.status == 200, answer.body
    with Image.open(io.BytesIO(answer.body)) as image:
        return np.asarray(image).astype(int)


def app_over(out: Path, annotations: Path | None = None) -> ASGIApp:
    return viewer_app(OpenedSlides(find_scored(out, pytest.fail), annotations))


def test_the_list_says_what_the_run_records_say(app: ASGIApp) -> None:
    document = ask(app, "/api/slides").json()
    [slide] = document["slides"]
    assert (slide["name"], slide["state"], slide["anomalous"], slide["unreadable"]) == ("ramp", "done", 3, 1)
    assert document["colours"] == COLOUR_TABLE.tolist()


def test_facts_are_those_of_the_store(app: ASGIApp, scored: Scored) -> None:
    facts = ask(app, "/api/slides/ramp").json()
    grid = scored.scene.grid
    assert facts["message"] == ""
    assert (facts["grid"]["rows"], facts["grid"]["columns"]) == (grid.rows, grid.columns)
    assert facts["grid"]["l0_offset_x"] == (128 - 96) / 2
    assert facts["grid"]["l0_cell_width"] == 96
    assert facts["display_range"] == [-1.0, 3.0]
    assert facts["criterion"] == "per-tile error rate of 5\N{NO-BREAK SPACE}%"
    assert facts["pixel_map"]["l0_cell_width"] == 16


def test_facts_say_which_scores_are_usual_and_what_they_are_made_of(app: ASGIApp) -> None:
    facts = ask(app, "/api/slides/ramp").json()
    assert facts["scale_words"] == f"{usual_scores(REFERENCE)} {autoencoder_words('content')}"
    assert facts["map_words"] == map_words("content")


def test_every_deep_zoom_tile_is_there_small_and_in_its_place(app: ASGIApp) -> None:
    zoom = ask(app, "/api/slides/ramp").json()["deep_zoom"]
    for level in range(zoom["max_level"] + 1):
        shrunk = 2 ** (zoom["max_level"] - level)
        columns, rows = (math.ceil(math.ceil(zoom[side] / shrunk) / zoom["tile_size"]) for side in ("width", "height"))
        for row in range(rows):
            for column in range(columns):
                answer = ask(app, f"/api/slides/ramp/zoom/{level}/{column}_{row}.jpg")
                assert len(answer.body) <= MOST_BYTES
                pixels = picture(answer)
                # The ramp says where the middle of the tile is.
                middle = pixels[len(pixels) // 2, len(pixels[0]) // 2]
                left, top = (place * zoom["tile_size"] - (place > 0) for place in (column, row))
                x, y = (left + len(pixels[0]) // 2) * shrunk, (top + len(pixels) // 2) * shrunk
                assert abs(middle[0] - x * 255 / 1500) < 6 + shrunk * 255 / 1500
                assert abs(middle[1] - y * 255 / 1100) < 6 + shrunk * 255 / 1100
        for beyond in (f"{columns}_0", f"0_{rows}", f"{10**30}_0", "-1_0", "0_0.5"):
            assert ask(app, f"/api/slides/ramp/zoom/{level}/{beyond}.jpg").status == 404
    assert ask(app, f"/api/slides/ramp/zoom/{zoom['max_level'] + 1}/0_0.jpg").status == 404
    assert ask(app, "/api/slides/ramp/zoom/-1/0_0.jpg").status == 404


def test_map_tiles_are_the_colours_of_the_map(app: ASGIApp, scored: Scored) -> None:
    facts = ask(app, "/api/slides/ramp").json()["pixel_map"]
    cells = picture(ask(app, f"/api/slides/ramp/map/{facts['max_level']}/0_0.png"))
    assert cells.shape == (facts["height"], facts["width"], 4)
    known = cells[..., 3] == 255
    assert 0.9 < known.mean() < 1  # two tiles have none
    assert set(map(tuple, cells[known][:, :3].tolist())) <= set(map(tuple, COLOUR_TABLE.tolist()))
    for beyond in (f"{facts['max_level'] + 1}/0_0", f"{facts['max_level']}/1_0", f"{facts['max_level']}/0_{10**30}"):
        assert ask(app, f"/api/slides/ramp/map/{beyond}.png").status == 404


def test_a_tile_is_the_picture_that_was_scored(app: ASGIApp, scored: Scored) -> None:
    number = 40
    row, column = (int(places[number]) for places in (scored.store.index.row, scored.store.index.column))
    shown = picture(ask(app, f"/api/slides/ramp/tiles/{row}_{column}.jpg"))
    slide = open_slide(scored.slide)
    l0_x, l0_y = scored.store.index.location[number].tolist()
    expected = ReadPlan.of_record(scored.store.header.read_plan).read(slide, l0_x, l0_y, 128).astype(int)
    slide.close()
    assert np.abs(shown - expected).max() <= 12  # JPEG
    assert picture(ask(app, f"/api/slides/ramp/tiles/{row}_{column}.png")).shape == (8, 8, 4)
    for absent in ("99_0", "0_99", f"{10**30}_0"):
        assert ask(app, f"/api/slides/ramp/tiles/{absent}.jpg").status == 404


def test_the_map_of_a_lost_tile_is_transparent(app: ASGIApp, scored: Scored) -> None:
    for number, alpha in ((LOST, 0), (LOST + 1, 255)):
        row, column = scored.store.index.row[number], scored.store.index.column[number]
        pixels = picture(ask(app, f"/api/slides/ramp/tiles/{row}_{column}.png"))
        assert pixels.shape == (8, 8, 4)
        assert (pixels[..., 3] == alpha).all()


@pytest.mark.parametrize(
    "name",
    [
        "..", "%2e%2e", ".", "ramp%2f..%2framp", "..%2f..%2fetc", "%2fetc%2fpasswd", "%00", "ramp%00", "ramp%00.jpg",
        "..%5c..", "C:%5c", "nothing", "%ff", "ramp%0d%0a", "scores.zarr", "%252e%252e",
    ],
)  # fmt: skip
def test_a_name_that_is_not_in_the_list_is_not_found(app: ASGIApp, name: str) -> None:
    for rest in ("", "/scores", "/icon.jpg", "/zoom/0/0_0.jpg", "/tiles/0_0.jpg", "/run.json", "/outlines"):
        assert ask(app, f"/api/slides/{name}{rest}").status == 404, rest


@pytest.mark.parametrize(
    "address",
    [
        "/static/../pages.py", "/static/%2e%2e/pages.py", "/static/..%2fpages.py", "/static//etc/passwd", "/static/%00",
        "//etc/passwd", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/static/js/..%5c..%5cpages.py", "/static",
        "/static/", "/static/js", "/api/slides/ramp/../ramp/scores", "/api/slides/ramp/run.json", "/api/slides/ramp/",
        "/static/vendor/../../web/package.json", "/web/package.json",
    ],
)  # fmt: skip
def test_nothing_else_can_be_read(app: ASGIApp, address: str) -> None:
    assert ask(app, address).status == 404


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    made = score_slide(tmp_path / "out", write_slide(tmp_path / "s.tif"), tile_size=256, stride=256)
    elsewhere = tmp_path / "elsewhere"
    (made.folder / "map.ome.zarr").rename(elsewhere)
    (made.folder / "map.ome.zarr").symlink_to(elsewhere)
    (tmp_path / "secret.geojson").write_text("{}")
    (made.folder / "regions.geojson").symlink_to(tmp_path / "secret.geojson")
    app = app_over(tmp_path / "out")
    assert ask(app, "/api/slides/s").json()["pixel_map"] is None
    assert ask(app, "/api/slides/s/outlines").json() == {"layers": [], "messages": []}


def test_a_slide_of_75000_places_is_answered_in_little(tmp_path: Path) -> None:
    # 274 x 274, as on 70,000 x 70,000 pixels with tiles of 256; a smaller one has a smaller thumbnail to write.
    scene = Scene(width=4384, height=4384, tile_size=16, stride=16)
    kept = np.zeros((scene.grid.rows, scene.grid.columns), np.bool_)
    kept[::50, ::50] = True
    (tmp_path / "big").mkdir()
    make_store(tmp_path / "big" / "scores.zarr", scene, kept=kept)
    app = app_over(tmp_path)
    assert scene.grid.rows * scene.grid.columns > 75_000
    for plane, size in (("scores", 4), ("p_values", 4), ("marks", 2)):
        answer = ask(app, f"/api/slides/big/{plane}")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert len(answer.body) == size * scene.grid.rows * scene.grid.columns <= MOST_BYTES
    facts = ask(app, "/api/slides/big")
    assert facts.json()["state"] == "unfinished"
    assert len(facts.body) < 4000


def test_a_damaged_store_is_told_in_words(tmp_path: Path) -> None:
    made = score_slide(tmp_path / "out", write_slide(tmp_path / "s.tif"), tile_size=256, stride=256)
    attributes = made.folder / "scores.zarr" / "zarr.json"
    present = f'"format_version": {ScoreStore.format_version}'
    attributes.write_text(attributes.read_text().replace(present, '"format_version": 99'))
    answer = ask(app_over(tmp_path / "out"), "/api/slides/s")
    assert answer.status == 422
    assert "format version 99" in answer.json()["error"]
    OpenedSlides(find_scored(tmp_path / "out", pytest.fail), None).warm_up()  # leaves the telling to the page


def test_scores_are_read_before_the_page_asks(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slides = OpenedSlides(find_scored(out, pytest.fail), None)
    slides.warm_up()
    slide = slides.get("ramp")
    monkeypatch.setattr(ScoreStore, "read", lambda *_given: pytest.fail("read again"))
    assert np.isfinite(slide.rasters.scores).any()
    assert slide.rasters.marks.any()
    slides.close()


def test_a_slide_that_was_scored_again_is_read_again(tmp_path: Path) -> None:
    made = score_slide(tmp_path / "out", write_slide(tmp_path / "s.tif"), tile_size=256, stride=256)
    app = app_over(tmp_path / "out")
    assert ask(app, "/api/slides/s").json()["tiles"] == len(made.store)
    write_run_record(made.folder, tmp_path / "gone.tif", made.store.header.slide, 4711)
    facts = ask(app, "/api/slides/s").json()
    assert facts["tiles"] == 4711
    assert "gone.tif" in facts["message"]


def test_a_slide_of_the_training_is_marked(tmp_path: Path) -> None:
    use = Use(slide={"train": 12})
    made = score_slide(tmp_path / "out", write_slide(tmp_path / "s.tif"), trained_on=SlideUse(**dict(use)))
    told = {"trained_on": use.model_dump(mode="json")}
    write_run_record(made.folder, tmp_path / "s.tif", made.store.header.slide, 9, **told)
    app = app_over(tmp_path / "out")
    [slide] = ask(app, "/api/slides").json()["slides"]
    assert slide["trained_on"] == "slide: train; patient: not known"
    assert "used tiles of this slide (12 train)" in ask(app, "/api/slides/s").json()["message"]


def test_only_the_last_few_slides_stay_open(out: Path, scored: Scored) -> None:
    [folder] = find_scored(out, pytest.fail).values()
    catalogue = {str(number): folder for number in range(MOST_OPEN + 2)}
    slides = OpenedSlides(catalogue, None)
    first = slides.get("0")
    assert slides.get("0") is first
    for name in catalogue:
        slides.get(name)
    assert slides.get("0") is not first
    assert first.picture.zoom_tile(0, 0, 0)[1], "who still has it may go on reading"
    slides.close()


def test_annotations_and_regions_are_outlines_at_level_0(tmp_path: Path, scored: Scored, app: ASGIApp) -> None:
    [layer] = ask(app, "/api/slides/ramp/outlines").json()["layers"]
    assert (layer["title"], layer["name"]) == ("Regions", "Anomaly")
    corners = np.reshape(layer["rings"][0], (-1, 2))
    assert [*corners.min(axis=0), *corners.max(axis=0)] == [100, 200, 400, 600]
    (tmp_path / "other.geojson").write_text("[]")
    told = ask(app_over(scored.folder.parent, tmp_path), "/api/slides/ramp/outlines").json()
    assert "no ramp.geojson in this folder" in told["messages"][0]


def test_json_of_the_list_is_no_script(tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>"
    score_slide(tmp_path / "out", write_slide(tmp_path / "s.tif"), tile_size=256, stride=256, name=name)
    answer = ask(app_over(tmp_path / "out"), "/api/slides")
    assert answer.headers["content-type"].startswith("application/json")
    assert json.loads(answer.body)["slides"][0]["name"] == name


def test_what_is_damaged_beside_the_scores_is_told_and_the_rest_is_shown(tmp_path: Path) -> None:
    made = score_slide(tmp_path / "out", write_slide(tmp_path / "s.tif"), tile_size=256, stride=256)
    (made.folder / "heatmap.overlay.png").write_bytes((made.folder / "heatmap.overlay.png").read_bytes()[:40])
    (made.folder / "map.ome.zarr" / "zarr.json").write_text("{")
    app = app_over(tmp_path / "out")
    facts = ask(app, "/api/slides/s").json()
    assert "OME-Zarr file is damaged" in facts["message"]
    assert facts["pixel_map"] is None
    assert ask(app, "/api/slides/s/icon.jpg").status == 200
    assert ask(app, "/api/slides/s/scores").status == 200


@pytest.mark.parametrize(
    "record",
    [
        None, [], 3, {"slide": "s.tif"}, {"slide": {"path": "a\0b.tif"}}, {"slide": {"path": 7}},
        {"slide": {"path": ""}}, {"slide": {"path": "x" * 5000}}, {"counts": [1]}, {"counts": {"tiles": "many"}},
        {"called": 1}, {"called": {"criterion": {"threshold": "high", "fdr": 2}, "counts": 5}}, {"state": {}},
    ],
)  # fmt: skip
def test_run_records_of_any_content_are_no_traceback(record: object, tmp_path: Path) -> None:
    """What cannot be used counts as not known: the slide is then shown from its thumbnail."""
    made = score_slide(tmp_path / "out", write_slide(tmp_path / "s.tif"), tile_size=256, stride=256)
    (made.folder / "run.json").write_text(json.dumps(record))
    app = app_over(tmp_path / "out")
    assert ask(app, "/api/slides").status == 200
    facts = ask(app, "/api/slides/s").json()
    assert facts["from_file"] is False
    assert facts["message"]
    for rest in ("scores", "marks", "outlines", "zoom/0/0_0.jpg"):
        assert ask(app, f"/api/slides/s/{rest}").status == 200, rest


def test_the_icon_shows_the_heatmap_where_the_tiles_are(app: ASGIApp, scored: Scored) -> None:
    icon = picture(ask(app, "/api/slides/ramp/icon.jpg"))
    assert max(icon.shape) == 280
    shrunk = 280 / 1500
    covered = icon[round(16 * shrunk) + 3 : -6, round(16 * shrunk) + 3 : -6]
    bare = icon[:2, :2]  # overlap leaves a rim without a cell
    np.testing.assert_allclose(bare.reshape(-1, 3).mean(axis=0), [0, 0, 90], atol=16)
    assert np.abs(np.diff(covered.astype(int), axis=1)).max() > 40, "cells of different colours"
