"""What ``score`` writes about a slide into ``run.json``, beside times and versions."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.export.summary import recorded_calling
from wsi_haloae.slide.file_state import FileState
from wsi_haloae.tiles.chosen import ChosenTiles


def run_facts(
    slide: Path, file: FileState, model: Path, exported: OpenStore, chosen: ChosenTiles, unreadable: int
) -> dict[str, Any]:
    """Sections of a `RunRecord`: paths as given; ``unreadable`` counts tiles and parts of the thumbnail."""
    scores, tiles = exported.store, exported.tiles
    header, grid, use = exported.header, chosen.tiling.grid, exported.header.trained_on
    calling = recorded_calling(tiles)
    return {
        "slide": {"path": str(slide), "file": file.model_dump(), **header.slide.model_dump(mode="json")},
        "colour_profile": header.colour_profile,
        "colours": chosen.tiling.properties.colours,
        "reader": chosen.tiling.properties.reader,
        "model": {"path": str(model), **header.model.model_dump(mode="json")},
        "adaptation": tiles.adapted and tiles.adapted.model_dump(mode="json"),
        "grid": header.grid.model_dump(mode="json"),
        "compute": header.compute.model_dump(mode="json"),
        "tissue": chosen.facts(),
        "counts": {
            "grid": grid.rows * grid.columns,
            "tiles": len(scores),
            "scored": tiles.scored,
            "unreadable": unreadable,
            **calling["counts"],
            "flagged": tiles.flag_counts(),
        },
        "summary": calling["summary"],
        "unreadable": [asdict(tile) for tile in scores.unreadable()],
        "anomalous": calling["anomalous"],
        "trained_on": None if use is None else use.summary().model_dump(mode="json"),
    }
