"""The digest of a checkpoint: SHA-256 of all its bytes, with zeros in place of the 64 digits that state it.

It stands in the JSON of the file's header, ahead of the tensors, and covers them, the facts and the header itself.
"""

from __future__ import annotations

import hashlib
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

DIGEST_KEY = "sha256"
"""Sorts behind the other keys: the last such digits in the header are the digest."""
BLANK = "0" * 64
_LENGTH = struct.Struct("<Q")
_BLOCK = 1 << 20


def write_digest(partial: Path) -> None:
    """State the digest in a file that is being made, and has `BLANK` in its place."""
    with partial.open("r+b") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        stream.seek(_header(partial).rindex(BLANK.encode()))
        stream.write(digest.encode())


def file_digests(path: Path, stated: str | None) -> tuple[str, str | None]:
    """SHA-256 of a file, and the digest that it should state; None if it states none. Both are computed at once."""
    if stated is None:
        return _sha256(path, b""), None
    before, _, after = _header(path).rpartition(stated.encode())
    with ThreadPoolExecutor(2) as pool:  # hashing releases the interpreter's lock
        whole, blanked = pool.map(_sha256, (path, path), (b"", before + BLANK.encode() + after))
    return whole, blanked


def _header(path: Path) -> bytes:
    """The length of safetensors' header, and the header."""
    with path.open("rb") as stream:
        length = stream.read(_LENGTH.size)
        return length + stream.read(*_LENGTH.unpack(length))


def _sha256(path: Path, instead: bytes) -> str:
    """Hex digest of a file with other bytes at its beginning."""
    found = hashlib.sha256(instead)
    with path.open("rb") as stream:
        stream.seek(len(instead))
        while block := stream.read(_BLOCK):
            found.update(block)
    return found.hexdigest()
