"""Where a store lies: a path, or the URL of an object store that fsspec knows (s3://, gs://, https:// ...), to be read.

Writing is for file systems alone: shards become visible by renaming, which object stores cannot do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from zarr.storage import FsspecStore

from wsi_haloae.errors import UsageError


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


def zarr_place(path: Path) -> dict[str, Any]:
    """What zarr opens, and how: a folder to read and write, or a URL to read."""
    if isinstance(path, Path):
        return {"store": path, "mode": "r+"}
    return {"store": FsspecStore.from_url(str(path), dict(path.storage_options), read_only=True), "mode": "r"}
