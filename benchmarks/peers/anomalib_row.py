"""One row of the comparison: a model of anomalib on one category in MVTec AD's layout, as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from images import Category, mean_grey, read_category
from models import Fitted, NotRunError, fit_efficientad, fit_patchcore, score
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

_PACKAGES = ("anomalib", "torch", "torchvision", "timm", "lightning", "scikit-learn", "numpy")


def main() -> None:
    """Fit, score and write; exit code 1 if something that has to be downloaded is not available."""
    arguments = _parse()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    row = _describe(arguments)
    category = read_category(arguments.root / arguments.category, arguments.median_grey)
    try:
        fitted = _fit(category.train, arguments)
    except NotRunError as error:
        row["not_run"] = f"not run here: {error}"
    else:
        row |= {"backbone": fitted.backbone, "settings": fitted.settings, "images": _count(category)}
        row |= _measure(fitted, category, arguments.device)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(row, indent=2) + "\n")
    print(json.dumps(row))
    raise SystemExit(1 if "not_run" in row else 0)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder that contains the categories")
    parser.add_argument("category", help="folder in it with train/good, test and ground_truth")
    parser.add_argument("--model", choices=("patchcore", "efficientad"), required=True)
    parser.add_argument(
        "--weights", type=Path, help="PatchCore: safetensors file of VGG19 weights, instead of a download"
    )
    parser.add_argument("--coreset-ratio", type=float, default=0.1, help="PatchCore: share of patches to keep")
    parser.add_argument("--steps", type=int, default=70_000, help="EfficientAD: training steps")
    parser.add_argument("--imagenette", type=Path, default=Path.home() / ".cache/anomalib/imagenette")
    parser.add_argument("--median-grey", type=float, help="scale each image to this median grey level, 0..255")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.weights and arguments.model == "efficientad":
        parser.error(
            "--weights is for PatchCore's backbone only; anomalib keeps EfficientAD's teacher in its own cache folder"
        )
    return arguments


def _fit(train: NDArray[np.uint8], arguments: argparse.Namespace) -> Fitted:
    if arguments.model == "patchcore":
        return fit_patchcore(train, arguments.weights, arguments.coreset_ratio, arguments.device)
    return fit_efficientad(train, arguments.imagenette, arguments.steps, arguments.device, arguments.seed)


def _measure(fitted: Fitted, category: Category, device: str) -> dict[str, object]:
    """Results from raw maps; image-level ones use all test images, pixel-level ones those with known pixels."""
    maps, own_scores, rate_16 = score(fitted, category.test, 16, device)
    _, _, rate_1 = score(fitted, category.test, 1, device)
    marked, pixels = category.masks[category.has_mask].ravel(), maps[category.has_mask].ravel()
    return {
        "image_auroc": roc_auc_score(category.anomalous, maps.max(axis=(1, 2))),
        "image_auroc_of_own_score": roc_auc_score(category.anomalous, own_scores),
        "image_auroc_of_mean_grey": roc_auc_score(category.anomalous, mean_grey(category.test)),
        "pixel_auroc_256": roc_auc_score(marked, pixels),
        "pixel_average_precision_256": average_precision_score(marked, pixels),
        "marked_pixel_share": float(marked.mean()),
        "images_per_second": {"batch_1": rate_1, "batch_16": rate_16},
        "fit_seconds": fitted.fit_seconds,
    }


def _count(category: Category) -> dict[str, int]:
    anomalous = category.anomalous
    return {
        "train": len(category.train),
        "test_good": int((~anomalous).sum()),
        "test_anomalous": int(anomalous.sum()),
        "test_anomalous_with_mask": int((anomalous & category.has_mask).sum()),
    }


def _describe(arguments: argparse.Namespace) -> dict[str, object]:
    device = torch.cuda.get_device_name() if arguments.device == "cuda" else "CPU"
    return {
        "model": arguments.model,
        "category": arguments.category,
        "median_grey": arguments.median_grey,
        "seed": arguments.seed,
        "device": device,
        "threads": torch.get_num_threads(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "load_average_before": round(os.getloadavg()[0], 2),
        "versions": {"python": platform.python_version()} | {package: version(package) for package in _PACKAGES},
    }


if __name__ == "__main__":
    main()
