"""Scored folders as ``wsi-haloae score`` leaves them, with made-up scores, over a real file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr
from numpy.typing import NDArray

from tests.export.stores import Scene, make_index
from tests.model.tiny import tiny_descriptors
from tests.stores.make import complete
from wsi_haloae.adaptation.reference import ReferenceDescriptors
from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.provenance.use import SlideUse
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.slide.thumbnail import read_thumbnail
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.stores.store_header import SlideRecord

CALIBRATED = CalibrationFacts(tiles=500, groups=20, correlation=0.1, effective_tiles=200.0)
RANGE = (-1.0, 3.0)
REFERENCE = np.linspace(-1, 2, 256, dtype=np.float32)
"""Scores of held-out reference tiles."""
DRAWN = (700, 900, 800, 1000)
"""An annotation on the real slide: x, y, width, height at level 0."""
LOST, WAITING = 7, 11
"""Numbers of the tile that could not be read, and of the one whose turn has not come."""


def ramp(width: int = 1500, height: int = 1100) -> NDArray[np.uint8]:
    """A picture that says where one is: red grows to the right, green downwards."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 90)], axis=-1).astype(np.uint8)


def write_slide(path: Path, pixels: NDArray[np.uint8] | None = None) -> Path:
    """A tiled TIFF that OpenSlide opens; no pyramid, no pixel size."""
    tifffile.imwrite(
        path, ramp() if pixels is None else pixels, tile=(256, 256), photometric="rgb", compression="deflate"
    )
    return path


@dataclass(frozen=True)
class Scored:
    """One slide's folder, and what was put into its store; ``score`` and ``p_value`` are per tile."""

    folder: Path
    slide: Path
    scene: Scene
    store: ScoreStore


def score_slide(
    out: Path,
    slide: Path,
    *,
    tile_size: int = 128,
    stride: int = 96,
    scale: float = 1.0,
    name: str | None = None,
    calibration: CalibrationFacts = CALIBRATED,
    trained_on: SlideUse | None = None,
    described: bool = False,
) -> Scored:
    """Score ``slide`` into ``out/<stem>/``: every tile, by its place, with maps, flags and calibration.

    ``described``: no tile is waiting, and every one has a descriptor.
    """
    folder = out / (name or slide.stem)
    opened = open_slide(slide, mpp=0.5)
    properties = opened.properties
    scene = Scene(
        width=properties.width, height=properties.height, tile_size=tile_size, stride=stride, l0_scale_x=scale,
        l0_scale_y=scale, display_range=RANGE, name=slide.name, calibration=calibration, map_size=8,
        mpp_x=properties.mpp_x or 0.5, mpp_y=properties.mpp_y or 0.5, trained_on=trained_on, rule_name="content",
    )  # fmt: skip
    record = SlideRecord(**{**dict(scene.slide), "fingerprint": properties.fingerprint})
    plan = {"level": 0, "scale_x": scale, "scale_y": scale, "l0_scale_x": scale, "l0_scale_y": scale}
    mpp = {"mpp_x": scene.mpp_x * scale, "mpp_y": scene.mpp_y * scale}
    header = scene.header.model_copy(update={"slide": record, "read_plan": plan | mpp})
    index = make_index(scene)
    thumbnail = read_thumbnail(opened, 8.0).rgb
    mask = np.ones(thumbnail.shape[:2], np.bool_)
    reference = tiny_descriptors(20).reference if described else None
    if reference is not None:
        header = header.model_copy(update={"descriptor_size": reference.dimensions})
    store = ScoreStore.create(folder / "scores.zarr", header, index, thumbnail, mask, REFERENCE, reference)
    opened.close()
    _fill(folder / "scores.zarr", len(index), reference)
    store = ScoreStore.open(folder / "scores.zarr")
    write_run_record(folder, slide, header.slide, len(index))
    write_exports(store, folder, formats=("csv", "overlay", "map"))
    return Scored(folder, slide, scene, store)


def write_run_record(folder: Path, slide: Path, record: SlideRecord, tiles: int, **more: Any) -> None:
    document = {
        "state": "done",
        "command": "score",
        "slide": {"path": str(slide), **record.model_dump(mode="json")},
        "counts": {"tiles": tiles, "scored": tiles - 2, "unreadable": 1, "anomalous": 3},
    }
    (folder / "run.json").write_text(json.dumps(document | more))


def _fill(path: Path, tiles: int, reference: ReferenceDescriptors | None) -> None:
    rng = np.random.default_rng(0)
    state = np.full(tiles, TileState.DONE, np.uint8)
    state[LOST], state[WAITING] = TileState.UNREADABLE, TileState.PENDING if reference is None else TileState.DONE
    score = rng.permutation(np.linspace(-1.2, 3.2, tiles)).astype(np.float32)
    columns = {
        "score": score,
        "p_value": np.clip(1 - (score + 1.2) / 4.4, 0.005, 1).astype(np.float32),
        "flags": rng.choice([0, 0, 0, 1, 2, 4, 8, 9], tiles).astype(np.uint8),
        "anomaly_map": rng.random((tiles, 8, 8)).astype(np.float32),
        "state": state,
    }
    if reference is not None:
        columns["descriptor"] = rng.normal(size=(tiles, reference.dimensions)).astype(np.float16)
    group = zarr.open_group(path, mode="r+")
    for name, values in columns.items():
        column = group[name]
        assert isinstance(column, zarr.Array)
        column[:] = values
    complete(path)


def rectangle(x: int, y: int, width: int, height: int, name: str) -> dict[str, Any]:
    """A QuPath annotation."""
    ring = [[x, y], [x + width, y], [x + width, y + height], [x, y + height], [x, y]]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"objectType": "annotation", "classification": {"name": name, "color": [0, 0, 0]}},
    }
