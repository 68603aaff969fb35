"""Which images a model is trained on and judged by: MVTec AD's folders, or the user's own.

    root/category/train/good/*            reference images to train on
    root/category/test/good/*             reference images to judge by
    root/category/test/<defect>/*         anomalous images
    root/category/ground_truth/<defect>/<stem>_mask.png

Hidden files and folders (``._001.png`` of macOS, ``.ipynb_checkpoints``) are left out.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.errors import UsageError
from wsi_haloae.tiles.sources import list_images

REFERENCE = "good"
"""MVTec's name of the folder of reference images."""
_MASK = "_mask"


@dataclass(frozen=True)
class LabelledImage:
    """A test image: its kind of defect (`REFERENCE` for none), and the file that marks the defect, if known."""

    path: Path
    defect: str
    mask: Path | None

    @property
    def anomalous(self) -> bool:
        """Whether it is anything else than reference."""
        return self.defect != REFERENCE


@dataclass(frozen=True)
class ImageSet:
    """Training and test images, and the folders they lie below."""

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
        """Of which test images each pixel is known, (n,): reference images, and those that have a mask."""
        return np.array([not image.anomalous or image.mask is not None for image in self.test], dtype=np.bool_)

    @property
    def defects(self) -> tuple[str, ...]:
        """Kinds of defect, without `REFERENCE`, in the order of the test images."""
        return tuple(dict.fromkeys(image.defect for image in self.test if image.anomalous))


def list_categories(root: Path) -> list[str]:
    """Names of the folders in ``root`` that hold ``train/good``, sorted.

    Raises `UsageError` when ``root`` is no folder.
    """
    _require_folder(root)
    return sorted(path.name for path in root.iterdir() if (path / "train" / REFERENCE).is_dir())


def find_mvtec(root: Path, category: str) -> ImageSet:
    """The images of one category in MVTec's layout.

    Raises `UsageError` when the category is not there, or its test images do not lie in folders.
    """
    there = list_categories(root)
    if category not in there:
        known = f"there are: {', '.join(there)}" if there else f"no folder in it holds train/{REFERENCE}"
        raise UsageError(f"{root}: holds no category {category!r}; {known}. Name a category, and the folder above it.")
    folder = root / category
    masks = folder / "ground_truth"
    return _find(category, folder / "train" / REFERENCE, folder / "test", masks if masks.is_dir() else None)


def find_folders(reference_dir: Path, test_dir: Path, mask_dir: Path | None) -> ImageSet:
    """The user's own images, named by the folder that holds both.

    ``reference_dir`` holds the training images. ``test_dir`` has a folder `REFERENCE` and one for each kind of
    defect. ``mask_dir`` mirrors it; the mask of ``<defect>/<stem>.*`` is ``<defect>/<stem>_mask.*`` or
    ``<defect>/<stem>.*``. Raises `UsageError` when a folder is absent or test images do not lie in folders.
    """
    for folder in (reference_dir, test_dir, *([mask_dir] if mask_dir else [])):
        _require_folder(folder)
    above = Path(os.path.commonpath([reference_dir.resolve(), test_dir.resolve()]))
    return _find(above.name or test_dir.resolve().name, reference_dir, test_dir, mask_dir)


def visible_images(folder: Path) -> list[Path]:
    """Image files below a folder, sorted, without hidden ones."""
    return [
        path for path in list_images(folder) if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def class_folders(test_folder: Path) -> list[Path]:
    """The visible folders in a test folder, sorted: `REFERENCE` and the kinds of defect."""
    return sorted(path for path in test_folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def image_key(path: Path, test_folder: Path) -> str:
    """What a test image and its mask have in common: the path below the folder, without suffix."""
    return path.relative_to(test_folder).with_suffix("").as_posix()


def masks_by_key(mask_folder: Path | None) -> dict[str, list[Path]]:
    """The masks below a folder by the `image_key` of their image."""
    found: dict[str, list[Path]] = {}
    if mask_folder is None:
        return found
    for path in visible_images(mask_folder):
        found.setdefault(image_key(path, mask_folder).removesuffix(_MASK), []).append(path)
    return found


def _find(name: str, train_folder: Path, test_folder: Path, mask_folder: Path | None) -> ImageSet:
    _require_folder(test_folder)
    masks = masks_by_key(mask_folder)
    test = []
    for path in visible_images(test_folder):
        defect = path.relative_to(test_folder).parts[0]
        if defect == path.name:
            raise UsageError(
                f"{path}: lies in no folder of {test_folder}, so whether it is anomalous is not known. Put reference "
                f"images into {test_folder / REFERENCE} and each kind of defect into a folder of its own."
            )
        mask = next(iter(masks.get(image_key(path, test_folder), [])), None)
        test.append(LabelledImage(path, defect, mask))
    return ImageSet(name, tuple(visible_images(train_folder)), tuple(test), train_folder, test_folder, mask_folder)


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder. Give the folder that holds the images.")
