"""What a slide's file was like when it was scored, so that a file that was replaced or repaired since is noticed.

The fingerprint (`SlideProperties`) says which slide it is, and covers little of its pixels: size, first and last MiB,
headers and the smallest level. Here is what tells two copies of one slide apart: the time of the last change, and a
digest of `SAMPLES` places spread over the file. No file is read whole for it, so a change between these places is only
seen by its time. Of a slide in several files, this is the one that was named.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

SAMPLES: Final = 64
SAMPLE_BYTES: Final = 1 << 16
"""4 MiB in all, of any file."""


class FileState(BaseModel):
    """Size, time of the last change in nanoseconds, and SHA-256 of the samples."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    modified_ns: int
    samples: str

    @classmethod
    def of(cls, path: Path) -> FileState:
        """The state of the file now. Raises `OSError` if it cannot be read."""
        digest = hashlib.sha256()
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            for number in range(SAMPLES):
                file.seek(max(0, facts.st_size - SAMPLE_BYTES) * number // (SAMPLES - 1))
                digest.update(file.read(SAMPLE_BYTES))
        return cls(bytes=facts.st_size, modified_ns=facts.st_mtime_ns, samples=digest.hexdigest())
