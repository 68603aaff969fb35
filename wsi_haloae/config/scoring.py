"""Settings of the tissue mask, of stains, and of the way from an anomaly map to a score."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, StrictBool, model_validator

from wsi_haloae.config.section import Micrometres, Section

GLASS_LEVEL = 0.86
"""Of full light: the darkest channel of glass is at least this bright, unless ``glass_level`` says otherwise."""
SUMMARY_POOLINGS = ("layers", "layers_ssim", "profile", "content", "combined")
"""Poolings that measure a distance from the distribution of reference tiles."""


class ScoringConfig(Section):
    """From residuals to an anomaly map, and from a map to a number per tile (paper, Table S2 and Fig. S1)."""

    source: Literal["features", "image"] = Field("features", description="whose residual: A_fm or A_im")
    residual: Literal["mse", "ssim"] = Field("mse", description="ssim: 1 - SSIM at each place (AE-SSIM)")
    normalisation: Literal["absolute", "signed", "none"] = Field(
        "absolute", description="|A - mean training map|, A - mean training map, or A"
    )
    smooth: StrictBool = Field(True, description="3x3 Gaussian over the map")
    pooling: Literal[
        "mean",
        "p95",
        "max",
        "layers",
        "layers_ssim",
        "structure",
        "profile",
        "content",
        "combined",
        "auto",
        "classifier",
    ] = Field(
        "mean",
        description="the number of a tile: mean, 95th percentile or maximum of its map; Mahalanobis distance of its "
        "layers' log residuals, or of these and their dissimilarities; 1 - SSIM of the deepest layer (structure); "
        "Mahalanobis distance of the channels' unexplained shares (profile), and of the features' means (content); all "
        "three (combined); combined or content, as held-out tiles say (auto); the classifier's P(damaged)",
    )
    glass_level: float | None = Field(
        GLASS_LEVEL,
        gt=0,
        le=1,
        description="a cell is glass when its darkest channel is at least this bright; null: no glass",
    )

    @model_validator(mode="after")
    def _images_have_squared_residuals(self) -> Self:
        if self.source == "image" and self.residual == "ssim":
            raise ValueError(
                "residual ssim compares features, and source image has squared residuals only; "
                "set scoring.residual=mse, or scoring.source=features"
            )
        return self


class StainConfig(Section):
    """Stain normalisation (Macenko et al. 2009), the same in training and scoring; needs the extra ``stain``."""

    normalise: StrictBool = Field(
        False, description="bring the two stains of every slide to those of the training tiles; H&E only"
    )


class TissueConfig(Section):
    """The tissue mask, found on a thumbnail."""

    mpp: float = Field(8.0, gt=0, le=1e3, description="pixel size of the thumbnail, micrometres")
    faintest: float = Field(0.045, gt=0, le=10, description="least stain of a pixel that touches tissue")
    floor: float = Field(0.065, gt=0, le=10, description="least stain threshold: above the noise of glass")
    ceiling: float = Field(0.09, gt=0, le=10, description="greatest stain threshold: below pale tissue")
    smoothing: Micrometres = Field(8.0, description="deviation of the smoothing, micrometres")
    closing: Micrometres = Field(20.0, description="gaps up to twice this are closed, micrometres")
    smallest_object: float = Field(8_000.0, ge=0, le=1e12, description="smaller objects are dust, square micrometres")
    largest_hole: float = Field(40_000.0, ge=0, le=1e12, description="holes up to this are filled, square micrometres")
    pen_width: float = Field(150.0, gt=0, le=1e4, description="ink narrower than this is no marker stroke, micrometres")
    pen_margin: Micrometres = Field(24.0, description="the pen mask is widened by this, micrometres")
    min_fraction: float = Field(0.1, ge=0, le=1, description="tiles with less tissue are left out")
