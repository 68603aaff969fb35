"""Scoring a slide from a notebook: does what ``wsi-haloae score`` does, and returns the scored slide."""

from __future__ import annotations

from pathlib import Path

from wsi_haloae.adaptation.adapt import Asked
from wsi_haloae.annotations.objects import Objects
from wsi_haloae.api.scored_slide import ScoredSlide
from wsi_haloae.api.whole_slide import WholeSlide, open_slide
from wsi_haloae.cohort.alone import score_alone
from wsi_haloae.config import ProfileUse
from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.processors.cores import available_cores
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.options import ScoreOptions


def score(
    slide: WholeSlide | str | Path,
    model: str | Path,
    output: str | Path,
    *,
    device: str = "auto",
    stride: int | None = None,
    maps: bool = False,
    roi: str | Path | None = None,
    objects: Objects = "annotation",
    coordinates: str | Path | None = None,
    tissue: str | Path = "auto",
    adapt: Asked | None = None,
    anchors: str | Path | None = None,
    smooth: float | None = None,
    colour_profile: ProfileUse | None = None,
    num_workers: int | None = None,
    overwrite: bool = False,
    quiet: bool = False,
    all_rules: bool = False,
) -> ScoredSlide:
    """Score a slide with a trained model, and write the files that ``wsi-haloae score`` writes.

    A slide that was scored before is only opened. An interrupted run continues where it stopped.

    Parameters
    ----------
    slide
        The slide, or the path of its file.
    model
        The checkpoint that `train` or ``wsi-haloae train-tiles`` wrote.
    output
        A folder; the slide's files go to ``output/<slide>/``, with ``index.html`` and the study's tables beside it.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    stride
        Pixels of the model's tiles from one tile to the next. By default tiles do not overlap.
    maps
        Store anomaly maps, which are finer than tiles (`ScoredSlide.pixel_map`).
    roi
        A file of annotations. Only tiles with at least half of their area inside its polygons are scored.
    objects
        Which of QuPath's objects count in it: ``annotation``, ``detection``, ``tile`` or ``all``.
    coordinates
        The tiles that TRIDENT, CLAM or WSInfer has chosen (an HDF5 file), instead of those with tissue.
    tissue
        ``auto`` finds it, ``all`` takes all of the slide; a path is a file of outlines or a mask of the whole slide.
    adapt
        What the slide's tiles are compared with: ``auto``, ``none``, ``slide`` or ``anchors``. By default ``auto`` if
        the model's rule is ``descriptor``.
    anchors
        A file of annotations with polygons or points of the class ``Reference``, on tiles that are reference tissue.
    smooth
        Each tile's score becomes the median of the tiles within so many µm; 0: off. By default off.
    colour_profile
        ``apply`` or ``ignore``: what is done with the slide's colour (ICC) profile. By default as the model was
        trained; another value is an error.
    num_workers
        Number of threads that read the slide. By default one per core.
    overwrite
        Replace results of another model or grid in the folder.
    quiet
        Print warnings and errors only.
    all_rules
        Also score by the rules ``ssim``, ``ssim_p95`` and ``layers_ssim``, which takes longer.

    Returns
    -------
    ScoredSlide
        The results. Tiles that could not be read have no score (column ``state`` of its table).

    Raises
    ------
    WsiHaloaeError
        If the slide cannot be scored. The message is the one that the command prints.

    """
    whole = slide if isinstance(slide, WholeSlide) else open_slide(slide)
    source = whole.source
    options = ScoreOptions(
        Path(model),
        device=device,
        stride=stride,
        num_workers=num_workers or available_cores(),
        roi=None if roi is None else Path(roi),
        objects=objects,
        coordinates=None if coordinates is None else Path(coordinates),
        tissue="auto" if tissue == "auto" else "all" if tissue == "all" else Path(tissue),
        maps=maps,
        adapt=adapt,
        anchors=None if anchors is None else Path(anchors),
        smooth=smooth,
        colour_profile=colour_profile,
        overwrite=overwrite,
        all_rules=all_rules,
    )
    arguments = {"slide": str(source.path), "output": str(output)}
    reporter = Reporter(quiet=quiet)
    if score_alone(source, Path(output), options, arguments, reporter).failed:
        raise WsiHaloaeError(reporter.errors[-1])
    return ScoredSlide(Path(output) / source.name)
