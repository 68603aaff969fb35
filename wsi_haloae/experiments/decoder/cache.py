"""Features that are computed once and kept on disk, so that a training of block C needs no backbone.

    cache/metal_nut/reference-0a1b2c3d4e/features.npy    (n, C, m, m) float16, not standardised
                                         cells.npy       (n, m, m) bool: which cells are tissue
                                         features.json   what they were computed from, and how many are done

They are written under temporary names; an interrupted computation goes on where it stopped. Half precision keeps three
digits, which is finer than what a block C leaves unexplained. The files are memory-mapped, and read batch by batch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from wsi_haloae.atomic import write_text
from wsi_haloae.config import Config
from wsi_haloae.documents import read_document
from wsi_haloae.errors import UsageError
from wsi_haloae.features.backbones import load_weights
from wsi_haloae.features.preprocessing import normalise, tissue_cells, to_unit
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.progress import Reporter
from wsi_haloae.provenance.fingerprints import file_sha256
from wsi_haloae.tiles.sources import TileSource, read_tiles
from wsi_haloae.workspace.lock import locked

BATCH = 16
SPARE_BYTES = 1 << 30
"""What must stay free on the disk."""
AFTER_BLOCK_B = {"standardise", "std_floor"}
"""Settings of ``model.features`` that do not change the features kept here."""


@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """Features (n, C, m, m) of n tiles, mapped from disk, and which of their cells are tissue, (n, m, m)."""

    features: NDArray[np.float16]
    cells: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.features)

    def read(self, numbers: NDArray[np.int64]) -> Tensor:
        """Features of some tiles in float32: (b, C, m, m)."""
        return torch.from_numpy(self.features[numbers].astype(np.float32))

    def batches(self, numbers: NDArray[np.int64] | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Features (b, C, m, m) and tissue cells (b, m, m), of tiles ``numbers`` or of all, in order."""
        chosen = np.arange(len(self)) if numbers is None else numbers
        for start in range(0, len(chosen), BATCH):
            some = chosen[start : start + BATCH]
            yield self.read(some), torch.from_numpy(self.cells[some])


class FeatureCache:
    """The features of one backbone in a folder. ``weights`` is a file (None: the published ones)."""

    def __init__(self, folder: Path, config: Config, weights: Path | None, reporter: Reporter) -> None:
        self._folder, self._config, self._weights, self._reporter = folder, config, weights, reporter
        self._weights_digest = file_sha256(weights) if weights else None
        self._models: dict[int, HaloAE] = {}

    def maps(self, name: str, source: TileSource) -> FeatureMaps:
        """Features of all tiles of a source; what is not there yet is computed.

        Raises `UsageError` if they do not fit the disk.
        """
        identity = self._identity(source)
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:10]
        folder = self._folder / f"{name}-{digest}"
        if not (folder / "features.npy").exists():
            with locked(folder, self._reporter.warn, wait=True):
                if not (folder / "features.npy").exists():  # another run may have computed them meanwhile
                    self._compute(folder, name, source, identity)
        features = np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False)
        return FeatureMaps(features, np.load(folder / "cells.npy", allow_pickle=False))

    def _identity(self, source: TileSource) -> Mapping[str, Any]:
        """Everything that the features depend on. Defaults are left out: a setting that is added later changes none."""
        features = self._config.model.features.model_dump(mode="json", exclude_defaults=True, exclude=AFTER_BLOCK_B)
        return {
            "tiles": source.digest(),
            "model.features": {"backbone": self._config.model.features.backbone, **features},
            "model.input_downsample": self._config.model.input_downsample,
            "scoring.glass_level": self._config.scoring.glass_level,
            "--weights": self._weights_digest,
        }

    def _model(self, tile_size: int) -> HaloAE:
        if tile_size not in self._models:
            model = HaloAE(self._config.model, tile_size).eval()
            load_weights(model.backbone, self._config.model.features, self._weights)
            self._models[tile_size] = model.to(memory_format=torch.channels_last)
        return self._models[tile_size]

    def _compute(self, folder: Path, name: str, source: TileSource, identity: Mapping[str, Any]) -> None:
        model, count, progress = self._model(source.tile_size), len(source.groups), folder / "features.json"
        shape = (count, model.backbone.channels, model.map_size, model.map_size)
        partial = {kind: folder / f"{kind}.partial.npy" for kind in ("features", "cells")}
        done = read_document(progress).get("done", 0) if all(path.exists() for path in partial.values()) else 0
        if not done:
            self._require_space(folder, 2 * int(np.prod(shape)))
        mode = "r+" if done else "w+"
        features = open_memmap(partial["features"], mode, dtype=np.float16, shape=shape)
        cells = open_memmap(partial["cells"], mode, dtype=np.bool_, shape=(count, *shape[2:]))
        with self._reporter.track(f"Features of {name}", count, "tiles", done=done) as advance:
            for start in range(done, count, BATCH):
                some = np.arange(start, min(start + BATCH, count))
                features[some], cells[some] = self._features(model, source, some)
                features.flush()
                cells.flush()
                write_text(progress, json.dumps({"identity": identity, "tiles": count, "done": int(some[-1]) + 1}))
                advance(len(some))
        for kind in ("cells", "features"):  # the features' name says that both are there
            partial[kind].replace(folder / f"{kind}.npy")

    @torch.inference_mode()
    def _features(
        self, model: HaloAE, source: TileSource, numbers: NDArray[np.int64]
    ) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
        unit = to_unit(torch.from_numpy(read_tiles(source, numbers)))
        images = normalise(unit, model.config.input_downsample).contiguous(memory_format=torch.channels_last)
        cells = tissue_cells(unit, model.map_size, self._config.scoring.glass_level)
        return model.backbone(images).numpy().astype(np.float16), cells.numpy()

    def _require_space(self, folder: Path, needed: int) -> None:
        free = disk_usage(folder).free
        if needed + SPARE_BYTES > free:
            raise UsageError(
                f"{folder}: these features take {needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free, of which "
                f"{SPARE_BYTES / 1e9:.0f} must stay free. Make room, or choose another folder for the cache."
            )
