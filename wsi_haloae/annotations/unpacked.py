"""The bytes of an annotation file, which may be gzipped."""

from __future__ import annotations

import codecs
import gzip
import zlib
from pathlib import Path

from wsi_haloae.bounds.table import JSON_BYTES, XML_BYTES
from wsi_haloae.errors import AnnotationError

_GZIP = b"\x1f\x8b"
_XML = (b"<", b"<\0", b"\0<")
"""How XML begins, in UTF-8 and in UTF-16."""
_HEAD = 1000


def unpacked(path: Path) -> bytes:
    """The content of a file. Raises `AnnotationError` if it cannot be read, or is larger than the table allows."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP or path.suffix == ".gz"
        with gzip.open(path) if packed else path.open("rb") as stream:
            content = stream.read(_HEAD)
            bound = XML_BYTES if is_xml(content) else JSON_BYTES
            content += stream.read(max(0, bound.most + 1 - len(content)))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise AnnotationError(f"{path}: cannot be read ({error}).") from None
    bound.require(len(content), path, AnnotationError)
    return content


def is_xml(content: bytes) -> bool:
    """Whether the first sign, after a byte order mark and white space, is the one that begins XML."""
    start = content[:_HEAD]
    for mark in (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        start = start.removeprefix(mark)
    return start.lstrip().startswith(_XML)
