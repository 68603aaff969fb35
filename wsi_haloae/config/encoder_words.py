"""What is said of a named encoder, in a table and before anything is downloaded."""

from __future__ import annotations

from collections.abc import Iterator

from wsi_haloae.config.encoders import ENCODERS, Encoder, encoder_of
from wsi_haloae.config.model import FeaturesConfig

LOGIN = "hf auth login"
"""What ``huggingface-cli login`` is called today."""


def encoder_table() -> str:
    """All named encoders as lines of text, for ``--features list``."""
    head = ("NAME", "ENCODER", "WEIGHTS", "µm/px", "LICENCE", "ACCESS")
    rows = [head, *(_row(encoder) for encoder in ENCODERS.values())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


def size_words(encoder: Encoder) -> str:
    """The number of weights, such as ``681 M``."""
    return f"{encoder.parameters:.0f} M"


def mpp_words(encoder: Encoder) -> str:
    """The pixel sizes that it was trained at, in µm."""
    return ", ".join(f"{mpp:g}" for mpp in encoder.mpp) or "-"


def licence_words(encoder: Encoder) -> str:
    """Its licence, and whether access is open, for the record."""
    return f"{encoder.licence}; access: {_access(encoder)}"


def access_words(encoder: Encoder) -> str:
    """How its weights can be had, as a sentence."""
    if encoder.gated:
        return f"Its weights are given on request: accept the terms on {encoder.card}, then run '{LOGIN}'."
    return f"Its weights can be had without a request ({encoder.card})."


def weights_words(encoder: Encoder) -> str:
    """What a file of its weights must be."""
    if encoder.keys == "timm":
        return "a safetensors file with timm's keys"
    return f"model.safetensors from {encoder.card}, whose keys of transformers are translated"


def announce_encoder(features: FeaturesConfig) -> Iterator[str]:
    """Lines on the licence of a named encoder, to be printed before its weights are downloaded; none for another."""
    encoder = encoder_of(features.backbone)
    if encoder is None or features.weights == "random":
        return
    yield f"encoder {encoder.name}: {encoder.words}, {size_words(encoder)} weights, licence: {encoder.licence}"
    yield f"  {access_words(encoder)}"
    yield "  The checkpoint will contain a copy of them: pass it on only if that licence allows it."


def _row(encoder: Encoder) -> tuple[str, ...]:
    size, mpp = size_words(encoder), mpp_words(encoder)
    return encoder.name, encoder.words, size, mpp, encoder.licence, _access(encoder)


def _access(encoder: Encoder) -> str:
    return "on request" if encoder.gated else "open"
