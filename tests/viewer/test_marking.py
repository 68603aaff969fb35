"""Marking reference tissue: who may, what is refused, and what comes of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.types import ASGIApp

from tests.stores.make import edit
from tests.viewer.asking import OWN_HOST, PORT, Answer, ask
from tests.viewer.scored import LOST, Scored, score_slide, write_slide
from wsi_haloae.cli.main import run
from wsi_haloae.config import map_words
from wsi_haloae.heatmap.assembly import assemble_heatmap
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.viewer.catalogue import find_scored
from wsi_haloae.viewer.marking import MOST_MARKS
from wsi_haloae.viewer.marking_pages import MOST_BYTES
from wsi_haloae.viewer.opened import OpenedSlides
from wsi_haloae.viewer.pages import viewer_app
from wsi_haloae.workspace.lock import locked

OWN_PAGE = OWN_HOST | {"origin": f"http://{OWN_HOST['host']}", "content-type": "application/json"}
ADDRESS = "/api/slides/s/anchors"
MARKED = [[0, 2], [0, 3], [3, 4], [5, 5]]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    folder = tmp_path_factory.mktemp("described")
    return score_slide(folder / "out", write_slide(folder / "s.tif"), described=True)


@pytest.fixture
def folder(described: Scored, tmp_path: Path) -> Path:
    """A slide's folder that the test may write to; its tiles overlap."""
    return shutil.copytree(described.folder, tmp_path / "out" / "s")


@pytest.fixture
def app(folder: Path) -> ASGIApp:
    return viewer_app(OpenedSlides(find_scored(folder.parent, pytest.fail), None))


