"""report.html: one page on one slide that opens from disk, with everything in it (see report.html.jinja).

    verdict, warnings -> heatmap -> scores -> gallery -> artefacts -> unreadable tiles -> facts -> files

It is made from a score store and the two pictures that `bundle` draws from the same store.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wsi_haloae.artefacts.flags import ArtefactFlag, words
from wsi_haloae.export import report_facts as facts
from wsi_haloae.export.report_gallery import colour_bar, show_gallery
from wsi_haloae.export.score_histogram import draw_histogram
from wsi_haloae.export.scored_tiles import ScoredTiles
from wsi_haloae.export.verdict import verdict, warnings
from wsi_haloae.heatmap.colours import ColourScale
from wsi_haloae.pages import write_page
from wsi_haloae.stores.gallery import GalleryRole
from wsi_haloae.stores.score_store import ScoreStore

TEMPLATE = "export/report.html.jinja"
LISTED_UNREADABLE = 40
"""Unreadable tiles named on the page; all of them are in run.json."""


def write_report(path: Path, store: ScoreStore, tiles: ScoredTiles) -> None:
    """Write the page. ``heatmap.png`` and ``artefacts.png`` must be beside ``path``: they are taken into it.

    A page of a store that has no gallery yet says so. Same store, same bytes.
    """
    header, reference = store.header, store.reference_scores()
    scale = ColourScale(*header.model.display_range)
    gallery, unreadable = store.gallery(), store.unreadable()
    write_page(
        path,
        TEMPLATE,
        header=header,
        tiles=tiles,
        verdict=verdict(tiles),
        warnings=warnings(tiles, reference),
        heatmap=path.with_name("heatmap.png").read_bytes(),
        histogram=draw_histogram(tiles, reference, scale) if tiles.scored else None,
        scale=scale,
        reference_tiles=len(reference),
        gallery=show_gallery(gallery, tiles) if gallery else None,
        roles=GalleryRole,
        colour_bar=colour_bar(),
        flags=_flags(tiles),
        artefacts=path.with_name("artefacts.png").read_bytes() if tiles.flags.any() else None,
        unreadable=unreadable[:LISTED_UNREADABLE],
        more_unreadable=max(0, len(unreadable) - LISTED_UNREADABLE),
        facts=_facts(tiles),
        files={name: what for name, what in facts.FILES.items() if path.with_name(name).exists()},
    )


def _flags(tiles: ScoredTiles) -> list[dict[str, Any]]:
    """A line for each kind of artefact; none for a model that knows no limits."""
    limits = tiles.header.model.artefacts
    if limits is None or not tiles.scored:
        return []
    counts = tiles.flag_counts()
    return [
        {
            "name": words(flag).replace("_", " "),
            "count": counts[words(flag)],
            "share": counts[words(flag)] / tiles.scored,
            "meaning": facts.FLAG_MEANINGS[flag],
            "limit": facts.flag_limit(flag, limits),
        }
        for flag in ArtefactFlag
    ]


def _facts(tiles: ScoredTiles) -> dict[str, dict[str, str]]:
    told = {"Slide": facts.slide_facts(tiles.header), "Model": facts.model_facts(tiles.header)}
    if tiles.header.model.calibration is not None:
        told["Calibration"] = facts.calibration_facts(tiles.header.model.calibration, tiles.selection)
    return told
