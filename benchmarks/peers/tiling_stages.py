"""One program's stages in a process of its own: `tiling_row.py` starts it in that program's environment.

Prints one line of JSON: seconds of the processor by stage, which tiles were found, and, if asked, checksums of those
of the shared grid.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import zlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from machine import where


def main() -> None:
    """Import the program, choose tiles twice, and read the shared grid, after one tile and what is imported for it."""
    arguments = _parse()
    start = _seconds()
    program = importlib.import_module(f"tiling_{arguments.program}")
    imported = _seconds()
    given = (arguments.slide, arguments.reader, arguments.mpp, arguments.side)
    program.choose(*given)
    first = _seconds()
    chosen = program.choose(*given)
    again = _seconds()
    facts = program.describe(chosen)
    width, height = facts["slide_size"]
    grid = whole_tiles(width, height, arguments.side)
    described = _seconds()
    next(program.reading(chosen, grid))
    first_tile = _seconds()
    tiles = program.reading(chosen, grid)
    opened = _seconds()
    for _ in tiles:
        pass
    read = _seconds()
    row = {
        "seconds": {
            "imports": imported - start,
            "first": first - imported,
            "again": again - first,
            "first_tile": first_tile - described,
            "per_tile": (read - opened) / len(grid),
        },
        "facts": facts | {"versions": _versions(program.PACKAGES)},
        "locations": program.locations(chosen),
        "where": where(),
    }
    if arguments.checksums:
        tiles = program.reading(chosen, grid)
        row["checksums"] = {f"{x} {y}": zlib.crc32(pixels.tobytes()) for x, y, pixels in tiles}
    print(json.dumps(row))


def whole_tiles(width: int, height: int, side: int) -> list[tuple[int, int]]:
    """The shared grid: all tiles that lie wholly on the slide, column by column."""
    return [(x, y) for x in range(0, width - side + 1, side) for y in range(0, height - side + 1, side)]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", choices=("product", "lazyslide", "hs2p"))
    parser.add_argument("slide", type=Path)
    parser.add_argument("reader")
    parser.add_argument("mpp", type=float)
    parser.add_argument("side", type=int)
    parser.add_argument("--checksums", action="store_true", help="read the grid again for them")
    return parser.parse_args()


def _seconds() -> float:
    """Of the processor, by this process with all its threads, and by its children that ended."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


if __name__ == "__main__":
    main()
