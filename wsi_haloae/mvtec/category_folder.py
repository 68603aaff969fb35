"""The output folder of one category: which run it holds, and whether that run is complete."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wsi_haloae.baselines.by_cell import names_by_cell
from wsi_haloae.config import Config
from wsi_haloae.documents import read_document
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.mvtec.category import CategoryImages
from wsi_haloae.provenance.fingerprints import file_sha256
from wsi_haloae.training.identity import WEIGHTS, Identity, identity_of, require_same
from wsi_haloae.workspace.lock import HOLDER_NAME, LOCK_NAME

RESULT_NAME = "mvtec.json"
MODEL_NAME = "model.safetensors"


def category_identity(category: CategoryImages, config: Config, weights: Path | None) -> Identity:
    """Everything that decides the figures."""
    masks = ["+".join(map(file_sha256, image.masks)) or None for image in category.images.test]
    inputs = {
        "training images": category.data.source.digest(),
        "test images": category.test.digest(),
        "masks": hashlib.sha256(json.dumps(masks).encode()).hexdigest(),
        WEIGHTS: file_sha256(weights) if weights else None,
        "--normalise": category.normalise,
    }
    return identity_of(config, **inputs)


def finished_result(folder: Path, identity: Identity, *, wanted_baselines: bool) -> dict[str, Any] | None:
    """The result of an earlier, complete run of the same ``identity``; None if there is none.

    If baselines are wanted, a result without them does not count, nor one without a baseline that can be run by now.
    Raises `OutputExistsError` for another identity.
    """
    model, found = folder / MODEL_NAME, folder / RESULT_NAME
    if model.exists():
        facts = Checkpoint.load(model).facts
        require_same(model, facts.training.get("identity"), identity, source=facts.backbone_source)
    result = read_document(found)  # where somebody has changed it, it is measured again: the model is there
    same = result.get("identity") == identity and result.get("with_baselines") in (True, wanted_baselines)
    return result if same and not (wanted_baselines and _lacks_baselines(result)) else None


def _lacks_baselines(result: Mapping[str, Any]) -> bool:
    """Whether there are baselines (there are none of pixels), but not all that can be run now."""
    told = {row.get("name") for row in result.get("baselines", [])}
    return bool(told) and not told.issuperset(names_by_cell())


def empty_folder(folder: Path) -> None:
    """Delete everything but the lock, which this run holds; the model first, for it says that the rest is complete."""
    (folder / MODEL_NAME).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_file() and path.name not in {LOCK_NAME, HOLDER_NAME}:
            path.unlink()
