"""Flags that nobody has measured yet, up to the eight that a store has room for, in every file that is made of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image
from pyarrow import parquet

from tests.export.pages import Page
from tests.export.stores import Scene, make_store
from wsi_haloae.artefacts.density import glass_share
from wsi_haloae.artefacts.flags import FLAGS, ArtefactFlag, Unit
from wsi_haloae.artefacts.limits import ArtefactLimits
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.export.slide_index import write_index
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.viewer.catalogue import find_scored
from wsi_haloae.viewer.facts import slide_facts
from wsi_haloae.viewer.opened import OpenedSlides
from wsi_haloae.viewer.rasters import Rasters, TileMark

COLOURS = ("#00ff00", "#ff00ff", "#00ffff", "#ff0000", "#0000ff", "#ffff00", "#800000", "#008000")
SCENE = Scene(width=640, height=640)  # 100 tiles


def made_up(bit: int) -> ArtefactFlag:
    return ArtefactFlag(
        bit=bit,
        words=f"odd in way {bit}",
        colour=COLOURS[bit.bit_length() - 1],
        meaning=f"something of kind {bit}",
        quantity=f"oddity_{bit}",
        measure=glass_share,
        unit=Unit.SHARE,
        condition="odd on more than {}",
        bound=0.25,
    )


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> dict[str, ArtefactFlag]:
    """The table with as many rows as there are bits."""
    for place in range(len(FLAGS), 8):
        monkeypatch.setitem(FLAGS, f"odd_{1 << place}", made_up(1 << place))
    return dict(FLAGS)


@pytest.fixture
def store(rows: dict[str, ArtefactFlag], tmp_path: Path) -> ScoreStore:
    """Tile n has the bits of the number n, and tile 99 all of them."""
    flags = np.arange(100, dtype=np.uint8)
    flags[[64, 99]] = 128, 255
    limits = ArtefactLimits(**{row.quantity: row.bound for row in rows.values()}, tiles=9)
    (tmp_path / "slide").mkdir()
    scene = Scene(width=640, height=640, artefacts=limits)
    return make_store(tmp_path / "slide" / "scores.zarr", scene, flags=flags)


def test_tables_name_every_flag(store: ScoreStore, rows: dict[str, ArtefactFlag], tmp_path: Path) -> None:
    write_exports(store, tmp_path, formats=("csv", "parquet"))
    with (tmp_path / "tiles.csv").open(newline="") as file:
        written = [line["flags"] for line in csv.DictReader(file)]
    assert written[3] == "out_of_focus;pen"
    assert written[64] == list(rows)[7]
    assert written[99] == ";".join(rows)
    assert parquet.read_table(tmp_path / "tiles.parquet")["flags"].to_pylist() == written


def test_pictures_have_a_frame_and_an_entry_for_every_flag(
    store: ScoreStore, rows: dict[str, ArtefactFlag], tmp_path: Path
) -> None:
    source = write_exports(store, tmp_path, formats=("artefacts",))
    assert source.tiles.flag_counts()[list(rows)[7]] == 2
    pixels = np.asarray(Image.open(tmp_path / "artefacts.png").convert("RGB")).astype(int)
    for row in rows.values():
        near = np.abs(pixels - np.array(to_rgb(row.colour)) * 255).max(axis=2) < 40
        assert near[124:1224].any(), row.words  # on the slide
        assert near[1240:].any(), row.words  # in the legend, which has grown by lines


def test_the_report_explains_every_flag(store: ScoreStore, rows: dict[str, ArtefactFlag], tmp_path: Path) -> None:
    write_exports(store, tmp_path / "slide", formats=("report",))
    words = Page(tmp_path / "slide" / "report.html").words
    assert "odd in way 128 2 2 % something of kind 128 odd on more than 25 %" in words
    assert all(row.meaning in words for row in rows.values())


def test_the_index_says_the_words_of_a_flag(rows: dict[str, ArtefactFlag], tmp_path: Path) -> None:
    (tmp_path / "slide").mkdir()
    counts = {"tiles": 9, "scored": 9, "flagged": {"odd_128": 3, "pen": 0, "of_another_version": 1}}
    record = {"command": "score", "state": "done", "counts": counts}
    (tmp_path / "slide" / "run.json").write_text(json.dumps(record))
    write_index(tmp_path)
    assert "odd in way 128 3, of another version 1" in Page(tmp_path / "index.html").words


def test_the_viewer_keeps_flags_and_its_own_marks_apart(
    store: ScoreStore, rows: dict[str, ArtefactFlag], tmp_path: Path
) -> None:
    slide = OpenedSlides(find_scored(tmp_path, pytest.fail), None).get("slide")
    told = {one["words"]: one for one in slide_facts(slide)["flags"]}
    assert list(told) == [row.words for row in rows.values()]
    assert told["odd in way 128"]["colour"] == COLOURS[7]
    assert told["odd in way 128"]["bit"] == 128
    assert max(one["inset"] for one in told.values()) < 0.5
    marks = Rasters(store).marks
    assert TileMark(int(marks[9, 9])) == TileMark.FLAGGED | TileMark.TILE
    assert int(marks[6, 4]) == 128 | TileMark.TILE


def test_bits_that_the_table_does_not_know_are_left_out(tmp_path: Path) -> None:
    unknown = 255 - sum(flag.bit for flag in FLAGS.values())
    flags = np.full(100, unknown, np.uint8)
    flags[0] = 255
    store = make_store(tmp_path / "scores.zarr", SCENE, flags=flags)
    source = write_exports(store, tmp_path, formats=("csv", "parquet", "artefacts"))
    assert source.tiles.flags.tolist() == [255 - unknown] + [0] * 99
    assert parquet.read_table(tmp_path / "tiles.parquet")["flags"].to_pylist() == [";".join(FLAGS)] + [""] * 99
