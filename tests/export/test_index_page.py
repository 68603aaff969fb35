"""index.html of many slides, and the stamps in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.export.pages import Page
from tests.export.stores import Scene, make_store
from wsi_haloae.export.index_page import IndexedSlide, write_index_page
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.export.small_picture import LONGEST, write_small_picture

RATE = "per-tile error rate of 5 %"
SLIDES = [
    IndexedSlide("b #2?", "done", tiles=1200, scored=1199, unreadable=1, anomalous=60, called_by=RATE),
    IndexedSlide("a<b>&", "failed", error="a.svs: <i>damaged</i>"),
    IndexedSlide("d", "not finished"),
    IndexedSlide("c", "no tissue", tiles=0, anomalous=0, called_by=RATE),
    IndexedSlide("e", "done", tiles=9, scored=9, called_by=RATE, flagged=[("pen", 2), ("fold", 1)]),
]


def index(folder: Path, slides: list[IndexedSlide], evaluation: str | None = None) -> Page:
    for slide in slides:
        if slide.has_report:
            (folder / slide.name).mkdir(parents=True, exist_ok=True)
            (folder / slide.name / "report.html").touch()
    write_index_page(folder / "index.html", slides, evaluation, cohort=None)
    return Page(folder / "index.html")


def test_slides_stand_by_name_with_what_became_of_them(tmp_path: Path) -> None:
    page = index(tmp_path, SLIDES)
    page.assert_self_contained()
    assert page.values("a", "href") == ["b%20%232%3F/report.html", "c/report.html", "e/report.html"]
    assert "5 slides: 2 done, 1 failed, 1 no tissue, 1 not finished" in page.words
    assert "a<b>& failed a.svs: <i>damaged</i>" in page.words
    assert "b #2? done, 1 unreadable 1,200 5 % per-tile error rate of 5 %" in page.words
    assert "pen 2, fold 1" in page.words


def test_the_order_in_which_slides_were_found_does_not_matter(tmp_path: Path) -> None:
    one = index(tmp_path, SLIDES).path.read_bytes()
    assert index(tmp_path, SLIDES[::-1]).path.read_bytes() == one


def test_an_evaluation_is_linked(tmp_path: Path) -> None:
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation/evaluation.html").touch()
    page = index(tmp_path, SLIDES[:1], "evaluation/evaluation.html")
    page.assert_self_contained()
    assert "evaluation/evaluation.html" in page.values("a", "href")


def test_a_stamp_is_small_whatever_the_slide_and_has_its_colours(tmp_path: Path) -> None:
    scene = Scene(width=6400, height=3200, display_range=(0.0, 1.0))
    score = np.tile(np.repeat([0.0, 1.0], 50), 50).astype(np.float32)  # left half low, right half high
    store = make_store(tmp_path / "scores.zarr", scene, score=score)
    noise = np.random.default_rng(0).integers(0, 255, (320, 640, 3), dtype=np.uint8)
    path, source = tmp_path / "small.jpg", OpenStore(store)
    source.thumbnail = noise
    write_small_picture(path, source)
    assert path.stat().st_size < 15_000
    with Image.open(path) as picture:
        assert picture.size == (LONGEST, LONGEST // 2)
        pixels = np.asarray(picture).astype(int)
    left, right = pixels[:, : LONGEST // 2 - 4].mean(axis=(0, 1)), pixels[:, LONGEST // 2 + 4 :].mean(axis=(0, 1))
    assert left[2] > left[0] + 40
    assert right[0] > right[2] + 40


def test_the_index_of_a_thousand_slides_is_as_large_as_their_stamps(tmp_path: Path) -> None:
    stamp = bytes(8_000)
    slides = [IndexedSlide(f"s{n:04d}", "done", tiles=1, scored=1, picture=stamp) for n in range(1000)]
    write_index_page(tmp_path / "index.html", slides, None, None)
    assert (tmp_path / "index.html").stat().st_size < 1000 * (4 / 3 * len(stamp) + 1000)
