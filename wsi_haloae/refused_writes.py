"""What to say where the system lets a run neither write nor read: its own words name no way out, and often no file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import psutil

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def told(error: Exception, place: Path | None = None) -> str:
    """The error, where it happened (``place``, if the error does not know), and what to do; others in their words."""
    if not isinstance(error, OSError):
        return str(error)
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else place
    words = f"{where}: {error.strerror}" if where and error.strerror else str(error)
    if error.errno in NO_ROOM:
        return f"{words}{_free(where)}. Make room there, then run the same command again: it continues from here."
    if error.errno in _NOT_ALLOWED:
        return f"{words}. Name another place, or have its permissions changed, then run the same command again."
    return words


def _free(where: Path | str | None) -> str:
    """How much is free there, in brackets; "" where nobody knows. A quota is not seen."""
    if where is None:
        return ""
    there = next((path for path in (Path(where), *Path(where).absolute().parents) if path.is_dir()), None)
    return "" if there is None else f" ({psutil.disk_usage(str(there)).free / 1e6:,.0f} MB are free)"
