"""Settings of blocks B to E."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from wsi_haloae.config.encoders import ENCODERS, in_full
from wsi_haloae.config.layers import LAYERS, Layer
from wsi_haloae.config.section import Section, Seed, Side, Width
from wsi_haloae.config.timm import TIMM_PREFIX, Arguments, Stages, TimmNetwork
from wsi_haloae.nearest import nearest

BACKBONES = (*LAYERS, "pixels")
"""Backbones (block B) that need no other library; the names of all others begin with `TIMM_PREFIX`."""


class FeaturesConfig(Section):
    """Block B: frozen multi-scale features of a VGG, a DenseNet or a timm network, or the pixels themselves."""

    backbone: str = Field(
        "vgg19",
        description="vgg19, vgg16, densenet121, random (a narrow VGG19), timm:NAME (a network of timm), an encoder as "
        "uni2-h (its settings are filled in; docs/encoders.md), or pixels (no network: the image itself, 4 x 4 pixels "
        "per cell, for block C alone, AE-L2 and AE-SSIM)",
    )
    layers: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        None,
        description="vgg19, vgg16, random: which of relu1_1 to relu3_4 to use; densenet121: which of pool0, "
        "denseblock1 to 3 and transition1.conv to transition3.conv; null: those of the paper, or the transitions",
    )
    weights: Literal["pretrained", "random"] = Field(
        "pretrained",
        description="pretrained: the published weights, or the file given with --weights; random: for tests",
    )
    stages: Stages | None = Field(
        None,
        description="timm: numbers of the stages or transformer blocks to use, from 0; null: the stages with 4 to 16 "
        "pixels per cell, or 4 depths of a plain transformer",
    )
    arguments: Arguments = Field(
        {}, description="timm: arguments for create_model besides the name, as on the model's card"
    )
    timm: TimmNetwork | None = Field(None, description="the network that timm:NAME refers to; filled in by training")
    alignment: Literal["aligned", "released"] = Field(
        "aligned",
        description="aligned: layers are pooled to one grid of cells; released: they are read after the next layer's "
        "padding and resized, as in the published code (docs/decisions/0003-map-alignment.md)",
    )
    standardise: bool = Field(
        True, description="subtract each channel's mean over training tiles, and divide by its deviation"
    )
    std_floor: float = Field(
        0.1, gt=0, le=1e3, description="smallest deviation to divide by, as a share of the layer's median deviation"
    )
    random_width: float = Field(
        0.25, gt=0, le=1, description="width of the random backbone, as a share of VGG19's width"
    )
    random_seed: Seed = Field(0, description="seed of the random backbone's weights")

    @property
    def timm_name(self) -> str | None:
        """The name after ``timm:``; None for the other backbones."""
        return self.backbone.removeprefix(TIMM_PREFIX) if self.backbone.startswith(TIMM_PREFIX) else None

    @property
    def chosen_layers(self) -> dict[str, Layer]:
        """The layers of a backbone in `LAYERS` that are features, by name; empty for the others."""
        if self.backbone not in LAYERS:
            return {}
        known, usual = LAYERS[self.backbone].known, LAYERS[self.backbone].usual
        return {name: known[name] for name in self.layers or usual}

    @property
    def signed(self) -> bool:
        """Whether features can be negative: those of a VGG cannot, unless they are standardised."""
        return self.standardise or self.backbone in {"pixels", "densenet121"} or self.timm_name is not None

    @model_validator(mode="before")
    @classmethod
    def _an_encoder_stands_for_settings(cls, data: Any) -> Any:
        """A name of the table of encoders is replaced by its settings, unless the network was looked up already."""
        return in_full(data) if isinstance(data, Mapping) and not data.get("timm") else data

    @field_validator("backbone")
    @classmethod
    def _known(cls, value: str) -> str:
        of_timm = value.startswith(TIMM_PREFIX) and value != TIMM_PREFIX
        if value not in BACKBONES and not of_timm:
            known = [*BACKBONES, *ENCODERS]
            close = nearest(value, known)
            hint = f"did you mean {close}?" if close else f"choose {', '.join(known)}."
            network = f"{TIMM_PREFIX}NAME, e.g. {TIMM_PREFIX}resnet50"
            raise ValueError(f"no such backbone; {hint} A network of timm is {network}")
        return value

    @model_validator(mode="after")
    def _timm_has_its_own_settings(self) -> Self:
        if self.timm_name is None:
            given = [name for name in ("stages", "arguments", "timm") if getattr(self, name)]
            if given:
                raise ValueError(
                    f"model.features.{given[0]} applies only to a backbone timm:NAME, not to {self.backbone}"
                )
        if self.alignment == "released" and (self.timm_name is not None or self.backbone == "densenet121"):
            raise ValueError(
                f"alignment released is how the published code reads a VGG; it does not apply to {self.backbone}; "
                "set model.features.alignment=aligned"
            )
        return self

    @model_validator(mode="after")
    def _layers_are_the_backbones(self) -> Self:
        if self.layers is not None:
            if self.backbone not in LAYERS:
                raise ValueError(
                    f"model.features.layers applies only to {', '.join(LAYERS)}, not to {self.backbone}; the layers of "
                    "a timm network are chosen by model.features.stages"
                )
            LAYERS[self.backbone].require(self.backbone, self.layers)
        return self

    @model_validator(mode="after")
    def _pixels_stay_an_image(self) -> Self:
        if self.backbone == "pixels" and self.standardise:
            raise ValueError(
                "backbone pixels cannot be standardised: each of its 48 channels would be scaled separately, and "
                "together they would no longer form an image; set model.features.standardise=false"
            )
        return self


class AttentionConfig(Section):
    """Halo attention (Vaswani et al. 2021): each block of queries also sees a halo of keys around it."""

    block_size: Side = Field(12, description="side of a block of queries, in cells")
    halo_size: int = Field(2, ge=0, le=1 << 10, description="width of the margin of keys around a block, in cells")
    dim_head: Width = Field(16, description="channels of an attention head")
    mask: Literal["correct", "released"] = Field(
        "correct",
        description="correct: keys outside the image are hidden; released: those inside it are, as in the published "
        "code (docs/decisions/0001-attention-mask.md)",
    )
    mask_neighbours: int = Field(
        0,
        ge=0,
        le=1 << 10,
        description="a query does not see itself, nor keys up to this many rows and columns away, as in UniAD "
        "(arXiv 2206.03687); 0: it sees all",
    )

    @model_validator(mode="after")
    def _a_query_sees_something(self) -> Self:
        if not self.mask_neighbours:
            return self
        if self.mask == "released":
            raise ValueError(
                "mask released is what the published code does, which sees no key of the image at all; mask_neighbours "
                f"{self.mask_neighbours} has nothing to add: set model.attention.mask=correct"
            )
        largest = self.halo_size + self.block_size // 2 - 1
        if self.mask_neighbours > largest:
            raise ValueError(
                f"mask_neighbours {self.mask_neighbours} hides every key from a query in the middle of its block "
                f"(block_size {self.block_size}, halo_size {self.halo_size}); choose at most {largest}, or a larger "
                "halo_size"
            )
        return self


class StageConfig(Section):
    """One bottleneck block. ``out: null`` means as many channels as the features have."""

    mid: Width = Field(description="channels inside the block, where it attends")
    out: Width | None = Field(description="channels that it passes on; null: as many as the features have")
    heads: Side = Field(description="attention heads")
    kernel: Side = Field(description="side of the convolution's kernel, in cells; odd")


def _stage(mid: int, out: int | None, heads: int, kernel: int) -> StageConfig:
    return StageConfig(mid=mid, out=out, heads=heads, kernel=kernel)


class AutoEncoderConfig(Section):
    """Block C: the head and the stages of the HaloNet encoder, and of the decoder that mirrors it."""

    made_for: Width | None = Field(
        704,
        description="number of feature channels that these widths are meant for; features of timm or densenet121 with "
        "another number scale the widths. null: never scale",
    )
    start: Literal["random", "shortcuts", "principal"] = Field(
        "random",
        description="random; shortcuts: each stage starts as its shortcut, because the weight of its last BN is 0 "
        "(Goyal et al. 2017); principal: also, the shortcuts pass on the features' principal components, so that "
        "training starts from PCA",
    )
    code_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the code's numbers that each training step drops, as in Dinomaly (arXiv 2405.14325), so "
        "that the decoder learns what usually goes together and not to copy; 0: none",
    )
    code_rank: Width | None = Field(
        None,
        description="most numbers per cell that pass from encoder to decoder, through two linear layers, as in "
        "ShortcutBreaker (arXiv 2510.18342); null: as many as the code has channels",
    )
    head_width: Width = Field(234, description="channels after the head, the first convolution of the encoder")
    head_kernel: Side = Field(5, description="side of the head's kernel, in cells; odd")
    encoder: tuple[StageConfig, ...] = Field(
        (
            _stage(234, 234, 4, 3),
            _stage(117, 117, 8, 3),
            _stage(58, 58, 8, 5),
            _stage(29, 29, 8, 5),
        ),
        description="stages from the head to the code, whose width is the last out; each has mid (channels inside), "
        "out (channels passed on), heads (of attention) and kernel (side, odd)",
    )
    decoder: tuple[StageConfig, ...] = Field(
        (
            _stage(29, 29, 4, 3),
            _stage(58, 59, 8, 3),
            _stage(118, 118, 8, 3),
            _stage(236, 237, 8, 5),
            _stage(703, None, 8, 1),
        ),
        description="stages from the code back to the features; out of the last one is null, as many channels as the "
        "features have",
    )

    @model_validator(mode="after")
    def _kernels_are_odd(self) -> Self:
        for kernel in (self.head_kernel, *(stage.kernel for stage in (*self.encoder, *self.decoder))):
            if kernel % 2 == 0:
                raise ValueError(f"kernel size {kernel} is even; use an odd one, so that the map keeps its size")
        if not self.encoder or not self.decoder or self.decoder[-1].out is not None:
            raise ValueError("the last decoder stage must have 'out: null' (as many channels as the features)")
        return self

    @model_validator(mode="after")
    def _rank_is_a_bottleneck(self) -> Self:
        code = self.encoder[-1].out
        if self.code_rank is not None and code is not None and self.code_rank > code:
            raise ValueError(
                f"code_rank {self.code_rank} is more than the {code} channels of the code, so it would hold nothing "
                f"back; choose at most {code}, or null"
            )
        return self


class ImageDecoderConfig(Section):
    """Block D: decodes the reconstructed features to an image."""

    widths: tuple[Width, ...] = Field(
        (380, 190, 95, 47, 23), description="channels after each convolution but the last, which has 3"
    )
    final_relu: bool = Field(
        False, description="end with a ReLU, as the published code does; then the image has no negative values"
    )


class ClassifierConfig(Section):
    """Block E: classifies the decoded image as original or damaged."""

    logits: Literal[1, 2] = Field(1, description="numbers that block E returns: 1, or 2 as in the published code")


class SwinConfig(Section):
    """Block C made of Swin transformer blocks (paper, Table 4); its code is as wide as that of ``autoencoder``."""

    widths: tuple[Width, ...] = Field(
        (512, 256, 128), description="widths of the encoder stages before the code; the decoder mirrors them"
    )
    depth: int = Field(
        2, ge=2, le=100, multiple_of=2, description="blocks per stage; every second one has shifted windows"
    )
    window: int = Field(8, ge=2, le=1 << 10, description="side of a window of attention, in cells")
    dim_head: Width = Field(
        16, description="least width of an attention head; a stage has as many heads as divide its width"
    )


class ModelConfig(Section):
    """Blocks B to E."""

    input_downsample: int = Field(
        1, ge=1, le=4, description="reduce the tile by this factor first, by averaging; 1: full size"
    )
    map_size: Literal["same", "stretch60"] = Field(
        "same",
        description="size of the reconstruction. same: that of the features, because the head pads; stretch60: it does "
        "not, and the smaller map is stretched, as in the published code",
    )
    block_c: Literal["halo", "residual_cnn", "dfr_cnn", "swin", "bergmann"] = Field(
        "halo",
        description="halo: the paper's; residual_cnn: the same without attention; dfr_cnn: the 1x1 convolutions of "
        "DFR; swin: Swin transformer blocks; bergmann: the auto-encoder of AE-L2 and AE-SSIM",
    )
    recentre: Literal["none", "tile"] = Field(
        "none",
        description="tile: block C is given each tile's features without their mean over the tile, which is added to "
        "its output, so that a stain or scanner that shifts whole tiles need not be learned",
    )
    features: FeaturesConfig = FeaturesConfig()
    attention: AttentionConfig = AttentionConfig()
    autoencoder: AutoEncoderConfig = AutoEncoderConfig()
    swin: SwinConfig = SwinConfig()
    image_decoder: ImageDecoderConfig = ImageDecoderConfig()
    classifier: ClassifierConfig = ClassifierConfig()

    @property
    def signed(self) -> bool:
        """Whether what block C reconstructs can be negative."""
        return self.features.signed or self.recentre != "none"

    @model_validator(mode="after")
    def _block_c_fits(self) -> Self:
        if self.block_c == "bergmann" and self.features.backbone != "pixels":
            raise ValueError(
                f"block_c bergmann is an auto-encoder of images, not of {self.features.backbone} features; "
                "set model.features.backbone=pixels and model.features.standardise=false"
            )
        if self.map_size == "stretch60" and self.block_c not in {"halo", "residual_cnn"}:
            raise ValueError(
                f"map_size stretch60 needs the head of the HaloNet (without padding), and block_c {self.block_c} has "
                "no such head; set model.map_size=same"
            )
        return self

    @model_validator(mode="after")
    def _code_is_the_halonets(self) -> Self:
        given = [name for name in ("code_dropout", "code_rank") if getattr(self.autoencoder, name)]
        if given and self.block_c not in {"halo", "residual_cnn"}:
            off = "0" if given[0] == "code_dropout" else "null"
            raise ValueError(
                f"model.autoencoder.{given[0]} changes the HaloNet's code, and block_c {self.block_c} has another one; "
                f"set model.autoencoder.{given[0]}={off}, or model.block_c=halo"
            )
        return self
