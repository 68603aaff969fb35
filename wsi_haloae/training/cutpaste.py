"""Block A: Cut&Paste, damage that a network can learn to recognise (Li et al. 2021, arXiv 2104.04015).

Each original gets two damaged copies: ``patch`` (a rectangle cut out and pasted elsewhere) and ``scar`` (a thin strip,
rotated, pasted through its alpha mask). The pasted part is colour-jittered.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsi_haloae.training.augmentation import jitter_colour

PATCH_AREA = (0.02, 0.15)  # share of the image
PATCH_ASPECT = (0.3, 1 / 0.3)  # log-uniform
SCAR_WIDTH = (2, 16)  # pixels
SCAR_HEIGHT = (10, 25)  # pixels
SCAR_DEGREES = 45.0
PASTED_JITTER = 0.1

Image8 = NDArray[np.uint8]


def paste_patch(image: Image8, random: np.random.Generator) -> Image8:
    """A copy of ``image`` (s, s, 3) with one rectangle of itself pasted elsewhere."""
    side = image.shape[0]
    area = random.uniform(*PATCH_AREA) * side * side
    aspect = math.exp(random.uniform(*np.log(PATCH_ASPECT)))
    height = min(side - 1, max(1, round(math.sqrt(area / aspect))))
    width = min(side - 1, max(1, round(math.sqrt(area * aspect))))
    piece = jitter_colour(_cut(image, height, width, random), PASTED_JITTER, random)
    top, left = random.integers(0, side - height + 1), random.integers(0, side - width + 1)
    damaged = image.copy()
    damaged[top : top + height, left : left + width] = piece
    return damaged


def paste_scar(image: Image8, random: np.random.Generator) -> Image8:
    """A copy of ``image`` (s, s, 3) with one thin, rotated strip of itself pasted elsewhere."""
    side = image.shape[0]
    width = int(random.integers(SCAR_WIDTH[0], SCAR_WIDTH[1] + 1))
    height = int(random.integers(SCAR_HEIGHT[0], SCAR_HEIGHT[1] + 1))
    strip = Image.fromarray(jitter_colour(_cut(image, height, width, random), PASTED_JITTER, random))
    strip.putalpha(255)
    turned = strip.rotate(random.uniform(-SCAR_DEGREES, SCAR_DEGREES), Image.Resampling.BILINEAR, expand=True)
    left = int(random.integers(0, side - turned.width + 1))
    top = int(random.integers(0, side - turned.height + 1))
    canvas = Image.fromarray(image)
    canvas.paste(turned, (left, top), mask=turned)
    return np.asarray(canvas)


def _cut(image: Image8, height: int, width: int, random: np.random.Generator) -> Image8:
    top = random.integers(0, image.shape[0] - height + 1)
    left = random.integers(0, image.shape[1] - width + 1)
    return image[top : top + height, left : left + width].copy()
