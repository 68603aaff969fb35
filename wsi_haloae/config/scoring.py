"""Settings of the tissue mask, stain normalisation, and scoring (from an anomaly map to a score)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    StrictBool,
    model_serializer,
    model_validator,
)

from wsi_haloae.config.rules import (
    AUTO,
    CUSTOM,
    RULES,
    Normalisation,
    Pieces,
    Pooling,
    Residual,
    Rule,
    Source,
    check_extra,
    check_rule,
    open_pieces,
)
from wsi_haloae.config.section import Micrometres, Section

GLASS_LEVEL = 0.86
"""Default of ``glass_level``, a share of full light: a cell is glass if even its darkest channel is as bright."""


class ScoringConfig(Section):
    """How residuals become an anomaly map, and a map one number per tile (paper, Table S2 and Fig. S1)."""

    rule: Annotated[str, AfterValidator(check_rule)] = Field(
        CUSTOM,
        description="name of the rule that computes the score (docs/scoring.md); auto: training chooses a rule on "
        "held-out tiles; custom: the rule is built from the next five settings",
    )
    also: tuple[Annotated[str, AfterValidator(check_extra)], ...] = Field(
        (),
        description="rules that are learned and computed beside those that every model has, one column each in stores: "
        "whitened, layers_apart, cosine; each makes scoring a little slower",
    )
    source: Source = Field("features", description="which residual: of the features (A_fm) or of the image (A_im)")
    residual: Residual = Field("mse", description="mse: squared error; ssim: 1 - SSIM at each position (AE-SSIM)")
    normalisation: Normalisation = Field(
        "absolute", description="absolute: |A - mean training map|; signed: A - mean training map; none: A"
    )
    smooth: StrictBool = Field(True, description="smooth the map with a Gaussian of a few cells")
    pooling: Pooling = Field(
        "mean", description="with rule custom: whether the score is the mean, 95th percentile or maximum of the map"
    )
    glass_level: float | None = Field(
        GLASS_LEVEL,
        gt=0,
        le=1,
        description="a cell is glass if its darkest channel is at least this bright; null: no cell is glass",
    )

    @model_validator(mode="before")
    @classmethod
    def _settings_belong_to_the_rule(cls, data: Any) -> Any:
        """Refuse a setting that the rule does not use: it would have no effect, and nobody would notice."""
        if not isinstance(data, Mapping):
            return data
        pooling, rule = data.get("pooling"), data.get("rule", CUSTOM)
        if pooling not in get_args(Pooling) and _is_rule(pooling):
            raise ValueError(
                f"scoring.pooling {pooling} was given, but {pooling} is a rule; set scoring.rule={pooling}"
            )
        unused = sorted(set(data) & _PIECES - open_pieces(rule)) if _is_rule(rule) else []
        if unused:
            raise ValueError(
                f"scoring.{unused[0]} was given, but rule {rule} does not use it; leave it out, or set "
                f"scoring.rule={CUSTOM}"
            )
        return data

    @model_validator(mode="after")
    def _images_have_squared_residuals(self) -> Self:
        if self.source == "image" and self.residual == "ssim":
            raise ValueError(
                "residual ssim compares features, but source image has squared residuals only; "
                "set scoring.residual=mse, or scoring.source=features"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_unused(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out settings that the rule does not use, so that the result can be read in again."""
        unused = _PIECES - open_pieces(self.rule)
        return {name: value for name, value in dump(self).items() if name not in unused}

    @property
    def for_images(self) -> bool:
        """Whether labelled images can be scored this way.

        Only the residual that ``residual`` names is kept for an image.
        """
        rule = RULES.get(self.rule)
        return rule is not None and rule.for_images and self.by(rule).residual == self.residual

    @property
    def asked(self) -> tuple[str, ...]:
        """Names of the rules that are wanted beside those of every model: the model's own and ``also``."""
        return tuple(dict.fromkeys((self.rule, *self.also)))

    @property
    def map_adds_up(self) -> bool:
        """Whether the mean of the map over tissue cells is the score."""
        rule = RULES.get(self.rule)
        return rule is not None and rule.map_adds_up and (rule.numbers is not None or self.by(rule).pooling == "mean")

    @property
    def decodes(self) -> bool:
        """Whether scoring needs blocks D and E."""
        rule = RULES.get(self.rule)
        return rule is not None and (rule.trained_by is not None or self.by(rule).source == "image")

    def by(self, rule: Rule) -> ScoringConfig:
        """The settings as ``rule`` applies them: its fixed pieces, and no glass if it counts all cells."""
        cells = {"glass_level": None} if rule.cells == "all" else {}
        return self.model_copy(update={"rule": rule.name, **rule.pieces, **cells})


_PIECES = frozenset(Pieces.__annotations__) - {"residual"}
"""Settings that some rules do not use. ``residual`` is always used: every training measures its mean map."""


def _is_rule(name: object) -> bool:
    return isinstance(name, str) and (name == AUTO or name in RULES)


class StainConfig(Section):
    """Stain normalisation (Macenko et al. 2009), the same in training and scoring; needs ``wsi-haloae[stain]``."""

    normalise: StrictBool = Field(
        False, description="transform the two stains of every slide to those of the training tiles; H&E only"
    )


class TissueConfig(Section):
    """How tissue is found, on a thumbnail of the slide."""

    mpp: float = Field(8.0, gt=0, le=1e3, description="pixel size of the thumbnail, in micrometres")
    faintest: float = Field(0.045, gt=0, le=10, description="pixels with less stain than this are never tissue")
    floor: float = Field(0.065, gt=0, le=10, description="lower limit of the stain threshold: above the noise of glass")
    ceiling: float = Field(0.09, gt=0, le=10, description="upper limit of the stain threshold: below pale tissue")
    smoothing: Micrometres = Field(8.0, description="standard deviation of the smoothing, in micrometres")
    closing: Micrometres = Field(20.0, description="gaps up to twice this wide are closed, in micrometres")
    smallest_object: float = Field(
        8_000.0, ge=0, le=1e12, description="smaller objects are dust, not tissue, in square micrometres"
    )
    largest_hole: float = Field(
        40_000.0,
        ge=0,
        le=1e12,
        description="smaller holes are filled and count as tissue, in square micrometres",
    )
    pen: Literal["drop", "keep"] = Field("drop", description="whether marker pen is left out of the tissue")
    pen_width: float = Field(150.0, gt=0, le=1e4, description="narrower ink is not a marker stroke, in micrometres")
    pen_margin: Micrometres = Field(24.0, description="the pen mask is widened by this much, in micrometres")
    min_fraction: float = Field(0.1, ge=0, le=1, description="tiles with a smaller share of tissue are left out")

    @model_validator(mode="after")
    def _thresholds_rise(self) -> Self:
        if not self.faintest <= self.floor <= self.ceiling:
            raise ValueError(
                f"tissue.faintest ({self.faintest:g}), tissue.floor ({self.floor:g}) and tissue.ceiling "
                f"({self.ceiling:g}) must rise in this order"
            )
        return self
