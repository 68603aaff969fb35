"""What ``mvtec.json`` says about a category: figures, what they rest on, and what decides without a model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from wsi_haloae.evaluation.interval import Interval
from wsi_haloae.evaluation.pixel_bootstrap import PixelComparison, PixelIntervals
from wsi_haloae.evaluation.pixel_figures import PixelFigures
from wsi_haloae.mvtec.paper_figures import OFFICIAL_DEFECTS, Published


@dataclass(frozen=True)
class TestData:
    """How many images stand behind the figures."""

    name: str
    train: int
    validation: int
    reference: int
    anomalous: int
    with_mask: int

    @property
    def label(self) -> str:
        """Which part of the category's defects is there, e.g. "61 of 119 defects, 61 with mask"."""
        official = OFFICIAL_DEFECTS.get(self.name)
        whole = f" of {official}" if official and official != self.anomalous else ""
        return f"{self.anomalous}{whole} defects, {self.with_mask} with mask"


@dataclass(frozen=True)
class ImageFigures:
    """Image AUROC (0..1) by the rule, its 95 % interval, and as images of the other brightness come out.

    ``median`` is that of images divided by their median grey, ``plain`` that of images as they are.
    """

    auroc: float
    interval: Interval
    plain: float
    median: float


@dataclass(frozen=True)
class Row:
    """A baseline, or our own figures; ``pixel`` is None where there is no map or no mask."""

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
    """Mean squared residual of held-out reference images, ours and that of PCA with the code's width.

    An auto-encoder that does worse than PCA on the features it was trained to reconstruct has not
    converged (specification, section 6).
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
    """All figures of one category; ``no_model`` holds AUROCs of statistics, never flipped."""

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
        """Plain values for ``mvtec.json``; figures are shares, 0..1, but the paper's, in per cent."""
        told = asdict(self)
        told["label"] = f"{self.backbone}; {self.data.label}"
        told["paper"] = self.paper._asdict() if self.paper else None
        if self.convergence:
            told["convergence"]["converged"] = self.convergence.converged
        return told
