"""Weights named as by Hugging Face's transformers (Dinov2Model, ViTModel) under the names that timm has for them.

Both libraries compute the same; transformers keeps query, key and value apart. Registers and SwiGLU layers get the
names of DINOv2's own code first: timm translates those itself, and fits position embeddings to the image size.
Status: compared once with transformers 5.24 (Dinov2Model with both kinds of MLP and with registers, ViTModel; random
weights): the outputs are equal, bit for bit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

_PARTS = {
    "embeddings.cls_token": "cls_token",
    "embeddings.mask_token": "mask_token",
    "embeddings.position_embeddings": "pos_embed",
    "embeddings.register_tokens": "register_tokens",
    "embeddings.patch_embeddings.projection": "patch_embed.proj",
    "layernorm": "norm",
}
_BLOCK_PARTS = {
    # both
    "attention.output.dense": "attn.proj",
    # Dinov2Model
    "norm1": "norm1",
    "norm2": "norm2",
    "layer_scale1.lambda1": "ls1.gamma",
    "layer_scale2.lambda1": "ls2.gamma",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "mlp.weights_in": "mlp.w12",
    "mlp.weights_out": "mlp.w3",
    # ViTModel
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
}
_BLOCK = re.compile(r"encoder\.layer\.(\d+)\.(.+)")
_QUERY, _KEY, _VALUE = (f"attention.attention.{name}" for name in ("query", "key", "value"))


def has_transformers_keys(state: Mapping[str, Tensor]) -> bool:
    """Whether the weights of a vision transformer are named as by transformers."""
    return "embeddings.cls_token" in state


def to_timm_keys(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The weights under timm's names for ``network``, a vision transformer of timm; unknown ones are left out.

    Raises `ValueError` for weights that lack a part, or whose shapes do not go together.
    """
    from timm.models.vision_transformer import checkpoint_filter_fn  # noqa: PLC0415  # optional, and slow

    try:
        renamed = {new: tensor for name, tensor in state.items() if (new := _renamed(name)) is not None}
        for name in state:
            if _QUERY in name:
                parts = [state[name.replace(_QUERY, part)] for part in (_QUERY, _KEY, _VALUE)]
                renamed[name.replace("encoder.layer", "blocks").replace(_QUERY, "attn.qkv")] = torch.cat(parts)
        translated: dict[str, Tensor] = checkpoint_filter_fn(renamed, network)  # type: ignore[arg-type]
    except (KeyError, IndexError, RuntimeError, AttributeError, AssertionError) as error:
        raise ValueError(str(error)) from None
    return translated


def _renamed(name: str) -> str | None:
    """The name that timm, or DINOv2's own code, has for a parameter; None if it has none."""
    part, suffix = _split(name)
    block = _BLOCK.fullmatch(part)
    if block is None:
        known = _PARTS.get(part)
    elif known := _BLOCK_PARTS.get(block[2]):
        known = f"blocks.{block[1]}.{known}"
    return None if known is None else known + suffix


def _split(name: str) -> tuple[str, str]:
    """``x.weight`` -> ``x``, ``.weight``; parameters without such an ending are whole."""
    part, dot, last = name.rpartition(".")
    return (part, dot + last) if last in {"weight", "bias"} else (name, "")
