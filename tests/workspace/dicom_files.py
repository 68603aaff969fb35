"""Makes the beginnings of DICOM files, in every encoding."""

from __future__ import annotations

import struct
from pathlib import Path

from wsi_haloae.slide.dicom import WHOLE_SLIDE

EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"


def dicom(path: Path, series: str, syntax: str = EXPLICIT, kind: str = WHOLE_SLIDE) -> Path:
    """The beginning of a DICOM file, with a sequence of unknown length before the series."""
    order, implicit = ">" if syntax == BIG else "<", syntax == IMPLICIT

    def element(group: int, number: int, kind: bytes, value: bytes | str, *, meta: bool = False) -> bytes:
        own, plain = "<" if meta else order, value.encode() if isinstance(value, str) else value
        plain += b"\0" * (len(plain) % 2)
        if implicit and not meta:
            return struct.pack(own + "HHI", group, number, len(plain)) + plain
        if kind == b"OB":
            return struct.pack(own + "HH2sHI", group, number, kind, 0, len(plain)) + plain
        return struct.pack(own + "HH2sH", group, number, kind, len(plain)) + plain

    endless = struct.pack(order + "I", 0xFFFFFFFF)
    sequence = struct.pack(order + "HH", 0x0008, 0x1140) + (b"" if implicit else b"SQ\0\0") + endless
    item = struct.pack(order + "HH", 0xFFFE, 0xE000) + endless + element(0x0020, 0x000E, b"UI", "9.9.9")
    ends = struct.pack(order + "HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    whole = struct.pack(order + "HHI", 0xFFFE, 0xE000, 8) + b"\xff" * 8
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"\0" * 128
        + b"DICM"
        + element(0x0002, 0x0001, b"OB", b"\0\1", meta=True)
        + element(0x0002, 0x0010, b"UI", syntax, meta=True)
        + element(0x0008, 0x0016, b"UI", kind)
        + (sequence + whole + item + ends)
        + element(0x0020, 0x000D, b"UI", "1.2")
        + element(0x0020, 0x000E, b"UI", series)
        + element(0x0020, 0x0010, b"SH", "1")
    )
    return path
