"""Small files that ask for much, and what it costs a command to refuse them."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Entry = tuple[int, int, int, int]
"""Tag, type, number of values, and the value itself or where the values lie."""


@dataclass(frozen=True)
class Bill:
    """What a program cost: its exit code, what it said, seconds of the processor, and the most memory it used."""

    code: int
    told: str
    seconds: float
    peak: int


PEAK = "most memory in use: "
"""What the process says of itself at its end: ``ru_maxrss`` would count what this process had when it started it."""
TELL_PEAK = f"""
import atexit, pathlib, sys
def tell():
    status = pathlib.Path("/proc/self/status")
    peak = int(status.read_text().partition("VmHWM:")[2].split()[0]) << 10 if status.exists() else 0
    print("{PEAK}", peak, file=sys.stderr)
atexit.register(tell)
"""


def bill(code: str, *arguments: str | Path) -> Bill:
    """Run Python code in a process of its own, with ``arguments`` in sys.argv."""
    told_in, told_out = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-c", TELL_PEAK + code, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=told_out,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    os.close(told_out)
    with os.fdopen(told_in, errors="replace") as stream:
        told, _, peak = stream.read().partition(PEAK)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return Bill(child.returncode, told, used.ru_utime + used.ru_stime, int(peak))


COMMAND = "import sys; from wsi_haloae.cli.main import run; sys.exit(run(sys.argv[1:]))"


def tiff_page(entries: Sequence[Entry], following: int) -> bytes:
    """A page of a classic little-endian TIFF."""
    return (
        struct.pack("<H", len(entries))
        + b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
        + struct.pack("<I", following)
    )


def tiled_tiff(side: int, tile: int, data: bytes) -> bytes:
    """A slide of ``side`` pixels whose tiles all have the same deflated ``data``."""
    count = (-(-side // tile)) ** 2
    tables = struct.pack(f"<{count}I", *[8] * count) + struct.pack(f"<{count}I", *[len(data)] * count)
    start = 8 + len(data)
    places = (start, start + 4 * count) if count > 1 else (8, len(data))
    end = start + len(tables)
    rest = struct.pack("<3H", 8, 8, 8) + struct.pack("<II", 20000, 1)
    entries = [
        *((256, 4, 1, side), (257, 4, 1, side), (258, 3, 3, end), (259, 3, 1, 8), (262, 3, 1, 2), (277, 3, 1, 3)),
        *((282, 5, 1, end + 6), (283, 5, 1, end + 6), (284, 3, 1, 1), (296, 3, 1, 3), (322, 4, 1, tile)),
        *((323, 4, 1, tile), (324, 4, count, places[0]), (325, 4, count, places[1])),
    ]
    return b"II*\0" + struct.pack("<I", end + len(rest)) + data + tables + rest + tiff_page(entries, 0)


def deflated_zeros(count: int) -> bytes:
    """``count`` zeros, deflated: a thousandth of it."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(count >> 20)) + packer.flush()


def circular_tiff(pages: int, back_to: int) -> bytes:
    """A 16-bit grey TIFF of ``pages`` pages of different size, the last of which is followed by page ``back_to``."""
    length = 2 + 9 * 12 + 4
    starts = [8 + length * number for number in range(pages)]
    made = b"II*\0" + struct.pack("<I", 8)
    for number in range(pages):
        side = 16 + number
        entries = [
            *((256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1)),
            *((273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, side), (279, 4, 1, 2 * side * side)),
        ]
        made += tiff_page(entries, starts[number + 1] if number + 1 < pages else starts[back_to])
    return made.ljust(2048, b"\0")


def png(width: int, height: int, depth: int = 8, colour: int = 0) -> bytes:
    """A black PNG; ``colour`` 0 is grey, 6 is RGB with alpha."""
    line = 1 + width * {0: 1, 6: 4}[colour] * depth // 8
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(bytes(line)) for _ in range(height)) + packer.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def zstd_flood(size: int) -> bytes:
    """A zstd frame that unpacks to ``size`` zeros, in 4 bytes for each 128 KiB (RFC 8878)."""
    block = 1 << 17
    blocks = b"".join(
        ((last << 0) | 1 << 1 | block << 3).to_bytes(3, "little") + b"\0" for last in [0] * (size // block - 1) + [1]
    )
    return b"\x28\xb5\x2f\xfd\xc0\x70" + size.to_bytes(8, "little") + blocks


def zigzag(crossings: int) -> list[list[float]]:
    """A ring that crosses itself so many times: a zigzag, and a straight line back through it."""
    up_and_down = [[10.0 * x, 10.0 if x % 2 else -10.0] for x in range(crossings + 2)]
    ring = [*up_and_down, [10.0 * (crossings + 2), 0.0], [-10.0, 0.0]]
    return [*ring, ring[0]]


def scribble(vertices: int) -> list[list[float]]:
    """A ring through random places: about a fifth of all pairs of its lines cross."""
    places: list[list[float]] = np.random.default_rng(0).uniform(0, 1000, (vertices, 2)).tolist()
    return [*places, places[0]]


def feature(ring: list[list[float]]) -> str:
    """GeoJSON of one polygon."""
    return json.dumps({"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {}})


class Stopwatch:
    """Seconds of the processor that this process has used since it was made: a busy machine does not change them."""

    def __init__(self) -> None:
        self._begun = time.process_time()

    @property
    def seconds(self) -> float:
        return time.process_time() - self._begun
