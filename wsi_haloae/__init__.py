"""Anomaly heatmaps for whole-slide histopathology, trained on reference tiles without annotations.

    import wsi_haloae

    model = wsi_haloae.train("a.svs", "model.safetensors", annotations="a.geojson", class_name="Tumor")
    slide = wsi_haloae.open_slide("slide.svs")
    scored = wsi_haloae.score(slide, model.path, "results")
    scored.heatmap()        # xarray, coordinates in micrometres
    scored.plot()

The packages are ordered as a slide is processed: `slide`, `tiles`, `stores`, `model`, `training`, `scoring`,
`heatmap`, `export`. `runs` combines them, with one function for each command. `api` holds the names above.
"""

from __future__ import annotations

import importlib
import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

# An OpenMP thread that waits for others should release its core. By default it spins, and a training step takes
# several times as long when another process wants the core. OpenMP reads this once, when torch is loaded, so it is
# set before anything else is imported: in commands, Dask workers and torchrun ranks.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from wsi_haloae.api.scored_slide import ScoredSlide, open_scored
    from wsi_haloae.api.scoring import score
    from wsi_haloae.api.tiles import Tiles
    from wsi_haloae.api.training import TrainedModel, train
    from wsi_haloae.api.whole_slide import WholeSlide, open_slide

__version__ = version("wsi-haloae")

_HOMES = {
    "ScoredSlide": "scored_slide",
    "Tiles": "tiles",
    "TrainedModel": "training",
    "WholeSlide": "whole_slide",
    "open_scored": "scored_slide",
    "open_slide": "whole_slide",
    "score": "scoring",
    "train": "training",
}

__all__ = ["ScoredSlide", "Tiles", "TrainedModel", "WholeSlide", "open_scored", "open_slide", "score", "train"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that ``--help`` does not wait for torch to load."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"wsi_haloae.api.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
