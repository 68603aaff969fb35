"""heatmap.ome.tif: the scores as float32 with physical sizes, for Bio-Formats and napari.

One channel, tiled, deflate-compressed, with a pyramid in SubIFDs, as in the OME-TIFF specification
(https://docs.openmicroscopy.org/ome-model/6.3.1/ome-tiff/specification.html). Cells without
a score are NaN. The pixel size is also in the tags of TIFF itself, in cells per centimetre, for programs that read no
OME metadata. ``PositionX/Y`` is the position of the corner of cell (0, 0), measured from the slide's own top left
corner. It is not 0 if tiles overlap (see `Heatmap`).
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import tifffile

from wsi_haloae.atomic import replacing
from wsi_haloae.export.identity import slide_namespace
from wsi_haloae.export.levels import SMALLEST, pyramid
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.heatmap.assembly import Heatmap
from wsi_haloae.stores.score_header import ScoreHeader


def write_ome_tiff(path: Path, source: OpenStore) -> None:
    """Write the heatmap and its pyramid.

    The bytes are the same on every run: the UUID is derived from slide, grid and model, and the
    byte order and software name are fixed, so they do not depend on the machine or on tifffile's version.
    """
    heatmap, header = source.heatmap, source.header
    levels = list(pyramid(heatmap.values))
    options: dict[str, Any] = {
        "photometric": "minisblack",
        "tile": (SMALLEST, SMALLEST),
        "compression": "zlib",
        "software": "wsi-haloae",
    }
    with replacing(path) as partial, tifffile.TiffWriter(partial, ome=True, byteorder="<") as tiff:
        first = {"subifds": len(levels) - 1, "metadata": _ome_metadata(heatmap, header)}
        smaller = {"subfiletype": 1, "metadata": None}
        for number, level in enumerate(levels):
            where = smaller if number else first
            tiff.write(level, **where, **options, **_resolution(heatmap, header, 2**number))


def _resolution(heatmap: Heatmap, header: ScoreHeader, downsample: int) -> dict[str, Any]:
    """Pixels per centimetre."""
    width, height = header.slide.mpp_x * heatmap.l0_cell_width, header.slide.mpp_y * heatmap.l0_cell_height
    cells = 10_000 / (width * downsample), 10_000 / (height * downsample)
    return {"resolution": cells, "resolutionunit": "CENTIMETER"}


def _ome_metadata(heatmap: Heatmap, header: ScoreHeader) -> dict[str, Any]:
    slide = header.slide
    return {
        "axes": "YX",
        "UUID": str(uuid.uuid5(slide_namespace(header), f"heatmap.ome.tif {header.model.sha256}")),
        "Creator": "wsi-haloae",
        "Name": slide.name,
        "PhysicalSizeX": slide.mpp_x * heatmap.l0_cell_width,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": slide.mpp_y * heatmap.l0_cell_height,
        "PhysicalSizeYUnit": "µm",
        "Channel": {"Name": "Anomaly score"},
        "Plane": {
            "PositionX": slide.mpp_x * heatmap.l0_offset_x,
            "PositionXUnit": "µm",
            "PositionY": slide.mpp_y * heatmap.l0_offset_y,
            "PositionYUnit": "µm",
        },
    }
