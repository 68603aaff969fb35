"""What bfloat16 costs: AUROC of a trained model by every rule, in float32 and in bfloat16.

    python benchmarks/precision.py model.safetensors --reference test/tumour --anomalous test/normal

Use tiles that the model has not seen.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from machine import print_row

from wsi_haloae.engine.inference import PRECISIONS
from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.images.files import list_images
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.device import resolve_device
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.scorer import Scorer, available_rules
from wsi_haloae.scoring.source_scores import score_source
from wsi_haloae.stores.tile_scores import TileScores
from wsi_haloae.tiles.sources import ImageFolderSource

BATCH = 8
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--reference", type=FOLDER, required=True, help="Folder of reference tiles.")
@click.option("--anomalous", type=FOLDER, required=True, help="Folder of anomalous tiles.")
@click.option("--device", default="auto", show_default=True)
def main(model: Path, reference: Path, anomalous: Path, device: str) -> None:
    """Print one row: AUROC by rule and precision, the largest difference, and how far scores move."""
    checkpoint, place = Checkpoint.load(model), resolve_device(device)
    names = ["score", "score_paper", *available_rules(checkpoint)]
    scores, truth = {}, np.empty(0, bool)
    for precision, dtype in PRECISIONS.items():
        scorer = Scorer(checkpoint, place, BATCH, dtype)
        parts = [_score(scorer, checkpoint, folder, f"{precision}, {folder.name}") for folder in (reference, anomalous)]
        truth = np.repeat([False, True], [len(part.score) for part in parts])
        joined = TileScores.joined(parts)
        scores[precision] = np.column_stack([joined.score, joined.score_paper, joined.rules])  # (tiles, rules)
    figures = {
        precision: {name: auroc(column, truth) for name, column in zip(names, values.T, strict=True)}
        for precision, values in scores.items()
    }
    moved = np.abs(scores["bfloat16"][:, 0] - scores["float32"][:, 0])
    print_row(
        "precision",
        model=str(model),
        tiles=len(truth),
        auroc=figures,
        largest_difference=max(abs(figures["bfloat16"][name] - figures["float32"][name]) for name in names),
        difference_of_score=abs(figures["bfloat16"]["score"] - figures["float32"]["score"]),
        score_moves_by_spreads=float(np.median(moved) / scores["float32"][:, 0].std()),
    )


def _score(scorer: Scorer, checkpoint: Checkpoint, folder: Path, label: str) -> TileScores:
    files = list_images(folder)
    source = ImageFolderSource(folder, checkpoint.facts.mpp or 1.0, files, [file.name for file in files])
    with Reporter().track(label, len(files), "tiles") as advance:
        return score_source(scorer, source, np.arange(len(files)), advance)


if __name__ == "__main__":
    main()
