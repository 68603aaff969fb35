"""The table of named encoders: vision transformers of pathology (and one of photographs) that ``--features`` knows.

To add one, add a row, and run ``python docs/list_encoders.py``. A row says what must be known before anything is
downloaded. Its name stands for the settings of `Encoder.settings`, which the configuration then has in full. Where the
facts are from is said in docs/encoders.md; ``unverified`` is what could not be checked there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from wsi_haloae.config.timm import TIMM_PREFIX

Colour = tuple[float, float, float]

IMAGENET: tuple[Colour, Colour] = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALVES: tuple[Colour, Colour] = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
OF_H_OPTIMUS: tuple[Colour, Colour] = (0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517)
FIVE_TO_FORTY = (0.25, 0.5, 1.0, 2.0)
"""µm per pixel at 40x, 20x, 10x and 5x."""
SWIGLU = {"mlp_layer": "SwiGLUPacked", "act_layer": "silu"}
VIRCHOW = {
    "img_size": 224,
    "init_values": 1e-5,
    "num_classes": 0,
    "mlp_ratio": 5.3375,
    "global_pool": "",
    "dynamic_img_size": True,
    **SWIGLU,
}
H_OPTIMUS = {"img_size": 224, "num_classes": 0, "init_values": 1e-5, "dynamic_img_size": False}
NON_COMMERCIAL = "CC-BY-NC-ND-4.0 (non-commercial)"


@dataclass(frozen=True)
class Encoder:
    """One row: an encoder, and what people must know of it.

    ``arguments`` are those on the model's card and in the description beside its weights. ``colours`` are the mean and
    deviation that it expects, ``mpp`` the pixel sizes (µm) of its training tiles, empty for photographs, ``parameters``
    its weights in millions, and ``prefix_tokens`` the class token and registers, which are no part of the map.
    """

    name: str
    words: str
    repository: str
    """On the Hugging Face hub, with its card."""
    architecture: str
    arguments: Mapping[str, Any]
    depth: int
    prefix_tokens: int
    parameters: float
    licence: str
    gated: bool = True
    """Whether the weights can be downloaded only after a request on the card's page."""
    colours: tuple[Colour, Colour] = IMAGENET
    mpp: tuple[float, ...] = (0.5,)
    keys: Literal["timm", "transformers"] = "timm"
    """How the downloaded weights are named: transformers' names are translated when they are loaded."""
    unverified: str = ""

    @property
    def image_size(self) -> int:
        """Pixels per side of the images that its position embeddings are for."""
        return int(self.arguments["img_size"])

    @property
    def stages(self) -> tuple[int, int]:
        """The blocks to use, half and three quarters of the way, from 0.

        Dinomaly rebuilds the middle blocks of such networks in two groups, 3 to 6 and 7 to 10 of 12 (Guo et al., CVPR
        2025): this is one of each. What lies behind is cut off and costs nothing.
        """
        return self.depth // 2 - 1, self.depth * 3 // 4 - 1

    @property
    def backbone(self) -> str:
        """``model.features.backbone`` of this encoder."""
        return f"{TIMM_PREFIX}hf-hub:{self.repository}"

    @property
    def card(self) -> str:
        """The address of its model card."""
        return f"https://huggingface.co/{self.repository}"

    def settings(self) -> dict[str, Any]:
        """The settings of ``model.features`` that the name stands for."""
        return {"backbone": self.backbone, "arguments": dict(self.arguments), "stages": self.stages}


