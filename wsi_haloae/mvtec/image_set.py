"""The images a model is trained on and evaluated with: MVTec AD's folders, or the user's own.

    root/category/train/good/*            reference images for training
    root/category/test/good/*             reference images for testing
    root/category/test/<defect>/*         anomalous images for testing
    root/category/ground_truth/<defect>/<stem>_mask.png
    root/category/ground_truth/<defect>/<stem>/*.png      as in MVTec LOCO: all of them together are the image's mask

Hidden files and folders (``._001.png`` of macOS, ``.ipynb_checkpoints``) are left out.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.errors import UsageError
from wsi_haloae.images.files import list_images

REFERENCE = "good"
"""MVTec's name for the folder of reference images."""
_MASK = "_mask"


@dataclass(frozen=True)
class LabelledImage:
    """A test image: its kind of defect (`REFERENCE` for none), and the files that mark the defect, if there are any."""

    path: Path
    defect: str
    masks: tuple[Path, ...]

    @property
    def anomalous(self) -> bool:
        """Whether it is not a reference image."""
        return self.defect != REFERENCE


@dataclass(frozen=True)
class ImageSet:
    """Training and test images, and the folders that contain them."""

    name: str
    train: tuple[Path, ...]
    test: tuple[LabelledImage, ...]
    train_folder: Path
    test_folder: Path
    mask_folder: Path | None

    @property
    def anomalous(self) -> NDArray[np.bool_]:
        """Which test images are anomalous, (n,)."""
        return np.array([image.anomalous for image in self.test], dtype=np.bool_)

    @property
    def has_mask(self) -> NDArray[np.bool_]:
        """For which test images every pixel is known, (n,): reference images, and images with a mask."""
        return np.array([not image.anomalous or bool(image.masks) for image in self.test], dtype=np.bool_)

    @property
    def defects(self) -> tuple[str, ...]:
        """Kinds of defect, without `REFERENCE`, in the order of the test images."""
        return tuple(dict.fromkeys(image.defect for image in self.test if image.anomalous))


def list_categories(root: Path) -> list[str]:
    """Names of the folders in ``root`` that contain ``train/good``, sorted.

    Raises `UsageError` if ``root`` is not a folder.
    """
    _require_folder(root)
    return sorted(path.name for path in root.iterdir() if (path / "train" / REFERENCE).is_dir())


def find_mvtec(root: Path, category: str) -> ImageSet:
    """The images of one category in MVTec's layout.

    Raises `UsageError` if the category does not exist, or its test images are not in folders.
    """
    there = list_categories(root)
    if category not in there:
        known = f"choose {', '.join(there)}" if there else f"no folder in it contains train/{REFERENCE}"
        raise UsageError(
            f"{root}: contains no category {category!r}; {known}. ROOT must be the folder that contains the categories."
        )
    folder = root / category
    masks = folder / "ground_truth"
    return _find(category, folder / "train" / REFERENCE, folder / "test", masks if masks.is_dir() else None)


def find_folders(reference_dir: Path, test_dir: Path, mask_dir: Path | None) -> ImageSet:
    """The user's own images; the set is named after the folder that contains both.

    ``reference_dir`` contains the training images. ``test_dir`` has a folder `REFERENCE` and one for each kind of
    defect. ``mask_dir`` has the same folders; the mask of ``<defect>/<stem>.*`` is ``<defect>/<stem>_mask.*``,
    ``<defect>/<stem>.*``, or all files in ``<defect>/<stem>/``.

    Raises `UsageError` if a folder does not exist or test images are not in folders.
    """
    for folder in (reference_dir, test_dir, *([mask_dir] if mask_dir else [])):
        _require_folder(folder)
    return _find(name_of_both(reference_dir.resolve(), test_dir.resolve()), reference_dir, test_dir, mask_dir)


def name_of_both(reference: PurePath, test: PurePath) -> str:
    """The name of the folder that contains both; the test folder's if none does, or one without a name (a drive)."""
    above = next((folder for folder in (reference, *reference.parents) if test.is_relative_to(folder)), test)
    return above.name or test.name


def class_folders(test_folder: Path) -> list[Path]:
    """The visible folders in a test folder, sorted: `REFERENCE` and the kinds of defect."""
    return sorted(path for path in test_folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def image_key(path: Path, test_folder: Path) -> str:
    """What the paths of a test image and its mask have in common: the path below the folder, without suffix."""
    return path.relative_to(test_folder).with_suffix("").as_posix()


def masks_by_key(mask_folder: Path | None, images: Collection[str]) -> dict[str, tuple[Path, ...]]:
    """The masks below a folder by the `image_key` of their image, which is one of ``images`` if they belong to any.

    Masks in a folder named after the image are parts of one mask.
    """
    found: dict[str, tuple[Path, ...]] = {}
    if mask_folder is None:
        return found
    for path in list_images(mask_folder):
        key = image_key(path, mask_folder).removesuffix(_MASK)
        folder = key.rpartition("/")[0]
        if folder in images and key not in images:
            key = folder
        found[key] = (*found.get(key, ()), path)
    return found


def _find(name: str, train_folder: Path, test_folder: Path, mask_folder: Path | None) -> ImageSet:
    _require_folder(test_folder)
    paths = list_images(test_folder)
    masks = masks_by_key(mask_folder, {image_key(path, test_folder) for path in paths})
    test = []
    for path in paths:
        defect = path.relative_to(test_folder).parts[0]
        if defect == path.name:
            raise UsageError(
                f"{path}: is in no folder of {test_folder}, so it is not known whether it is anomalous. Put reference "
                f"images into {test_folder / REFERENCE}, and each kind of defect into its own folder."
            )
        test.append(LabelledImage(path, defect, masks.get(image_key(path, test_folder), ())))
    return ImageSet(name, tuple(list_images(train_folder)), tuple(test), train_folder, test_folder, mask_folder)


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder. Give the folder that contains the images.")
