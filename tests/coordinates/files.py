"""Files of coordinates with the attributes that other programs write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray


def write(path: Path, values: NDArray[Any], **attributes: Any) -> Path:
    with h5py.File(path, "w") as file:
        chunks = (1, *values.shape[1:]) if len(values) else None
        file.create_dataset("coords", data=values, chunks=chunks).attrs.update(attributes)
    return path


def trident(path: Path, values: NDArray[Any], *, side: int, overlap: int = 0, **more: Any) -> Path:
    """As TRIDENT's ``coords_to_h5`` writes it, for tiles of 256 pixels."""
    known = {
        "patch_size": 256,
        "patch_size_level0": side,
        "level0_magnification": 40,
        "target_magnification": 20,
        "overlap": overlap,
        "name": path.stem,
        "savetodir": "coords",
    }
    return write(path, values.astype(np.int64), **{**known, **more})


def clam(path: Path, values: NDArray[Any], *, size: int, level: int) -> Path:
    """As CLAM's ``process_contour`` writes it."""
    attributes = {"patch_size": size, "patch_level": level, "downsample": (4.0, 4.0), "name": path.stem}
    return write(path, values, **attributes)
