"""Tables 3, 4 and S2 of the paper, and the published code compared with its correction, row by row.

    python pipelines/paper_ablations.py table3 MVTEC_ROOT -o ablations/table3 --category screw
    python pipelines/paper_ablations.py released MVTEC_ROOT -o ablations/released --all

Every row is trained for the same number of steps from the same seed; CFlow-AD (`pip install 'wsi-haloae[flow]'`) has a
number of its own. Run it again to continue where it stopped: rows that are done are skipped.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wsi_haloae.atomic import write_text
from wsi_haloae.baselines.by_cell import CFLOW
from wsi_haloae.cli import options
from wsi_haloae.cli.main import run
from wsi_haloae.cli.paths import PathArgument
from wsi_haloae.experiments.mvtec_rows import ExperimentRow, row_results, run_rows
from wsi_haloae.mvtec.inputs import find_image_sets
from wsi_haloae.mvtec.paper_figures import TABLE_3, TABLE_4, TABLE_S2
from wsi_haloae.mvtec.row_table import markdown_variants
from wsi_haloae.runs.mvtec import MvtecOptions

TABLES = {
    "table3": (
        "What is trained (paper, Table 3)",
        (
            ExperimentRow("EWS", paper=TABLE_3["EWS"]),
            ExperimentRow("equal weights", ("equal-weights",), TABLE_3["equal weights"]),
            ExperimentRow("uncertainty weighting", ("uncertainty",), TABLE_3["uncertainty weighting"]),
            ExperimentRow("L_cls + L_fm", ("cls-fm",), TABLE_3["L_cls + L_fm"]),
            ExperimentRow("L_cls + L_im", ("cls-im",), TABLE_3["L_cls + L_im"]),
            ExperimentRow("L_fm + L_im", ("fm-im",), TABLE_3["L_fm + L_im"]),
            ExperimentRow("L_cls", ("only-cls",), TABLE_3["L_cls"]),
            ExperimentRow("L_fm", ("only-fm",), TABLE_3["L_fm"]),
        ),
    ),
    "table4": (
        "What replaces block C (paper, Table 4)",
        (
            ExperimentRow("HaloAE", paper=TABLE_3["EWS"]),
            ExperimentRow("AE-L2", ("ae-l2",), TABLE_4["AE-L2"]),
            ExperimentRow("AE-SSIM", ("ae-ssim",), TABLE_4["AE-SSIM"]),
            ExperimentRow("block C only", ("block-c-alone",), TABLE_4["block C only"]),
            ExperimentRow("block C as CNN", ("block-c-cnn",), TABLE_4["block C as CNN"]),
            ExperimentRow("block C as Swin", ("block-c-swin",), TABLE_4["block C as Swin"]),
            ExperimentRow("block C without attention", ("block-c-residual-cnn",)),
            ExperimentRow("CFlow-AD, same features", baseline=CFLOW),
        ),
    ),
    "released": (
        "The published code and its correction",
        (
            ExperimentRow("default"),
            ExperimentRow("default, released mask", ("released-mask",)),
            ExperimentRow("as released", ("as-released",)),
            ExperimentRow("as released, correct mask", ("as-released-correct-mask",)),
        ),
    ),
    "tableS2": ("How images are scored (paper, Table S2)", (ExperimentRow("EWS", paper=TABLE_3["EWS"]),)),
}


@click.command()
@click.argument("table", type=click.Choice(sorted(TABLES)))
@click.argument("root", type=PathArgument(exists=True, file_okay=False))
@click.option("--category", "categories", multiple=True)
@click.option("--all", "everything", is_flag=True)
@options.weights
@options.output_folder
@options.configuration
@options.workers
@options.device
def main(
    table: str,
    root: Path,
    categories: tuple[str, ...],
    everything: bool,
    weights: Path | None,
    output: Path,
    configs: tuple[str, ...],
    settings: tuple[str, ...],
    num_workers: int,
    device: str,
) -> int:
    """Reproduce one of the paper's tables on MVTec AD in ROOT, with `--config haloae` or a smaller model."""
    title, rows = TABLES[table]
    sets = find_image_sets(root, categories, None, None, None, everything=everything)
    chosen = MvtecOptions(
        weights=weights, device=device, normalise="none", baselines=False, num_workers=num_workers, overwrite=False
    )
    reporter = options.reporter(quiet=False, verbose=False)
    code = run_rows(title, rows, sets, output, configs or ("haloae",), settings, chosen, reporter)
    if table == "tableS2":
        scored = row_results(output / rows[0].folder, sets)
        write_text(output / "table.md", markdown_variants(title, scored, TABLE_S2))
    return code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], main, "paper_ablations.py"))
