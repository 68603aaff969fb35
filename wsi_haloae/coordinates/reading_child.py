"""Reads the coordinates in one HDF5 file; run by `reading` in a process with limits.

    python -P reading_child.py FILE ROWS BYTES SECONDS

It writes a line of JSON, the attributes, and then the coordinates as little-endian int64. What a file lacks is said on
stderr, and the exit code is `REFUSED`. It imports next to nothing of this package, so that it starts quickly.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import h5py
import numpy as np

from wsi_haloae.bounds.own_process import limit

REFUSED = 3
NAME = "coords"
SIZES = ("patch_size", "patch_size_level0", "patch_level", "overlap", "level0_width", "level0_height")


def coordinates(file: h5py.File, rows: int) -> h5py.Dataset:
    """The data set, unless it is none, or could bring in another file. Raises `ValueError`."""
    if not isinstance(file.get(NAME, getlink=True), h5py.HardLink):
        raise ValueError(f"it has no data set '{NAME}'")
    found = file[NAME]
    if not isinstance(found, h5py.Dataset) or found.ndim != 2 or found.shape[1] != 2 or found.dtype.kind not in "iuf":
        raise ValueError(f"'{NAME}' is no table of numbers with two columns, x and y")
    if found.is_virtual or found.external:
        raise ValueError(f"'{NAME}' lies in other files")
    if max(len(found), *(found.chunks or (0,))) > rows:  # a chunk is unpacked whole
        raise ValueError(f"'{NAME}' has more than {rows:,} rows, or room for as many in one chunk")
    return found


def sizes(found: h5py.Dataset) -> dict[str, float]:
    """The attributes that say how large the tiles are; those that are no single number are left out."""
    known: dict[str, float] = {}
    for name in SIZES:
        value: Any = found.attrs.get(name)
        if np.size(value) == 1 and np.asarray(value).dtype.kind in "iuf":
            known[name] = float(np.asarray(value).reshape(-1)[0])
    return known


def main(path: str, rows: int) -> None:
    """Read the file and write what is in it."""
    try:
        with h5py.File(path, "r") as file:
            found = coordinates(file, rows)
            told, values = sizes(found), np.asarray(found[:])
        if values.dtype.kind == "f" and not (np.isfinite(values) & (np.abs(values) < 2**53)).all():
            raise ValueError(f"'{NAME}' has values that are no positions")
    except Exception as error:  # noqa: BLE001  # h5py raises any kind for a damaged file
        sys.stderr.write(str(error).splitlines()[0] if str(error) else type(error).__name__)
        sys.exit(REFUSED)
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n")
    sys.stdout.buffer.write(np.floor(values + 0.5).astype("<i8").tobytes() if values.size else b"")


if __name__ == "__main__":
    limit(int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[4]))
    main(sys.argv[1], int(sys.argv[2]))
