"""The rivals' scores of a set, kept in a folder: they are the same for all rows that see the same features."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.atomic import replacing
from wsi_haloae.baselines.by_cell import names_by_cell
from wsi_haloae.experiments.decoder.judgement import MethodsOf, methods_of
from wsi_haloae.experiments.decoder.kept import KeptSet
from wsi_haloae.experiments.decoder.scores import Scored, fit_rivals
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.progress import Reporter


def rivals_of(
    given: KeptSet,
    model: HaloAE,
    components: int,
    folder: Path,
    device: torch.device,
    reporter: Reporter,
) -> MethodsOf:
    """Scores by every rival on the features of ``model``, from ``folder`` if a run with the same ones left them."""
    path = folder / f"{_digest(given, model, components)}.npz"
    if not path.exists():
        aligned = given.tiles.local
        fitted = fit_rivals(model, given.batches("train"), components, device, reporter, aligned=aligned)
        found = methods_of(given, fitted)
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial, partial.open("wb") as stream:
            np.savez(stream, **_arrays(found))
    with np.load(path, allow_pickle=False) as arrays:
        return _methods(dict(arrays))


@torch.inference_mode()
def _digest(given: KeptSet, model: HaloAE, components: int) -> str:
    """Of the number of components and of some features as block C sees them, whatever was done to them before."""
    features, _cells = next(given.batches("train")())
    seen = model.features(features.to(next(model.parameters()).device))
    asked = [components, tuple(seen.shape), names_by_cell(), given.tiles.judged.digest()]
    whole = hashlib.sha256(json.dumps(asked).encode())
    whole.update(seen.double().mean(dim=(2, 3)).mul(1e4).round().cpu().numpy().tobytes())
    return whole.hexdigest()[:16]


def _arrays(found: MethodsOf) -> dict[str, Any]:
    parts = {"judged": found.judged.scores, "usual": found.usual}
    parts |= {f"synthetic {kind}": scores for kind, scores in found.synthetic.items()}
    arrays: dict[str, Any] = {
        json.dumps([part, name]): scores for part, named in parts.items() for name, scores in named.items()
    }
    arrays |= {json.dumps(["cell marks", name]): np.float32(mark) for name, mark in found.cell_marks.items()}
    return arrays | {json.dumps(["maps", name]): maps.numpy() for name, maps in found.judged.maps.items()}


def _methods(arrays: dict[str, NDArray[np.float32]]) -> MethodsOf:
    parts: dict[str, dict[str, NDArray[np.float32]]] = {}
    for key, values in arrays.items():
        part, name = json.loads(key)
        parts.setdefault(part, {})[name] = values
    maps = {name: torch.from_numpy(values) for name, values in parts.pop("maps").items()}
    judged, usual = Scored(parts.pop("judged"), maps), parts.pop("usual")
    marks = {name: float(mark) for name, mark in parts.pop("cell marks", {}).items()}
    synthetic = {part.removeprefix("synthetic "): scores for part, scores in parts.items()}
    return MethodsOf(judged, usual, synthetic, marks)
