"""How a trained model's scores and p-values change with stain, scanner and compression.

    python pipelines/robustness.py model.safetensors --reference test/tumour --anomalous test/normal -o robustness

Use reference tiles that the model has not seen. The changes are simulated (wsi_haloae/synthetic/imaging_changes.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wsi_haloae.cli import options
from wsi_haloae.cli.main import run
from wsi_haloae.cli.paths import SAFETENSORS, PathArgument
from wsi_haloae.errors import UsageError
from wsi_haloae.experiments.robustness import measure_robustness
from wsi_haloae.images.files import list_images
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.device import resolve_device
from wsi_haloae.tiles.sources import ImageFolderSource

FOLDER = PathArgument(exists=True, file_okay=False)


@click.command()
@click.argument("model", type=PathArgument(exists=True, dir_okay=False, suffix=SAFETENSORS))
@click.option("--reference", type=FOLDER, required=True, help="Folder of reference tiles.")
@click.option("--anomalous", type=FOLDER, help="Folder of anomalous tiles, to measure AUROC under each change.")
@options.output_folder
@options.device
def main(model: Path, reference: Path, anomalous: Path | None, output: Path, device: str) -> int:
    """Score the tiles of --reference unchanged and under every change."""
    checkpoint = Checkpoint.load(model)
    reporter = options.reporter(quiet=False, verbose=False)
    tiles, others = _read(reference, checkpoint), _read(anomalous, checkpoint) if anomalous else None
    measure_robustness(checkpoint, tiles, others, output, resolve_device(device), reporter)
    return 0


def _read(folder: Path, checkpoint: Checkpoint) -> ImageFolderSource:
    files = list_images(folder)
    if not files:
        raise UsageError(f"{folder}: contains no image. Give a folder of tiles.")
    return ImageFolderSource(folder, checkpoint.facts.mpp or 1.0, files, [file.name for file in files])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], main, "robustness.py"))
