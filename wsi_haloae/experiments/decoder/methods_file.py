"""Scores of one run or of rivals in a file, so that tiles can be judged anew without training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.atomic import replacing
from wsi_haloae.experiments.decoder.judgement import MethodsOf
from wsi_haloae.experiments.decoder.scores import Scored


def save_methods(found: MethodsOf, path: Path) -> None:
    """Write scores, marks and maps (in half precision); folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial, partial.open("wb") as stream:
        np.savez(stream, **_arrays(found))


def load_methods(path: Path) -> MethodsOf:
    """What `save_methods` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return _methods(dict(arrays))


def _arrays(found: MethodsOf) -> dict[str, Any]:
    parts = {"judged": found.judged.scores, "usual": found.usual}
    parts |= {f"synthetic {kind}": scores for kind, scores in found.synthetic.items()}
    arrays: dict[str, Any] = {
        json.dumps([part, name]): scores for part, named in parts.items() for name, scores in named.items()
    }
    arrays |= {json.dumps(["cell marks", name]): np.float32(mark) for name, mark in found.cell_marks.items()}
    return arrays | {
        json.dumps(["maps", name]): maps.numpy().astype(np.float16) for name, maps in found.judged.maps.items()
    }


def _methods(arrays: dict[str, NDArray[np.float32]]) -> MethodsOf:
    parts: dict[str, dict[str, NDArray[np.float32]]] = {}
    for key, values in arrays.items():
        part, name = json.loads(key)
        parts.setdefault(part, {})[name] = values
    maps = {name: torch.from_numpy(values.astype(np.float32)) for name, values in parts.pop("maps").items()}
    judged, usual = Scored(parts.pop("judged"), maps), parts.pop("usual")
    marks = {name: float(mark) for name, mark in parts.pop("cell marks", {}).items()}
    synthetic = {part.removeprefix("synthetic "): scores for part, scores in parts.items()}
    return MethodsOf(judged, usual, synthetic, marks)
