"""Folders of small tiles of noise, to make mosaics from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from wsi_haloae.synthetic.mosaic_tiles import TileFiles


def write_tiles(folder: Path, count: int, size: int = 32, seed: int = 0) -> list[Path]:
    """Images of noise, p0_0.png, p0_1.png, p1_2.png ...: two of a patient."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, size, *folder.name.encode()])
    files = [folder / f"p{number // 2}_{number}.png" for number in range(count)]
    for file in files:
        Image.fromarray(rng.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(file)
    return files


def tile_files(folder: Path, count: int, size: int = 32) -> TileFiles:
    """The tiles of a new folder; its name is the class."""
    files = write_tiles(folder, count, size)
    return TileFiles(folder.name, files, [file.name.partition("_")[0] for file in files])
