"""Training from a notebook: does what ``wsi-haloae train-tiles`` does, and returns the model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import pandas as pd

from wsi_haloae.annotations.objects import Objects
from wsi_haloae.api.whole_slide import WholeSlide
from wsi_haloae.config import SLIDE_BASE, ProfileUse, load_config
from wsi_haloae.model.checkpoint import Checkpoint, CheckpointFacts
from wsi_haloae.processors.cores import available_cores
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.train_tiles import TrainOptions, train_tiles, training_folder
from wsi_haloae.tiles.reference import ReferenceOptions, Stratum
from wsi_haloae.tiles.tiling import MIN_COVERAGE, TilingSettings
from wsi_haloae.training.pictures import CURVE_NAME

Source = WholeSlide | str | Path


class TrainedModel:
    """A trained model: its checkpoint, and the files that training wrote beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        """The checkpoint, for `score`."""
        self.folder = training_folder(path)
        """Loss curve, reconstructions and run record."""

    @cached_property
    def facts(self) -> CheckpointFacts:
        """Configuration, pixel size (µm), the split, the rule of the score and its calibration."""
        return Checkpoint.load(self.path).facts

    def curve(self) -> pd.DataFrame:
        """The losses, one row per epoch."""
        return pd.read_csv(self.folder / CURVE_NAME)

    def __repr__(self) -> str:
        facts = self.facts
        steps = facts.training["steps"]
        return f"<TrainedModel {self.path}: {facts.tile_size} pixels at {facts.mpp:.4g} µm, {steps} steps>"


def train(
    sources: Source | Sequence[Source],
    output: str | Path,
    *,
    config: str | Sequence[str] = "haloae",
    settings: Sequence[str] = (),
    annotations: str | Path | None = None,
    class_name: str | None = None,
    objects: Objects = "annotation",
    min_coverage: float = MIN_COVERAGE,
    mpp: float | None = None,
    mpp_target: float | None = None,
    tile_size: int = 256,
    stride: int | None = None,
    colour_profile: ProfileUse | None = None,
    manifest: str | Path | None = None,
    group_regex: str | None = None,
    balance: Stratum | None = None,
    weights: str | Path | None = None,
    baselines: bool = False,
    device: str = "auto",
    num_workers: int | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> TrainedModel:
    """Train a model on reference tiles, and write the files that ``wsi-haloae train-tiles`` writes.

    Interrupted training continues after its last complete epoch. A finished model is only opened.

    Parameters
    ----------
    sources
        Tile stores, folders of images (with ``mpp``), or slides (with ``annotations`` and ``class_name``).
    output
        Where the checkpoint goes, a ``.safetensors`` file.
    config, settings
        A preset or a YAML file, or several, of which later ones override earlier ones; single settings such as
        ``training.steps=500``.
    annotations, class_name
        Outlines for slides, as a file or a folder of ``<stem>.geojson`` (or .xml, .json), and the class to train on.
    objects
        Which of QuPath's objects count: ``annotation``, ``detection``, ``tile`` or ``all``.
    min_coverage
        Share of a tile's area that must lie in that class.
    mpp
        Micrometres per pixel of images, or of slides whose files do not state it.
    mpp_target, tile_size, stride
        How annotated slides are cut: micrometres per pixel, side of a tile and distance between tiles in pixels.
    colour_profile
        ``apply``: convert slides to sRGB by their colour (ICC) profile. ``ignore``: take pixels as stored. By default
        as tile stores were cut, else ``ignore``. `score` does the same as the training.
    manifest, group_regex
        A CSV table, or a regular expression for file names, that says which tiles belong to one patient.
    balance
        Draw tiles so that each slide, patient or site is trained on equally often.
    weights
        A file of backbone weights. By default the library of the backbone downloads them.
    baselines
        Compare the model with plain statistics of its own features.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    num_workers
        Number of threads that read slides. By default one per core.
    overwrite
        Replace a model that was trained on other tiles or with another configuration.
    quiet
        Print warnings and errors only.

    Returns
    -------
    TrainedModel
        Its ``path`` is what `score` takes.

    Raises
    ------
    WsiHaloaeError
        If the model cannot be trained. The message is the one that the command prints.

    """
    places = [sources] if isinstance(sources, WholeSlide | str | Path) else list(sources)
    reference = ReferenceOptions(
        TilingSettings(mpp_target, tile_size, stride),
        mpp=mpp,
        annotations=None if annotations is None else Path(annotations),
        class_name=class_name,
        objects=objects,
        min_coverage=min_coverage,
        manifest=None if manifest is None else Path(manifest),
        group_regex=group_regex,
        colour_profile=colour_profile,
        num_workers=num_workers or available_cores(),
    )
    options = TrainOptions(
        reference,
        weights=None if weights is None else Path(weights),
        device=device,
        baselines=baselines,
        balance=balance,
        overwrite=overwrite,
    )
    named = [str(place.path if isinstance(place, WholeSlide) else place) for place in places]
    loaded = load_config(config, settings, base=SLIDE_BASE)
    train_tiles(named, Path(output), loaded, options, {"sources": named}, Reporter(quiet=quiet))
    return TrainedModel(Path(output))
