"""What the page needs to know about a slide before it draws: sizes, geometry, ranges, words; nothing about tiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from wsi_haloae.artefacts.flags import FLAGS, frame_inset
from wsi_haloae.calibration.reach import why_none
from wsi_haloae.calibration.reference_scale import usual_scores
from wsi_haloae.calibration.selection import Criterion
from wsi_haloae.config import autoencoder_words, map_words
from wsi_haloae.export.begun import why_mixed
from wsi_haloae.heatmap.assembly import Heatmap, grid_of
from wsi_haloae.slide.deep_zoom import OVERLAP, TILE_SIZE
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.viewer.catalogue import ScoredFolder
from wsi_haloae.viewer.marking import why_no_marking
from wsi_haloae.viewer.opened import OpenedSlide
from wsi_haloae.viewer.rasters import TileMark


def list_entry(scored: ScoredFolder) -> dict[str, Any]:
    """One line of the list of slides, made from the run record alone."""
    record = scored.record()
    if record is None:
        return {"name": scored.name, "state": "unfinished"} | dict.fromkeys(
            ("slide", "tiles", "scored", "unreadable", "anomalous", "why_none", "trained_on")
        )
    record = record.as_exported()
    counts, summary = record.counts, record.summary
    return {
        "name": scored.name,
        "state": record.state,
        "slide": (record.slide.model_extra or {}).get("name"),
        "tiles": counts.tiles,
        "scored": counts.scored,
        "unreadable": counts.unreadable,
        "anomalous": counts.anomalous,
        "why_none": summary.why_none if summary and counts.anomalous is None else None,
        "trained_on": str(record.trained_on) if record.trained_on and record.trained_on.trained else None,
    }


def slide_facts(opened: OpenedSlide) -> dict[str, Any]:
    """All facts of one slide. Lengths whose names begin with ``l0_`` are level-0 pixels."""
    header, pixel_map = opened.store.shown, opened.pixel_map
    known = None if header.trained_on is None else header.trained_on.notice
    grid, slide = grid_of(header), header.slide
    cells = Heatmap(np.empty((0, 0), np.float32), grid)
    map_message = None if pixel_map is None else pixel_map.message
    return {
        **list_entry(opened.scored),
        **shown_facts(opened.store, opened.criterion),
        "message": " ".join(
            filter(None, [why_mixed(opened.scored.folder), known, opened.picture.message, map_message])
        ),
        "from_file": opened.picture.from_file,
        "pixels": opened.picture.version,
        "width": slide.width,
        "height": slide.height,
        "mpp": [slide.mpp_x, slide.mpp_y],
        "background": slide.background,
        "deep_zoom": _deep_zoom(opened),
        "grid": {
            "rows": grid.rows,
            "columns": grid.columns,
            "l0_offset_x": cells.l0_offset_x,
            "l0_offset_y": cells.l0_offset_y,
            "l0_cell_width": cells.l0_cell_width,
            "l0_cell_height": cells.l0_cell_height,
            "l0_tile_width": grid.l0_tile_width,
            "l0_tile_height": grid.l0_tile_height,
            "tile_size": grid.tile_size,
            "stride": grid.stride,
        },
        "model": header.model.sha256,
        "tile_mpp": slide.mpp_x * grid.l0_scale_x,
        "flags": [
            {"bit": flag.bit, "words": flag.words, "colour": flag.colour, "inset": frame_inset(place)}
            for place, flag in enumerate(FLAGS.values())
        ],
        "marks": {name.lower(): int(mark) for name, mark in TileMark.__members__.items()},
        "not_exported": opened.not_exported,
        "why_no_marking": why_no_marking(opened.store),
        "maps": pixel_map is not None,
        "pixel_map": None if pixel_map is None else pixel_map.facts(),
    }


def shown_facts(store: ScoreStore, criterion: Criterion) -> dict[str, Any]:
    """What is true of the scores that are shown: another adaptation changes it."""
    header, adapted = store.shown, store.adapted
    nothing, smallest_p = np.empty(0, np.float32), header.model.smallest_p
    selection = criterion.select(nothing, nothing, smallest_p)
    seen = "" if adapted is None else adapted.record.reference_words
    words = [usual_scores(store.reference_scores(), seen), autoencoder_words(header.model.rule_name)]
    return {
        "display_range": header.model.display_range,
        "rule": header.model.rule,
        "adaptation": None if adapted is None else " ".join([f"Scores {adapted.record.words}.", adapted.record.note]),
        "scale_words": " ".join(filter(None, words)),
        "map_words": map_words(header.model.rule_name, store.kept_maps_show),
        "criterion": None if selection is None else selection.phrase,
        "criterion_words": None if selection is None else selection.words,
        "why_none": why_none(smallest_p) if selection is None else None,
    }


def _deep_zoom(opened: OpenedSlide) -> dict[str, Any]:
    picture = opened.picture
    width, height = picture.deep_zoom.dimensions(picture.finest_level)
    return {
        "width": width,
        "height": height,
        "max_level": picture.finest_level,
        "tile_size": TILE_SIZE,
        "overlap": OVERLAP,
    }
