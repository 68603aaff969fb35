"""Checks a set of images for everything that can be wrong with it, before time is spent on training."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from wsi_haloae.errors import UsageError
from wsi_haloae.images.decode import decode_rgb
from wsi_haloae.images.depth import told_of_dark
from wsi_haloae.images.files import IMAGE_SUFFIXES, list_images
from wsi_haloae.images.masks import MOST_LABELS, decode_masks, holds_labels
from wsi_haloae.images.orientation import is_turned
from wsi_haloae.mvtec.category_table import TABLE_NAMES
from wsi_haloae.mvtec.image_set import (
    REFERENCE,
    ImageSet,
    LabelledImage,
    class_folders,
    image_key,
    masks_by_key,
)
from wsi_haloae.quoting import printable
from wsi_haloae.workspace.slide_names import name_problem

LEAST_TRAINING = 4
"""Least number of training images: two to train on and two held out."""
MOST_TOLD = 5
"""How many problems one message lists."""
MOST_SQUEEZE = 1.02
"""Images whose longer side is at most this many times the shorter one count as square."""

Sizes = Mapping[Path, tuple[int, int]]
"""Height and width in pixels of the images that can be read."""


def check_name(name: str) -> None:
    """Raise `UsageError` for a set of images whose name cannot be that of its output folder."""
    problem = name_problem(name, kept=TABLE_NAMES)
    if problem:
        raise UsageError(f"no folder can be called '{printable(name)}': {problem}. Rename the folder of the images.")


def check_images(images: ImageSet, warn: Callable[[str], None]) -> None:
    """Read each image and mask once, and refuse a set that cannot give valid results.

    Raises `UsageError` that lists the first `MOST_TOLD` problems and counts the others: a class without images, a file
    that cannot be read, a mask that fits no image, two masks for one image, an empty mask, a training image that is
    also a test image. ``warn`` gets a line each about anomalous images without a mask, masks of classes, images
    that are turned, and images that are not square.
    """
    sizes, problems = _decode_all([*images.train, *(image.path for image in images.test)])
    problems = [
        *_missing_classes(images),
        *problems,
        *_wrong_pairs(images),
        *_wrong_masks(images, sizes),
        *_tested_training_images(images, sizes),
    ]
    if problems:
        raise UsageError(_listed(problems))
    _warn_of_unknown_pixels(images, warn)
    if dark := told_of_dark(images.train):
        warn(dark)
    _warn_of_labels(images, warn)
    _warn_of_turning(images, warn)
    _warn_of_squeezing(sizes, warn)


def _listed(problems: list[str]) -> str:
    more = len(problems) - MOST_TOLD
    return "\n".join([*problems[:MOST_TOLD], *([f"... and {more} more problems."] if more > 0 else [])])


def _decode_all(paths: Iterable[Path]) -> tuple[Sizes, list[str]]:
    sizes, problems = {}, []
    for path in paths:
        try:
            height, width, _ = decode_rgb(path).shape
            sizes[path] = (height, width)
        except UsageError as error:
            problems.append(str(error))
    return sizes, problems


def _missing_classes(images: ImageSet) -> Iterator[str]:
    if len(images.train) < LEAST_TRAINING:
        yield (
            f"{images.train_folder}: contains {len(images.train)} training images, but {LEAST_TRAINING} are needed: 2 "
            "to train on and 2 to hold out. Add reference images."
        )
    if images.anomalous.all():
        yield (
            f"{images.test_folder / REFERENCE}: contains no image. The evaluation needs reference images that were not "
            "trained on: put some there."
        )
    if not images.anomalous.any():
        yield (
            f"{images.test_folder}: contains no anomalous image. Put some into a folder in it that is named after the "
            f"defect, not {REFERENCE!r}."
        )
    for folder in class_folders(images.test_folder):
        if folder.name != REFERENCE and not list_images(folder):
            yield f"{folder}: contains no image ({', '.join(sorted(IMAGE_SUFFIXES))}). Add some or remove the folder."


def _wrong_pairs(images: ImageSet) -> Iterator[str]:
    """Masks and images that do not match one to one by their names."""
    by_key: dict[str, list[LabelledImage]] = {}
    for image in images.test:
        by_key.setdefault(image_key(image.path, images.test_folder), []).append(image)
    for key, masks in masks_by_key(images.mask_folder, by_key).items():
        if key not in by_key:
            yield (
                f"{masks[0]}: there is no image {images.test_folder / key}.*{_or_whole(key)} for this mask. "
                "Add the image or remove the mask."
            )
        elif len(masks) > 1 and not all(mask.parent.as_posix().endswith(f"/{key}") for mask in masks):
            yield f"{by_key[key][0].path}: has two masks, {masks[0]} and {masks[1]}. Remove the one that is wrong."
        elif len(by_key[key]) > 1:
            first, second = by_key[key][:2]
            yield (
                f"{masks[0]}: this mask could belong to {first.path} or to {second.path}. Remove or rename one of "
                "these images."
            )


def _or_whole(key: str) -> str:
    """The other image that a mask in a folder of its own could belong to."""
    return f", and no {key.rpartition('/')[0]}.*," if key.count("/") > 1 else ""


def _wrong_masks(images: ImageSet, sizes: Sizes) -> Iterator[str]:
    """Masks that cannot be read, have a different size than their image, or contradict its class."""
    for image in images.test:
        if not image.masks:
            continue
        try:
            marked = decode_masks(image.masks)
        except UsageError as error:
            yield str(error)
            continue
        if marked.shape != sizes.get(image.path, marked.shape):
            height, width = sizes[image.path]
            yield (
                f"{image.masks[0]}: this mask has {marked.shape[1]} x {marked.shape[0]} pixels, but its image "
                f"{image.path} has {width} x {height}{_as_shown(image.path)}. Use the mask that was drawn on this "
                "image."
            )
        elif image.anomalous and not marked.any():
            yield (
                f"{image.masks[0]}: this mask marks no pixel, but {image.path} is anomalous. A pixel is marked if it "
                f"is above half of the range (white), or above 0 where no number is above {MOST_LABELS}. Mark the "
                "defect, or remove the mask."
            )
        elif marked.any() and not image.anomalous:
            yield (
                f"{image.masks[0]}: this mask marks pixels, but {image.path} is a reference image. Remove the mask "
                "or move the image."
            )


def _tested_training_images(images: ImageSet, sizes: Sizes) -> Iterator[str]:
    trained = {_content(path): path for path in images.train if path in sizes}
    for image in images.test:
        same = trained.get(_content(image.path)) if image.path in sizes else None
        if same is not None:
            yield (
                f"{image.path}: this test image has the same content as the training image {same}. Remove one of them."
            )


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _warn_of_unknown_pixels(images: ImageSet, warn: Callable[[str], None]) -> None:
    unknown = [image.path for image, there in zip(images.test, images.has_mask, strict=True) if not there]
    if unknown and images.mask_folder is not None:  # without a folder of masks, none are expected
        wanted = f"{images.mask_folder / image_key(unknown[0], images.test_folder)}_mask.*"
        warn(
            f"{images.name}: {len(unknown)} of {int(images.anomalous.sum())} anomalous images have no mask, so they "
            f"count only for the image-level results; the first is {unknown[0]} (expected mask: {wanted})."
        )


def _warn_of_labels(images: ImageSet, warn: Callable[[str], None]) -> None:
    labels = [mask for image in images.test for mask in image.masks if holds_labels(mask)]
    if labels:
        warn(
            f"{images.name}: {len(labels)} masks contain only small numbers, as those of classes: all pixels above 0 "
            f"count as marked; the first is {labels[0]}."
        )


def _warn_of_turning(images: ImageSet, warn: Callable[[str], None]) -> None:
    """A mask has no orientation, so whether it was drawn on the image as it is shown cannot be seen from a square."""
    masked = [image.path for image in images.test if image.masks and is_turned(image.path)]
    if masked:
        warn(
            f"{images.name}: {len(masked)} test images with masks are turned, as their EXIF says and viewers show "
            f"them; their masks must be those of the turned images. The first is {masked[0]}."
        )


def _as_shown(path: Path) -> str:
    return " when turned as its EXIF says" if is_turned(path) else ""


def _warn_of_squeezing(sizes: Sizes, warn: Callable[[str], None]) -> None:
    oblong = [path for path, size in sizes.items() if max(size) > min(size) * MOST_SQUEEZE]
    if oblong:
        height, width = sizes[oblong[0]]
        warn(
            f"{len(oblong)} of {len(sizes)} images are not square and will be squeezed to a square; the first is "
            f"{oblong[0]} ({width} x {height} pixels). Crop them to squares if shapes matter."
        )
