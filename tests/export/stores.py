"""Small score stores on disk, for the tests of heatmap and export."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from tests.stores.make import complete
from wsi_haloae.artefacts.limits import ArtefactLimits
from wsi_haloae.calibration.circumstances import UNKNOWN, Circumstances
from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.provenance.use import SlideUse
from wsi_haloae.stores.score_header import ComputeRecord, ModelRecord, ScoreHeader
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileIndex, TileState
from wsi_haloae.stores.store_header import GridRecord, SlideRecord
from wsi_haloae.tiles.grid import TileGrid
from wsi_haloae.tiles.plan import ReadPlan

UNUSED = SlideUse()
"""Of a slide that the model was not trained on."""


@dataclass(frozen=True)
class Scene:
    """A slide, and a grid on it."""

    width: int = 1000
    height: int = 730
    mpp_x: float = 0.5
    mpp_y: float = 0.5
    bounds: tuple[int, int, int, int] | None = None
    tile_size: int = 64
    stride: int = 64
    l0_scale_x: float = 1.0
    l0_scale_y: float = 1.0
    display_range: tuple[float, float] = (0.0, 255.0)
    name: str = "scene.svs"
    calibration: CalibrationFacts | None = None
    calibrated: Circumstances = UNKNOWN
    map_size: int | None = None
    map_range: tuple[float, float] | None = None
    artefacts: ArtefactLimits | None = None
    roi_sha256: str | None = None
    model: str = "a" * 64
    rule: str = "test"
    rule_name: str | None = None
    model_mpp: float = 0.5
    dtype: str = "float32"
    trained_on: SlideUse | None = UNUSED
    fingerprint: str = "f" * 64

    @property
    def grid(self) -> TileGrid:
        return TileGrid(self.width, self.height, self.tile_size, self.stride, self.l0_scale_x, self.l0_scale_y)

    @property
    def plan(self) -> ReadPlan:
        scale_x, scale_y = self.l0_scale_x, self.l0_scale_y
        return ReadPlan(0, scale_x, scale_y, scale_x, scale_y, scale_x * self.mpp_x, scale_y * self.mpp_y)

    @property
    def slide(self) -> SlideRecord:
        return SlideRecord(
            name=self.name,
            vendor="test",
            width=self.width,
            height=self.height,
            mpp_x=self.mpp_x,
            mpp_y=self.mpp_y,
            objective_power=None,
            bounds=self.bounds,
            background=(255, 255, 255),
            fingerprint=self.fingerprint,
        )

    @property
    def header(self) -> ScoreHeader:
        return ScoreHeader(
            slide=self.slide,
            grid=GridRecord(**asdict(self.grid)),
            read_plan=asdict(self.plan),
            tissue={},
            model=ModelRecord(
                sha256=self.model,
                rule=self.rule,
                rule_name=self.rule_name,
                mpp=self.model_mpp,
                display_range=self.display_range,
                map_range=self.map_range,
                calibration=self.calibration,
                calibrated=self.calibrated,
                artefacts=self.artefacts,
            ),
            compute=ComputeRecord(batch_size=1, dtype=self.dtype, device="cpu", threads=1),
            layers=("layer1",),
            rules=("tissue",),
            map_size=self.map_size,
            roi_sha256=self.roi_sha256,
            trained_on=self.trained_on,
        )


def make_index(scene: Scene, kept: NDArray[np.bool_] | None = None) -> TileIndex:
    """All tiles of a scene, or those of which ``kept`` (rows, columns) is true."""
    rows, columns = scene.grid.all_indices()
    locations = scene.grid.locations(rows, columns)
    tissue = np.linspace(0.1, 1.0, len(rows), dtype=np.float32)
    index = TileIndex(rows, columns, locations, scene.grid.clipped_sizes(rows, columns), tissue)
    return index if kept is None else index.select(kept[rows, columns])


def make_store(
    path: Path,
    scene: Scene,
    *,
    kept: NDArray[np.bool_] | None = None,
    score: NDArray[np.float32] | None = None,
    state: NDArray[np.uint8] | None = None,
    p_value: NDArray[np.float32] | None = None,
    flags: NDArray[np.uint8] | None = None,
    maps: NDArray[np.float32] | None = None,
    reason: NDArray[np.uint8] | None = None,
    reference: NDArray[np.float32] | None = None,
) -> ScoreStore:
    """A store whose scores are 0, 1, 2, ... and whose tiles are all done, unless told otherwise.

    Columns are written in one go: shard by shard, a large store would take most of a test's time.
    """
    index = make_index(scene, kept)
    score = np.arange(len(index), dtype=np.float32) if score is None else score
    state = np.full(len(index), TileState.DONE, np.uint8) if state is None else state
    thumbnail = np.full((max(1, scene.height // 10), max(1, scene.width // 10), 3), 255, np.uint8)
    tissue = np.ones(thumbnail.shape[:2], np.bool_)
    ScoreStore.create(path, scene.header, index, thumbnail, tissue, reference)
    group = zarr.open_group(path, mode="r+")
    columns = {"score": score, "score_paper": score / 2, "rules": score[:, None] / 3, "state": state}
    if p_value is not None:
        columns["p_value"] = p_value
    if flags is not None:
        columns["flags"] = flags
    if maps is not None:
        columns["anomaly_map"] = maps
    if reason is not None:
        columns["reason"] = reason
    for name, values in columns.items():
        column = group[name]
        assert isinstance(column, zarr.Array)
        if len(index):
            column[:] = values
    complete(path)
    return ScoreStore.open(path)
