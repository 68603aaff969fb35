"""Why a tile could not be read, as the rows of a store's column."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

REASON_BYTES = 240
"""Space for one reason, in UTF-8. Longer ones are cut."""


def as_bytes(reason: str) -> NDArray[np.uint8]:
    """A row, (`REASON_BYTES`,)."""
    text = reason.encode()[:REASON_BYTES]
    return np.frombuffer(text.ljust(REASON_BYTES, b"\0"), np.uint8)


def as_text(line: NDArray[np.uint8]) -> str:
    """The reason in a row."""
    return line.tobytes().rstrip(b"\0").decode(errors="ignore")  # a cut may go through a letter
