"""anomalib's PatchCore and EfficientAD, fitted to training squares, and their raw maps."""

from __future__ import annotations

import tempfile
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from anomalib.data import Folder
from anomalib.engine import Engine
from anomalib.models import EfficientAd, Patchcore
from anomalib.models.image.patchcore.torch_model import PatchcoreModel
from images import SIDE
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import vgg19

BATCH = 16
_VGG19_MODULES = 19
"""conv1_1 to the pooling after conv3_4: the layers whose weights are in the product's weights file."""
_VGG19_LAYERS = ("features.18", "features.9")
"""Pooled conv3_4 and conv2_2, strides 8 and 4. The first sets the grid: 32 x 32, like layer2 of wide_resnet50_2."""
_RESNET_LAYERS = ("layer2", "layer3")
"""anomalib's default, and the paper's."""
_HELD_OUT = 0.1
"""Share of training images that EfficientAD's map quantiles are computed from, as in its paper; never test images."""


class NotRunError(Exception):
    """Weights or data that have to be downloaded are not available."""


class Stopwatch:
    """Wall and CPU seconds since it was made; on a shared machine, CPU seconds are more reliable."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """Seconds by kind; CPU seconds are the sum over threads."""
        return {"wall": time.perf_counter() - self._wall, "cpu": time.process_time() - self._cpu}


@dataclass(frozen=True)
class Fitted:
    """A fitted model (its raw torch module, in evaluation mode), the transform of its input, and how it was made."""

    module: nn.Module
    transform: nn.Module
    fit_seconds: dict[str, float]
    backbone: str
    settings: dict[str, object]


def fit_patchcore(train: NDArray[np.uint8], weights: Path | None, coreset_ratio: float, device: str) -> Fitted:
    """Memory bank of training patches, by VGG19 with ``weights``, by wide_resnet50_2 without.

    The latter is downloaded; raises `NotRunError` if that fails.
    """
    module, backbone, layers = _patchcore_on_vgg19(weights) if weights else _patchcore_on_resnet()
    module.to(device).train()
    transform = Patchcore.configure_pre_processor(image_size=(SIDE, SIDE)).transform
    watch = Stopwatch()
    for first in range(0, len(train), BATCH):
        module(transform(_to_unit(train[first : first + BATCH])).to(device))
    module.subsample_embedding(coreset_ratio)
    seconds = watch.read()
    settings = {
        "layers": layers,
        "coreset_ratio": coreset_ratio,
        "memory_bank": list(module.memory_bank.shape),
        "num_neighbors": module.num_neighbors,
    }
    return Fitted(module.eval(), transform, seconds, backbone, settings)


def fit_efficientad(train: NDArray[np.uint8], imagenette: Path, steps: int, device: str, seed: int) -> Fitted:
    """Student and auto-encoder against the pretrained teacher, trained by anomalib's own engine.

    anomalib keeps the teacher in its cache folder, and imagenette in ``imagenette``; it downloads what is missing.
    Raises `NotRunError` if it cannot.
    """
    lightning = EfficientAd(imagenet_dir=imagenette, post_processor=False, evaluator=False, visualizer=False)
    _download_for_efficientad(lightning)
    with tempfile.TemporaryDirectory() as folder:
        watch = Stopwatch()
        data = _as_datamodule(train, Path(folder), seed)
        engine = Engine(
            default_root_dir=Path(folder) / "engine",
            max_steps=steps,
            limit_val_batches=0,
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
        )
        engine.fit(model=lightning, datamodule=data)
        lightning.to(device).eval()
        lightning.model.quantiles.update(lightning.map_norm_quantiles(data.val_dataloader()))
        seconds = watch.read()
    transform = EfficientAd.configure_pre_processor(image_size=(SIDE, SIDE)).transform
    settings = {"steps": steps, "held_out_share": _HELD_OUT, "model_size": lightning.model_size.value}
    return Fitted(lightning.model.eval(), transform, seconds, "anomalib's pretrained teacher", settings)


@torch.inference_mode()
def score(
    fitted: Fitted, squares: NDArray[np.uint8], batch: int, device: str
) -> tuple[NDArray[np.float32], NDArray[np.float32], dict[str, float]]:
    """Raw maps (n, 256, 256), the model's own raw image scores (n,), and images per second (wall, CPU).

    The time is that of the model from input in memory to maps on the CPU, after a warm-up, without reading and
    normalising.
    """
    inputs = torch.cat([fitted.transform(_to_unit(squares[i : i + BATCH])) for i in range(0, len(squares), BATCH)])
    fitted.module(inputs[:batch].to(device))
    maps, scores = [], []
    watch = Stopwatch()
    for part in inputs.split(batch):
        output = fitted.module(part.to(device))
        maps.append(output.anomaly_map.cpu())
        scores.append(output.pred_score.cpu())
    rate = {kind: len(inputs) / seconds for kind, seconds in watch.read().items()}
    return torch.cat(maps).reshape(-1, SIDE, SIDE).numpy(), torch.cat(scores).flatten().numpy(), rate


def _patchcore_on_vgg19(weights: Path) -> tuple[PatchcoreModel, str, tuple[str, ...]]:
    backbone = nn.Sequential(OrderedDict(features=vgg19(weights=None).features[:_VGG19_MODULES]))
    backbone.load_state_dict(load_file(weights))
    module = PatchcoreModel(layers=_VGG19_LAYERS, backbone=backbone, pre_trained=False)
    return module, f"VGG19 to conv3_4, ImageNet, from {weights.name}", _VGG19_LAYERS


def _patchcore_on_resnet() -> tuple[PatchcoreModel, str, tuple[str, ...]]:
    try:
        module = PatchcoreModel(layers=_RESNET_LAYERS)
    except OSError as error:
        raise NotRunError(f"wide_resnet50_2: {type(error).__name__}: {error}") from error
    return module, "wide_resnet50_2, ImageNet, downloaded by timm", _RESNET_LAYERS


def _download_for_efficientad(lightning: EfficientAd) -> None:
    try:
        lightning.prepare_pretrained_model()
    except OSError as error:
        raise NotRunError(f"EfficientAD's teacher: {type(error).__name__}: {error}") from error
    try:
        lightning.prepare_imagenette_data((SIDE, SIDE))
    except OSError as error:
        with suppress(OSError):  # anomalib makes the folder first, and next time would take an empty one for the data
            lightning.imagenet_dir.rmdir()
        raise NotRunError(f"imagenette: {type(error).__name__}: {error}") from error


def _as_datamodule(train: NDArray[np.uint8], folder: Path, seed: int) -> Folder:
    good = folder / "good"
    good.mkdir()
    for number, square in enumerate(train):
        Image.fromarray(square).save(good / f"{number:05d}.png")
    return Folder(
        name="train",
        normal_dir=good,
        train_batch_size=1,  # as in the paper, and required by anomalib
        eval_batch_size=BATCH,
        num_workers=0,
        test_split_mode="none",
        val_split_mode="from_train",
        val_split_ratio=_HELD_OUT,
        seed=seed,
    )


def _to_unit(squares: NDArray[np.uint8]) -> Tensor:
    """(n, 256, 256, 3), 0..255 -> (n, 3, 256, 256), 0..1."""
    return torch.from_numpy(squares).permute(0, 3, 1, 2).float() / 255
