"""report.html: one page about one slide. It opens from disk and holds everything it shows (see report.html.jinja).

    verdict, warnings -> heatmap -> scores -> gallery -> flags -> unreadable tiles -> facts -> files

It is made from a score store and from two pictures that `bundle` drew from the same store.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wsi_haloae.artefacts.flags import FLAGS
from wsi_haloae.calibration.reference_scale import usual_scores
from wsi_haloae.config import autoencoder_words, map_title, map_words
from wsi_haloae.export import report_facts as facts
from wsi_haloae.export.formats import FORMATS
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.export.report_gallery import colour_bar, show_gallery
from wsi_haloae.export.score_histogram import draw_histogram
from wsi_haloae.export.verdict import verdict, warnings
from wsi_haloae.pages import write_page
from wsi_haloae.stores.gallery import GalleryRole
from wsi_haloae.stores.scored_tiles import ScoredTiles

TEMPLATE = "export/report.html.jinja"
LISTED_UNREADABLE = 40
"""Number of unreadable tiles that the page lists; run.json has all of them."""


def write_report(path: Path, source: OpenStore) -> None:
    """Write the page. The pictures that it embeds (see `formats`) must be beside ``path``.

    If the store has no gallery yet, the page says so. Equal stores give equal bytes.
    """
    store, tiles, header, scale = source.store, source.tiles, source.header, source.scale
    reference = store.reference_scores()
    gallery, unreadable = store.gallery(), store.unreadable()
    limits = header.model.artefacts
    shown = show_gallery(gallery, tiles, store.header.model) if gallery else None
    rule, maps_show = header.model.rule_name, shown.maps_show if shown else "residual"
    write_page(
        path,
        TEMPLATE,
        header=header,
        tiles=tiles,
        verdict=verdict(tiles),
        warnings=warnings(tiles, reference),
        heatmap=path.with_name(FORMATS["heatmap"].file).read_bytes(),
        histogram=draw_histogram(tiles, reference, scale) if tiles.scored else None,
        scale=scale,
        usual_scores=usual_scores(reference, tiles.adapted.reference_words if tiles.adapted else ""),
        calls_begin=facts.calls_begin(tiles.header.model.calibration, tiles.selection),
        autoencoder=autoencoder_words(rule),
        map_words=map_words(rule, maps_show),
        map_title=map_title(rule, shows=maps_show),
        gallery=shown,
        roles=GalleryRole,
        dark=FLAGS["fold"].words,
        colour_bar=colour_bar(),
        flags=_flags(tiles),
        several_flags=sum(bits.bit_count() > 1 for bits in tiles.flags.tolist()),
        limits=limits.words if limits else "",
        artefacts=path.with_name(FORMATS["artefacts"].file).read_bytes() if tiles.flags.any() else None,
        unreadable=unreadable[:LISTED_UNREADABLE],
        more_unreadable=max(0, len(unreadable) - LISTED_UNREADABLE),
        facts=_facts(tiles),
        files=_files(path),
    )


def _flags(tiles: ScoredTiles) -> list[dict[str, Any]]:
    """One line for each quality-control flag that the model has a limit for."""
    limits = tiles.header.model.artefacts
    if limits is None or not tiles.scored:
        return []
    counts = tiles.flag_counts()
    return [
        {
            "words": flag.words,
            "count": counts[name],
            "share": counts[name] / tiles.scored,
            "meaning": flag.meaning,
            "condition": flag.condition.format(flag.unit.shown(limit)),
        }
        for name, (flag, limit) in limits.known().items()
    ]


def _files(path: Path) -> dict[str, str]:
    """The files beside the report, each with a description."""
    report = FORMATS["report"]
    return {
        file: f"{words}, as above" if name in report.shows else words
        for name, row in FORMATS.items()
        for file, words in row.files.items()
        if row is not report and path.with_name(file).exists()
    }


def _facts(tiles: ScoredTiles) -> dict[str, dict[str, str]]:
    listed = {"Slide": facts.slide_facts(tiles.header), "Model": facts.model_facts(tiles.header)}
    if tiles.header.model.calibration is not None:
        listed["Calibration"] = facts.calibration_facts(
            tiles.header.model.calibration, tiles.selection, blocks=tiles.header.model.calibrated.blocks
        )
    return listed
