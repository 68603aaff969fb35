"""Rewrite a finished score store with one file per column instead of one per shard and column.

While a store is being written, each column has a separate file per shard, so that a crash costs only one shard. For a
slide with 75,000 tiles these are 12,000 files, and a study has many slides. File systems of clusters limit the number
of files, and reading the store opens each of them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import zarr

from wsi_haloae.atomic import replacing_tree


def compact(path: Path, columns: frozenset[str]) -> None:
    """Rewrite the store at ``path`` so that each of ``columns`` has one chunk. Nothing else changes.

    If the process is killed, the old or the new store is there, whole. Between two renames it has the temporary
    name that `atomic.recover_tree` looks for.
    """
    with replacing_tree(path) as partial:
        shutil.copytree(path, partial, copy_function=_link, ignore=_but(path, columns))
        source, target = (zarr.open_group(place, mode="r+", zarr_format=3) for place in (path, partial))
        for name in sorted(columns):
            column = source[name]
            assert isinstance(column, zarr.Array)
            whole = target.create_array(
                name, shape=column.shape, chunks=column.shape, dtype=column.dtype, fill_value=column.fill_value
            )
            whole[...] = np.asarray(column[...])


def is_compact(path: Path, columns: frozenset[str]) -> bool:
    """Whether each of the columns has a single chunk."""
    group = zarr.open_group(path, mode="r", zarr_format=3)
    arrays = (group[name] for name in columns)
    return all(isinstance(array, zarr.Array) and array.chunks == array.shape for array in arrays)


def _but(path: Path, columns: frozenset[str]) -> Callable[[str, list[str]], frozenset[str]]:
    """Leaves the columns out, which lie in the store's own folder."""
    return lambda folder, _names: columns if Path(folder) == path else frozenset()


def _link(source: str, target: str) -> None:
    """Another name for a file that nobody writes to again; a copy where the file system knows no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
