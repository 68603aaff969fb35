"""Seal: what a folder of Zarr data holds, so that nothing in it is lost, exchanged or altered without being noticed.

zarr reads a chunk that is missing as fill value, and does not know which chunk belongs where. A folder is sealed by two
more attributes of its group, in its ``zarr.json``:

    contents   size and CRC-32 of every file that belongs to it, by its path in the folder
    sha256     of this zarr.json, with zeros in place of these 64 digits

Other programs read a sealed folder as any other. ``zarr.json`` is replaced in one rename, so a folder and its seal
change at once: files that it does not name do not count.

The CRC-32 is zlib's, not the CRC-32C that zarr appends to each chunk: data followed by their own CRC have the same CRC
whatever they are, so that two such files could be exchanged.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from wsi_haloae.atomic import commit

ROOT = "zarr.json"
_CONTENTS, _DIGEST = "contents", "sha256"
_BLANK = "0" * 64


class Piece(NamedTuple):
    """Size in bytes and CRC-32 of one file."""

    size: int
    crc32: int

    @classmethod
    def of(cls, content: bytes) -> Self:
        """The piece with these bytes."""
        return cls(len(content), zlib.crc32(content))

    def require(self, name: str, found: bytes | None) -> None:
        """Raise `ValueError`, naming the piece, unless these are its bytes."""
        self.require_size(name, None if found is None else len(found))
        assert found is not None
        if zlib.crc32(found) != self.crc32:
            raise ValueError(f"{name} is not what was written there")

    def require_size(self, name: str, found: int | None) -> None:
        """The same for its presence (None: it is missing) and its size."""
        if found is None:
            raise ValueError(f"{name} is missing")
        if found != self.size:
            raise ValueError(f"{name} has {found:,} bytes in place of {self.size:,}")


Contents = Mapping[str, Piece]


@dataclass(frozen=True)
class Seal:
    """The bytes of a sealed group's ``zarr.json``, and what they say."""

    raw: bytes
    attributes: Mapping[str, Any]  # without those of the seal
    contents: Contents

    @classmethod
    def make(cls, attributes: Mapping[str, Any], contents: Contents) -> Self:
        """Seal a group with these attributes and files."""
        listed = {name: list(contents[name]) for name in sorted(contents)}
        everything = {**attributes, _CONTENTS: listed, _DIGEST: _BLANK}
        document = {"attributes": everything, "zarr_format": 3, "node_type": "group"}
        blank = json.dumps(document).encode()
        return cls(_with_digest(blank, _BLANK, hashlib.sha256(blank).hexdigest()), dict(attributes), dict(contents))

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Raises `ValueError` if a byte of ``raw`` has changed, or if it has no seal."""
        attributes = dict(json.loads(raw)["attributes"])
        try:
            digest, contents = str(attributes.pop(_DIGEST)), attributes.pop(_CONTENTS)
        except KeyError:
            raise ValueError(f"{ROOT} does not say what belongs to it") from None
        if hashlib.sha256(_with_digest(raw, digest, _BLANK)).hexdigest() != digest:
            raise ValueError(f"{ROOT} is not what was written there")
        return cls(raw, attributes, {name: Piece(*piece) for name, piece in contents.items()})

    def changed(self, attributes: Mapping[str, Any] | None = None, contents: Contents | None = None) -> Seal:
        """The same with some attributes replaced, and more files."""
        return Seal.make({**self.attributes, **(attributes or {})}, {**self.contents, **(contents or {})})

    def require_sizes(self, found: Mapping[str, int]) -> None:
        """Raise `ValueError` unless every file is there with its size: the part of the check that reads nothing."""
        for name, piece in self.contents.items():
            piece.require_size(name, found.get(name))


def is_sealed(folder: Path) -> bool:
    """Whether the group in a folder says that it has a seal, right or wrong."""
    return f'"{_DIGEST}"'.encode() in (folder / ROOT).read_bytes()


def pieces_below(folder: Path, prefix: str = "") -> dict[str, Piece]:
    """Every file in a folder, except its own ``zarr.json`` if there is no ``prefix`` for their names."""
    files = (path for path in folder.rglob("*") if path.is_file())
    pieces = {prefix + path.relative_to(folder).as_posix(): Piece.of(path.read_bytes()) for path in files}
    pieces.pop(ROOT, None)
    return pieces


def damage_below(folder: Path, seal: Seal, prefix: str = "") -> list[str]:
    """Read every file that a seal names, and say which are not as they were written."""
    damage = []
    for name, piece in seal.contents.items():
        path = folder / name
        try:
            piece.require(prefix + name, path.read_bytes() if path.is_file() else None)
        except ValueError as error:
            damage.append(str(error))
    return damage


def seal_new(folder: Path, attributes: Mapping[str, Any]) -> None:
    """Seal a group that was just made, under a name that nobody opens yet."""
    commit(folder / ROOT, [Seal.make(attributes, pieces_below(folder)).raw])


def _with_digest(raw: bytes, old: str, new: str) -> bytes:
    """The digest is the last of the attributes, so that no name in them can be taken for it."""
    before, _, after = raw.rpartition(old.encode())
    return before + new.encode() + after
