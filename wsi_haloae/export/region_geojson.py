"""regions.geojson: the anomalous regions as annotations that QuPath 0.4 to 0.7 imports, largest first.

Coordinates are level-0 pixels minus the origin of the slide's bounds, as for tiles. Measurement names differ from
those of tiles, because QuPath's measurement maps would otherwise take their range from both.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wsi_haloae.calibration.selection import Selection
from wsi_haloae.export.feature_collection import dsa_style, finite, polygon_geometry, write_features
from wsi_haloae.export.identity import slide_namespace
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.heatmap.regions import Region
from wsi_haloae.stores.score_header import ScoreHeader
from wsi_haloae.stores.store_header import SlideRecord

REGION_CLASS, REGION_COLOUR = "Anomaly", (200, 30, 30)
REGION_NAME = "Anomalous region"
"""Start of each region's name. QuPath's scripts use class and name to distinguish regions from people's drawings."""


def write_region_geojson(path: Path, source: OpenStore) -> None:
    """Write the regions. The collection is empty if there are none."""
    selection = source.tiles.selection
    write_features(path, () if selection is None else _features(source.header, selection, source.regions))


def region_facts(header: ScoreHeader, selection: Selection | None) -> dict[str, str]:
    """What made the regions: model, rule, criterion ("" if no tile can be called) and pixel size."""
    return {
        "Model": header.model.sha256,
        "Rule": header.model.rule,
        "Criterion": "" if selection is None else selection.words,
        "Pixel size of the tiles in µm": f"{header.model.mpp:g}",
    }


def region_measurements(region: Region, slide: SlideRecord) -> dict[str, float]:
    """Size and scores of a region. The area is that of its tiles, not of the rounded outline."""
    return finite(
        {
            "Region area mm^2": region.area * slide.mpp_x * slide.mpp_y / 1e6,
            "Tiles in region": region.tiles,
            "Mean anomaly score": region.mean_score,
            "Median anomaly score": region.median_score,
            "Max anomaly score": region.max_score,
        }
    )


def _features(header: ScoreHeader, selection: Selection, regions: Sequence[Region]) -> Iterator[dict[str, Any]]:
    slide, namespace = header.slide, slide_namespace(header)
    left, top = (slide.bounds or (0, 0))[:2]
    classification = {"name": REGION_CLASS, "color": list(REGION_COLOUR)}
    for number, region in enumerate(regions, start=1):
        yield {
            "type": "Feature",
            # With another criterion it is a different region, even if the two overlap.
            "id": str(uuid.uuid5(namespace, f"region {region.row} {region.column} {selection.title}")),
            "geometry": polygon_geometry(region.polygon, left, top),
            "properties": {
                "objectType": "annotation",
                "name": f"{REGION_NAME} {number}",
                "isLocked": True,
                "classification": classification,
                **dsa_style(REGION_COLOUR, f"{REGION_NAME} {number}"),
                "measurements": region_measurements(region, slide),
                "metadata": region_facts(header, selection),
            },
        }
