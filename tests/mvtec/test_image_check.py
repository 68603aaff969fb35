"""What is refused before a training, and what is only told."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data_paths import real_data
from tests.mvtec.test_image_set import SIDE, make_category, save, save_mask
from wsi_haloae.errors import UsageError
from wsi_haloae.mvtec.image_check import check_images
from wsi_haloae.mvtec.image_set import find_mvtec

Break = Callable[[Path], object]


def warnings_of(folder: Path) -> list[str]:
    told: list[str] = []
    check_images(find_mvtec(folder.parent, folder.name), told.append)
    return told


def problems_of(folder: Path) -> list[str]:
    with pytest.raises(UsageError) as caught:
        warnings_of(folder)
    return str(caught.value).split("\n")


def cut(path: Path) -> None:
    """Half of the file is missing; the header is whole."""
    random = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    Image.fromarray(random).save(path)
    path.write_bytes(path.read_bytes()[:-120])


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def test_a_sound_category_passes_without_a_word(tmp_path: Path) -> None:
    assert warnings_of(make_category(tmp_path / "nut")) == []


@pytest.mark.parametrize("name", ["train/good/002.png", "test/good/001.png", "test/crack/001.png"])
def test_an_image_that_is_cut_short_is_named(name: str, tmp_path: Path) -> None:
    folder = make_category(tmp_path / "nut")
    cut(folder / name)
    assert [line.split(": ")[0] for line in problems_of(folder)] == [str(folder / name)]
    assert "cut short" in problems_of(folder)[0]


def test_loco_masks_are_sound_and_one_that_fits_no_image_is_named(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "nut")
    shutil.rmtree(folder / "ground_truth")
    for name, value in (("crack/000/000", 236), ("crack/000/001", 255), ("crack/001/000", 240), ("bent/000/000", 250)):
        save_mask(folder / "ground_truth" / f"{name}.png", mark=value)
    assert warnings_of(folder) == []
    save_mask(folder / "ground_truth/bent/007/000.png")
    [told] = problems_of(folder)
    assert re.search(
        r"bent/007/000\.png: there is no image .*/007/000\.\*, and no bent/007\.\*, for this mask.*remove the mask\.$",
        told,
    )
    (folder / "ground_truth/bent/007/000.png").unlink()
    save_mask(folder / "ground_truth/bent/000_mask.png")
    [told] = problems_of(folder)
    assert "bent/000.png: has two masks" in told


def test_masks_of_classes_are_read_and_told(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "nut")
    save_mask(folder / "ground_truth/crack/000_mask.png", mark=1)
    [told] = warnings_of(folder)
    assert re.search(r"1 masks contain only small numbers.*000_mask\.png", told)


def test_images_of_12_bits_are_told(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "nut")
    for number, path in enumerate(sorted((folder / "train/good").iterdir())):
        Image.fromarray(np.full((SIDE, SIDE), 4000 + number, np.uint16)).save(path)
    [told] = warnings_of(folder)
    assert re.search(r"000\.png: 16 bits, but no value is above 4095", told)
    Image.fromarray(np.full((SIDE, SIDE), 4096, np.uint16)).save(folder / "train/good/003.png")
    assert warnings_of(folder) == []


def test_images_that_are_turned_are_told_if_they_have_masks(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "nut")
    exif = Image.Exif()
    exif[274] = 6
    for name, width, height in (("crack/000", SIDE, SIDE), ("bent/000", 9, 6)):
        pixels = np.full((height, width, 3), width, np.uint8)
        Image.fromarray(pixels).save(folder / "test" / f"{name}.png", exif=exif)
    save_mask(folder / "ground_truth/bent/000_mask.png", 6, 9)
    told = warnings_of(folder)
    assert "2 test images with masks are turned" in told[0]
    save_mask(folder / "ground_truth/bent/000_mask.png", 9, 6)
    assert re.search(r"this mask has 9 x 6 .* has 6 x 9 when turned as its EXIF says", problems_of(folder)[0])


def turn(folder: Path) -> None:
    save(folder / "test" / "bent" / "000.png", 50, 9, 6)
    save_mask(folder / "ground_truth" / "bent" / "000_mask.png", 6, 9)


CRACK = "ground_truth/crack"
BROKEN: list[tuple[str, Break, str]] = [
    (
        "stray",
        lambda f: save_mask(f / CRACK / "007_mask.png"),
        r"crack/007_mask\.png: there is no image .*test/crack/007\.\*",
    ),
    (
        "size",
        lambda f: save_mask(f / CRACK / "000_mask.png", 9, 6),
        r"000_mask\.png: this mask has 9 x 6 .*crack/000\.png has 8 x 8",
    ),
    ("turned", turn, r"bent/000_mask\.png: this mask has 6 x 9 .*bent/000\.png has 9 x 6"),
    (
        "none",
        lambda f: save_mask(f / CRACK / "000_mask.png", mark=0),
        r"000_mask\.png: this mask marks no pixel, .*crack/000\.png",
    ),
    (
        "grey",
        lambda f: save_mask(f / CRACK / "000_mask.png", mark=99),
        r"000_mask\.png: this mask marks no pixel.*half",
    ),
    (
        "two",
        lambda f: save_mask(f / CRACK / "000.tif"),
        r"crack/000\.png: has two masks, .*000\.tif and .*000_mask\.png",
    ),
    (
        "twins",
        lambda f: save(f / "test/crack/000.jpg", 60),
        r"000_mask\.png: this mask could belong to .*000\.jpg or to .*000\.png",
    ),
    ("mask cut", lambda f: cut(f / CRACK / "000_mask.png"), r"000_mask\.png: cannot be read"),
    (
        "reference",
        lambda f: save_mask(f / "ground_truth/good/000.png"),
        r"marks pixels, but .*good/000\.png is a reference",
    ),
    ("leak", lambda f: save(f / "test/bent/000.png", 2), r"bent/000\.png: .*same content as .*train/good/002\.png"),
    (
        "few",
        lambda f: (f / "train/good/003.png").unlink(),
        r"train/good: contains 3 .*4 are needed: 2 to train.*2 to hold",
    ),
    ("no train", lambda f: empty(f / "train/good"), r"train/good: contains 0 training images"),
    ("no good", lambda f: empty(f / "test/good"), r"test/good: contains no image"),
    ("no folder", lambda f: shutil.rmtree(f / "test/good"), r"test/good: contains no image"),
    ("no bad", lambda f: [shutil.rmtree(f / p) for p in ("test/crack", "test/bent", "ground_truth")], "no anomalous"),
    ("empty", lambda f: (f / "test/hole").mkdir(), r"test/hole: contains no image \(\.bmp, "),
]


@pytest.mark.parametrize(("spoil", "told"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_set_that_gives_no_honest_figures_is_refused(spoil: Break, told: str, tmp_path: Path) -> None:
    folder = make_category(tmp_path / "nut")
    spoil(folder)
    problems = problems_of(folder)
    assert len(problems) == 1
    assert re.search(told, problems[0])
    assert str(folder) in problems[0]


def test_a_folder_that_is_named_like_an_image_is_told(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "nut")
    names = ("train/good/009.png", "test/bent/009.png")
    for name in names:
        (folder / name).mkdir()
    assert [line.split(": ")[0] for line in problems_of(folder)] == [str(folder / name) for name in names]


def test_a_hidden_folder_is_no_class(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "nut")
    (folder / "test" / ".cache").mkdir()
    assert warnings_of(folder) == []


def test_an_unmarked_mask_of_a_reference_image_is_no_problem(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "nut")
    save_mask(folder / "ground_truth" / "good" / "000_mask.png", mark=0)
    assert warnings_of(folder) == []


def test_five_problems_are_told_and_the_others_counted(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "nut")
    for number in range(4):
        cut(folder / "train" / "good" / f"{number:03}.png")
    save_mask(folder / "ground_truth" / "crack" / "007_mask.png")
    assert [line.split(": ")[0] for line in problems_of(folder)] == [
        *(str(folder / "train" / "good" / f"{number:03}.png") for number in range(4)),
        str(folder / "ground_truth" / "crack" / "007_mask.png"),
    ]
    for name in ("001", "000"):
        save_mask(folder / "ground_truth" / "crack" / f"{name}_mask.png", mark=0)
    problems = problems_of(folder)
    assert len(problems) == 6
    assert problems[-1] == "... and 2 more problems."


def test_anomalous_images_without_mask_are_counted_in_one_warning(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "nut")
    for name in ("crack/000_mask.png", "bent/000_mask.png"):
        (folder / "ground_truth" / name).unlink()
    (told,) = warnings_of(folder)
    assert "2 of 3 anomalous images have no mask" in told
    assert "image-level" in told


@pytest.mark.parametrize(("width", "height"), [(104, 100), (100, 104)])
def test_images_that_are_not_square_are_counted_in_one_warning(width: int, height: int, tmp_path: Path) -> None:
    folder = make_category(tmp_path / "nut")
    save(folder / "train" / "good" / "001.png", 70, 102, 100)  # 2 % is let pass
    save(folder / "train" / "good" / "002.png", 71, width, height)
    save(folder / "test" / "good" / "000.png", 72, width, height)
    (told,) = warnings_of(folder)
    assert told.startswith("2 of 9 images are not square and will be squeezed to a square")
    assert f"train/good/002.png ({width} x {height} pixels)" in told


def test_real_screw_is_sound_and_metal_nut_lacks_masks() -> None:
    assert warnings_of(real_data("mvtec/screw")) == []
    (told,) = warnings_of(real_data("mvtec/metal_nut"))
    assert told.startswith("metal_nut: 44 of 52 anomalous images have no mask")
