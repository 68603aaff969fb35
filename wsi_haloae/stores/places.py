"""Where a store lies: a path, or the URL of an object store that fsspec can read (s3://, gs://, https:// ...).

Stores are written to file systems only: a shard becomes visible by renaming, which object stores cannot do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

from zarr.abc.store import Store
from zarr.storage import FsspecStore, LocalStore

from wsi_haloae.errors import StoreError, UsageError
from wsi_haloae.stores.modest import require_modest
from wsi_haloae.workspace.urls import is_url


def place(source: str) -> Path:
    """What a user named as a `Path`, or a URL as a `upath.UPath`, which has the same methods. Raises `UsageError`."""
    if not is_url(source):
        return Path(source)
    try:
        from upath import UPath  # noqa: PLC0415  # an extra
    except ImportError:
        raise UsageError(
            f"{source}: reading a URL needs an optional package: pip install 'wsi-haloae[remote]'."
        ) from None
    try:
        return cast("Path", UPath(source))
    except (ImportError, ValueError) as error:  # an unknown protocol, or one whose package is not installed
        raise UsageError(f"{source}: cannot be read ({error}).") from None


def is_there(path: Path) -> bool:
    """Whether something lies at a place. Raises `UsageError` if a URL cannot be asked: no access, or no connection."""
    if isinstance(path, Path):
        return path.exists()
    try:
        return bool(path.exists())
    except Exception as error:  # the library of each protocol has errors of its own, with no base in common
        raise UsageError(
            f"{path}: cannot be read ({type(error).__name__}: {error}). Check the address, the connection and the "
            "access to it (for s3://, what AWS calls credentials), or copy the tiles to this machine."
        ) from error


def is_file_here(path: Path) -> bool:
    """Whether a file lies there, on this machine. A URL names a store or a folder of them, which to http is a file."""
    return isinstance(path, Path) and path.is_file()


def sizes_below(folder: Path) -> dict[str, int]:
    """Size of every file in a store, by its path in it.

    Raises `StoreError` if there is a link, which could show any file as pixels, or overwrite one.
    """
    sizes = {}
    for entry in _entries(folder):
        if entry.is_symlink():
            raise StoreError(
                f"{entry.path}: is a symbolic link, but a store must not contain any. Make the store again "
                "(--overwrite), or copy it with the files that its links point to (cp -rL)."
            )
        with suppress(FileNotFoundError):  # somebody is writing the store
            if entry.is_file():
                sizes[Path(entry.path).relative_to(folder).as_posix()] = entry.stat().st_size
    return sizes


def refuse_links(folder: Path) -> None:
    """Raise `StoreError` if there is a link in a folder of Zarr data."""
    sizes_below(folder)


def _entries(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    """Everything below a folder. A missing folder is reported later, when it is read."""
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError:
        return
    for entry in found:
        yield entry
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(entry.path)


def plain_store(path: Path, *, read_only: bool = True) -> Store:
    """What zarr reads: a folder, or a URL. Raises `StoreError` for arrays beyond the bounds."""
    if isinstance(path, Path):
        require_modest(path)
        return LocalStore(path, read_only=read_only)
    return FsspecStore.from_url(str(path), dict(path.storage_options), read_only=True)