ENCODERS: dict[str, Encoder] = {
    encoder.name: encoder
    for encoder in (
        Encoder(
            "uni2-h",
            "UNI2-h, ViT-H/14",
            repository="MahmoodLab/UNI2-h",
            architecture="vit_giant_patch14_224",
            arguments={
                "img_size": 224,
                "patch_size": 14,
                "depth": 24,
                "num_heads": 24,
                "init_values": 1e-5,
                "embed_dim": 1536,
                "mlp_ratio": 2.66667 * 2,
                "num_classes": 0,
                "no_embed_class": True,
                **SWIGLU,
                "reg_tokens": 8,
                "dynamic_img_size": True,
            },
            depth=24,
            prefix_tokens=9,
            parameters=681.4,
            licence=NON_COMMERCIAL,
        ),
        Encoder(
            "virchow2",
            "Virchow2, ViT-H/14",
            repository="paige-ai/Virchow2",
            architecture="vit_huge_patch14_224",
            arguments={**VIRCHOW, "reg_tokens": 4},
            depth=32,
            prefix_tokens=5,
            parameters=631.2,
            licence=NON_COMMERCIAL,
            mpp=FIVE_TO_FORTY,
        ),
        Encoder(
            "h-optimus-1",
            "H-optimus-1, ViT-g/14",
            repository="bioptimus/H-optimus-1",
            architecture="vit_giant_patch14_reg4_dinov2",
            arguments=H_OPTIMUS,
            depth=40,
            prefix_tokens=5,
            parameters=1135,
            licence=NON_COMMERCIAL,
            colours=OF_H_OPTIMUS,
        ),
        Encoder(
            "phikon-v2",
            "Phikon-v2, ViT-L/16",
            repository="owkin/phikon-v2",
            architecture="vit_large_patch16_224",
            arguments={"img_size": 224, "num_classes": 0, "init_values": 1.0, "dynamic_img_size": True},
            depth=24,
            prefix_tokens=1,
            parameters=303.4,
            licence="Owkin's (non-commercial)",
            gated=False,
            keys="transformers",
        ),
        Encoder(
            "midnight",
            "Midnight-12k, ViT-g/14",
            repository="kaiko-ai/midnight",
            architecture="vit_giant_patch14_dinov2",
            arguments={"img_size": 518, "num_classes": 0, "dynamic_img_size": True},
            depth=40,
            prefix_tokens=1,
            parameters=1136.5,
            licence="MIT",
            gated=False,
            colours=HALVES,
            mpp=FIVE_TO_FORTY,
            keys="transformers",
            unverified="the image size of its position embeddings (518, DINOv2's, fits its number of weights)",
        ),
        Encoder(
            "dinov2-s",
            "DINOv2, ViT-S/14, photographs",
            repository="timm/vit_small_patch14_dinov2.lvd142m",
            architecture="vit_small_patch14_dinov2",
            arguments={"img_size": 518, "num_classes": 0, "dynamic_img_size": True},
            depth=12,
            prefix_tokens=1,
            parameters=22.1,
            licence="Apache-2.0",
            gated=False,
            mpp=(),
        ),
        Encoder(
            "kaiko-s16",
            "Kaiko, ViT-S/16",
            repository="1aurent/vit_small_patch16_224.kaiko_ai_towards_large_pathology_fms",
            architecture="vit_small_patch16_224",
            arguments={"img_size": 224, "num_classes": 0, "dynamic_img_size": True},
            depth=12,
            prefix_tokens=1,
            parameters=21.7,
            licence="Kaiko's (non-commercial)",
            gated=False,
            colours=HALVES,
            mpp=FIVE_TO_FORTY,
        ),
        Encoder(
            "uni",
            "UNI, ViT-L/16",
            repository="MahmoodLab/UNI",
            architecture="vit_large_patch16_224",
            arguments={
                "img_size": 224,
                "patch_size": 16,
                "init_values": 1e-5,
                "num_classes": 0,
                "dynamic_img_size": True,
            },
            depth=24,
            prefix_tokens=1,
            parameters=303.4,
            licence=NON_COMMERCIAL,
        ),
        Encoder(
            "virchow",
            "Virchow, ViT-H/14",
            repository="paige-ai/Virchow",
            architecture="vit_huge_patch14_224",
            arguments=VIRCHOW,
            depth=32,
            prefix_tokens=1,
            parameters=631.2,
            licence="Apache-2.0",
        ),
        Encoder(
            "h-optimus-0",
            "H-optimus-0, ViT-g/14",
            repository="bioptimus/H-optimus-0",
            architecture="vit_giant_patch14_reg4_dinov2",
            arguments=H_OPTIMUS,
            depth=40,
            prefix_tokens=5,
            parameters=1135,
            licence="Apache-2.0",
            colours=OF_H_OPTIMUS,
            unverified="whether access must be requested (sources disagree)",
        ),
        Encoder(
            "gigapath",
            "Prov-GigaPath's tile encoder, ViT-g/16",
            repository="prov-gigapath/prov-gigapath",
            architecture="vit_giant_patch14_dinov2",
            arguments={
                "img_size": 224,
                "patch_size": 16,
                "embed_dim": 1536,
                "depth": 40,
                "num_heads": 24,
                "init_values": 1e-5,
                "mlp_ratio": 5.33334,
                "num_classes": 0,
                "dynamic_img_size": True,
            },
            depth=40,
            prefix_tokens=1,
            parameters=1135,
            licence="Apache-2.0 with conditions (research)",
        ),
        Encoder(
            "phikon",
            "Phikon, ViT-B/16",
            repository="owkin/phikon",
            architecture="vit_base_patch16_224",
            arguments={"img_size": 224, "num_classes": 0, "dynamic_img_size": True},
            depth=12,
            prefix_tokens=1,
            parameters=85.8,
            licence="Owkin's (non-commercial)",
            gated=False,
            keys="transformers",
        ),
    )
}
"""Encoders by the names that ``--features`` takes."""


def encoder_of(backbone: str) -> Encoder | None:
    """The encoder behind a ``backbone``, by its own name or by the name that timm has for it; None for another."""
    wanted = backbone.casefold()  # as the hub does
    return next((each for each in ENCODERS.values() if wanted in (each.name, each.backbone.casefold())), None)


def in_full(features: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings of ``model.features`` with those that an encoder's name stands for; others that are given win."""
    backbone = features.get("backbone")
    encoder = encoder_of(backbone) if isinstance(backbone, str) else None
    if encoder is None:
        return features
    settings = encoder.settings()
    given = {name: value for name, value in features.items() if (name, value) != ("stages", None)}
    if isinstance(given.get("arguments"), Mapping):
        given["arguments"] = {**settings["arguments"], **given["arguments"]}
    return {**settings, **given, "backbone": encoder.backbone}
