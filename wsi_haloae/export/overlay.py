"""heatmap.overlay.png: the bare heatmap, one RGBA pixel per cell of the grid.

For QuPath and the viewer, which lay it over the slide by the geometry of `Heatmap`. Opaque
where there is a score, transparent elsewhere; how strongly it covers is theirs to choose.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from wsi_haloae.atomic import replacing
from wsi_haloae.export.open_store import OpenStore


def write_overlay(path: Path, source: OpenStore) -> None:
    """Write (rows, columns) pixels; the file holds no text and no date."""
    with replacing(path) as partial:
        Image.fromarray(source.scale.rgba(source.heatmap.values)).save(partial, format="PNG")
