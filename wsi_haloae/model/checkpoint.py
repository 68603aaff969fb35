"""Checkpoint: one safetensors file with all that scoring needs, and no code.

Weights (the frozen features included, so scoring needs no download), configuration, tile size,
pixel size, feature statistics, mean map and display range. Training and scoring share it, so
their preprocessing cannot disagree.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from wsi_haloae.atomic import replacing
from wsi_haloae.config import Config
from wsi_haloae.errors import CheckpointError, ConfigError
from wsi_haloae.model.haloae import HaloAE

FORMAT_VERSION = 1
KIND = "wsi-haloae checkpoint"
_STATISTICS = ("statistics.mean_map", "statistics.feature_range")


class CheckpointFacts(BaseModel):
    """What is known about a model beside its weights; kept as JSON in the file's header.

    ``mpp`` is micrometres per pixel of the tile, None for images that have no scale (MVTec).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: Config
    tile_size: int
    mpp: float | None
    display_range: tuple[float, float]
    backbone_source: str
    training: dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """A trained model with its statistics.

    ``mean_map`` (m, m) is the mean residual of training tiles; ``feature_range`` (C,) the span of
    each channel from its 0.1 to its 99.9 percentile.
    """

    facts: CheckpointFacts
    model: HaloAE
    mean_map: Tensor
    feature_range: Tensor
    sha256: str = ""

    def save(self, path: Path) -> None:
        """Write under a temporary name, then rename; same contents give the same bytes."""
        tensors = {f"model.{name}": tensor.contiguous().cpu() for name, tensor in self.model.state_dict().items()}
        tensors["statistics.mean_map"] = self.mean_map.contiguous().cpu()
        tensors["statistics.feature_range"] = self.feature_range.contiguous().cpu()
        header = {
            "kind": KIND,
            "format_version": str(FORMAT_VERSION),
            "facts": json.dumps(self.facts.model_dump(mode="json"), sort_keys=True),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            save_file(tensors, partial, metadata=header)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """A checkpoint in evaluation mode on the CPU; `CheckpointError` for anything else."""
        try:
            with safe_open(path, framework="pt") as file:
                header = file.metadata() or {}
                facts = _parse_header(path, header)
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{path}: cannot be read as a safetensors checkpoint ({error}).") from None
        model = _build(path, facts, tensors)
        mean_map, feature_range = (tensors[name] for name in _STATISTICS)
        return cls(facts, model, mean_map, feature_range, sha256=file_sha256(path))


def file_sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _parse_header(path: Path, header: dict[str, str]) -> CheckpointFacts:
    if header.get("kind") != KIND:
        raise CheckpointError(
            f"{path}: a safetensors file, but not a checkpoint that 'wsi-haloae train-tiles' wrote "
            "(VGG weights go to train-tiles as --weights)."
        )
    if header.get("format_version") != str(FORMAT_VERSION):
        raise CheckpointError(
            f"{path}: checkpoint format {header.get('format_version')}, but this wsi-haloae reads format "
            f"{FORMAT_VERSION}. Score with the version that trained it, or train again."
        )
    try:
        return CheckpointFacts.model_validate_json(header["facts"])
    except (KeyError, ValidationError) as error:
        raise CheckpointError(f"{path}: the checkpoint's facts are damaged ({error}).") from None


def _build(path: Path, facts: CheckpointFacts, tensors: dict[str, Tensor]) -> HaloAE:
    missing = [name for name in _STATISTICS if name not in tensors]
    state = {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")}
    try:
        with torch.device("meta"):  # no memory is taken before the shapes are known to fit
            model = HaloAE(facts.config.model, facts.tile_size)
        model.load_state_dict(state, strict=True, assign=True)
    except (RuntimeError, ConfigError) as error:
        first = str(error).splitlines()[0]
        raise CheckpointError(f"{path}: weights and configuration do not belong together ({first}).") from None
    map_shape = (model.map_size, model.map_size)
    if missing or tensors["statistics.mean_map"].shape != map_shape:
        raise CheckpointError(f"{path}: the mean map is missing or not {map_shape[0]} x {map_shape[1]} cells.")
    return model.eval()
