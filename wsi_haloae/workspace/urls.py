"""URLs where a path is needed. As a path, ``s3://bucket/out`` would be a folder with the name ``s3:``, made here."""

from __future__ import annotations

import re

from wsi_haloae.quoting import printable

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def is_url(text: str) -> bool:
    """Whether it begins as a URL does: with a scheme of two or more characters (one is a drive of Windows) and ``://``."""
    return _SCHEME.match(text) is not None


def told_url(text: str) -> str:
    """What to say of a URL where only a path will do."""
    return (
        f"{printable(text)} is a URL, but a path on this machine is needed. Mount it, or copy the files; "
        "only tile stores for train-tiles are read from URLs."
    )
