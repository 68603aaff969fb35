"""A small set of images in MVTec's layout: stripes, with dark squares and bright dots as defects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from tests.model.tiny import TINY

SIDE = 256


def stripes(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    grey = 120 + 30 * np.sin((x + random.integers(20)) / 6) + 20 * np.cos(y / 9) + random.normal(0, 3, (SIDE, SIDE))
    return np.clip(np.stack([grey, grey * 0.9, grey * 0.8], axis=2), 0, 255).astype(np.uint8)


def defect(kind: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """An image with a defect, and its mask."""
    image, mask = stripes(100 + seed), np.zeros((SIDE, SIDE), np.uint8)
    at = slice(40 + 30 * seed, 80 + 30 * seed)
    mask[at, at] = 255
    image[at, at] = 15 if kind == "hole" else 250
    return image, mask


def write_set(folder: Path, *, train: int = 5, kinds: tuple[str, ...] = ("dot", "hole"), each: int = 2) -> Path:
    """train/good, test/good and test/<kind> with masks, below ``folder``."""
    for number in range(train):
        save(folder / "train" / "good" / f"{number:03}.png", stripes(number))
    for number in range(2):
        save(folder / "test" / "good" / f"{number:03}.png", stripes(50 + number))
    for kind in kinds:
        for number in range(each):
            image, mask = defect(kind, number)
            save(folder / "test" / kind / f"{number:03}.png", image)
            save(folder / "ground_truth" / kind / f"{number:03}_mask.png", mask)
    return folder


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def write_config(folder: Path, **training: object) -> Path:
    """A YAML file with the smallest model and a training of a few steps."""
    settings = {"steps": 3, "originals_per_batch": 2, "learning_rate": 3e-3, "statistics_tiles": 4, **training}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({"model": TINY, "training": settings}), encoding="utf-8")
    return path
