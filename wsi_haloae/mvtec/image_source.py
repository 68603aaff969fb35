"""Images of any size as tiles of one size, for training and scoring in an evaluation."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.adaptation.neighbourhood import nowhere
from wsi_haloae.config import ProfileUse
from wsi_haloae.mvtec.image_reading import read_square, to_median

CACHE_BYTES = 2 * 1024**3
"""How many pixels a process keeps at most; other images are read again each time."""


class ImageSource:
    """A `TileSource` of images, each its own group, resized to ``size`` and kept in memory once read.

    ``groups`` and ``blocks`` are the files' names below ``folder``. With ``median``, each image is scaled so that its
    median grey is that level (`to_median`). ``mpp`` is 1.0 because the protocol requires a number: these images have no
    physical scale, and checkpoints made from them store None.
    """

    mpp = 1.0
    colour_profile: ProfileUse = "ignore"

    def __init__(self, folder: Path, files: Sequence[Path], size: int, median: float | None = None) -> None:
        self.name, self.tile_size, self.median = str(folder), size, median
        self.groups = [file.relative_to(folder).as_posix() for file in files]
        self.blocks, self.positions = self.groups, nowhere(len(files))
        self._files = list(files)
        self._kept: dict[int, NDArray[np.uint8]] = {}

    def read(self, number: int) -> NDArray[np.uint8]:
        """Read one image, (s, s, 3) RGB; the caller may modify it. Raises `UsageError` if it cannot be read."""
        if number in self._kept:
            return self._kept[number].copy()
        image = read_square(self._files[number], self.tile_size)
        if self.median is not None:
            image = to_median(image, self.median)
        if (len(self._kept) + 1) * image.nbytes <= CACHE_BYTES:
            self._kept[number] = image.copy()
        return image

    def digest(self) -> str:
        """Digest of the files' names below the folder, their bytes, the size and the median."""
        whole = hashlib.sha256(f"{self.tile_size} {self.median}".encode())
        for file, name in zip(self._files, self.groups, strict=True):
            whole.update(os.fsencode(name) + b"\0" + hashlib.sha256(file.read_bytes()).digest())
        return whole.hexdigest()

    def __getstate__(self) -> dict[str, Any]:
        """Without the pixels: each worker process reads its own."""
        return {**self.__dict__, "_kept": {}}
