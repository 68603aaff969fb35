"""Simulated changes of stain, scanner, focus and compression: what a slide may differ in without being anomalous.

`PERTURBATIONS` measure how far such changes move scores. They are fixed: each name is one change, the same for every
tile and in every run. `NUISANCES` teach a model which changes to expect. They are random, and drawn for each tile.

Stains change by one standard deviation between the 10 patients of GlaS (haematoxylin 0.3 of its mean, eosin 0.4; the
extremes are 0.5 and 1.7, 0.4 and 1.7). The other strengths were chosen by eye on real tiles: visible, but nothing that
a pathologist would send back.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from wsi_haloae.stain.density import Image8, change_stains


def stain_amounts(image: Image8, haematoxylin: float = 1.0, eosin: float = 1.0, dab: float = 1.0) -> Image8:
    """Multiply each stain's amount by a factor; the same factor for all is a thicker or thinner section.

    In densities this equals another tone curve, level ^ factor (gamma), so a different scanner can look the same.
    """
    return change_stains(image, (haematoxylin, eosin, dab))


def white_balance(image: Image8, gains: tuple[float, float, float]) -> Image8:
    """Multiply each channel by its gain, clipped at 255."""
    levels: NDArray[np.float64] = image * np.array(gains)
    return np.rint(np.minimum(levels, 255)).astype(np.uint8)


def blur(image: Image8, deviation: float) -> Image8:
    """Slightly out of focus: Gaussian blur of ``deviation`` pixels."""
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(deviation)))


def sharpen(image: Image8, percent: int) -> Image8:
    """Sharpening as a scanner does it: unsharp mask of 1.5 pixels."""
    return np.asarray(Image.fromarray(image).filter(ImageFilter.UnsharpMask(1.5, percent, threshold=0)))


def jpeg(image: Image8, quality: int) -> Image8:
    """Compress once more, with halved chroma (4:2:0)."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(file))


PERTURBATIONS: Mapping[str, Callable[[Image8], Image8]] = MappingProxyType(
    {
        "haematoxylin x0.7": partial(stain_amounts, haematoxylin=0.7),
        "haematoxylin x1.3": partial(stain_amounts, haematoxylin=1.3),
        "eosin x0.6": partial(stain_amounts, eosin=0.6),
        "eosin x1.4": partial(stain_amounts, eosin=1.4),
        "section x0.8": partial(stain_amounts, haematoxylin=0.8, eosin=0.8, dab=0.8),
        "section x1.25": partial(stain_amounts, haematoxylin=1.25, eosin=1.25, dab=1.25),
        "warm white": partial(white_balance, gains=(1.0, 0.98, 0.92)),
        "cool white": partial(white_balance, gains=(0.93, 0.97, 1.0)),
        "blur 1": partial(blur, deviation=1.0),
        "sharpen 60": partial(sharpen, percent=60),
        "jpeg 70": partial(jpeg, quality=70),
        "jpeg 50": partial(jpeg, quality=50),
        "jpeg 30": partial(jpeg, quality=30),
    }
)
"""Name -> function of a tile, (h, w, 3) -> (h, w, 3)."""


def _any_stain(image: Image8, random: np.random.Generator) -> Image8:
    """Both stains, each by a factor that two thirds of slides keep within 0.74 to 1.35."""
    haematoxylin, eosin = np.exp(random.normal(0, 0.3, 2)).tolist()
    return stain_amounts(image, haematoxylin, eosin)


def _any_scanner(image: Image8, random: np.random.Generator) -> Image8:
    """Another tone curve and white balance."""
    gamma, gains = np.exp(random.normal(0, 0.2)), np.exp(random.normal(0, 0.06, 3))
    levels: NDArray[np.float64] = 255 * np.clip((image / 255) ** gamma * gains, 0, 1)
    return np.rint(levels).astype(np.uint8)


def _any_focus(image: Image8, random: np.random.Generator) -> Image8:
    """Softer or sharper."""
    if random.random() < 0.5:
        return blur(image, float(random.uniform(0.4, 1.6)))
    return sharpen(image, int(random.uniform(30, 120)))


def _any_compression(image: Image8, random: np.random.Generator) -> Image8:
    return jpeg(image, int(random.uniform(30, 80)))


NUISANCES: Mapping[str, Callable[[Image8, np.random.Generator], Image8]] = MappingProxyType(
    {"stain": _any_stain, "scanner": _any_scanner, "focus": _any_focus, "compression": _any_compression}
)
"""Name -> function of a tile and a random generator, (h, w, 3) -> (h, w, 3)."""
