"""heatmap.overlay.png: the heatmap alone, one RGBA pixel per cell of the grid.

QuPath and the viewer lay it over the slide by the geometry of `Heatmap`. It is opaque where
there is a score and transparent elsewhere; they choose the opacity when they show it.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from wsi_haloae.atomic import replacing
from wsi_haloae.export.open_store import OpenStore


def write_overlay(path: Path, source: OpenStore) -> None:
    """Write (rows, columns) pixels. The file has no text and no date."""
    with replacing(path) as partial:
        Image.fromarray(source.scale.rgba(source.heatmap.values)).save(partial, format="PNG")
