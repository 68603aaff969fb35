"""``wsi-haloae export-model``: a trained model in the form that another program loads."""

from __future__ import annotations

import json
from pathlib import Path

from wsi_haloae.atomic import own_folder, replacing, write_text
from wsi_haloae.config import rule_words
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.score_plan import load_slide_model
from wsi_haloae.scoring.torchscript import STEEPNESS, as_torchscript

SCRIPT_NAME, CONFIG_NAME, README_NAME = "torchscript_model.pt", "config.json", "README.md"
CLASSES = ("Like the reference", "Anomaly")
NOT_ADAPTED = (
    "SCORES ARE NOT ADAPTED TO THE SLIDE. Another stain, scanner or patient moves the values of all its tiles, and "
    "normal tissue may come out as Anomaly. Compare tiles of one slide only, or use 'wsi-haloae score', which adapts."
)

IN_SRGB = (
    "THE MODEL EXPECTS sRGB. It was trained with --colour-profile apply, but WSInfer and QuPath read pixels as they "
    "are stored. Use it only for slides that are in sRGB already ('wsi-haloae info' shows their colour profile)."
)


def export_model(model: Path, output: Path, reporter: Reporter) -> None:
    """Write the folder of a WSInfer model. Raises `CheckpointError` for a model that cannot be one."""
    checkpoint, mpp = load_slide_model(model)
    script = as_torchscript(checkpoint)
    own_folder(output)
    with replacing(output / SCRIPT_NAME) as partial:
        partial.write_bytes(script)
    write_text(output / README_NAME, _readme(checkpoint))
    write_text(output / CONFIG_NAME, json.dumps(wsinfer_config(checkpoint, mpp), indent=2) + "\n")
    reporter.line(f"{output}: {SCRIPT_NAME} and {CONFIG_NAME} for WSInfer; {README_NAME} says what its numbers mean")
    reporter.warn(NOT_ADAPTED)
    if checkpoint.facts.colour_profile == "apply":
        reporter.warn(IN_SRGB)


def wsinfer_config(checkpoint: Checkpoint, mpp: float) -> dict[str, object]:
    """What WSInfer's schema asks for, version 1.0. Everything after ToTensor is done in the script."""
    side = checkpoint.facts.tile_size
    return {
        "spec_version": "1.0",
        "architecture": "HaloAE",
        "num_classes": len(CLASSES),
        "class_names": list(CLASSES),
        "patch_size_pixels": side,
        "spacing_um_px": mpp,
        "transform": [{"name": "Resize", "arguments": {"size": side}}, {"name": "ToTensor"}],
    }


def _readme(checkpoint: Checkpoint) -> str:
    low, high = checkpoint.facts.display_range
    srgb = f"\n{IN_SRGB}\n" if checkpoint.facts.colour_profile == "apply" else ""
    return f"""# wsi-haloae model for WSInfer

{NOT_ADAPTED}
{srgb}
For research only. Not a medical device.

"{CLASSES[1]}" is p = 1 / (1 + exp(-z)) with u = (score - {high:.6g}) / {high - low:.6g} and
z = sign(u) * ln(1 + {STEEPNESS:g} * |u|). The higher it is, the less is the tile like the reference tissue. It is
**no probability** and no p-value. p = 0.5 is a score of {high:.6g}, which 1 in 200 of the held-out reference tiles
exceeded; a tile above it gets the class "{CLASSES[1]}". Back: z = ln(p / (1 - p)),
u = sign(z) * (exp(|z|) - 1) / {STEEPNESS:g}, score = {high:.6g} + {high - low:.6g} * u.

Score: {rule_words(checkpoint.facts.config.scoring)}. Model: {checkpoint.sha256}.
Neither tissue, quality-control flags, p-values nor smoothing are in it.
"""
