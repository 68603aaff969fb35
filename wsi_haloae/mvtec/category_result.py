"""The contents of ``mvtec.json``: results of a category, the data they are based on, and model-free comparisons."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from wsi_haloae.evaluation.interval import Interval
from wsi_haloae.evaluation.pixel_bootstrap import PixelComparison, PixelIntervals
from wsi_haloae.evaluation.pixel_figures import PixelFigures
from wsi_haloae.mvtec.paper_figures import OFFICIAL_DEFECTS, Published


@dataclass(frozen=True)
class TestData:
    """How many images the results are based on."""

    name: str
    train: int
    validation: int
    reference: int
    anomalous: int
    with_mask: int

    @property
    def label(self) -> str:
        """Which part of the category's defects is available, e.g. "61 of 119 defects, 61 with mask"."""
        official = OFFICIAL_DEFECTS.get(self.name)
        whole = f" of {official}" if official and official != self.anomalous else ""
        return f"{self.anomalous}{whole} defects, {self.with_mask} with mask"


@dataclass(frozen=True)
class ImageFigures:
    """Image AUROC (0..1) by the rule with its 95 % interval, and with both treatments of brightness.

    ``median`` is for images divided by their median grey, ``plain`` for unchanged images.
    """

    auroc: float
    interval: Interval
    plain: float
    median: float


@dataclass(frozen=True)
class Row:
    """Results of a baseline, or our own; ``pixel`` is None if there is no map or no mask."""

    name: str
    image_auroc: float
    pixel: PixelFigures | None


@dataclass(frozen=True)
class VariantRow:
    """One way of scoring (paper, Table S2): image AUROC by the map's mean and maximum, pixel AUROC and AP at 256."""

    name: str
    image_auroc: float
    image_auroc_max: float | None
    pixel_auroc: float | None
    average_precision: float | None


@dataclass(frozen=True)
class Convergence:
    """Mean squared residual of held-out reference images: our model's, and that of PCA with the code's width.

    An auto-encoder that is worse than PCA on the features it was trained to reconstruct has not converged
    (specification, section 6).
    """

    components: int
    held_out: float
    pca: float

    @property
    def converged(self) -> bool:
        """Whether the auto-encoder reconstructs at least as well as PCA."""
        return self.held_out <= self.pca


@dataclass(frozen=True)
class CategoryResult:
    """All results of one category; ``no_model`` holds AUROCs of statistics, never flipped."""

    data: TestData
    backbone: str
    steps: int
    seed: int
    normalise: str
    rule: str
    image: ImageFigures
    pixel: PixelFigures | None
    intervals: PixelIntervals | None
    variants: tuple[VariantRow, ...]
    baselines: tuple[Row, ...]
    against_pca: PixelComparison | None
    convergence: Convergence | None
    no_model: dict[str, float]
    decided_by: tuple[str, ...]
    paper: Published | None

    def as_json(self) -> dict[str, Any]:
        """Plain values for ``mvtec.json``; results are shares, 0..1, except the paper's, which are in per cent."""
        values = asdict(self)
        values["label"] = f"{self.backbone}; {self.data.label}"
        values["paper"] = self.paper._asdict() if self.paper else None
        if self.convergence:
            values["convergence"]["converged"] = self.convergence.converged
        return values
