"""Pictures of a training: the loss curve, and tiles with their reconstructions."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from wsi_haloae.atomic import replacing
from wsi_haloae.config import Config
from wsi_haloae.features.preprocessing import denormalise, normalise, to_unit
from wsi_haloae.figures.saving import save_figure
from wsi_haloae.model.anomaly_map import residual_map, upsample
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.model.weighting import schedule_time
from wsi_haloae.training.epoch import EpochRecord
from wsi_haloae.training.objective import planned_weights

CURVE_NAME = "loss.csv"
WORDS = {"cls": "classification", "fm": "features", "im": "image"}
COLOURS = {"cls": "C0", "fm": "C1", "im": "C2"}
"""Of each loss, in all panels; a held-out one is dashed."""
CAPTION = (
    "The decoded image shows what little the code keeps: coarse blocks of colour are usual, after a short training\n"
    "above all. Scores are made from features; only a rule that asks for the image uses it."
)

CURVE_CAPTION = (
    "Training: the mean over the steps of each epoch, while weights change, on tiles turned, jittered or damaged as\n"
    "configured. Held out: after the epoch, on unchanged tiles that training does not use. So it may be the lower one."
)


def write_curve(folder: Path, curve: Sequence[EpochRecord]) -> None:
    """``loss.csv`` and ``loss.png``."""
    with replacing(folder / CURVE_NAME) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(EpochRecord)])
        writer.writeheader()
        writer.writerows(asdict(record) for record in curve)
    figure = Figure(figsize=(10, 4.3), layout="constrained")
    losses, weights = figure.subplots(1, 2)
    steps = [record.step for record in curve]
    marker = "." if len(curve) < 40 else None  # a single epoch draws no line
    for name, label, part, style in (
        ("loss_cls", "classification", "cls", {"marker": marker}),
        ("loss_fm", "features, training", "fm", {"marker": marker}),
        ("validation_fm", "features, held out", "fm", {"marker": marker and "x", "linestyle": "--"}),
        ("loss_im", "image", "im", {"marker": marker}),
    ):
        values = [getattr(record, name) for record in curve]
        if None not in values:
            losses.plot(steps, values, label=label, color=COLOURS[part], **style)
    marks = [record.synthetic_mark for record in curve]
    if None not in marks:
        losses.plot(steps, marks, label="mark: AUROC of synthetic anomalies", marker=marker, color="black")
    losses.set(xlabel="step", ylabel="loss, unweighted", title="Losses")
    for name, label in WORDS.items():
        values = [getattr(record, f"weight_{name}") for record in curve]
        weights.plot(steps, values, label=label, marker=marker, color=COLOURS[name])
    weights.set(xlabel="step", ylabel="weight", title="Weights of the losses", ylim=(0, 1))
    for axes in (losses, weights):
        axes.legend()
        axes.grid(alpha=0.3)
    figure.supxlabel(CURVE_CAPTION, fontsize=9, x=0.01, ha="left")
    save_figure(figure, folder / "loss.png")


def write_schedule(
    path: Path, config: Config, total_steps: int, steps_per_epoch: int, curve: Sequence[EpochRecord]
) -> None:
    """The weights of the losses over the whole run (paper, Fig. 3), with the weights at each epoch as points.

    Learned weights have no planned curve, so their points are joined.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    steps = np.linspace(0, total_steps - 1, 200).astype(int)
    for name, label in WORDS.items():
        points = [getattr(record, f"weight_{name}") for record in curve]
        learned = config.loss.weighting == "uncertainty"
        style = ".-" if learned else "."
        axes.plot([record.step for record in curve], points, style, label=label, color=COLOURS[name])
        if not learned:
            weights = [
                planned_weights(
                    config.loss,
                    config.ews.schedule,
                    schedule_time(int(step), total_steps, steps_per_epoch, config.ews.unit),
                )
                for step in steps
            ]
            axes.plot(steps, [getattr(weight, name) for weight in weights], color=COLOURS[name])
    axes.set(xlabel="step", ylabel="weight", ylim=(0, 1), title=f"Weights of the losses ({config.loss.weighting})")
    axes.legend()
    axes.grid(alpha=0.3)
    save_figure(figure, path)


@torch.inference_mode()
def write_reconstructions(path: Path, model: HaloAE, tiles: Tensor, device: torch.device) -> None:
    """A sheet of uint8 tiles (n, s, s, 3): tile, image decoded from features, residual map."""
    model.eval()
    images = normalise(to_unit(tiles.to(device)), model.config.input_downsample)
    output = model(images)
    drawn = denormalise(output.image).clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()  # (n, s, s, 3)
    residuals = upsample(residual_map(output.features, output.reconstruction), model.tile_size).cpu().numpy()
    _draw_sheet(path, tiles.numpy(), drawn, residuals)


def _draw_sheet(
    path: Path, tiles: NDArray[np.uint8], drawn: NDArray[np.float32], residuals: NDArray[np.float32]
) -> None:
    count = len(tiles)
    figure = Figure(figsize=(2 * count, 6.4), layout="constrained")
    rows = figure.subplots(3, count, squeeze=False)
    top = float(residuals.max())
    titles = ("held-out tile", "decoded from the code", "residual of features")
    sheets: tuple[NDArray[Any], ...] = (tiles, drawn, residuals)
    for row, pictures, title in zip(rows, sheets, titles, strict=True):
        for axes, picture in zip(row, pictures, strict=True):
            shown = axes.imshow(picture, vmin=0, vmax=top, cmap="viridis")
            axes.set_axis_off()
        row[0].set_title(title, loc="left", fontsize=10)
    figure.colorbar(shown, ax=rows[2].tolist(), shrink=0.8)
    figure.supxlabel(CAPTION, fontsize=9, x=0.01, ha="left")
    save_figure(figure, path)
