"""ScoreStore: all results of a model on a slide, enough to make every output again.

scores.zarr/
  row, column, location, size, tissue_fraction     the index (see sharded.py)
  state             (n,)         uint8
  score             (n,)         float32   anomaly score; NaN where the tile was unreadable
  score_paper       (n,)         float32   mean of the squared residual (paper, eq. 4)
  p_value           (n,)         float32   conformal p-value of the score; NaN without calibration
  rules             (n, rules)   float32   the score by every other rule
  layer_residuals   (n, layers)  float32   mean residual per feature layer
  layer_dissimilarities          float32   mean 1 - SSIM per feature layer, (n, layers)
  artefacts         (n, flags)   float32   the measured quantities of the flags, in the order of `artefacts.flags.FLAGS`
  flags             (n,)         uint8     bits of that table
  tissue_cells      (n,)         int32     cells of the map that count as tissue
  anomaly_map       (n, m, m)    float32   with --maps: normalised residual map of each tile
  thumbnail         (h, w, 3)    uint8     for the pictures
  tissue_mask       (h, w)       bool
  reference_scores  (k,)         float32   quantiles of held-out reference tiles' scores; empty without calibration
  gallery/                                 pixels and maps of a few tiles (see gallery.py); made when all are scored
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from wsi_haloae.artefacts.flags import FLAGS
from wsi_haloae.artefacts.limits import ArtefactLimits
from wsi_haloae.atomic import read_own
from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.provenance.use import SlideUse
from wsi_haloae.stores.compaction import compact, is_compact
from wsi_haloae.stores.gallery import GALLERY_NAME, Gallery, read_gallery, write_gallery
from wsi_haloae.stores.layout import Column
from wsi_haloae.stores.sharded import SHARD_TILES, ShardedStore, StoreHeader, TileIndex, create_column, damage_told

STORE_NAME = "scores.zarr"


class ModelRecord(BaseModel):
    """Which model scored, and the fixed scale its scores are shown on."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    sha256: str
    rule: str
    mpp: float
    display_range: tuple[float, float]
    map_range: tuple[float, float] | None = None  # the same for anomaly maps; None for models from before it was kept
    calibration: CalibrationFacts | None
    artefacts: ArtefactLimits | None

    @property
    def smallest_p(self) -> float | None:
        """The p-value of a score above all calibration scores; None without calibration."""
        return None if self.calibration is None else self.calibration.smallest_p


class ComputeRecord(BaseModel):
    """How the scores were computed. A resumed run uses the same values, so that it writes the same bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    batch_size: int
    dtype: str
    device: str
    threads: int
    lowered_from: int | None = None  # the batch size that did not fit into memory

    def __str__(self) -> str:
        """In words: "float32 on cpu, batches of 16 tiles, 2 threads"."""
        return f"{self.dtype} on {self.device}, batches of {self.batch_size} tiles, {self.threads} threads"


class ScoreHeader(StoreHeader):
    """The attributes of a score store."""

    model: ModelRecord
    compute: ComputeRecord
    layers: tuple[str, ...]
    rules: tuple[str, ...]
    map_size: int | None  # side of the kept anomaly maps, None without --maps
    roi_sha256: str | None
    trained_on: SlideUse | None = None  # what training used of this slide; None for models that do not know it

    def identity(self) -> dict[str, Any]:
        """Everything except ``compute``, which a resumed run reads from the store, and what follows from the rest."""
        return self.model_dump(mode="json", exclude={"compute", "trained_on"})

    def learns(self, header: ScoreHeader) -> bool:
        """Whether ``header``, of a later run, knows more about the slide's patient, who may have been named since."""
        named = header.trained_on is not None and header.trained_on.patient is not None
        return named and self.trained_on != header.trained_on


