"""The rivals' scores of a set, kept in a folder: they are the same for all rows that see the same features."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch

from wsi_haloae.baselines.by_cell import names_by_cell
from wsi_haloae.experiments.decoder.judgement import methods_of
from wsi_haloae.experiments.decoder.kept import KeptSet
from wsi_haloae.experiments.decoder.methods_file import save_methods
from wsi_haloae.experiments.decoder.scores import fit_rivals
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.progress import Reporter


def rivals_of(
    given: KeptSet,
    model: HaloAE,
    components: int,
    folder: Path,
    device: torch.device,
    reporter: Reporter,
    *,
    smoothed: bool,
) -> Path:
    """The file in ``folder`` of scores by every rival on the features of ``model``; written if it is not there."""
    path = folder / f"{_digest(given, model, components, smoothed=smoothed)}.npz"
    if not path.exists():
        aligned = given.tiles.local
        train = given.batches("train")
        fitted = fit_rivals(model, train, components, device, reporter, aligned=aligned, smoothed=smoothed)
        save_methods(methods_of(given, fitted), path)
    return path


@torch.inference_mode()
def _digest(given: KeptSet, model: HaloAE, components: int, *, smoothed: bool) -> str:
    """Of the number of components and of some features as block C sees them, whatever was done to them before."""
    features, _cells = next(given.batches("train")())
    seen = model.features(features.to(next(model.parameters()).device))
    asked = [components, smoothed, tuple(seen.shape), names_by_cell(), given.tiles.judged.digest()]
    whole = hashlib.sha256(json.dumps(asked).encode())
    whole.update(seen.double().mean(dim=(2, 3)).mul(1e4).round().cpu().numpy().tobytes())
    return whole.hexdigest()[:16]
