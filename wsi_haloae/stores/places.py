"""Where a store lies: a path, or the URL of an object store that fsspec knows (s3://, gs://, https:// ...), to be read.

Writing is for file systems alone: shards become visible by renaming, which object stores cannot do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from zarr.storage import FsspecStore

from wsi_haloae.errors import StoreError, UsageError


def place(source: str) -> Path:
    """What a user names: a `Path`, or a `upath.UPath`, which has a path's methods; `UsageError` for an unknown URL."""
    if "://" not in source:
        return Path(source)
    try:
        from upath import UPath  # noqa: PLC0415  # an extra
    except ImportError:
        raise UsageError(f"{source}: to read URLs, pip install 'wsi-haloae[remote]'.") from None
    try:
        return cast("Path", UPath(source))
    except (ImportError, ValueError) as error:  # a protocol of nobody, or of a package that is not there
        raise UsageError(f"{source}: cannot be read ({error}).") from None


def refuse_links(folder: Path) -> None:
    """`StoreError` where a link lies in a store: it would show any file as pixels, or overwrite one."""
    for entry in _entries(folder):
        if entry.is_symlink():
            raise StoreError(
                f"{entry.path}: is a symbolic link, and a store holds none. Make the store again (--overwrite), or "
                "copy it with what its links lead to (cp -rL)."
            )


def _entries(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    """Everything below a folder. What is not there, or any more, is missed by whoever reads it next."""
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError:
        return
    for entry in found:
        yield entry
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(entry.path)


def zarr_place(path: Path) -> dict[str, Any]:
    """What zarr opens, and how: a folder to read and write, or a URL to read. `StoreError` for a folder with links."""
    if isinstance(path, Path):
        refuse_links(path)
        return {"store": path, "mode": "r+"}
    return {"store": FsspecStore.from_url(str(path), dict(path.storage_options), read_only=True), "mode": "r"}