@dataclass(frozen=True)
class TileScores:
    """Results of n tiles, as the scorer computes them and the store keeps them."""

    score: NDArray[np.float32]  # (n,)
    score_paper: NDArray[np.float32]  # (n,)
    p_value: NDArray[np.float32]  # (n,)
    rules: NDArray[np.float32]  # (n, rules)
    layer_residuals: NDArray[np.float32]  # (n, layers)
    layer_dissimilarities: NDArray[np.float32]  # (n, layers)
    artefacts: NDArray[np.float32]  # (n, flags)
    flags: NDArray[np.uint8]  # (n,)
    tissue_cells: NDArray[np.int32]  # (n,)
    anomaly_map: NDArray[np.float32] | None  # (n, m, m)

    @classmethod
    def joined(cls, parts: Sequence[TileScores]) -> TileScores:
        """Concatenate results; ``parts`` must not be empty."""
        whole: dict[str, Any] = {}
        for field in fields(cls):
            values = [getattr(part, field.name) for part in parts]
            whole[field.name] = None if values[0] is None else np.concatenate(values)
        return cls(**whole)


_COLUMNS = tuple(field.name for field in fields(TileScores) if field.name != "anomaly_map")


class ScoreStore(ShardedStore):
    """Scores of one slide, on disk."""

    kind: ClassVar[str] = "wsi-haloae score store"
    format_version: ClassVar[int] = 3
    header_type: ClassVar[type[StoreHeader]] = ScoreHeader
    slide_wide: ClassVar[frozenset[str]] = frozenset({"thumbnail", "tissue_mask", "reference_scores"})
    header: ScoreHeader

    @classmethod
    def create(
        cls,
        path: Path,
        header: ScoreHeader,
        index: TileIndex,
        thumbnail: NDArray[np.uint8],
        tissue_mask: NDArray[np.bool_],
        reference_scores: NDArray[np.float32] | None = None,
    ) -> ScoreStore:
        """A new store with every tile pending; ``reference_scores`` (k,) are None for a model without calibration."""
        length = len(index)
        with cls._making(path, header, index) as group:
            for name in ("score", "score_paper", "p_value"):
                create_column(group, name, length, np.float32, fill=np.nan)
            for name, width in _wide_columns(header).items():
                create_column(group, name, length, np.float32, width=width, fill=np.nan)
            create_column(group, "flags", length, np.uint8)
            create_column(group, "tissue_cells", length, np.int32)
            if header.map_size is not None:
                side = header.map_size
                group.create_array(
                    "anomaly_map",
                    shape=(length, side, side),
                    chunks=(1, side, side),
                    shards=(SHARD_TILES, side, side),
                    dtype=np.float32,
                    fill_value=np.nan,
                )
            group.create_array("thumbnail", data=thumbnail, chunks=thumbnail.shape)
            group.create_array("tissue_mask", data=tissue_mask, chunks=tissue_mask.shape)
            known = np.empty(0, np.float32) if reference_scores is None else reference_scores
            group.create_array("reference_scores", data=known, chunks=(max(1, len(known)),))
        return cls.open(path)

    def columns(self) -> dict[str, Column]:
        """The columns of the index and of the results, and the arrays of the slide as a whole."""
        side = self.header.map_size
        return {
            **super().columns(),
            "score": Column(np.float32),
            "score_paper": Column(np.float32),
            "p_value": Column(np.float32, least=0, most=1, unknown=True),
            **{name: Column(np.float32, (width,)) for name, width in _wide_columns(self.header).items()},
            "artefacts": Column(np.float32, (None,)),  # a store of another version may know fewer flags, or more
            "flags": Column(np.uint8),
            "tissue_cells": Column(np.int32, least=0),
            **({} if side is None else {"anomaly_map": Column(np.float32, (side, side))}),
            "thumbnail": Column(np.uint8, (None, 3)),
            "tissue_mask": Column(np.bool_, (None,)),
            "reference_scores": Column(np.float32),
        }

    def write_shard(
        self, shard: int, scores: TileScores, states: NDArray[np.uint8], reasons: Sequence[str] = ()
    ) -> None:
        """Write one shard: its results, the reasons for unreadable tiles ("" for the others), and last its states."""
        for name in _COLUMNS:
            self._write(name, shard, getattr(scores, name))
        if self.header.map_size is not None:
            assert scores.anomaly_map is not None
            self._write("anomaly_map", shard, scores.anomaly_map)
        self._commit(shard, states, reasons)

    def lower_batch_size(self, batch_size: int) -> None:
        """After an out-of-memory error: compute the pending tiles in smaller batches."""
        compute = self.header.compute
        first = compute.lowered_from or compute.batch_size
        self._change_header(compute=compute.model_copy(update={"batch_size": batch_size, "lowered_from": first}))

    def learn(self, header: ScoreHeader) -> None:
        """Take over what ``header`` knows about the slide's patient, if it is more (`ScoreHeader.learns`)."""
        if self.header.learns(header):
            self._change_header(trained_on=header.trained_on)

    def _change_header(self, **changes: Any) -> None:
        self.header = self.header.model_copy(update=changes)
        self._group.attrs["header"] = self.header.model_dump(mode="json")

    def scores(self) -> TileScores:
        """The results of all tiles, without the anomaly maps."""
        return TileScores(**{name: self.read(name) for name in _COLUMNS}, anomaly_map=None)

    def anomaly_map(self, number: int) -> NDArray[np.float32]:
        """The kept anomaly map (m, m) of one tile."""
        return self.read("anomaly_map", number)

    def anomaly_maps(self, place: slice) -> NDArray[np.float32]:
        """The kept anomaly maps (k, m, m) of consecutive tiles."""
        return self.read("anomaly_map", place)

    def thumbnail(self) -> NDArray[np.uint8]:
        """The whole slide as a small picture, (h, w, 3)."""
        return self.read("thumbnail")

    def tissue_mask(self) -> NDArray[np.bool_]:
        """The tissue mask on the thumbnail, (h, w)."""
        return self.read("tissue_mask")

    def reference_scores(self) -> NDArray[np.float32]:
        """Equally spaced quantiles of held-out reference tiles' scores, ascending, (k,); (0,) without calibration."""
        return self.read("reference_scores")

    @property
    def finished(self) -> bool:
        """Whether scoring is complete: all shards and the gallery are written."""
        return not self.pending_shards() and (self.path / GALLERY_NAME).is_dir()

    def write_gallery(self, gallery: Gallery) -> None:
        """Write the gallery, the last step of scoring. It is written whole or not at all."""
        write_gallery(self.path, gallery)

    def compacted(self) -> ScoreStore:
        """The finished store with one file per column, opened again; itself if already compact, or empty."""
        columns = frozenset(self._arrays) & {*_COLUMNS, "state", "reason"}
        if not len(self) or is_compact(self.path, columns):
            return self
        compact(self.path, columns)
        return ScoreStore.open(self.path)

    def gallery(self) -> Gallery | None:
        """The gallery; None if scoring has not written it yet. Raises `StoreError` if it is damaged."""
        if not (self.path / GALLERY_NAME).is_dir():
            return None
        with damage_told(self.path, self.kind):
            return read_gallery(self.path, tiles=len(self), tile_size=self.header.grid.tile_size)


def _wide_columns(header: ScoreHeader) -> dict[str, int]:
    layers = len(header.layers)
    return {
        "rules": len(header.rules),
        "layer_residuals": layers,
        "layer_dissimilarities": layers,
        "artefacts": len(FLAGS),
    }


def stored_model(path: Path) -> str | None:
    """SHA-256 of the model that made a store, read from its header alone; None if it cannot be read."""
    try:
        document = json.loads(read_own(path / "zarr.json"))
        sha256 = document["attributes"]["header"]["model"]["sha256"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return sha256 if isinstance(sha256, str) else None
