"""Settings of the losses and their weights, the optimisation, and the split of reference tiles."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, model_validator

from wsi_haloae.config.section import Count, Section, Seed, Width

Layer = Annotated[int, Field(ge=0, le=1 << 10)]
"""Number of a feature layer."""


class LossConfig(Section):
    """Which losses are added up, how they are weighted, and how SSIM is computed.

    ``cls``, ``fm`` and ``im`` switch a term on or off (paper, Table 3); the weights of the terms that are on sum to 1.
    ``weighting`` is the evolving scheme (``ews``), equal weights, or learned uncertainties (Kendall et al. 2018).
    ``fm_terms`` can reduce L_fm to one of its two halves (AE-L2, AE-SSIM), or replace it (``cosine``).

    ``reconstruction: sum`` adds the losses over the positions of the feature map, as equation 2 of the paper is
    written; ``mean`` averages them, as the published code does. Averaged, their gradient is 10 to 600 times weaker than
    the classifier's, and a short training learns nothing else (docs/decisions/0004-reconstruction-losses.md).
    """

    cls: StrictBool = Field(True, description="L_cls: block E tells damaged tiles from unchanged ones")
    fm: StrictBool = Field(True, description="L_fm: block C reconstructs the features")
    im: StrictBool = Field(True, description="L_im: block D decodes the reconstructed features to the image")
    weighting: Literal["ews", "equal", "uncertainty"] = Field(
        "ews",
        description="weights of the losses. ews: they evolve by the scheme of section ews; equal; uncertainty: they "
        "are learned (Kendall et al. 2018)",
    )
    fm_terms: Literal["both", "mse", "ssim", "cosine"] = Field(
        "both",
        description="L_fm: both, mse + (1 - SSIM), as in the paper; one of the two; or cosine, the cosine distance by "
        "layer_groups, as in Dinomaly (arXiv 2405.14325)",
    )
    layer_groups: tuple[Annotated[tuple[Layer, ...], Field(min_length=1)], ...] | None = Field(
        None,
        min_length=1,
        description="cosine: numbers of the feature layers, from 0, that are compared together, e.g. [[0, 1], [2, 3]]; "
        "null: each alone",
    )
    easy_share: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="cosine: share of the cells, those rebuilt best, whose gradient is damped, so that they are not "
        "copied to the last digit; it rises during the first tenth of the schedule. Dinomaly: 0.9. 0: none",
    )
    easy_gradient: float = Field(0.1, ge=0, le=1, description="cosine: what is left of the gradient of such a cell")
    negatives: StrictBool = Field(
        False,
        description="L_fm also asks for the original's features where block A's damaged copies are given, as in a "
        "denoising auto-encoder (Vincent et al. 2008); copies and originals count equally",
    )
    ssim: Literal["scaled", "released"] = Field(
        "scaled",
        description="constants of SSIM. scaled: for the range of each feature channel, and of images in [0, 1]; "
        "released: for values in [0, 1] in both, as in the published code",
    )
    reconstruction: Literal["mean", "sum"] = Field(
        "mean",
        description="L_fm and L_im are averaged over positions, as in the published code, or added up, as in equation "
        "2 of the paper; added up, they count beside L_cls in a short training too",
    )

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if not (self.cls or self.fm or self.im):
            raise ValueError("cls, fm and im are all false, so nothing would be trained; set at least one to true")
        return self

    @property
    def copies(self) -> bool:
        """Whether any term needs the damaged copies of block A."""
        return self.cls or self.negatives

    @model_validator(mode="after")
    def _settings_have_their_term(self) -> Self:
        given = [name for name in ("layer_groups", "easy_share") if getattr(self, name)]
        if given and self.fm_terms != "cosine":
            raise ValueError(
                f"{given[0]} belongs to the cosine distance, but fm_terms is {self.fm_terms}; set loss.fm_terms=cosine"
            )
        if self.negatives and not self.fm:
            raise ValueError("negatives are a part of L_fm, but fm is false; set loss.fm=true or loss.negatives=false")
        return self


class EwsConfig(Section):
    """Evolving weighting scheme (paper, section 3.3 and Fig. 3)."""

    schedule: Literal["paper", "released"] = Field(
        "paper", description="curves of the weights: as the paper draws them, or as its published code has them"
    )
    unit: Literal["progress", "epoch"] = Field(
        "progress",
        description="what moves along the curves. progress: the share of all steps that is done, so that a training of "
        "any length sees whole curves; epoch: the number of the epoch, up to 250",
    )


class TrainingConfig(Section):
    """Optimisation. ``steps`` fixes the length; otherwise it is ``epochs`` x ``steps_per_epoch``."""

    steps: Count | None = Field(None, description="length of the training; null: epochs x steps_per_epoch")
    epochs: Count = Field(250, description="length of the training in epochs, if steps is null")
    steps_per_epoch: Count | None = Field(None, description="null: as many as one pass over the training tiles takes")
    originals_per_batch: Width = Field(4, description="undamaged tiles in a batch")
    damaged_per_batch: Width | None = Field(
        None, description="how many originals come with two damaged copies; null: all, as in the paper"
    )
    learning_rate: float = Field(1e-4, gt=0, le=1e3, description="learning rate; for block E see classifier_rate")
    classifier_rate: float = Field(
        1.0,
        gt=0,
        le=1,
        description="learning rate of block E, as a share of learning_rate; block E adds up every pixel of an image, "
        "so a full rate can be too high",
    )
    schedule: Literal["constant", "warmup_cosine"] = Field(
        "constant", description="constant; warmup_cosine: rises over the first tenth of the steps, then falls to 0"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 on CUDA, else float32"
    )
    compile: StrictBool = Field(False, description="use torch.compile for blocks C to E")
    weight_decay: float = Field(1e-5, ge=0, le=1e3, description="decay of all trained weights in each step")
    colour_jitter: float = Field(
        0.1,
        ge=0,
        le=1,
        description="brightness, contrast and saturation of training tiles vary by factors of 1 +- this",
    )
    stain_jitter: float = Field(
        0.0,
        ge=0,
        le=1,
        description="strength of HED jitter, for H&E tiles (Tellez et al. 2019): 0.05 is light, 0.2 strong",
    )
    flip: bool = Field(True, description="random flips and quarter turns; slides have no upright direction")
    seed: Seed = Field(0, description="seed of the split, the first weights, the order of tiles, damage and jitter")
    stop_by: Literal["residual", "synthetic"] = Field(
        "residual",
        description="what decides the best weights and when to stop. residual: held-out L_fm; synthetic: how well the "
        "residual tells synthetic anomalies, made from held-out tiles, from unchanged ones (within 0.005 of the best, "
        "held-out L_fm decides); a decoder that copies everything cannot tell them",
    )
    patience: Count = Field(20, description="stop after this many epochs without a better held-out figure (stop_by)")
    validation_tiles: Count = Field(64, description="held-out tiles evaluated after each epoch")
    statistics_tiles: Count = Field(
        512, description="tiles used to measure the features' means and deviations, and the mean map"
    )

    @model_validator(mode="after")
    def _copies_have_originals(self) -> Self:
        if self.damaged_per_batch is not None and self.damaged_per_batch > self.originals_per_batch:
            raise ValueError(
                f"damaged_per_batch {self.damaged_per_batch} is more than originals_per_batch "
                f"{self.originals_per_batch}"
            )
        return self


class SplitConfig(Section):
    """Shares of the reference tiles in each part. Groups stay whole: each is in one part only."""

    validation: float = Field(
        0.15, gt=0, lt=0.5, description="share of the tiles for early stopping and the choice of the rule"
    )
    calibration: float = Field(0.15, gt=0, lt=0.5, description="share of the tiles for p-values")
