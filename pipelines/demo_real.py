"""The demo on real tissue: trains on the liver of one patient, scores a slide of another with a metastasis in it.

    make demo-real                                              # torchvision downloads VGG19's weights once
    make demo-real WEIGHTS=vgg19_features.safetensors           # without internet
    wsi-haloae view demo-real

The slides are two small crops in examples/liver, outlined by a layman. One pair of patients shows that the path works;
it says nothing about other patients.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from wsi_haloae.atomic import write_text
from wsi_haloae.cli import options
from wsi_haloae.cli.main import run
from wsi_haloae.config import SLIDE_BASE, load_config
from wsi_haloae.errors import OutputExistsError
from wsi_haloae.runs.demo_steps import DemoOptions, Example, train_and_score

CROPS = Path(__file__).parents[1] / "examples" / "liver"
LIVER = Example(CROPS / "liver-hemangioma.tiff", CROPS / "liver-sarcoma.tiff", "Liver", "Tumor")
OFFLINE = "Without internet: make demo-real WEIGHTS=FILE, with a safetensors file of VGG19's weights."
IN_MAKE = "With make: give WEIGHTS=FILE as the first time, or leave it out as then; or delete {}."
HONEST = (
    "One pair of patients, outlines by a layman: it shows that the path works, not how well the method does elsewhere."
)


@click.command()
@options.output_folder
@options.weights
@click.option("--config", "configs", multiple=True, default=("haloae-small",), show_default=True)
@click.option("--set", "settings", multiple=True, default=("training.steps=150",), show_default=True)
@options.device
@options.talk
def main(
    output: Path,
    weights: Path | None,
    configs: tuple[str, ...],
    settings: tuple[str, ...],
    device: str,
    quiet: bool,
    verbose: bool,
) -> None:
    """Train on the outlined liver of one patient, score another patient's slide; takes minutes on 2 cores."""
    reporter = options.reporter(quiet=quiet, verbose=verbose)
    if weights is None:
        reporter.line(OFFLINE)
    chosen = DemoOptions(load_config(list(configs), settings, base=SLIDE_BASE), device, weights)
    try:
        result = train_and_score(LIVER, output, chosen, reporter)
    except OutputExistsError as error:
        raise OutputExistsError(f"{error} {IN_MAKE.format(output)}") from None
    write_text(output / "demo.json", json.dumps(result.as_json(), indent=2) + "\n")
    options.say("\n".join([HONEST, *result.lines]))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], main, "demo_real.py"))
