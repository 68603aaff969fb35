"""The gallery of a report: tiles beside their anomaly maps, as embedded pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsi_haloae.artefacts.flags import FLAGS, spoken_words
from wsi_haloae.calibration.reach import TILE_RATE, told_apart
from wsi_haloae.config import MapShows
from wsi_haloae.heatmap.colours import COLOUR_TABLE, ColourScale
from wsi_haloae.pages import data_uri
from wsi_haloae.stores.gallery import Gallery, GalleryRole
from wsi_haloae.stores.score_header import ModelRecord
from wsi_haloae.stores.scored_tiles import ScoredTiles

JPEG_QUALITY = 88
WHOLE = 0.95
"""A tile with a smaller share of tissue lies at an edge or a gap."""
OWN_PERCENTILES = (1.0, 99.5)
"""Percentiles of the shown maps' cells: the ends of their colour bar if the model has no range for maps."""


@dataclass(frozen=True)
class GalleryTile:
    """One tile of the gallery; pictures are data URIs. ``tissue`` is its share, None for a tile that is `WHOLE`."""

    name: str
    score: float
    p_value: str | None
    flags: str
    tissue: float | None
    pixels: str
    anomaly_map: str


@dataclass(frozen=True)
class ShownGallery:
    """Tiles by role, the colour scale of their maps, and what these show.

    ``glass_above`` tiles are not shown because they are mostly glass, although they score higher than the last flagged
    tile that is; ``highest_glass`` is the highest score of them.
    The scale is the model's (``fixed``), perhaps ``widened`` by the adaptation, or that of the shown tiles.
    """

    tiles: Mapping[GalleryRole, Sequence[GalleryTile]]
    scale: ColourScale
    fixed: bool
    widened: bool
    maps_show: MapShows
    glass_above: int
    highest_glass: float | None


def show_gallery(gallery: Gallery, tiles: ScoredTiles, model: ModelRecord) -> ShownGallery:
    """The gallery, not empty, of tiles that were scored by ``model``.

    Raises `StoreError` if the model's range of maps is invalid.
    """
    known = _known_range(gallery, tiles.header.model, model)
    low, high = known or np.percentile(gallery.maps, OWN_PERCENTILES).tolist()
    scale = ColourScale(low, high if known or high > low else low + 1)  # equal maps have no range
    shown = {
        role: [_show(gallery, int(place), tiles, scale) for place in np.flatnonzero(gallery.role == role)]
        for role in GalleryRole
    }
    widened = known is not None and known != model.map_range
    above = _glass_above(gallery, tiles)
    highest = float(above.max()) if len(above) else None
    shows = gallery.maps_show(tiles.score)
    if shows == "score" and tiles.adapted and tiles.adapted.radius:
        shows = "other score"  # a map is of its own tile, and a smoothed score of the tiles around it, too
    return ShownGallery(shown, scale, known is not None, widened, shows, len(above), highest)


def _glass_above(gallery: Gallery, tiles: ScoredTiles) -> NDArray[np.float32]:
    """Scores of tiles that are mostly glass, are not shown, and score higher than the last flagged tile that is."""
    flagged = gallery.number[gallery.role == GalleryRole.FLAGGED]
    hidden = (tiles.flags & FLAGS["mostly_glass"].bit) > 0
    hidden[gallery.number] = False
    return tiles.score[hidden & (tiles.score > tiles.score[flagged].min())] if len(flagged) else tiles.score[:0]


def _known_range(gallery: Gallery, shown: ModelRecord, own: ModelRecord) -> tuple[float, float] | None:
    """The range of maps by the rule of the ``shown`` scores, or by the model's ``own``; None for one of neither."""
    if gallery.rule == shown.rule_name:
        return shown.map_range
    return own.map_range if gallery.rule in {None, own.rule_name} else None


def colour_bar() -> str:
    """The colour table as a picture of one row, low on the left; the page stretches it."""
    return data_uri(_encoded(COLOUR_TABLE[np.newaxis], "PNG"))


def _show(gallery: Gallery, place: int, tiles: ScoredTiles, scale: ColourScale) -> GalleryTile:
    number = int(gallery.number[place])
    p_value, tissue = float(tiles.p_value[number]), float(tiles.index.tissue_fraction[number])
    coloured = scale.rgba(gallery.maps[place])[..., :3]
    return GalleryTile(
        name=f"tile {tiles.index.row[number]}_{tiles.index.column[number]}",  # as QuPath calls it
        score=float(tiles.score[number]),
        p_value=None if np.isnan(p_value) else told_apart(p_value, TILE_RATE),
        flags=spoken_words(int(tiles.flags[number])),
        tissue=tissue if tissue < WHOLE else None,
        pixels=data_uri(_encoded(gallery.pixels[place], "JPEG", quality=JPEG_QUALITY, subsampling=0), "jpeg"),
        anomaly_map=data_uri(_encoded(coloured, "PNG")),
    )


def _encoded(pixels: NDArray[np.uint8], kind: str, **options: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, format=kind, **options)
    return stream.getvalue()
