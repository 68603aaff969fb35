"""Augmentation of undamaged tiles before Cut&Paste: colour jitter, flips and quarter turns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from wsi_haloae.config import TrainingConfig
from wsi_haloae.training.stain_jitter import jitter_stain

Image8 = NDArray[np.uint8]


def augment(image: Image8, settings: TrainingConfig, random: np.random.Generator) -> Image8:
    """What ``settings`` ask for: flips and turns, then jitter of colours and of stains, (s, s, 3) -> (s, s, 3)."""
    if settings.flip:
        image = flip_and_turn(image, random)
    image = jitter_colour(image, settings.colour_jitter, random)
    if settings.stain_jitter:
        image = jitter_stain(image, settings.stain_jitter, random)
    return image


def jitter_colour(image: Image8, strength: float, random: np.random.Generator) -> Image8:
    """Change brightness, contrast and saturation by factors of 1 +- ``strength``: (h, w, 3) -> (h, w, 3).

    Hue stays as it is: the paper gives no range for it, and a tenth of a turn makes eosin orange.
    """
    brightness, contrast, saturation = 1 + random.uniform(-strength, strength, size=3)
    picture = ImageEnhance.Brightness(Image.fromarray(image)).enhance(brightness)
    picture = ImageEnhance.Contrast(picture).enhance(contrast)
    return np.asarray(ImageEnhance.Color(picture).enhance(saturation))


def flip_and_turn(image: Image8, random: np.random.Generator) -> Image8:
    """One of the eight symmetries of the square, (s, s, 3) -> (s, s, 3)."""
    turned = np.rot90(image, int(random.integers(4)))
    return np.ascontiguousarray(turned[:, ::-1] if random.integers(2) else turned)
