"""Images of every kind as 8-bit RGB."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps

from wsi_haloae.errors import UsageError
from wsi_haloae.images.decode import decode_rgb
from wsi_haloae.images.orientation import TAG, is_turned

RANDOM = np.random.default_rng(0)
DEEP: NDArray[np.uint16] = RANDOM.integers(0, 65536, (6, 5, 3), dtype=np.uint16)
DEEP[0, :4] = np.array([0, 128, 129, 65535])[:, None]
EIGHT = np.rint(DEEP / 257).astype(np.uint8)
OPAQUE = np.full((6, 5, 1), 65535, np.uint16)


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
        Image.fromarray(RANDOM.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path, kind)


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


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tif", "png 16", "tif 16", "tif 16 grey"])
@pytest.mark.parametrize("stated", range(1, 9))
def test_an_image_is_turned_as_it_says(kind: str, stated: int, tmp_path: Path) -> None:
    """As Pillow turns it, which cannot read all kinds."""
    suffix, deep = kind.split(maxsplit=1)[0], " 16" in kind
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[TAG] = stated
    stored = np.kron(EIGHT[:4, :3], np.ones((8, 8, 1), np.uint8))
    if kind.startswith("tif 16"):
        pixels = stored.astype(np.uint16) * 257
        extra = [(TAG, "H", 1, stated, True)]
        colour = "minisblack" if "grey" in kind else "rgb"
        tifffile.imwrite(path, pixels[..., 0] if "grey" in kind else pixels, photometric=colour, extratags=extra)
    else:
        options = {"webp": {"lossless": True}, "jpg": {"quality": 100, "subsampling": 0}}.get(suffix, {})
        Image.fromarray(stored).save(path, exif=exif, **options)
        if deep:
            path.write_bytes(with_exif_of(path.read_bytes(), imagecodecs.png_encode(stored.astype(np.uint16) * 257)))
    upright = Image.fromarray(stored if "grey" not in kind else np.repeat(stored[..., :1], 3, axis=2))
    upright.getexif()[TAG] = stated
    expected = np.asarray(ImageOps.exif_transpose(upright)).astype(int)
    assert np.abs(decode_rgb(path).astype(int) - expected).max() <= (40 if suffix == "jpg" else 0)
    assert is_turned(path) == (stated != 1)


def with_exif_of(shallow: bytes, deep: bytes) -> bytes:
    """A PNG with another's EXIF: its chunk goes after the header."""
    at = shallow.index(b"eXIf") - 4
    length = int.from_bytes(shallow[at : at + 4]) + 12
    return deep[:33] + shallow[at : at + length] + deep[33:]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_damaged_orientation_changes_nothing(tmp_path: Path) -> None:
    Image.fromarray(EIGHT).save(tmp_path / "a.png", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    np.testing.assert_array_equal(decode_rgb(tmp_path / "a.png"), EIGHT)


def test_what_is_partly_transparent_is_laid_on_white(tmp_path: Path) -> None:
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0] = (10, 20, 30, 255)
    rgba[1, 0] = (100, 0, 0, 51)  # a fifth of it
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert decode_rgb(tmp_path / "a.png").tolist() == [[[10, 20, 30]] * 2, [[224, 204, 204], [255, 255, 255]]]
