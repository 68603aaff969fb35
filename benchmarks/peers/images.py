"""A category in MVTec AD's layout as 256 x 256 RGB squares, with its masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 256
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})


@dataclass(frozen=True)
class Category:
    """Training squares (n, 256, 256, 3), test squares (m, 256, 256, 3), and the truth about the test squares.

    ``anomalous`` (m,) says which are not in test/good. ``has_mask`` (m,) says for which every pixel is known: those in
    test/good, and defects with a mask file. ``masks`` (m, 256, 256) are False wherever nothing is marked or known.
    """

    train: NDArray[np.uint8]
    test: NDArray[np.uint8]
    anomalous: NDArray[np.bool_]
    has_mask: NDArray[np.bool_]
    masks: NDArray[np.bool_]


def read_category(folder: Path, median_grey: float | None) -> Category:
    """Read a category; with ``median_grey``, each image is scaled to that median grey level (0..255)."""
    train, test = _list_images(folder / "train" / "good"), _list_images(folder / "test")
    if not train or not test:
        raise SystemExit(f"{folder}: images are needed in train/good and in the folders of test.")
    files = [folder / "ground_truth" / path.parent.name / f"{path.stem}_mask.png" for path in test]
    anomalous = np.array([path.parent.name != "good" for path in test])
    return Category(
        train=np.stack([_read_square(path, median_grey) for path in train]),
        test=np.stack([_read_square(path, median_grey) for path in test]),
        anomalous=anomalous,
        has_mask=np.array([file.is_file() for file in files]) | ~anomalous,
        masks=np.stack([_read_mask(file) for file in files]),
    )


def mean_grey(squares: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean grey level of each square, (n,): a score without any model."""
    return np.array([np.asarray(Image.fromarray(square).convert("L")).mean() for square in squares])


def _list_images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.name[0] != ".")


def _read_square(path: Path, median_grey: float | None) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        square = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    pixels = np.array(square)
    median = float(np.median(np.asarray(square.convert("L"))))
    if median_grey is None or median == 0:
        return pixels
    return np.rint(pixels * (median_grey / median)).clip(0, 255).astype(np.uint8)


def _read_mask(path: Path) -> NDArray[np.bool_]:
    if not path.is_file():
        return np.zeros((SIDE, SIDE), dtype=np.bool_)
    with Image.open(path) as image:
        return np.array(image.convert("L").resize((SIDE, SIDE), Image.Resampling.NEAREST)) > 127
