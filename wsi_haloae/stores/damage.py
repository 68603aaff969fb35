"""Damaged stores are told in one way, whatever noticed it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wsi_haloae.errors import StoreError, WsiHaloaeError


@contextmanager
def damage_told(path: Path, kind: str) -> Iterator[None]:
    """Turn any error that zarr and its codecs raise for a damaged file into a `StoreError`."""
    try:
        yield
    except (WsiHaloaeError, OSError):
        raise
    except Exception as error:  # noqa: BLE001  # codecs raise errors of any type
        raise StoreError(
            f"{path}: this {kind} is damaged ({error}). Make it again: --overwrite; or copy it again."
        ) from None
