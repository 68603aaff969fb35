"""Images of every kind as 8-bit RGB, masks, and the level of brightness."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from wsi_haloae.errors import UsageError
from wsi_haloae.mvtec.image_reading import (
    decode_mask,
    decode_rgb,
    grey,
    median_grey,
    read_mask,
    read_square,
    to_median,
)

RANDOM = np.random.default_rng(0)
DEEP: NDArray[np.uint16] = RANDOM.integers(0, 65536, (6, 5, 3), dtype=np.uint16)
DEEP[0, :4] = np.array([0, 128, 129, 65535])[:, None]
EIGHT = np.rint(DEEP / 257).astype(np.uint8)
OPAQUE = np.full((6, 5, 1), 65535, np.uint16)


def picture(height: int = 32, width: int = 32) -> NDArray[np.uint8]:
    return RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [(DEEP[..., 0], EIGHT[..., :1]), (DEEP, EIGHT), (np.concatenate([DEEP, OPAQUE], axis=2), EIGHT)],
    ids=["grey", "rgb", "rgba"],
)
def test_16_bit_png_is_divided_by_257(pixels: NDArray[np.uint16], expected: NDArray[np.uint8], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels)))
    np.testing.assert_array_equal(decode_rgb(tmp_path / "a.png"), np.broadcast_to(expected, (6, 5, 3)))


@pytest.mark.parametrize(
    ("pixels", "options", "expected"),
    [
        (DEEP[..., 0], {"photometric": "minisblack"}, EIGHT[..., :1]),
        (65535 - DEEP[..., 0], {"photometric": "miniswhite"}, EIGHT[..., :1]),
        (DEEP, {"photometric": "rgb"}, EIGHT),
        (DEEP, {"photometric": "rgb", "byteorder": ">", "bigtiff": True}, EIGHT),
        (DEEP, {"photometric": "rgb", "compression": "zlib", "rowsperstrip": 2}, EIGHT),
        (np.moveaxis(DEEP, 2, 0), {"photometric": "rgb", "planarconfig": "separate"}, EIGHT),
        (np.concatenate([DEEP, OPAQUE], axis=2), {"photometric": "rgb", "extrasamples": ["unassalpha"]}, EIGHT),
    ],
    ids=["grey", "white is 0", "rgb", "big endian", "compressed strips", "channels apart", "rgba"],
)
def test_16_bit_tiff_is_divided_by_257(
    pixels: NDArray[np.uint16], options: dict[str, object], expected: NDArray[np.uint8], tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    np.testing.assert_array_equal(decode_rgb(tmp_path / "a.tif"), np.broadcast_to(expected, (6, 5, 3)))


def test_grey_is_repeated_whatever_its_depth(tmp_path: Path) -> None:
    grey_levels = RANDOM.integers(0, 256, (4, 5), dtype=np.uint8)
    Image.fromarray(grey_levels).save(tmp_path / "8.png")
    Image.fromarray(grey_levels > 100).save(tmp_path / "1.png")
    Image.fromarray(grey_levels > 100).save(tmp_path / "1.tif")
    with Image.open(tmp_path / "1.tif") as written:
        assert written.mode == "1"
    np.testing.assert_array_equal(decode_rgb(tmp_path / "8.png"), np.repeat(grey_levels[..., None], 3, axis=2))
    for name in ("1.png", "1.tif"):
        expected = np.where(grey_levels > 100, 255, 0)[..., None]
        np.testing.assert_array_equal(decode_rgb(tmp_path / name), np.broadcast_to(expected, (4, 5, 3)))


def test_palette_and_cmyk_give_their_colours(tmp_path: Path) -> None:
    colours = Image.new("P", (2, 1))
    colours.putpalette([10, 20, 30, 200, 100, 0])
    colours.putpixel((1, 0), 1)
    for suffix in ("png", "tif", "bmp"):
        colours.save(tmp_path / f"a.{suffix}")
        assert decode_rgb(tmp_path / f"a.{suffix}").tolist() == [[[10, 20, 30], [200, 100, 0]]]
    for suffix in ("tif", "jpg"):
        Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / f"b.{suffix}")
        assert np.abs(decode_rgb(tmp_path / f"b.{suffix}").astype(int) - [255, 0, 0]).max() <= 2


def test_transparent_parts_show_white_or_the_background_asked_for(tmp_path: Path) -> None:
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0] = [(10, 20, 30, 255), (100, 0, 0, 51), (7, 7, 7, 0)]  # the second shows a fifth of itself
    Image.fromarray(rgba).save(tmp_path / "8.png")
    (tmp_path / "16.png").write_bytes(imagecodecs.png_encode(rgba.astype(np.uint16) * 257))
    for name in ("8.png", "16.png"):
        assert decode_rgb(tmp_path / name).tolist() == [[[10, 20, 30], [224, 204, 204], [255] * 3]]
        assert decode_rgb(tmp_path / name, 0).tolist() == [[[10, 20, 30], [20, 0, 0], [0] * 3]]
    Image.fromarray(np.array([[[9, 9], [9, 0]]], np.uint8)).save(tmp_path / "la.png")
    entry = Image.new("P", (1, 1), 0)
    entry.putpalette([9, 9, 9])
    entry.save(tmp_path / "p.png", transparency=0)
    assert decode_rgb(tmp_path / "la.png")[0, 1].tolist() == [255] * 3
    assert decode_rgb(tmp_path / "p.png").tolist() == [[[255] * 3]]


@pytest.mark.parametrize(
    ("pixels", "options", "told"),
    [
        (DEEP[..., 0].astype(np.float32), {}, "32 bits, float32"),
        (DEEP.astype(np.float32), {"photometric": "rgb"}, "32 bits, float32"),
        (DEEP[..., 0].astype(np.uint32), {}, "32 bits, uint32"),
        (np.ones((6, 5), np.int16), {}, "16 bits, int16"),
        (np.ones((6, 5), np.int8), {}, "8 bits, int8"),
        (DEEP[:3], {"photometric": "minisblack"}, "3 images of the same size"),
        (DEEP[:2], {"photometric": "minisblack", "planarconfig": "separate"}, "2 channels of 16 bits"),
        (np.concatenate([DEEP, OPAQUE], axis=2), {"photometric": "separated"}, "16-bit SEPARATED"),
        (EIGHT[:2], {"photometric": "minisblack"}, "2 images of the same size"),
        (np.ones((16, 16, 16), np.uint16), {"volumetric": True, "tile": (16, 16, 16)}, "1 channels of 16 bits"),
    ],
)
def test_kinds_without_plain_meaning_are_refused(
    pixels: NDArray[np.generic], options: dict[str, object], told: str, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    with pytest.raises(UsageError, match=rf"a\.tif: contains .*{told}.*8 or 16 bits per channel.*save it as"):
        decode_rgb(tmp_path / "a.tif")


def test_12_bit_tiff_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.full((4, 4), 4095, np.uint16), photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.pages.first.tags["BitsPerSample"].overwrite(12)
    with pytest.raises(UsageError, match=r"a\.tif: contains pixels of 12 bits"):
        decode_rgb(tmp_path / "a.tif")


def save_as(path: Path, kind: str) -> None:
    deep = RANDOM.integers(0, 65536, (64, 64, 3), dtype=np.uint16)
    if kind == "png 16":
        path.write_bytes(imagecodecs.png_encode(deep))
    elif kind.startswith("tiff 16"):
        compression = kind.removeprefix("tiff 16").strip() or None
        tifffile.imwrite(path, deep, photometric="rgb", compression=compression, rowsperstrip=8)
    else:
        Image.fromarray(picture(64, 64)).save(path, kind)


@pytest.mark.parametrize(
    "kind", ["png", "jpeg", "bmp", "webp", "tiff", "png 16", "tiff 16", "tiff 16 zlib", "tiff 16 lzw"]
)
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.9])
def test_a_file_that_is_cut_short_is_refused_by_name(kind: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / "a.png"  # the suffix says nothing
    save_as(path, kind)
    assert decode_rgb(path).shape == (64, 64, 3)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UsageError, match=r"a\.png: cannot be read as an image .*cut short"):
        decode_rgb(path)


@pytest.mark.parametrize(
    ("tag", "values", "told"),
    [
        ("StripByteCounts", [60, 60, 0], r"cannot be read as an image \(a part of the image is missing\)"),
        ("StripOffsets", [300, 0, 300], r"cannot be read as an image \(a part of the image is missing\)"),
        ("ImageLength", [12], r"cannot be read as an image \(only 3 of 6 parts are present\)"),
        ("ImageWidth", [10**8], "600,000,000 pixels, but at most 33,554,432 are read"),
    ],
)
def test_a_tiff_that_would_be_filled_up_with_black_is_refused(
    tag: str, values: list[int], told: str, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", DEEP, photometric="rgb", compression="zlib", rowsperstrip=2)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.pages.first.tags[tag].overwrite(values, dtype="I")
    with pytest.raises(UsageError, match=rf"a\.tif: {told}"):
        decode_rgb(tmp_path / "a.tif")


def test_an_absent_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.png: cannot be read"):
        decode_rgb(tmp_path / "a.png")


def test_an_image_of_the_right_size_is_untouched(tmp_path: Path) -> None:
    pixels = picture()
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_square(tmp_path / "a.png", 32), pixels)


def test_shrinking_is_antialiased(tmp_path: Path) -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::4] = 200  # a plain bilinear or nearest sample would see all of it or nothing
    Image.fromarray(stripes).save(tmp_path / "a.png")
    shrunk = read_square(tmp_path / "a.png", 8)
    assert shrunk.shape == (8, 8, 3)
    assert shrunk.dtype == np.uint8
    assert np.abs(shrunk[:, 1:-1].astype(int) - 50).max() <= 2


def test_an_oblong_image_is_squeezed_whole(tmp_path: Path) -> None:
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :20, 0] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    square = read_square(tmp_path / "a.png", 20)
    assert square.shape == (20, 20, 3)
    assert (square[:, :9, 0] == 255).all()
    assert (square[:, 11:, 0] == 0).all()


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


def test_a_mask_is_resized_by_nearest_neighbour(tmp_path: Path) -> None:
    marked = RANDOM.random((8, 8)) > 0.5
    Image.fromarray(marked.repeat(4, axis=0).repeat(4, axis=1)).save(tmp_path / "a.png")
    found = read_mask(tmp_path / "a.png", 8)
    assert found.dtype == np.bool_
    np.testing.assert_array_equal(found, marked)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png", 64), marked.repeat(8, axis=0).repeat(8, axis=1))
    Image.fromarray(marked).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "b.png", 4), marked[1::2, 1::2])  # no mixture of neighbours


def test_grey_keeps_equal_channels_and_weighs_green_most() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(grey(np.repeat(levels[..., None], 3, axis=2)), levels)
    assert [int(grey(np.array([[colour]], np.uint8))[0, 0]) for colour in ((255, 0, 0), (0, 255, 0))] == [76, 150]


@given(st.integers(1, 255), st.integers(1, 255))
def test_the_median_becomes_the_target(median: int, target: int) -> None:
    levels = np.array([median // 2, median, median, median, 255], np.uint8)
    image = np.repeat(levels[:, None, None], 3, axis=2)
    assert median_grey(image) == median
    scaled = to_median(image, target)
    assert median_grey(scaled) == target
    assert scaled.dtype == np.uint8
    assert scaled[-1, 0, 0] == min(255, round(255 * target / median))  # clipped, never wrapped


def test_scaling_keeps_the_hue() -> None:
    image = np.full((2, 2, 3), (40, 80, 20), np.uint8)
    assert to_median(image, 2 * median_grey(image))[0, 0].tolist() == [80, 160, 40]


def test_a_black_image_stays_black() -> None:
    image = np.zeros((3, 3, 3), np.uint8)
    image[0, 0] = 90
    np.testing.assert_array_equal(to_median(image, 100.0), image)
