"""Masks as people and programs write them: black and white, numbers of classes, in one file or several."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from wsi_haloae.errors import UsageError
from wsi_haloae.images.masks import MOST_LABELS, decode_mask, decode_masks, holds_labels


def test_a_mask_is_marked_where_any_channel_is_above_half(tmp_path: Path) -> None:
    pixels = np.zeros((1, 4, 3), np.uint8)
    pixels[0] = [(127, 127, 127), (128, 0, 0), (0, 0, 255), (0, 0, 0)]
    Image.fromarray(pixels).save(tmp_path / "8.png")
    (tmp_path / "16.png").write_bytes(imagecodecs.png_encode(pixels.astype(np.uint16) * 257))
    for name in ("8.png", "16.png"):
        assert decode_mask(tmp_path / name).tolist() == [[False, True, True, False]]


def test_transparent_parts_of_a_mask_are_not_marked(tmp_path: Path) -> None:
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0] = [(255, 0, 0, 255), (255, 0, 0, 0), (0, 0, 0, 255)]
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert decode_mask(tmp_path / "a.png").tolist() == [[True, False, False]]


LABELS = np.array([[0, 1, 1], [0, 0, 2]], np.uint8)


def as_palette(path: Path) -> None:
    """As label tools write it: the colours of the classes are nearly black."""
    image = Image.fromarray(LABELS, "L").convert("P")
    image.putpalette([0, 0, 0, 1, 1, 1, 2, 2, 2])
    image.putdata(LABELS.ravel().tolist())
    image.save(path)


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("a.png", lambda path: Image.fromarray(LABELS).save(path)),
        ("a.bmp", lambda path: Image.fromarray(LABELS).save(path)),
        ("a.tif", lambda path: Image.fromarray(LABELS).save(path)),
        ("16.png", lambda path: path.write_bytes(imagecodecs.png_encode(LABELS.astype(np.uint16)))),
        ("rgb.png", lambda path: Image.fromarray(np.repeat(LABELS[..., None], 3, axis=2)).save(path)),
        ("palette.png", as_palette),
        ("alpha.png", lambda path: Image.fromarray(np.stack([LABELS, LABELS * 0 + 255], axis=2)).save(path)),
    ],
)
def test_numbers_of_classes_mark_all_but_0(name: str, save, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    save(tmp_path / name)
    assert holds_labels(tmp_path / name)
    np.testing.assert_array_equal(decode_mask(tmp_path / name), LABELS > 0)


def test_what_is_nearly_black_is_told_from_classes(tmp_path: Path) -> None:
    levels = np.zeros((16, 16), np.uint8)
    levels[4:8] = 3
    Image.fromarray(levels).save(tmp_path / "a.jpg")
    assert not holds_labels(tmp_path / "a.jpg"), "a JPEG is not black where it was"
    levels[4:8] = MOST_LABELS + 1
    Image.fromarray(levels).save(tmp_path / "grey.png")
    Image.fromarray(levels * 0).save(tmp_path / "black.png")
    for name in ("a.jpg", "grey.png", "black.png"):
        assert not decode_mask(tmp_path / name).any(), name
    levels[0, 0] = 255
    levels[4:8] = 1
    Image.fromarray(levels).save(tmp_path / "mixed.png")
    assert decode_mask(tmp_path / "mixed.png").sum() == 1, "something is white: 1 is nearly black"


def test_several_masks_are_united(tmp_path: Path) -> None:
    marks: NDArray[np.uint8] = np.zeros((2, 2, 3), np.uint8)
    marks[0, 0, 0], marks[1, 1, 1], marks[0, 1, 2] = 236, 255, 1
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, mark in zip(paths, np.moveaxis(marks, 2, 0), strict=True):
        Image.fromarray(mark).save(path)
    assert decode_masks(paths).tolist() == [[True, True], [False, True]]
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(paths[1])
    with pytest.raises(UsageError, match=r"1\.png: this mask has 3 x 2 pixels, but .*0\.png.* has 2 x 2"):
        decode_masks(paths)
