"""How the mark of ``training.stop_by=synthetic`` and the true AUROC change from a narrow code to a mere copy.

    python benchmarks/mark_by_width.py --weights vgg19_features.safetensors --reference train/good --mpp 0
        --test-reference test/good --test-anomalous test/bent test/color ...

PCA with k components stands in block C's place: with as many as there are channels it copies everything. Nothing is
trained, so the table takes minutes. ``--mpp 0``: images of objects, without a scale, resized to 256 px.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wsi_haloae.config import MVTEC_BASE, SLIDE_BASE, load_config
from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.evaluation.pixel_figures import SIZE
from wsi_haloae.features.backbones import load_weights
from wsi_haloae.images.files import list_images
from wsi_haloae.model.anomaly_map import residual_map
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.mvtec.image_source import ImageSource
from wsi_haloae.tiles.sources import TileSource
from wsi_haloae.training.job import TrainingData, TrainingJob
from wsi_haloae.training.statistics import images_of, measure_axes, measure_features
from wsi_haloae.training.synthetic_mark import SyntheticMark

CPU, MEASURED, JUDGED, WIDTHS = torch.device("cpu"), 64, 120, (4, 29, 128, 256, 448, 600, 680, 704)


def main() -> None:
    """Print a row per number of components."""
    given = _arguments()
    config = load_config("haloae-small", ["training.stop_by=synthetic"], base=SLIDE_BASE if given.mpp else MVTEC_BASE)
    source = _source([given.reference])
    order = np.random.default_rng(0).permutation(len(source.groups))
    data = TrainingData(source, np.sort(order[len(order) // 8 :]), np.sort(order[: len(order) // 8]))
    usual, strange = _source([given.test_reference]), _source(given.test_anomalous)
    torch.manual_seed(0)
    model = HaloAE(config.model, source.tile_size).eval()
    load_weights(model.backbone, config.model.features, given.weights)
    some = data.train[np.linspace(0, len(data.train) - 1, MEASURED).astype(int)]
    found = measure_features(source, some, model, CPU, lambda _: None)
    model.standardise.fit(found.mean, found.std, model.backbone.layer_channels, config.model.features.std_floor)
    axes = measure_axes(source, some, model, CPU, lambda _: None)
    mark = SyntheticMark(TrainingJob(config, data, Path(), {}, CPU, mpp=given.mpp or None), model, CPU)
    judged = [_features(model, one) for one in (usual, strange)]
    for width in WIDTHS:
        copy = _projection(axes.mean.float(), axes.directions[:width].float())
        model.reconstruct = copy  # type: ignore[method-assign]
        marks = mark.measure()
        scores = [torch.cat([residual_map(f.float(), copy(f.float())) for f in part]) for part in judged]
        labels = np.repeat([False, True], [len(part) for part in scores])
        mean, most = (auroc(torch.cat([pool(s) for s in scores]).numpy(), labels) for pool in (_mean, _most))
        told = ", ".join(f"{kind} {value:.3f}" for kind, value in marks.items())
        print(f"{width}: mark {np.mean(list(marks.values())):.3f} ({told}); AUROC, mean {mean:.3f}, maximum {most:.3f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--weights", "--reference", "--test-reference"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--test-anomalous", type=Path, nargs="+", required=True)
    parser.add_argument("--mpp", type=float, required=True)
    return parser.parse_args()


def _source(folders: Sequence[Path]) -> TileSource:
    files = [file for folder in folders for file in list_images(folder)]
    return ImageSource(folders[0].parent, files, SIZE)


def _features(model: HaloAE, source: TileSource) -> list[Tensor]:
    count = len(source.groups)
    chosen = np.sort(np.random.default_rng(0).permutation(count)[: JUDGED // 2])
    with torch.inference_mode():
        return [model.features(images).half() for images in images_of(source, chosen, model, CPU)]


def _projection(mean: Tensor, directions: Tensor) -> Callable[[Tensor], Tensor]:
    kept, centre = directions.T @ directions, mean[:, None, None]
    return lambda features: torch.einsum("dc,bchw->bdhw", kept, features - centre) + centre


def _mean(maps: Tensor) -> Tensor:
    return maps.mean(dim=(1, 2))


def _most(maps: Tensor) -> Tensor:
    return maps.amax(dim=(1, 2))


if __name__ == "__main__":
    main()
