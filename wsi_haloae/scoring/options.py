"""ScoreOptions: what ``wsi-haloae score`` was asked for. It is handed on whole to every step that scores a slide."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from wsi_haloae.adaptation.adapt import Asked
from wsi_haloae.annotations.objects import Objects
from wsi_haloae.config import ProfileUse
from wsi_haloae.processors.cores import available_cores
from wsi_haloae.tiles.given_tissue import GivenTissue


@dataclass(frozen=True)
class ScoreOptions:
    """Options of ``wsi-haloae score``, by the same names; ``batch_size`` and ``precision`` None are automatic.

    ``objects`` are the kinds of objects in ``roi`` that count. ``adapt`` None: *auto* for a model whose rule adapts,
    else not at all. ``smooth`` is a radius in µm; 0: none. ``tissue_settings`` are those of ``--set`` and ``--pen``,
    which change what the checkpoint says. ``colour_profile`` None: as the model was trained.
    """

    model: Path
    device: str = "auto"
    precision: str | None = None
    batch_size: int | None = None
    stride: int | None = None
    num_workers: int = field(default_factory=available_cores)
    roi: Path | None = None
    objects: Objects = "annotation"
    coordinates: Path | None = None
    maps: bool = False
    keep_tiles: bool = False
    overwrite: bool = False
    retry_unreadable: bool = False
    threads: int | None = None
    adapt: Asked | None = None
    anchors: Path | None = None
    smooth: float | None = None
    tissue: GivenTissue = "auto"
    tissue_settings: tuple[str, ...] = ()
    colour_profile: ProfileUse | None = None
    all_rules: bool = False
