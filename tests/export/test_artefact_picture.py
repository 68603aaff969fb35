"""artefacts.png: frames stand on their tiles, in the colour of their flag."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image

from tests.export.stores import Scene, make_store
from wsi_haloae.artefacts.flags import FLAGS
from wsi_haloae.export.artefact_picture import write_artefact_picture
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.figures.slide_frame import HEADER, MARGIN

SCENE = Scene(width=640, height=640)


def draw(path: Path, flags: np.ndarray) -> np.ndarray:
    store = make_store(path.with_suffix(".zarr"), SCENE, flags=flags)
    write_artefact_picture(path, OpenStore(store))
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_each_flag_frames_its_tile_in_its_own_colour(tmp_path: Path) -> None:
    for name, flag in FLAGS.items():
        flags = np.zeros(100, np.uint8)
        flags[34] = flag.bit  # row 3, column 4 of 10 x 10 tiles
        slide = draw(tmp_path / f"{name}.png", flags)[HEADER : HEADER + 1100, MARGIN : MARGIN + 1100]
        inked = np.abs(slide - np.array(to_rgb(flag.colour)) * 255).max(axis=2) < 60
        rows, columns = np.nonzero(inked)
        assert 320 <= rows.min() < rows.max() <= 450, name
        assert 430 <= columns.min() < columns.max() <= 560, name


def test_without_a_flag_there_is_no_frame(tmp_path: Path) -> None:
    slide = draw(tmp_path / "none.png", np.zeros(100, np.uint8))[HEADER : HEADER + 1100, MARGIN : MARGIN + 1100]
    assert slide.min() > 200


def test_the_legend_of_a_narrow_slide_stays_inside_the_picture(tmp_path: Path) -> None:
    store = make_store(tmp_path / "scores.zarr", Scene(width=100, height=1000))
    write_artefact_picture(tmp_path / "narrow.png", OpenStore(store))
    with Image.open(tmp_path / "narrow.png") as picture:
        footer = np.asarray(picture.convert("RGB")).astype(int)[HEADER + 1100 + 30 :]
    for flag in FLAGS.values():
        assert (np.abs(footer - np.array(to_rgb(flag.colour)) * 255).max(axis=2) < 60).any(), flag.words
    assert footer[:, -MARGIN // 2 :].min() == 255
