"""Read the coordinates of tiles from HDF5 files as TRIDENT, CLAM and WSInfer write them.

    coords                          (n, 2): x, y of each tile's top left corner in pixels of level 0
    its attributes, TRIDENT         patch_size_level0: side of a tile at level 0; overlap, in pixels of patch_size
    its attributes, CLAM, WSInfer   patch_size: side of a tile in pixels of the level patch_level

Files of features with the same ``coords`` are read, too; their features are not. HDF5's library trusts what a file
says, so the file is read in a process of its own, with limits.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.bounds.own_process import without_malloc_settings
from wsi_haloae.bounds.table import COORDINATES, COORDINATES_BYTES, COORDINATES_SECONDS
from wsi_haloae.errors import CoordinatesError, UsageError
from wsi_haloae.slide.properties import SlideProperties

CHILD = Path(__file__).with_name("reading_child.py")
REFUSED = 3
"""Exit code of the other process for a file without what is needed; it says why on stderr."""


@dataclass(frozen=True, eq=False)
class GivenTiles:
    """Tiles that a file lists: ``locations`` (n, 2) in pixels of level 0, and what the file says about their size."""

    path: Path
    locations: NDArray[np.int64]
    sizes: Mapping[str, float]

    @cached_property
    def sha256(self) -> str:
        """Identifies the tiles, in whichever file they are."""
        sizes = json.dumps(dict(sorted(self.sizes.items())))
        return hashlib.sha256(sizes.encode() + self.locations.astype("<i8").tobytes()).hexdigest()

    @property
    def overlap(self) -> float:
        """How much of a tile's side neighbours share, 0 to 1; 0 if the file does not say."""
        size = self.sizes.get("patch_size", 0)
        return min(max(self.sizes.get("overlap", 0) / size, 0), 1) if size > 0 else 0

    def l0_side(self, slide: SlideProperties) -> float:
        """Side of a tile in pixels of level 0.

        Raises `CoordinatesError` if the file does not say, or says that it belongs to another slide.
        """
        stated = (self.sizes.get("level0_width"), self.sizes.get("level0_height"))
        if None not in stated and stated != (slide.width, slide.height):
            raise CoordinatesError(
                f"{self.path}: made on a slide of {stated[0]:.0f} x {stated[1]:.0f} pixels, but {slide.name} has "
                f"{slide.width} x {slide.height}. Give the coordinates of this slide."
            )
        if "patch_size_level0" in self.sizes:
            return self.sizes["patch_size_level0"]
        level, levels = self.sizes.get("patch_level", -1), slide.level_downsamples
        if "patch_size" not in self.sizes or level not in range(len(levels)):
            raise CoordinatesError(
                f"{self.path}: does not say how large its tiles are. 'coords' needs the attribute patch_size_level0 "
                f"(as TRIDENT writes), or patch_size and a patch_level from 0 to {len(levels) - 1} (as CLAM writes)."
            )
        return self.sizes["patch_size"] * levels[int(level)]


def read_coordinates(path: Path) -> GivenTiles:
    """The tiles that a file lists. Raises `CoordinatesError` for a file that cannot be used."""
    if find_spec("h5py") is None:
        raise UsageError(
            "--coordinates needs the package h5py, which is not installed. Install it with: "
            "pip install 'wsi-haloae[h5py]'"
        )
    seconds = COORDINATES_SECONDS.most
    limits = map(str, (COORDINATES.most, COORDINATES_BYTES.most, seconds))
    command = [sys.executable, "-P", os.fspath(CHILD), os.path.realpath(path), *limits]
    try:
        done = subprocess.run(  # noqa: S603  # our own program
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
            env=without_malloc_settings(),
        )
    except subprocess.TimeoutExpired:
        raise CoordinatesError(f"{path}: not read within {seconds} s ({COORDINATES_SECONDS.variable}).") from None
    if done.returncode == REFUSED:
        why = done.stderr.decode(errors="replace").strip() or "it is damaged"
        raise CoordinatesError(f"{path}: cannot be used as coordinates of tiles: {why}. {_NEEDED}")
    if done.returncode:
        raise CoordinatesError(
            f"{path}: cannot be read with {COORDINATES_BYTES.most:,} bytes of memory ({COORDINATES_BYTES.variable}); "
            "it is probably damaged."
        )
    told, _, values = done.stdout.partition(b"\n")
    return GivenTiles(path, np.frombuffer(values, "<i8").astype(np.int64).reshape(-1, 2), json.loads(told))


_NEEDED = "An HDF5 file is needed with 'coords' (n, 2), as TRIDENT, CLAM or WSInfer write it."


def find_coordinates(place: Path, slide: Path) -> Path:
    """``place`` itself if it is a file, else the file of this slide in that folder. Raises `CoordinatesError`."""
    if not place.is_dir():
        return place
    names = [f"{slide.stem}_patches.h5", f"{slide.stem}.h5"]
    for folder in (place, place / "patches"):
        for name in names:
            if (folder / name).is_file():
                return folder / name
    raise CoordinatesError(f"{place}: neither {' nor '.join(names)} in this folder for the slide {slide.name}.")
