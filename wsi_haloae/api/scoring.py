"""Scoring a slide from a notebook: what ``wsi-haloae score`` does, and the result at once."""

from __future__ import annotations

from pathlib import Path

from wsi_haloae.api.scored_slide import ScoredSlide
from wsi_haloae.api.whole_slide import WholeSlide, open_slide
from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.processors.cores import available_cores
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.score import ScoreOptions, score_slides


def score(
    slide: WholeSlide | str | Path,
    model: str | Path,
    output: str | Path,
    *,
    device: str = "auto",
    stride: int | None = None,
    maps: bool = False,
    roi: str | Path | None = None,
    num_workers: int | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> ScoredSlide:
    """Score a slide with the checkpoint ``model`` into ``output/<slide>/``; one that is done is only opened.

    ``stride`` is in pixels of the model's tiles; ``maps`` keeps the residual of every cell; ``roi`` is a GeoJSON
    file that limits what is scored. A run that was interrupted goes on where it stopped. Tiles that cannot be read
    are holes in the result (column ``state`` of its table). Raises what the command would say.
    """
    whole = slide if isinstance(slide, WholeSlide) else open_slide(slide)
    source = whole.source
    options = ScoreOptions(
        model=Path(model),
        device=device,
        precision=None,
        batch_size=None,
        stride=stride,
        workers=num_workers or available_cores(),
        roi=None if roi is None else Path(roi),
        keep_maps=maps,
        keep_tiles=False,
        overwrite=overwrite,
    )
    arguments = {"slide": str(source.path), "output": str(output)}
    reporter = Reporter(quiet=quiet)
    if score_slides([source], Path(output), options, arguments, reporter).failed:
        raise WsiHaloaeError(reporter.errors[-1])
    return ScoredSlide(Path(output) / source.name)
