"""Tiles with artefacts of known kind and size, made from real or drawn tiles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from tests.data_paths import real_data

Tile = NDArray[np.uint8]

GLASS = (242, 241, 243)
INKS = {"blue": (40, 60, 180), "green": (30, 140, 80), "red": (200, 30, 40), "black": (35, 33, 36)}


def real_tiles(folder: str, every: int = 1) -> NDArray[np.uint8]:
    """Each ``every``-th tile of a folder of the real tile sets, (n, s, s, 3)."""
    paths = sorted(real_data(f"tiles/{folder}").iterdir())[::every]
    return np.array([np.asarray(Image.open(path).convert("RGB")) for path in paths])


def drawn_tissue(seed: int = 0, side: int = 256) -> Tile:
    """Sharp dark nuclei on eosin, with the noise of a camera."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    nuclei = np.zeros((side, side), np.bool_)
    for centre_y, centre_x, radius in zip(*rng.uniform(0, side, (2, 90)), rng.uniform(4, 9, 90), strict=True):
        nuclei |= (y - centre_y) ** 2 + (x - centre_x) ** 2 < radius**2
    pixels = np.where(nuclei[..., None], (110, 75, 145), (214, 150, 190)) + rng.normal(0, 1.5, (side, side, 3))
    return pixels.clip(0, 255).astype(np.uint8)


def plain(colour: tuple[int, int, int], side: int = 64) -> Tile:
    """One colour."""
    return np.full((side, side, 3), colour, np.uint8)


def blurred(tile: Tile, sigma: float) -> Tile:
    """Through a Gaussian of ``sigma`` pixels."""
    smooth = ndimage.gaussian_filter(tile.astype(np.float32), (sigma, sigma, 0))
    return (smooth + 0.5).clip(0, 255).astype(np.uint8)


def diagonal_band(side: int, width: float) -> NDArray[np.bool_]:
    """A band of ``width`` pixels through the middle, at 30 degrees: (side, side)."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return np.asarray(np.abs(y * np.cos(np.pi / 6) - x * np.sin(np.pi / 6)) <= width / 2)


def inked(tile: Tile, colour: tuple[int, int, int], where: NDArray[np.bool_]) -> Tile:
    """Opaque ink over the places ``where`` (s, s)."""
    return np.where(where[..., None], np.array(colour, np.uint8), tile)


def folded(tile: Tile, layers: int, where: NDArray[np.bool_]) -> Tile:
    """Other parts of the tile laid over the places ``where`` (s, s): transmitted shares multiply."""
    light = np.maximum(tile, 1) / 255
    through = light * np.prod([np.rot90(light, turn + 1) for turn in range(layers - 1)], axis=0)
    return (255 * np.where(where[..., None], through, light) + 0.5).astype(np.uint8)
