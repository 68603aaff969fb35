"""Fingerprints of what has no fingerprint of its own: files, patients, images. Slides bring theirs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.quoting import printable

IMAGE_BYTES = 8
"""Length of an image's fingerprint: among a million images, two share one with a chance of 3 in 100 million."""
PATIENT_LETTERS = 16


def file_sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def patient_hash(name: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a patient's name.

    It keeps names out of files, but it is no secret: whoever has a list of names can hash them too. A name taken from a
    file's name may hold bytes that are not UTF-8; it counts as manifests write it.
    """
    return hashlib.sha256(printable(name).encode()).hexdigest()[:PATIENT_LETTERS]


def image_hash(pixels: NDArray[np.uint8]) -> np.int64:
    """The first 8 bytes of the SHA-256 of an image's shape and decoded pixels (h, w, 3).

    A copy has the same one under any name, and in any format that loses nothing.
    """
    digest = hashlib.sha256(f"{pixels.shape} ".encode() + np.ascontiguousarray(pixels).tobytes()).digest()
    return np.int64(int.from_bytes(digest[:IMAGE_BYTES], "little", signed=True))
