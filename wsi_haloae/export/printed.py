"""What ``score`` and ``export`` print about a slide when it is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from wsi_haloae.export.formats import FORMATS
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.export.verdict import INSTEAD
from wsi_haloae.progress import with_noun


def scored_lines(source: OpenStore, folder: Path, unreadable: int) -> Iterator[str]:
    """Lines of ``score``: how many tiles, and which file to open."""
    tiles = source.tiles
    if not len(tiles):
        yield f"no tissue found; empty outputs in {folder}"
        return
    missing = f", {unreadable} of them unreadable" if unreadable else ""
    yield f"{with_noun(len(tiles), 'tile')} scored{missing}; look at {folder / 'report.html'}"
    if tiles.selection is None:
        yield f"{tiles.why_none} {INSTEAD}"


def exported_lines(source: OpenStore, folder: Path, formats: Sequence[str], gone: Sequence[Path]) -> Iterator[str]:
    """Lines of ``export``: what is called anomalous, if a file says so, and which files are ``gone`` for others."""
    if "report" in formats:
        yield _called(source)
        return
    if any(FORMATS[name].calls for name in formats):
        yield _called(source)
    yield f"only {', '.join(formats)} written; all other files are as they were"
    if gone and (folder / FORMATS["report"].file).exists():
        names = ", ".join(path.name for path in gone)
        yield f"{names}: gone, and report.html still links to it. Add '--format report' to write the report anew"


def _called(source: OpenStore) -> str:
    """How many tiles are called anomalous, and by which criterion."""
    tiles, selection = source.tiles, source.tiles.selection
    words = with_noun(len(tiles), "tile")
    if not tiles.scored:
        return f"{words}, none of them scored"
    if selection is None:
        return f"{words}. {tiles.why_none} {INSTEAD}"
    return f"{words}, {tiles.called:,} of them in {with_noun(len(source.regions), 'region')}: {selection.words}"