def send(app: ASGIApp, places: object, method: str = "POST", **headers: str) -> Answer:
    told = OWN_PAGE | {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(app, ADDRESS, method, told, json.dumps(places).encode())


def opened(folder: Path) -> ScoreStore:
    return ScoreStore.open(folder / "scores.zarr")


def unpacked(answer: Answer, store: ScoreStore) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Facts, and scores, p-values and marks on the grid."""
    assert answer.status == 200, answer.body
    line, _, _ = answer.body.partition(b"\n")
    shape = assemble_heatmap(store).values.shape
    start, found = len(line) + 1, []
    assert start % 4 == 0
    for kind in ("<f4", "<f4", "<u2"):
        found.append(np.frombuffer(answer.body, kind, shape[0] * shape[1], start).reshape(shape))
        start += found[-1].nbytes
    assert start == len(answer.body)
    return json.loads(line), found


def numbers_of(store: ScoreStore, places: list[list[int]]) -> list[int]:
    index = store.index
    return [int(np.flatnonzero((index.row == row) & (index.column == column))[0]) for row, column in places]


def test_a_preview_is_what_adapting_the_store_gives_and_writes_nothing(app: ASGIApp, folder: Path) -> None:
    files = sorted(folder.rglob("*"))
    facts, (scores, p_values, marks) = unpacked(send(app, MARKED), opened(folder))
    assert sorted(folder.rglob("*")) == files
    assert opened(folder).adapted is None
    store = opened(folder)
    store.adapt("anchors", np.array(numbers_of(store, MARKED)))
    np.testing.assert_array_equal(scores, assemble_heatmap(store).values)
    known = store.index.row, store.index.column
    np.testing.assert_array_equal(np.delete(p_values[known], LOST), np.delete(store.read("p_value"), LOST))
    assert facts["display_range"] == list(store.shown.model.display_range)
    assert facts["adaptation"].startswith("Scores adapted to the level of this slide's 4 marked reference tiles.")
    fresh = viewer_app(OpenedSlides(find_scored(folder.parent, pytest.fail), None))
    np.testing.assert_array_equal(marks.ravel(), np.frombuffer(ask(fresh, "/api/slides/s/marks").body, "<u2"))
    assert ask(fresh, "/api/slides/s").json() | facts == ask(fresh, "/api/slides/s").json()


@pytest.mark.parametrize("adds_up", [True, False])
def test_kept_maps_are_not_said_to_add_up_to_adapted_scores(app: ASGIApp, folder: Path, *, adds_up: bool) -> None:
    edit(folder / "scores.zarr", lambda attributes: attributes["header"].update(map_adds_up=adds_up))
    before = ask(app, "/api/slides/s").json()["map_words"]
    facts, _ = unpacked(send(app, MARKED), opened(folder))
    assert before == map_words("content", "score" if adds_up else "residual")
    assert facts["map_words"] == map_words("descriptor", "unadapted score" if adds_up else "residual")


def test_marks_keep_scores_as_smooth_as_they_are(folder: Path) -> None:
    """The tiles lie 48 µm apart."""
    store = opened(folder)
    store.adapt("auto", radius=100)
    app = viewer_app(OpenedSlides(find_scored(folder.parent, pytest.fail), None))
    for places, method in ((MARKED, "POST"), (MARKED, "PUT"), ([], "POST"), ([], "PUT")):
        facts, (scores, _, _) = unpacked(send(app, places, method), opened(folder))
        assert "smoothed: the median of all tiles within 100 µm" in facts["adaptation"]
        copy = opened(shutil.copytree(folder, folder.parent.parent / f"{method}{len(places)}"))
        marked = np.array(numbers_of(store, places), np.int64)
        copy.adapt("anchors" if places else "auto", marked, 100)
        np.testing.assert_array_equal(scores, assemble_heatmap(copy).values)
        assert opened(folder).radius == 100


@pytest.mark.parametrize("rule", ["content", "descriptor"])
def test_without_marks_scores_are_what_score_would_give(rule: str, app: ASGIApp, folder: Path) -> None:
    header = opened(folder).header
    header = header.model_copy(update={"model": header.model.model_copy(update={"rule_name": rule})})
    edit(folder / "scores.zarr", lambda attributes: attributes.update(header=header.model_dump(mode="json")))
    plain = opened(shutil.copytree(folder, folder.parent.parent / "copy"))
    if rule == "descriptor":  # the only rule that adapts by itself
        plain.adapt("auto")
    expected = assemble_heatmap(plain).values
    assert send(app, MARKED, "PUT").status == 200
    for method in ("POST", "PUT"):
        facts, (scores, _, _) = unpacked(send(app, [], method), opened(folder))
        np.testing.assert_array_equal(scores, expected)
        assert (facts["adaptation"] is None) == (rule == "content")
    assert opened(folder).shown.model.rule_name == rule


def test_saved_marks_come_back_and_export_takes_them(app: ASGIApp, folder: Path) -> None:
    assert ask(app, ADDRESS).json() == {"marked": [], "adapted_by": [], "trouble": ""}
    previewed = unpacked(send(app, MARKED), opened(folder))[1][0]
    facts, (scores, _, _) = unpacked(send(app, MARKED, "PUT"), opened(folder))
    np.testing.assert_array_equal(scores, previewed)
    assert facts["marked"] == facts["adapted_by"] == MARKED, "though their outlines cover tiles between them"
    command = f"wsi-haloae export {folder.parent}"
    assert facts["not_exported"].endswith(command)
    assert command in ask(app, "/api/slides/s").json()["not_exported"]
    assert ask(app, ADDRESS).json() == {"marked": MARKED, "adapted_by": MARKED, "trouble": ""}
    np.testing.assert_array_equal(np.frombuffer(ask(app, "/api/slides/s/scores").body, "<f4"), scores.ravel())
    anchors = opened(folder).adapted
    opened(folder).adapt("none")
    assert run(["export", str(folder), "--anchors", str(folder / "anchors.geojson"), "-q"]) == 0
    again = opened(folder).adapted
    assert anchors is not None
    assert again is not None
    assert again.record.anchors == anchors.record.anchors == tuple(numbers_of(opened(folder), MARKED))
    assert ask(app, "/api/slides/s").json()["not_exported"] == "", "the report is up to date"


def test_saving_no_marks_takes_the_file_away(app: ASGIApp, folder: Path) -> None:
    assert send(app, MARKED, "PUT").status == 200
    facts, _ = unpacked(send(app, [], "PUT"), opened(folder))
    assert facts["marked"] == facts["adapted_by"] == []
    assert not (folder / "anchors.geojson").exists()
    assert opened(folder).adapted is None, "its model's rule does not adapt"
    assert facts["not_exported"] == "", "report and tables are as they were"


def test_a_broken_file_of_marks_is_told_and_can_be_replaced(app: ASGIApp, folder: Path) -> None:
    (folder / "anchors.geojson").write_text("{")
    told = ask(app, ADDRESS).json()
    assert "cannot be read as GeoJSON" in told.pop("trouble")
    assert told == {"marked": [], "adapted_by": []}
    assert unpacked(send(app, MARKED, "PUT"), opened(folder))[0]["trouble"] == ""


def test_a_link_is_neither_followed_nor_written_through(app: ASGIApp, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("{}")
    (folder / "anchors.geojson").symlink_to(tmp_path / "letter")
    assert ask(app, ADDRESS).json()["trouble"] == ""
    assert send(app, MARKED, "PUT").status == 200
    assert (tmp_path / "letter").read_text() == "{}"
    assert ask(app, ADDRESS).json()["marked"] == MARKED


def test_while_a_run_writes_to_the_folder_nothing_is_saved(app: ASGIApp, folder: Path) -> None:
    with locked(folder):
        answer = send(app, MARKED, "PUT")
    assert answer.status == 422
    assert "another run is writing here" in answer.json()["error"]
    assert not (folder / "anchors.geojson").exists()


@pytest.mark.parametrize(
    "places",
    [
        {}, 7, None, "0", [0], [[0]], [[0, 1, 2]], [[0, "1"]], [[0, 1.0]], [[True, 1]], [[-1, 0]], [[0, -1]],
        [[0, 99]], [[99, 0]], [[0, 10**30]], [[0, LOST]], [[0, 0]] * (MOST_MARKS + 1),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_anything_but_places_of_scored_tiles_is_refused(places: object, method: str, app: ASGIApp) -> None:
    answer = send(app, places, method)
    assert answer.status == 422, answer.body
    assert answer.json()["error"]


def test_the_most_marks_fit_into_a_request_and_no_more_is_read(app: ASGIApp) -> None:
    assert len(json.dumps([[4095, 4095]] * MOST_MARKS)) < MOST_BYTES
    assert send(app, [[0, 0]] * MOST_MARKS).status == 200
    assert ask(app, ADDRESS, "POST", OWN_PAGE, b" " * (MOST_BYTES + 1)).status == 413
    assert ask(app, ADDRESS, "POST", OWN_PAGE, b"[" * MOST_BYTES).status == 422
    assert ask(app, ADDRESS, "POST", OWN_PAGE, b"\xff").status == 422


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://example.org"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": f"http://127.0.0.1:{PORT + 1}"}, 403),
        ({"origin": f"http://localhost:{PORT}"}, 403),
        ({"origin": ""}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "none"}, 403),
        ({"host": "example.org"}, 421),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/x-www-form-urlencoded"}, 415),
        ({"content_type": ""}, 415),
    ],
)
def test_only_its_own_page_may_mark(
    headers: dict[str, str], status: int, method: str, app: ASGIApp, folder: Path
) -> None:
    assert send(app, MARKED, method, **headers).status == status
    assert not (folder / "anchors.geojson").exists()


def test_without_an_origin_nobody_may_mark(app: ASGIApp) -> None:
    headers = {name: value for name, value in OWN_PAGE.items() if name != "origin"}
    assert ask(app, ADDRESS, "PUT", headers, b"[]").status == 403
    assert ask(app, ADDRESS, "DELETE", OWN_PAGE).status == 405
    assert ask(app, "/api/slides/nothing/anchors", "PUT", OWN_PAGE, b"[]").status == 404


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_a_slide_without_descriptors_offers_no_marking(method: str, tmp_path: Path) -> None:
    score_slide(tmp_path / "out", write_slide(tmp_path / "s.tif"), tile_size=256, stride=256)
    app = viewer_app(OpenedSlides(find_scored(tmp_path / "out", pytest.fail), None))
    assert "without descriptors" in ask(app, "/api/slides/s").json()["why_no_marking"]
    answer = send(app, [], method)
    assert answer.status == 422
    assert "without descriptors" in answer.json()["error"]
