"""Which images are found, in MVTec's layout and in the user's own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import numpy as np
import pytest
from PIL import Image

from tests.data_paths import real_data
from wsi_haloae.errors import UsageError
from wsi_haloae.mvtec.image_set import ImageSet, find_folders, find_mvtec, list_categories, name_of_both

SIDE = 8


def save(path: Path, value: int = 100, width: int = SIDE, height: int = SIDE) -> Path:
    """A greyish image whose content ``value`` makes unique."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), value, np.uint8)).save(path)
    return path


def save_mask(path: Path, width: int = SIDE, height: int = SIDE, mark: int = 255) -> Path:
    """A mask whose upper half is marked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((height, width), np.uint8)
    pixels[: height // 2] = mark
    Image.fromarray(pixels).save(path)
    return path


def make_category(folder: Path) -> Path:
    """A sound category: 4 training, 2 reference and 3 anomalous images, each with its mask."""
    for number in range(4):
        save(folder / "train" / "good" / f"{number:03}.png", number)
    for number in range(2):
        save(folder / "test" / "good" / f"{number:03}.png", 10 + number)
    for number, name in enumerate(("crack/000", "crack/001", "bent/000")):
        save(folder / "test" / f"{name}.png", 20 + number)
        save_mask(folder / "ground_truth" / f"{name}_mask.png")
    return folder


def below(images: ImageSet, folder: Path) -> list[tuple[str, str, str | None]]:
    """Path, defect and mask of each test image, below a folder."""
    return [
        (
            image.path.relative_to(folder).as_posix(),
            image.defect,
            " ".join(mask.relative_to(folder).as_posix() for mask in image.masks) or None,
        )
        for image in images.test
    ]


def test_a_category_is_found_with_its_masks_in_order(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "nut")
    images = find_mvtec(tmp_path, "nut")
    assert images.name == "nut"
    assert [path.relative_to(folder).as_posix() for path in images.train] == [f"train/good/00{n}.png" for n in range(4)]
    assert below(images, folder) == [
        ("test/bent/000.png", "bent", "ground_truth/bent/000_mask.png"),
        ("test/crack/000.png", "crack", "ground_truth/crack/000_mask.png"),
        ("test/crack/001.png", "crack", "ground_truth/crack/001_mask.png"),
        ("test/good/000.png", "good", None),
        ("test/good/001.png", "good", None),
    ]
    assert images.anomalous.tolist() == [True, True, True, False, False]
    assert images.anomalous.dtype == np.bool_
    assert images.defects == ("bent", "crack")
    folders = (images.train_folder, images.test_folder, images.mask_folder)
    assert folders == (folder / "train" / "good", folder / "test", folder / "ground_truth")


def test_pixels_are_known_of_reference_images_and_of_those_with_a_mask(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "nut")
    (folder / "ground_truth" / "crack" / "000_mask.png").unlink()
    assert find_mvtec(tmp_path, "nut").has_mask.tolist() == [True, False, True, True, True]
    shutil.rmtree(folder / "ground_truth")
    images = find_mvtec(tmp_path, "nut")
    assert images.has_mask.tolist() == [False, False, False, True, True]
    assert images.mask_folder is None


def test_masks_in_a_folder_of_the_image_are_its_mask(tmp_path: Path) -> None:
    """As in MVTec LOCO: a file for each place that is wrong."""
    folder = make_category(tmp_path / "nut")
    shutil.rmtree(folder / "ground_truth")
    parts = ("crack/000/000.png", "crack/000/001.png", "crack/001/000.png", "bent/000/000.png")
    for part in parts:
        save_mask(folder / "ground_truth" / part)
    found = below(find_mvtec(tmp_path, "nut"), folder)
    assert [masks for _, _, masks in found] == [
        "ground_truth/bent/000/000.png",
        "ground_truth/crack/000/000.png ground_truth/crack/000/001.png",
        "ground_truth/crack/001/000.png",
        None,
        None,
    ]


def test_categories_are_the_folders_with_training_images(tmp_path: Path) -> None:
    for name in ("screw", "nut"):
        make_category(tmp_path / name)
    save(tmp_path / "notes" / "a.png")
    (tmp_path / "readme.txt").write_text("no category")
    assert list_categories(tmp_path) == ["nut", "screw"]


def test_an_unknown_category_is_refused_with_those_that_are_there(tmp_path: Path) -> None:
    for name in ("screw", "nut"):
        make_category(tmp_path / name)
    with pytest.raises(UsageError, match=r"no category 'bolt'; choose nut, screw"):
        find_mvtec(tmp_path, "bolt")
    with pytest.raises(UsageError, match=r"no folder in it contains train/good.*that contains the categories"):
        find_mvtec(tmp_path / "nut", "nut")
    with pytest.raises(UsageError, match=r"absent: no such folder"):
        find_mvtec(tmp_path / "absent", "nut")


def test_a_category_without_test_folder_is_refused(tmp_path: Path) -> None:
    shutil.rmtree(make_category(tmp_path / "nut") / "test")
    with pytest.raises(UsageError, match=r"nut/test: no such folder"):
        find_mvtec(tmp_path, "nut")


def test_own_folders_are_read_at_any_depth_and_masks_may_have_another_suffix(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "b/1.PNG", "a.tif"):
        save(tmp_path / "mine" / "reference" / name)
    for name in ("good/x.png", "hole/1.png", "hole/2.jpg", "hole/week.1/3.png", "hole/4.png"):
        save(tmp_path / "mine" / "test" / name)
    for name in ("hole/1.bmp", "hole/2_mask.tif", "hole/week.1/3_mask.png"):
        save_mask(tmp_path / "masks" / name)
    images = find_folders(tmp_path / "mine" / "reference", tmp_path / "mine" / "test", tmp_path / "masks")
    assert images.name == "mine"
    assert [path.name for path in images.train] == ["a.tif", "1.PNG", "2.jpg"]
    assert below(images, tmp_path) == [
        ("mine/test/good/x.png", "good", None),
        ("mine/test/hole/1.png", "hole", "masks/hole/1.bmp"),
        ("mine/test/hole/2.jpg", "hole", "masks/hole/2_mask.tif"),
        ("mine/test/hole/4.png", "hole", None),
        ("mine/test/hole/week.1/3.png", "hole", "masks/hole/week.1/3_mask.png"),
    ]


def test_own_folders_need_no_masks(tmp_path: Path) -> None:
    folder = make_category(tmp_path)
    images = find_folders(folder / "train", folder / "test", None)
    assert [image.masks for image in images.test] == [()] * 5


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "nut")
    sound = find_mvtec(tmp_path, "nut")
    for name in ("train/good/._000.png", "test/.cache/a.png", "test/good/._a.png", "ground_truth/bent/._000_mask.png"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"no image")
    assert find_mvtec(tmp_path, "nut") == sound


def test_a_test_image_outside_the_folders_is_refused(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "nut")
    save(folder / "test" / "stray.png")
    with pytest.raises(UsageError, match=r"stray\.png: is in no folder .*not known whether it is anomalous"):
        find_mvtec(tmp_path, "nut")


@pytest.mark.parametrize("absent", ["reference", "test", "masks"])
def test_an_absent_folder_is_refused_by_name(absent: str, tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("reference", "test", "masks")}
    for name, folder in folders.items():
        if name != absent:
            folder.mkdir()
    with pytest.raises(UsageError, match=re.escape(f"{folders[absent]}: no such folder")):
        find_folders(folders["reference"], folders["test"], folders["masks"])


@pytest.mark.parametrize(
    ("category", "train", "counts", "masks"),
    [("screw", 320, (61, 41), 61), ("metal_nut", 190, (52, 38), 8)],
)
def test_the_real_categories_are_found_whole(category: str, train: int, counts: tuple[int, int], masks: int) -> None:
    images = find_mvtec(real_data(f"mvtec/{category}").parent, category)
    assert len(images.train) == train
    assert (images.anomalous.sum(), (~images.anomalous).sum()) == counts
    assert sum(bool(image.masks) for image in images.test) == masks


@pytest.mark.parametrize(
    ("kind", "reference", "test", "name"),
    [
        (PurePosixPath, "/data/lung/tumour", "/data/lung/test", "lung"),
        (PurePosixPath, "/data/lung", "/data/lung/test", "lung"),
        (PurePosixPath, "/tumour", "/test", "test"),
        (PureWindowsPath, "C:/Data/Lung/tumour", "c:/data/lung/test", "Lung"),
        (PureWindowsPath, "C:/lung/tumour", "D:/lung/test", "test"),
    ],
)
def test_a_set_has_the_name_of_the_folder_above(kind: type[PurePath], reference: str, test: str, name: str) -> None:
    assert name_of_both(kind(reference), kind(test)) == name
