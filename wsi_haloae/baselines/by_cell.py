"""The baselines that compare a cell with training cells from anywhere in an image: the same for images and tiles."""

from __future__ import annotations

from wsi_haloae.baselines.cflow import PASSES, CFlow, require_freia
from wsi_haloae.baselines.nearest import NearestCoreset
from wsi_haloae.baselines.protocol import Baseline, FeatureBatches
from wsi_haloae.errors import UsageError
from wsi_haloae.progress import Reporter

KNN = "kNN with a coreset"
CFLOW = "CFlow-AD"
CORESET = 2048
"""Number of cells that kNN compares with."""


def names_by_cell() -> tuple[str, ...]:
    """The names of those whose packages are installed."""
    return (KNN, CFLOW) if _missing() is None else (KNN,)


def fit_by_cell(
    batches: FeatureBatches, layer_channels: tuple[int, ...], reporter: Reporter, *, positions: bool
) -> dict[str, Baseline]:
    """Each fitted baseline by the name that tables use; without the package of CFlow-AD, a line says why it is missing.

    ``positions``: the images are aligned with one another, so that CFlow-AD may learn what is usual at which place.
    """
    with reporter.track("Choosing the coreset", CORESET, "cells") as advance:
        fitted: dict[str, Baseline] = {KNN: NearestCoreset.fit(batches, advance, coreset=CORESET)}
    if missing := _missing():
        reporter.line(f"{CFLOW} is left out. {missing}")
        return fitted
    with reporter.track(f"Training {CFLOW}", PASSES, "passes") as advance:
        fitted[CFLOW] = CFlow.fit(batches, layer_channels, advance, positions=positions, passes=PASSES)
    return fitted


def _missing() -> str | None:
    """Why CFlow-AD cannot be trained; None if it can."""
    try:
        require_freia()
    except UsageError as error:
        return str(error)
    return None
